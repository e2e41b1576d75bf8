//! The node: the question of each clip, as word ids or as features of a frozen text encoder.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::Int32Type;
use copl_contract::events::Event;
use copl_contract::schema::{self, BatchBuilder, Schema};
use copl_contract::settings::{Env, Settings};
use copl_contract::{EdgeSpec, Edges, ExitCode, Kind, Message, Node, NodeError, NodeSpec, tensor};

use crate::encoder::{Encoded, Kind as Frozen, TextEncoder};
use crate::error::Error;
use crate::folder::Folder;

copl_contract::choice! {
    /// What makes something of the questions.
    pub enum Encoder { Tokens = "tokens", Clip = "clip", Bert = "bert", MiniLm = "minilm" }
}

copl_contract::settings! {
    /// Settings of `text-encoder`.
    pub struct TextEncoderSettings {
        "ENCODER" encoder: Encoder = "tokens", "tokens: the dataset's word ids, and the model's head learns what they say (as in the official code); or a frozen pretrained encoder: clip (the end token, projected), bert (the class token), minilm (the mean over tokens).";
        "WEIGHTS" weights: Option<String> = "", "A folder with config.json, tokenizer.json and model.safetensors, or hub:OWNER/NAME in the hub's cache (`copl weights pull hub:OWNER/NAME/FILE`); if unset hub:openai/clip-vit-base-patch32, hub:google-bert/bert-base-uncased or hub:sentence-transformers/all-MiniLM-L6-v2.";
        "MAX_TOKENS" max_tokens: usize = "32", "Longer questions are cut to this many tokens, special ones included; features of shorter ones end in zeros.";
    }
}

impl Encoder {
    /// The pretrained encoder, and where it is if nothing is said.
    fn frozen(self) -> Option<(Frozen, &'static str)> {
        match self {
            Self::Tokens => None,
            Self::Clip => Some((Frozen::Clip, "hub:openai/clip-vit-base-patch32")),
            Self::Bert => Some((Frozen::Bert, "hub:google-bert/bert-base-uncased")),
            Self::MiniLm => Some((Frozen::MiniLm, "hub:sentence-transformers/all-MiniLM-L6-v2")),
        }
    }
}

/// The node.
#[derive(Debug)]
pub struct TextEncoderNode;

impl Node for TextEncoderNode {
    type Settings = TextEncoderSettings;

    fn spec() -> NodeSpec {
        NodeSpec {
            name: "text-encoder",
            about: "the question of each clip: word ids, or features of a frozen text encoder",
            settings: TextEncoderSettings::specs(),
            inputs: vec![EdgeSpec::required("clips", &[Schema::QuestionClips], "clips with questions")],
            outputs: vec![
                EdgeSpec::required(
                    "questions",
                    &[Schema::QuestionWords, Schema::QuestionFeatures],
                    "the question of each clip, in the clips' order",
                ),
                EdgeSpec::optional("report", copl_contract::spec::REPORT_TABLES, "rows of the `nodes` table"),
            ],
            check,
        }
    }

    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError> {
        let mut questions = Questions::open(&settings)?;
        let mut progress = edges.progress();
        while let Some(message) = edges.recv()? {
            let header = message.header.clone();
            match header.kind {
                Kind::Data | Kind::Repeat => {
                    let row = questions.row(&message)?;
                    edges.send("questions", header.clone(), row)?;
                    progress.clip(header.epoch, header.split);
                }
                Kind::Boundary => {
                    progress.flush();
                    edges.send_boundary("questions", header.epoch, header.split)?;
                    edges.report_pass(header.epoch, header.split)?;
                }
                // A clip the source gave up: the model has its place from the other streams.
                Kind::Tombstone => edges.send("questions", header, (Schema::Quarantine, message.batch))?,
                Kind::Checkpoint | Kind::End => {}
            }
        }
        Ok(())
    }
}

fn check(env: &Env) -> Result<(), (String, String)> {
    let settings = TextEncoderSettings::from_env(env)?;
    if settings.max_tokens < 3 {
        return Err(("MAX_TOKENS".to_owned(), "a question needs a token between the two special ones".to_owned()));
    }
    if settings.encoder == Encoder::Tokens && settings.weights.is_some() {
        return Err(("WEIGHTS".to_owned(), "ENCODER tokens has no weights; name clip, bert or minilm".to_owned()));
    }
    Ok(())
}

/// What makes something of questions, and what it has made so far.
struct Questions {
    /// None: word ids pass as they come.
    encoder: Option<TextEncoder>,
    max_tokens: usize,
    known: BTreeMap<String, Encoded>,
}

impl Questions {
    fn open(settings: &TextEncoderSettings) -> Result<Self, NodeError> {
        let failed = |e: Error| NodeError::failed(ExitCode::Missing, e);
        let encoder = match settings.encoder.frozen() {
            None => None,
            Some((kind, usual)) => {
                let source = settings.weights.as_deref().unwrap_or(usual);
                let files = Folder::find(source, &copl_hub::Settings::from_env()).map_err(failed)?;
                let encoder = TextEncoder::open(kind, &files, settings.max_tokens).map_err(failed)?;
                let (width, pooled) = (encoder.width(), encoder.pooled_width());
                Event::info(format!("questions as {width} numbers a token, {pooled} in all, by {source}")).emit();
                Some(encoder)
            }
        };
        Ok(Self { encoder, max_tokens: settings.max_tokens, known: BTreeMap::new() })
    }

    fn row(&mut self, message: &Message) -> Result<(Schema, RecordBatch), NodeError> {
        let broken = |e: String| NodeError::contract("clips", e);
        let video = schema::utf8(&message.batch, "video").map_err(broken)?.value(0);
        let Some(encoder) = &self.encoder else {
            let words = tensor::view::<Int32Type>(&message.batch, "words").map_err(broken)?;
            let row = BatchBuilder::new(Schema::QuestionWords).utf8([video]);
            return row.tensor_i32(words.values.to_vec(), 1, &words.shape).build().map_err(broken);
        };
        let text = schema::utf8(&message.batch, "question").map_err(broken)?.value(0);
        if !self.known.contains_key(text) {
            let encoded = encoder.encode(text).map_err(|e| NodeError::failed(ExitCode::Data, e))?;
            self.known.insert(text.to_owned(), encoded);
        }
        let Some(encoded) = self.known.get(text) else {
            return Err(NodeError::failed(ExitCode::Internal, "a question that was just encoded is not known"));
        };
        let mut features = encoded.features.clone();
        features.resize(self.max_tokens * encoder.width(), 0.0);
        BatchBuilder::new(Schema::QuestionFeatures)
            .utf8([video])
            .tensor_f32(features, 1, &[self.max_tokens, encoder.width()])
            .int64([encoded.length as i64])
            .tensor_f32(encoded.pooled.clone(), 1, &[encoder.pooled_width()])
            .build()
            .map_err(broken)
    }
}
