//! Settings of the node, and what they make: a model's configuration and an optimizer's.

use std::path::PathBuf;
use std::str::FromStr;

use candle_core::{DType, Device};
use copl_contract::settings::{Env, SettingValue, Settings};
use copl_contract::spec::Axis;
use copl_learning::config::{
    AnswerHead, CoplConfig, DecoderKind, FramePrompts, Granularity, HeadKind, MethodKind, ModelConfig, NODE,
    PromptBias, SHARED, Task,
};
use copl_learning::heads::avs::{MASK_UNIT, WIDTH_UNIT};
use copl_learning::train::{AdamConfig, Schedule};
use copl_networks::encoders::{self, Modality};
use copl_networks::kernels::{Execution, Stages};

/// Attention heads of question answering, as the official code has them.
const HEADS: usize = 4;

copl_contract::settings! {
    /// Settings of `copl-model`.
    pub struct CoplModelSettings {
        "TASK" task: Task = "ave", "The task, which decides the head: ave (event localisation), avs (segmentation), avqa (question answering).";
        "METHOD" method: MethodKind = "copl", "How the encoders are adapted: copl (collaborative prompts), linear-probe (frozen encoders and a head), full (every weight; to make an encoder).";
        "VISUAL_ENCODER" visual_encoder: EncoderName = "swin-v2-large-192", "Encoder of the frames: a preset name (`copl nodes describe copl-model` lists them), or node, an encoder node joined by the edges `visual`.";
        "AUDIO_ENCODER" audio_encoder: EncoderName = "shared", "Encoder of the spectrograms: shared, a preset name, or node, an encoder node joined by the edges `audio`.";
        "VISUAL_WEIGHTS" visual_weights: Option<String> = "", "Its weights: a file (safetensors or PyTorch's), hub:OWNER/NAME/FILE, or `random`; unset for those inside the program or in the hub's cache (`copl weights list`).";
        "AUDIO_WEIGHTS" audio_weights: Option<String> = "", "Weights of the audio encoder where it is not shared; as VISUAL_WEIGHTS.";
        "CLASSES" classes: usize = "29", "Classes a segment is sorted into, background included; or answers to questions.";
        "SEGMENTS" segments: usize = "10", "T, the segments of a clip.";
        "HEAD" head: HeadKind = "linear", "With TASK ave: linear (the paper's words), or two-linear with 512 between (the compared codebases).";
        "DECODER" decoder: DecoderKind = "avsbench", "With TASK avs: avsbench (the official decoder, with audio-visual interaction), or linear (one linear layer over all maps at a pixel and the sound: adapting the features is left to the method).";
        "MASK_SIZE" mask_size: usize = "224", "With TASK avs: rows and columns of the masks, a multiple of 32.";
        "DECODER_WIDTH" decoder_width: usize = "256", "With DECODER avsbench: width of the decoder, a multiple of 8; its maps, audio feature and output keep the official proportions to it, but the last output has 16 channels at least.";
        "ANSWER_HEAD" answer_head: AnswerHead = "avst", "With TASK avqa: avst (the official head: grounding, attention, matches), or linear (given a question, answers are linear in the features: adapting them is left to the method; no matches).";
        "HEAD_WIDTH" head_width: usize = "512", "With TASK avqa: width of the head, a multiple of 4.";
        "QUESTION_WIDTH" question_width: Option<usize> = "", "With TASK avqa: width of the vector a text encoder makes of a question (CLIP 512, BERT 768, MiniLM 384); unset: questions come as word ids, and the head learns what they say (avst: the official LSTM; linear: a vector for each word at its place).";
        "VOCABULARY" vocabulary: usize = "93", "With TASK avqa: word ids are below this.";
        "DROPOUT" dropout: f64 = "0.1", "With TASK avqa: rate of dropout in the head.";
        "NEGATIVES" negatives: usize = "16", "With ANSWER_HEAD avst: training videos whose maps are kept, to draw frames that must not match from; as many as the split has for the official draw.";
        "HEAD_WEIGHTS" head_weights: Option<PathBuf> = "", "With ANSWER_HEAD avst: a checkpoint of grounding pretraining (dataflows/music-avqa-grounding.yml), whose grounding layers the head starts from.";
        "BATCH" batch: usize = "2", "Clips a step; with TASK avqa questions, those of a video sharing its features.";
        "LR_PROMPTS" lr_prompts: f64 = "0.001", "Learning rate of prompts, and of all that is not the head.";
        "LR_HEAD" lr_head: f64 = "0.00001", "Learning rate of the head.";
        "SCHEDULE" schedule: Schedule = "constant", "How both rates change: constant; step:EPOCHS:FACTOR; cosine:WARMUP_STEPS:TOTAL_STEPS.";
        "GLOBAL" global: bool = "true", "Global prompts (Table 4).";
        "FRAME" frame: bool = "true", "Frame prompts (Table 4).";
        "INTERACTION" interaction: bool = "true", "Interaction prompts (Table 4).";
        "BANK" bank: bool = "true", "Interaction prompts drawn from a bank; off: one learned set for all samples (Table 4).";
        "ALIGN" align: bool = "true", "Map audio features to the visual width for the consistency loss, where widths differ (equation 10).";
        "GLOBAL_LEN" global_len: usize = "20", "L_g, global prompts a site.";
        "INTERACTION_LEN" interaction_len: usize = "20", "L_I, interaction prompts a site and modality.";
        "BANK_LEN" bank_len: usize = "10", "q, prompts in a bank.";
        "COUPLED_SITES" coupled_sites: Option<usize> = "", "k, sites at the end of each encoder that exchange prompts; if unset 2, and 4 of a ViT, whose sites are blocks.";
        "GRANULARITY" granularity: Granularity = "stage", "What owns a set of prompts: a stage or a block.";
        "PROMPT_BIAS" prompt_bias: PromptBias = "zero", "Position bias of a prompt in a Swin (Swin-V2, HTS-AT): zero (the paper's words), or the mean of the query's row.";
        "FRAME_PROMPTS" frame_prompts: FramePrompts = "own", "Segment t sees frame prompt t, or all of them.";
        "BOTTLENECK" bottleneck: usize = "8", "The mapping between modalities narrows to min(d_v, d_a) / BOTTLENECK.";
        "SEED" seed: u64 = "0", "Seed of the parameters' first values.";
        "DEVICE" device: String = "auto", "cpu, cuda:N, or auto (the first GPU of a cuda build, else the CPU).";
        "DTYPE" dtype: Precision = "f32", "Precision of the frozen encoders' matrix products; bf16 and f16 need a GPU (on the CPU they gain nothing).";
        "CHECKPOINT_STAGES" checkpoint_stages: Stages = "none", "Stages whose activations are computed again in the backward pass: none, all, or numbers such as 0,1. Less memory, more time, the same bits.";
        "CHECKPOINT_STEPS" checkpoint_steps: u64 = "100", "Training steps after which the run's state is kept, to go on from with `copl resume`; 0: at the end of each pass alone, where it is always kept.";
        "THREADS" threads: Option<usize> = "", "Threads of the arithmetic; all cores if unset.";
        "ADAPTERS" adapters: Option<PathBuf> = "", "Start from this checkpoint (a safetensors file with its card beside it) instead of new parameters, as `copl eval` does; method and encoders must be its own.";
        "SAVE_ENCODER" save_encoder: Option<PathBuf> = "", "With METHOD full: write the best encoder's weights to this safetensors file.";
    }
}

