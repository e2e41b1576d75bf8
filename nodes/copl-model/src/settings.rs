//! Settings of the node: its own, those of the method it names, and those of the task's head.

use std::path::PathBuf;

use candle_core::{DType, Device};
use copl_contract::setting_choice::{ChosenGroup, divided};
use copl_contract::settings::{Env, SettingSpec, SettingValue, Settings};
use copl_contract::spec::Axis;
use copl_contract::task::{self, Task};
use copl_learning::config::{ModelConfig, NODE, SHARED};
use copl_learning::heads::{self, HeadConfig};
use copl_learning::methods::{self, MethodConfig, Training};
use copl_learning::params;
use copl_learning::train::{AdamConfig, Schedule};
use copl_networks::encoders::{self, Modality};
use copl_networks::kernels::{Execution, Stages};
use copl_networks::settings::{EncoderName, Precision, compute};

/// The name of a method of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodName(pub &'static str);

impl SettingValue for MethodName {
    const TYPE: &'static str = "choice";
    fn parse(text: &str) -> Result<Self, String> {
        let family = methods::FAMILIES.iter().find(|family| family.word == text.trim());
        match family {
            Some(family) => Ok(Self(family.word)),
            None => {
                let refused = MethodConfig::read(text, task::AVE, &Env::new()).err();
                Err(refused.map_or_else(String::new, |(_, problem)| problem))
            }
        }
    }
    fn show(&self) -> String {
        self.0.to_owned()
    }
    fn choices() -> Vec<&'static str> {
        methods::FAMILIES.iter().map(|family| family.word).collect()
    }
}

copl_contract::settings! {
    /// The node's own settings.
    pub struct ModelSettings {
        "TASK" task: Task = "ave", "The task, which decides the head: ave (event localisation), avs-s4 (segmentation), music-avqa (question answering).";
        "METHOD" method: MethodName = "copl", "How the encoders are adapted: copl (collaborative prompts), lavish and dg-sct (adapters inside the blocks), linear-probe (frozen encoders and a head), full (every weight; to make an encoder).";
        "VISUAL_ENCODER" visual_encoder: EncoderName = "swin-v2-large-192", "Encoder of the frames: a preset name (`copl nodes describe copl-model` lists them), or node, an encoder node joined by the edges `visual`.";
        "AUDIO_ENCODER" audio_encoder: EncoderName = "shared", "Encoder of the spectrograms: shared, a preset name, or node, an encoder node joined by the edges `audio`.";
        "VISUAL_WEIGHTS" visual_weights: Option<String> = "", "Its weights: a file (safetensors or PyTorch's), hub:OWNER/NAME/FILE, or `random`; unset for those inside the program or in the hub's cache (`copl weights list`).";
        "AUDIO_WEIGHTS" audio_weights: Option<String> = "", "Weights of the audio encoder where it is not shared; as VISUAL_WEIGHTS.";
        "CLASSES" classes: usize = "29", "Classes a segment is sorted into, background included; or answers to questions.";
        "SEGMENTS" segments: usize = "10", "T, the segments of a clip.";
        "ALIGN" align: bool = "true", "Map audio features to the visual width for the consistency loss, where widths differ and the method adapts features (equation 10). Off: features of two widths are not compared.";
        "BATCH" batch: Option<usize> = "", "Clips a step; with TASK music-avqa questions, those of a video sharing its features. If unset, the method's for the task (docs/methods.md).";
        "LR_PROMPTS" lr_prompts: Option<f64> = "", "Learning rate of prompts, adapters, and of all that is not the head; if unset, the method's for the task.";
        "LR_HEAD" lr_head: Option<f64> = "", "Learning rate of the head; likewise.";
        "SCHEDULE" schedule: Option<Schedule> = "", "How both rates change: constant; step:EPOCHS:FACTOR; cosine:WARMUP_STEPS:TOTAL_STEPS; likewise.";
        "SEED" seed: u64 = "0", "Seed of the parameters' first values.";
        "DEVICE" device: String = "auto", "cpu, cuda:N, or auto (the first GPU of a cuda build, else the CPU).";
        "DTYPE" dtype: Precision = "f32", "Precision of the frozen encoders' matrix products; bf16 and f16 need a GPU (on the CPU they gain nothing).";
        "CHECKPOINT_STAGES" checkpoint_stages: Stages = "none", "Stages whose activations are computed again in the backward pass: none, all, or numbers such as 0,1. Less memory, more time, the same bits.";
        "CHECKPOINT_STEPS" checkpoint_steps: u64 = "100", "Training steps after which the run's state is kept, to go on from with `copl resume`; 0: at the end of each pass alone, where it is always kept.";
        "THREADS" threads: Option<usize> = "", "Threads of the arithmetic; all cores if unset.";
        "ADAPTERS" adapters: Option<PathBuf> = "", "Start from this checkpoint (a safetensors file with its card beside it) instead of new parameters, as `copl eval` does; method and encoders must be its own.";
    }
}

