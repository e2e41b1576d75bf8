//! Node `encoder`: one frozen encoder for one modality, in a process, on a device or machine of its own.
//!
//! It introduces its encoder, and then answers what a model asks of it (docs/node-contract.md, "Encoders"): it holds the
//! tokens of the batch in hand, and in training the graphs of its spans until their gradients come
//! ([`copl_networks::handles::Server`]). Nothing of a step outlives the step.

mod settings;

use std::time::Instant;

use candle_core::DType;
use copl_contract::events::Event;
use copl_contract::settings::Settings;
use copl_contract::{EdgeSpec, Edges, ExitCode, Header, Kind, Message, Node, NodeError, NodeSpec, Split};
use copl_networks::encoders::{self, EncoderShape, Modality};
use copl_networks::handles::{EncoderMessage, Server};
use copl_networks::wire::{self, Introduction};
use copl_networks::{device, images};

pub use self::settings::EncoderSettings;

/// The input models ask on, and the output they are answered on.
const REQUESTS: &str = "requests";
const ANSWERS: &str = "answers";

/// The node.
#[derive(Debug)]
pub struct EncoderNode;

impl Node for EncoderNode {
    type Settings = EncoderSettings;

    fn spec() -> NodeSpec {
        NodeSpec {
            name: "encoder",
            about: "one frozen encoder for one modality, beside its tokens; used by copl-model with VISUAL_ENCODER or AUDIO_ENCODER node",
            settings: EncoderSettings::specs(),
            inputs: vec![EdgeSpec::required(
                REQUESTS,
                wire::TO_ENCODER,
                "the model's images, prompts and latents, and gradients of what it was answered",
            )
            .holding(settings::messages)],
            outputs: vec![
                EdgeSpec::required(
                    ANSWERS,
                    wire::FROM_ENCODER,
                    "first what the encoder is; then what latents gathered, features, and gradients of prompts and latents",
                )
                .holding(settings::messages),
                EdgeSpec::optional("report", copl_contract::spec::REPORT_TABLES, "rows of `nodes`"),
            ],
            check: settings::check,
        }
    }

    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError> {
        let mut serving = Serving::start(&settings, edges)?;
        while !serving.edges.forward_ended() {
            match serving.edges.recv()? {
                Some(message) if message.header.kind == Kind::Data => serving.take(&message)?,
                Some(_) => {}
                None => break,
            }
        }
        serving.end_of_pass()
    }
}

fn failed(error: impl std::fmt::Display) -> NodeError {
    NodeError::failed(ExitCode::NodeFailed, error)
}

struct Serving<'a> {
    edges: &'a mut Edges,
    introduction: Introduction,
    server: Server,
    /// Epoch and split of the last images.
    pass: Option<(u32, Split)>,
}

impl<'a> Serving<'a> {
    /// Loads the encoder and introduces it.
    fn start(settings: &EncoderSettings, edges: &'a mut Edges) -> Result<Self, NodeError> {
        let missing = |e: &dyn std::fmt::Display| NodeError::failed(ExitCode::Missing, e);
        edges.state("loading the encoder");
        device::start_threads(settings.threads, true).map_err(failed)?;
        let (device, place) =
            device::open(device::parse(&settings.device).map_err(failed)?).map_err(|e| missing(&e))?;
        let (execution, dtype) = settings.compute(&device).map_err(|e| missing(&e))?;
        let mut loaded = encoders::load(&settings.arch.0, settings.weights.as_deref(), settings.seed, &device)
            .map_err(|e| missing(&e))?;
        if dtype != DType::F32 {
            loaded.weights = loaded.weights.with_products_in(dtype).map_err(failed)?;
        }
        let (card, tensors) = (loaded.card(""), loaded.weights.iter().count());
        let architecture = loaded.architecture;
        let encoder = architecture.build(loaded.weights, execution).map_err(|e| missing(&e))?;
        let introduction = Introduction {
            name: card.name,
            weights: card.weights,
            parameters: card.parameters,
            tensors,
            frames: architecture.input(Modality::Visual).ok(),
            spectrogram: architecture.input(Modality::Audio).ok(),
            blocks: architecture.blocks(),
            class_tokens: architecture.class_tokens(),
            out_dim: architecture.out_dim(),
            coupled_sites: architecture.coupled_sites(),
        };
        Event::info(format!("{} on {place}", introduction.name)).emit();
        let rows = introduction.rows().map_err(|e| NodeError::contract(ANSWERS, e))?;
        edges.send(ANSWERS, Header::new(Kind::Data, 1, Split::Train), rows)?;
        Ok(Self { edges, introduction, server: Server::new(encoder, device), pass: None })
    }

    fn take(&mut self, message: &Message) -> Result<(), NodeError> {
        let start = Instant::now();
        let mut request = wire::message(message).map_err(|e| NodeError::contract(REQUESTS, e))?;
        if let EncoderMessage::Images(raw) = &mut request {
            let pass = (message.header.epoch, message.header.split);
            if self.pass != Some(pass) {
                self.end_of_pass()?;
                self.pass = Some(pass);
            }
            *raw = images::prepared(raw, self.introduction.frames, self.introduction.spectrogram).map_err(failed)?;
        }
        let answers = self.server.take(request).map_err(failed)?;
        self.edges.stats().compute(start.elapsed());
        for answer in answers {
            let rows = wire::rows(&answer, 0).map_err(|e| NodeError::contract(ANSWERS, e))?;
            self.edges.send(ANSWERS, message.header.clone(), rows)?;
        }
        Ok(())
    }

    /// A row on how the pass that is over was spent.
    fn end_of_pass(&mut self) -> Result<(), NodeError> {
        match self.pass.take() {
            Some((epoch, split)) => self.edges.report_pass(epoch, split),
            None => Ok(()),
        }
    }
}