impl CoplModelSettings {
    /// The model these settings describe.
    pub fn model(&self) -> ModelConfig {
        ModelConfig {
            task: self.task,
            method: self.method,
            copl: CoplConfig {
                global: self.global,
                frame: self.frame,
                interaction: self.interaction,
                bank: self.bank,
                global_len: self.global_len,
                interaction_len: self.interaction_len,
                bank_len: self.bank_len,
                coupled_sites: self.coupled_sites,
                granularity: self.granularity,
                prompt_bias: self.prompt_bias,
                frame_prompts: self.frame_prompts,
                bottleneck: self.bottleneck,
            },
            segments: self.segments,
            classes: self.classes,
            head: self.head,
            decoder: self.decoder,
            mask_size: self.mask_size,
            decoder_width: self.decoder_width,
            answer_head: self.answer_head,
            head_width: self.head_width,
            head_attention: HEADS,
            vocabulary: self.vocabulary,
            question_width: self.question_width,
            dropout: self.dropout,
            consistency: self.align,
            seed: self.seed,
            visual_encoder: self.visual_encoder.0.clone(),
            audio_encoder: self.audio_encoder.0.clone(),
            visual_weights: self.visual_weights.clone(),
            audio_weights: self.audio_weights.clone(),
        }
    }

    /// How the encoders are computed on a device.
    ///
    /// # Errors
    /// If the device has no such precision.
    pub fn compute(&self, device: &Device) -> Result<(Execution, DType), String> {
        compute(self.dtype, self.checkpoint_stages, device)
    }

    /// The optimizer these settings describe.
    pub fn adam(&self) -> AdamConfig {
        AdamConfig {
            lr_prompts: self.lr_prompts,
            lr_head: self.lr_head,
            schedule: self.schedule,
            ..AdamConfig::default()
        }
    }
}

/// [T, H, W, 3] the visual encoder takes.
pub(super) fn frames_shape(env: &Env) -> Option<Vec<Axis>> {
    let s = CoplModelSettings::from_env(env).ok()?;
    let input = encoders::preset(&s.visual_encoder.0).ok()?.input(Modality::Visual).ok()?;
    Some(vec![(s.segments, "SEGMENTS"), (input.height, "VISUAL_ENCODER"), (input.width, "VISUAL_ENCODER"), (3, "")])
}