/// Settings of `copl-model`.
#[derive(Clone, Debug)]
pub struct CoplModelSettings {
    /// The node's own; batch, rates and schedule as `training` has them.
    pub own: ModelSettings,
    /// How the model is trained.
    pub training: Training,
    /// The method, with its settings.
    pub method: MethodConfig,
    /// The task's head, with its settings.
    pub head: HeadConfig,
}

/// What an `env:` map chooses with one of the node's own settings.
fn chosen<T: SettingValue>(env: &Env, key: &str) -> Result<T, (String, String)> {
    let default = || ModelSettings::specs().into_iter().find(|spec| spec.key == key)?.default;
    let text = env.get(key).cloned().or_else(default).unwrap_or_default();
    T::parse(&text).map_err(|problem| (key.to_owned(), problem))
}

/// How a model is trained with the method for the task that an `env:` map names, where it says nothing else.
fn trained(env: &Env) -> Option<Training> {
    Some(official(chosen(env, "METHOD").ok()?, chosen(env, "TASK").ok()?))
}

/// How the method's own code, or its paper, trains for a task.
fn official(method: MethodName, task: Task) -> Training {
    let family = methods::FAMILIES.iter().find(|family| family.word == method.0);
    family.map_or_else(|| Training::of_paper(task), |family| (family.training)(task))
}

/// The settings in groups: the node's own, every method's, every task's; those that `env` chooses are chosen.
fn groups(env: &Env) -> Result<Vec<ChosenGroup>, (String, String)> {
    let mut specs = ModelSettings::specs();
    let (task, method): (Task, MethodName) = (chosen(env, "TASK")?, chosen(env, "METHOD")?);
    for spec in &mut specs {
        spec.default_with = match spec.key {
            "BATCH" => Some(|env| Some(trained(env)?.batch.to_string())),
            "LR_PROMPTS" => Some(|env| Some(trained(env)?.lr_prompts.to_string())),
            "LR_HEAD" => Some(|env| Some(trained(env)?.lr_head.to_string())),
            "SCHEDULE" => Some(|env| Some(trained(env)?.schedule.show())),
            _ => None,
        };
    }
    let own = ChosenGroup { applies: "", chosen: true, specs };
    Ok(std::iter::once(own).chain(methods::groups(method.0)).chain(heads::groups(task, env)).collect())
}

impl Settings for CoplModelSettings {
    fn specs() -> Vec<SettingSpec> {
        // The defaults choose, so nothing can be wrong; what is chosen does not matter here.
        groups(&Env::new()).unwrap_or_default().into_iter().flat_map(ChosenGroup::described).collect()
    }

    fn read(env: &Env) -> Result<Self, (String, String)> {
        let groups = groups(env)?;
        let mut own = env.clone();
        own.retain(|key, _| groups.iter().any(|group| group.specs.iter().any(|spec| spec.key == key)));
        let mut parts = divided(&own, &groups)?.into_iter();
        let mut own = ModelSettings::from_env(&parts.next().unwrap_or_default())?;
        let rest: Env = parts.flatten().collect();
        let of_method = |key: &str| methods::groups(own.method.0).iter().any(|g| g.specs.iter().any(|s| s.key == key));
        let (method, head): (Env, Env) = rest.into_iter().partition(|(key, _)| of_method(key));
        let method = MethodConfig::read(own.method.0, own.task, &method)?;
        let head = HeadConfig::read(own.task, &head)?;
        let official = official(own.method.clone(), own.task);
        let training = Training {
            batch: *own.batch.get_or_insert(official.batch),
            lr_prompts: *own.lr_prompts.get_or_insert(official.lr_prompts),
            lr_head: *own.lr_head.get_or_insert(official.lr_head),
            schedule: *own.schedule.get_or_insert(official.schedule),
        };
        Ok(Self { own, training, method, head })
    }