/// [T, time, mel] the audio encoder takes.
pub(super) fn spectrogram_shape(env: &Env) -> Option<Vec<Axis>> {
    let s = CoplModelSettings::from_env(env).ok()?;
    let (name, setting) = match s.audio_encoder.0.as_str() {
        SHARED => (s.visual_encoder.0.as_str(), "VISUAL_ENCODER"),
        name => (name, "AUDIO_ENCODER"),
    };
    let input = encoders::preset(name).ok()?.input(Modality::Audio).ok()?;
    Some(vec![(s.segments, "SEGMENTS"), (input.height, setting), (input.width, setting)])
}

/// Checks what single settings cannot say.
pub(super) fn check(env: &Env) -> Result<(), (String, String)> {
    let s = CoplModelSettings::from_env(env)?;
    if s.visual_encoder.0 == SHARED {
        return Err((
            "VISUAL_ENCODER".to_owned(),
            "the visual encoder is named; only the audio encoder can be `shared`".to_owned(),
        ));
    }
    let nodes = [("VISUAL_ENCODER", &s.visual_encoder.0), ("AUDIO_ENCODER", &s.audio_encoder.0)];
    if let (Some((key, _)), MethodKind::Full) = (nodes.iter().find(|(_, name)| *name == NODE), s.method) {
        let problem = "METHOD full changes the encoders' weights: they must be in this process, not in a node";
        return Err(((*key).to_owned(), problem.to_owned()));
    }
    if s.visual_encoder.0 == NODE && s.audio_encoder.0 == SHARED {
        let problem = "an encoder node serves one modality; name the audio encoder, or write node and add a second encoder node with the same ARCH and WEIGHTS";
        return Err(("AUDIO_ENCODER".to_owned(), problem.to_owned()));
    }
    for (modality, key, name, weights) in [
        ("visual", "VISUAL_WEIGHTS", &s.visual_encoder.0, &s.visual_weights),
        ("audio", "AUDIO_WEIGHTS", &s.audio_encoder.0, &s.audio_weights),
    ] {
        if name == NODE && weights.is_some() {
            return Err((
                key.to_owned(),
                format!("the {modality} encoder is a node: WEIGHTS is a setting of that node"),
            ));
        }
    }
    let serves = |key: &str, name: &str, modality| match encoders::preset(name).and_then(|e| e.input(modality)) {
        Ok(_) => Ok(()),
        Err(e) => Err((key.to_owned(), e.to_string())),
    };
    if s.visual_encoder.0 != NODE {
        serves("VISUAL_ENCODER", &s.visual_encoder.0, Modality::Visual)?;
    }
    match s.audio_encoder.0.as_str() {
        NODE => {}
        SHARED => serves("AUDIO_ENCODER", &s.visual_encoder.0, Modality::Audio)?,
        name => serves("AUDIO_ENCODER", name, Modality::Audio)?,
    }
    let positive = [
        ("CLASSES", s.classes),
        ("SEGMENTS", s.segments),
        ("BATCH", s.batch),
        ("BANK_LEN", s.bank_len),
        ("BOTTLENECK", s.bottleneck),
        ("VOCABULARY", s.vocabulary),
        ("THREADS", s.threads.unwrap_or(1)),
    ];
    if let Some((key, _)) = positive.into_iter().find(|(_, v)| *v == 0) {
        return Err((key.to_owned(), "must be at least 1".to_owned()));
    }
    if let Some((key, rate)) =
        [("LR_PROMPTS", s.lr_prompts), ("LR_HEAD", s.lr_head)].into_iter().find(|(_, r)| !(*r >= 0.0 && r.is_finite()))
    {
        return Err((key.to_owned(), format!("{rate} is no learning rate")));
    }
    if s.task == Task::Avs {
        for (key, value, unit) in
            [("MASK_SIZE", s.mask_size, MASK_UNIT), ("DECODER_WIDTH", s.decoder_width, WIDTH_UNIT)]
        {
            if value == 0 || !value.is_multiple_of(unit) {
                return Err((key.to_owned(), format!("{value} is no multiple of {unit}")));
            }
        }
    }
    if s.task == Task::Avqa {
        if s.head_width == 0 || !s.head_width.is_multiple_of(HEADS) {
            return Err(("HEAD_WIDTH".to_owned(), format!("{} is no multiple of {HEADS}", s.head_width)));
        }
        if s.head_weights.is_some() && s.answer_head == AnswerHead::Linear {
            return Err((
                "HEAD_WEIGHTS".to_owned(),
                "ANSWER_HEAD linear has no grounding layers: leave it out, or set avst".to_owned(),
            ));
        }
        if !(0.0..1.0).contains(&s.dropout) {
            return Err(("DROPOUT".to_owned(), format!("{} is no share below 1", s.dropout)));
        }
    }
    if s.save_encoder.is_some() && s.method != MethodKind::Full {
        return Err(("SAVE_ENCODER".to_owned(), "only METHOD full changes an encoder's weights".to_owned()));
    }
    copl_networks::device::parse(&s.device).map(|_| ()).map_err(|e| ("DEVICE".to_owned(), e))
}