    fn values(&self) -> Vec<(&'static str, String)> {
        [Settings::values(&self.own), self.method.values(), self.head.values()].concat()
    }
}

impl CoplModelSettings {
    /// The model these settings describe.
    pub fn model(&self) -> ModelConfig {
        let own = &self.own;
        ModelConfig {
            task: own.task,
            method: self.method.clone(),
            head: self.head.clone(),
            segments: own.segments,
            classes: own.classes,
            consistency: own.align,
            seed: own.seed,
            visual_encoder: own.visual_encoder.0.clone(),
            audio_encoder: own.audio_encoder.0.clone(),
            visual_weights: own.visual_weights.clone(),
            audio_weights: own.audio_weights.clone(),
        }
    }

    /// How the encoders are computed on a device.
    ///
    /// # Errors
    /// If the device has no such precision.
    pub fn compute(&self, device: &Device) -> Result<(Execution, DType), String> {
        compute(self.own.dtype, self.own.checkpoint_stages, device)
    }

    /// The optimizer these settings describe.
    pub fn adam(&self) -> AdamConfig {
        let Training { lr_prompts, lr_head, schedule, .. } = self.training;
        AdamConfig { lr_prompts, lr_head, schedule, ..AdamConfig::default() }
    }
}

/// [T, H, W, 3] the visual encoder takes.
pub(super) fn frames_shape(env: &Env) -> Option<Vec<Axis>> {
    let s = CoplModelSettings::from_env(env).ok()?.own;
    let input = encoders::preset(&s.visual_encoder.0).ok()?.input(Modality::Visual).ok()?;
    Some(vec![(s.segments, "SEGMENTS"), (input.height, "VISUAL_ENCODER"), (input.width, "VISUAL_ENCODER"), (3, "")])
}

/// [T, time, mel] the audio encoder takes.
pub(super) fn spectrogram_shape(env: &Env) -> Option<Vec<Axis>> {
    let s = CoplModelSettings::from_env(env).ok()?.own;
    let (name, setting) = match s.audio_encoder.0.as_str() {
        SHARED => (s.visual_encoder.0.as_str(), "VISUAL_ENCODER"),
        name => (name, "AUDIO_ENCODER"),
    };
    let input = encoders::preset(name).ok()?.input(Modality::Audio).ok()?;
    Some(vec![(s.segments, "SEGMENTS"), (input.height, setting), (input.width, setting)])
}

/// Checks what single settings cannot say.
pub(super) fn check(env: &Env) -> Result<(), (String, String)> {
    let settings = CoplModelSettings::from_env(env)?;
    let CoplModelSettings { own: s, training, method, .. } = &settings;
    if s.visual_encoder.0 == SHARED {
        return Err((
            "VISUAL_ENCODER".to_owned(),
            "the visual encoder is named; only the audio encoder can be `shared`".to_owned(),
        ));
    }
    let nodes = [("VISUAL_ENCODER", &s.visual_encoder.0), ("AUDIO_ENCODER", &s.audio_encoder.0)];
    if let (Some((key, _)), Some(reason)) = (nodes.iter().find(|(_, name)| *name == NODE), method.in_process()) {
        return Err(((*key).to_owned(), format!("{reason}: they must be in this process, not in a node")));
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
        ("BATCH", training.batch),
        ("THREADS", s.threads.unwrap_or(1)),
    ];
    if let Some((key, _)) = positive.into_iter().find(|(_, v)| *v == 0) {
        return Err((key.to_owned(), "must be at least 1".to_owned()));
    }
    if let Some((key, rate)) = [("LR_PROMPTS", training.lr_prompts), ("LR_HEAD", training.lr_head)]
        .into_iter()
        .find(|(_, r)| !(*r >= 0.0 && r.is_finite()))
    {
        return Err((key.to_owned(), format!("{rate} is no learning rate")));
    }
    copl_networks::device::parse(&s.device).map_err(|e| ("DEVICE".to_owned(), e))?;
    // The sizes of an encoder node are not known here.
    if s.visual_encoder.0 != NODE && s.audio_encoder.0 != NODE {
        params::check(&settings.model()).map_err(|(key, problem)| (key.to_owned(), problem))?;
    }
    Ok(())
}
