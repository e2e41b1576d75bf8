//! An encoder elsewhere gives the numbers of one in this process, bit for bit, and keeps nothing too long.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use candle_core::{Device, Tensor};
use copl_networks::Result;
use copl_networks::encoders::hts_at::config::HtsAtConfig;
use copl_networks::encoders::swin_v2::config::SwinV2Config;
use copl_networks::encoders::vit::config::VitConfig;
use copl_networks::encoders::{Architecture, EncoderShape, Granularity, LoadedEncoder, Maps, Modality, PromptBias};
use copl_networks::handles::{
    EncoderMessage, EncoderSource, HandleInfo, IntroducedEncoder, Link, RemoteEncoder, Server,
};
use copl_networks::kernels::{Execution, Stages};
use copl_networks::weights::WeightSource;
use copl_testing::tensors::{tensor, values};

use crate::config::ModelConfig;
use crate::methods::copl::{Copl, CoplSettings, FramePrompts, parameters};
use crate::methods::full::FullSettings;
use crate::methods::linear_probe::LinearProbe;
use crate::methods::{ClipShape, Context, Encoders, Learned, Method, MethodInput};
use crate::model::{Batch, Model, OutputGradients};
use crate::train::{Adam, AdamConfig};

const CLIPS: usize = 2;
const SEGMENTS: usize = 3;

fn loaded(architecture: Architecture) -> LoadedEncoder {
    let weights = architecture.weights(&WeightSource::Random, 5, &Device::Cpu).unwrap();
    LoadedEncoder { architecture, weights, fingerprint: "test".into() }
}

fn swin(image_size: usize, depths: &[usize]) -> Architecture {
    let config = SwinV2Config {
        image_size,
        patch_size: 4,
        window_size: 2,
        embed_dim: 8,
        depths: depths.to_vec(),
        num_heads: vec![2; depths.len()],
        mlp_ratio: 2.0,
        pretrained_window_sizes: vec![],
    };
    Architecture::new("swin", config)
}

/// Encoders behind a link without a wire: a message is served when it is sent.
struct Loopback {
    ends: Mutex<[(Server, VecDeque<EncoderMessage>); 2]>,
    /// What was sent that asks for an answer, and what was waited for.
    log: Mutex<Vec<(&'static str, Modality)>>,
}

fn index(modality: Modality) -> usize {
    usize::from(modality == Modality::Audio)
}

impl Loopback {
    fn kept(&self) -> [usize; 2] {
        self.ends.lock().unwrap().each_ref().map(|(server, _)| server.kept())
    }
}

impl Link for Loopback {
    fn send(&self, to: Modality, message: EncoderMessage) -> Result<()> {
        if !matches!(message.name(), "images" | "prompts") {
            self.log.lock().unwrap().push(("asked", to));
        }
        let (server, queue) = &mut self.ends.lock().unwrap()[index(to)];
        queue.extend(server.take(message)?);
        Ok(())
    }

    fn receive(&self, from: Modality) -> Result<EncoderMessage> {
        self.log.lock().unwrap().push(("awaited", from));
        Ok(self.ends.lock().unwrap()[index(from)].1.pop_front().expect("an answer"))
    }
}

fn server(architecture: &Architecture, execution: Execution) -> Server {
    Server::new(architecture.build(loaded(architecture.clone()).weights, execution).unwrap(), Device::Cpu)
}

fn loopback(visual: &Architecture, audio: &Architecture, execution: Execution) -> Arc<Loopback> {
    let ends = [visual, audio].map(|architecture| (server(architecture, execution), VecDeque::new()));
    Arc::new(Loopback { ends: Mutex::new(ends), log: Mutex::default() })
}

fn handle(architecture: &Architecture, modality: Modality, link: &Arc<Loopback>) -> Arc<RemoteEncoder> {
    let info = HandleInfo {
        blocks: architecture.blocks(),
        coupled_sites: architecture.coupled_sites(),
        input: architecture.input(modality).unwrap(),
    };
    Arc::new(RemoteEncoder::new(modality, info, link.clone(), Device::Cpu))
}

fn remote(architecture: &Architecture, modality: Modality, link: &Arc<Loopback>) -> EncoderSource {
    EncoderSource::Remote(IntroducedEncoder {
        name: architecture.name().to_owned(),
        weights: "test".to_owned(),
        parameters: 1,
        tensors: 1,
        class_tokens: architecture.class_tokens(),
        out_dim: architecture.out_dim(),
        handle: handle(architecture, modality, link),
    })
}

fn small(copl: CoplSettings) -> CoplSettings {
    CoplSettings { global_len: 2, interaction_len: 3, bank_len: 4, ..copl }
}

fn config(copl: CoplSettings) -> ModelConfig {
    ModelConfig { method: small(copl).into(), segments: SEGMENTS, classes: 5, ..ModelConfig::default() }
}

fn model(config: &ModelConfig, visual: EncoderSource, audio: EncoderSource) -> Model {
    Model::from_encoder_sources(config, visual, Some(audio), Execution::CPU, &Device::Cpu).unwrap()
}

fn batch(visual: &Architecture, audio: &Architecture, seed: u64) -> Batch {
    let images = |architecture: &Architecture, modality, seed| {
        let [channels, height, width] = architecture.input(modality).unwrap().dims();
        tensor(&[CLIPS, SEGMENTS, channels, height, width], seed)
    };
    Batch {
        frames: images(visual, Modality::Visual, seed),
        spectrogram: images(audio, Modality::Audio, seed + 1),
        questions: None,
        step: 0,
    }
}

/// Predictions of each of three steps, and the parameters after them.
fn trained(model: &Model, batches: &[Batch]) -> Vec<Vec<f32>> {
    let rates = AdamConfig { lr_prompts: 0.05, lr_head: 0.05, ..AdamConfig::default() };
    let mut adam = Adam::new(rates, model.parameters()).unwrap();
    let mut numbers = Vec::new();
    for batch in batches {
        let (predictions, graph) = model.forward(batch).unwrap();
        numbers.push(values(&predictions.logits));
        let gradients = OutputGradients {
            logits: tensor(predictions.logits.dims(), 3),
            others: Vec::new(),
            visual_features: Some(tensor(predictions.visual_features.dims(), 4)),
            audio_features: Some(tensor(predictions.audio_features.dims(), 5)),
        };
        let gradients = graph.backward(&gradients).unwrap();
        adam.step(model.parameters(), &gradients, 0).unwrap();
    }
    numbers.extend(model.parameters().vars().map(|(_, var)| values(var)));
    numbers
}

/// With one thread: with more, a model that has its encoders here walks a batch in parts.
fn assert_same(config: &ModelConfig, visual: &Architecture, audio: &Architecture, execution: Execution) {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).stack_size(64 << 20).build().unwrap();
    one.install(|| {
        let link = loopback(visual, audio, execution);
        let here = |architecture: &Architecture| EncoderSource::Local(loaded(architecture.clone()));
        let batches: Vec<Batch> = (0..3).map(|step| batch(visual, audio, 10 * step + 1)).collect();
        let expected = trained(&model(config, here(visual), here(audio)), &batches);
        let (there_v, there_a) = (remote(visual, Modality::Visual, &link), remote(audio, Modality::Audio, &link));
        assert!(trained(&model(config, there_v, there_a), &batches) == expected, "{config:?}");
        let mixed = model(config, here(visual), remote(audio, Modality::Audio, &link));
        assert!(trained(&mixed, &batches) == expected, "audio alone elsewhere: {config:?}");
        assert_eq!(link.kept(), [0, 0]);
    });
}

#[test]
fn the_same_numbers_bit_for_bit_under_every_switch() {
    let (visual, audio) = (swin(16, &[1, 2, 1]), swin(12, &[1, 1]));
    let cases = [
        CoplSettings::default(),
        CoplSettings { coupled_sites: Some(1), frame_prompts: FramePrompts::All, ..CoplSettings::default() },
        CoplSettings { granularity: Granularity::Block, prompt_bias: PromptBias::Mean, ..CoplSettings::default() },
        CoplSettings { bank: false, ..CoplSettings::default() },
        CoplSettings { global: false, frame: false, ..CoplSettings::default() },
        CoplSettings { interaction: false, ..CoplSettings::default() },
        CoplSettings { global: false, frame: false, interaction: false, ..CoplSettings::default() },
    ];
    for case in cases {
        assert_same(&config(case), &visual, &audio, Execution::CPU);
    }
    let probe = ModelConfig { method: LinearProbe.into(), ..config(CoplSettings::default()) };
    assert_same(&probe, &visual, &audio, Execution::CPU);
    assert_same(&config(CoplSettings::default()), &visual, &audio, Execution::CPU.recomputing(Stages::ALL));
}

#[test]
fn the_same_numbers_for_every_architecture() {
    let vit = VitConfig {
        image_size: 16,
        spectrogram: None,
        patch_size: 4,
        embed_dim: 8,
        depth: 5,
        num_heads: 2,
        mlp_ratio: 2.0,
    };
    let vit = Architecture::new("vit", vit);
    let hts = HtsAtConfig {
        spec_size: 32,
        mel_bins: 8,
        frames: 101,
        patch_size: 4,
        window_size: 4,
        embed_dim: 6,
        depths: vec![2, 2],
        num_heads: vec![2, 2],
        mlp_ratio: 3.0,
    };
    let hts = Architecture::new("hts", hts);
    assert_same(&config(CoplSettings::default()), &vit, &vit, Execution::CPU);
    assert_same(&config(CoplSettings::default()), &swin(16, &[1, 1]), &hts, Execution::CPU);
}

#[test]
fn maps_and_their_gradients_cross_too() {
    let (visual, audio) = (swin(16, &[2, 1]), swin(12, &[1, 1]));
    let link = loopback(&visual, &audio, Execution::CPU);
    let build =
        |architecture: &Architecture| architecture.build(loaded(architecture.clone()).weights, Execution::CPU).unwrap();
    let both = [
        Encoders::here(build(&visual), build(&audio)),
        Encoders { visual: handle(&visual, Modality::Visual, &link), audio: handle(&audio, Modality::Audio, &link) },
    ];
    assert_eq!(both.each_ref().map(|of| of.visual.local().is_some()), [true, false], "tokens are here or elsewhere");
    let batch = batch(&visual, &audio, 1);
    let (frames, sound) = (batch.frames.flatten(0, 1).unwrap(), batch.spectrogram.flatten(0, 1).unwrap());
    let found = both.map(|encoders| {
        let settings = small(CoplSettings::default());
        let blocks = (encoders.visual.blocks().to_vec(), encoders.audio.blocks().to_vec());
        let specs = parameters(&settings, SEGMENTS, &blocks.0, &blocks.1, 2).unwrap();
        let method = Copl::new(settings, SEGMENTS, encoders, Execution::CPU).unwrap();
        let vars = crate::parameters::Parameters::initial(specs, Vec::new(), 1, &Device::Cpu).unwrap();
        let shape = ClipShape { clips: CLIPS, segments: SEGMENTS };
        let context = Context { training: true, step: 0, seed: 0 };
        let input = MethodInput { frames: &frames, spectrogram: &sound, shape, maps: Maps::Scales, context };
        let (tracked, none) = (vars.tracked(), Default::default());
        let features = method.features(Learned { parameters: &tracked, buffers: &none }, input).unwrap().features;
        let outputs: Vec<Tensor> = [features.visual, features.audio].into_iter().chain(features.maps).collect();
        assert_eq!(outputs.len(), 4);
        let weighted =
            |(seed, t): (usize, &Tensor)| (t * tensor(t.dims(), 20 + seed as u64)).unwrap().sum_all().unwrap();
        let total = outputs.iter().enumerate().map(weighted).reduce(|a, b| (a + b).unwrap()).unwrap();
        let gradients = total.backward().unwrap();
        let of_vars = vars.vars().map(|(name, var)| values(gradients.get(var).unwrap_or_else(|| panic!("{name}"))));
        outputs.iter().map(values).chain(of_vars).collect::<Vec<_>>()
    });
    assert!(found[0] == found[1]);
}

#[test]
fn nothing_is_kept_in_evaluation_or_after_a_step() {
    let (visual, audio) = (swin(16, &[1, 2]), swin(12, &[1, 1]));
    let link = loopback(&visual, &audio, Execution::CPU);
    let sources = (remote(&visual, Modality::Visual, &link), remote(&audio, Modality::Audio, &link));
    let model = model(&config(CoplSettings::default()), sources.0, sources.1);
    let batch = batch(&visual, &audio, 1);
    model.predict(&batch).unwrap();
    assert_eq!(link.kept(), [0, 0]);
    let (predictions, graph) = model.forward(&batch).unwrap();
    // Two sites, both coupled: two read-outs and the features.
    assert_eq!(link.kept(), [3, 3]);
    // A step given up leaves nothing behind once the next begins.
    model.predict(&batch).unwrap();
    assert_eq!(link.kept(), [0, 0]);
    drop(graph);
    let (_, graph) = model.forward(&batch).unwrap();
    let logits = tensor(predictions.logits.dims(), 3);
    graph
        .backward(&OutputGradients { logits, others: Vec::new(), visual_features: None, audio_features: None })
        .unwrap();
    assert_eq!(link.kept(), [0, 0]);
}

#[test]
fn both_encoders_are_asked_before_either_is_waited_for() {
    let (visual, audio) = (swin(16, &[1, 2, 1]), swin(12, &[1, 1]));
    let link = loopback(&visual, &audio, Execution::CPU);
    let sources = (remote(&visual, Modality::Visual, &link), remote(&audio, Modality::Audio, &link));
    let model = model(&config(CoplSettings::default()), sources.0, sources.1);
    trained(&model, &[batch(&visual, &audio, 1)]);
    let mut log = std::mem::take(&mut *link.log.lock().unwrap());
    // An encoder may be waited for several times in a row: for each gradient it sends.
    log.dedup();
    let turn = [("asked", Modality::Visual), ("asked", Modality::Audio)].into_iter();
    let turn: Vec<_> = turn.chain([("awaited", Modality::Visual), ("awaited", Modality::Audio)]).collect();
    // Two read-outs and the features, forward and backward.
    assert_eq!(log, turn.repeat(6));
}

#[test]
fn messages_that_do_not_belong_are_refused() {
    let mut server = server(&swin(16, &[1, 1]), Execution::CPU);
    let mut refused = |message| server.take(message).unwrap_err().to_string();
    let latents = |keep| EncoderMessage::Latents { block: 0, keep, latents: tensor(&[3, 8], 1) };
    assert!(refused(latents(true)).contains("`latents` without images"));
    assert!(refused(EncoderMessage::Images(tensor(&[2, 3, 8, 8], 1))).contains("[N, 3, 16, 16]"));
    server.take(EncoderMessage::Images(tensor(&[2, 3, 16, 16], 1))).unwrap();
    server.take(latents(true)).unwrap();
    let mut refused = |message| server.take(message).unwrap_err().to_string();
    assert!(refused(EncoderMessage::Features(tensor(&[2, 16], 1))).contains("is due"));
    let (shared, own) = (tensor(&[1, 8], 1), tensor(&[2, 0, 8], 1));
    let far = EncoderMessage::Prompts { blocks: 1..3, keep: true, map: false, bias: PromptBias::Zero, shared, own };
    assert!(refused(far).contains("blocks 1..3 of an encoder with 2"));
}

#[test]
fn an_encoder_node_serves_one_modality_and_keeps_its_weights() {
    let (visual, audio) = (swin(16, &[1, 1]), swin(16, &[1, 1]));
    let link = loopback(&visual, &audio, Execution::CPU);
    let build = |config: &ModelConfig, audio: Option<EncoderSource>| {
        let visual = remote(&visual, Modality::Visual, &link);
        Model::from_encoder_sources(config, visual, audio, Execution::CPU, &Device::Cpu)
            .err()
            .expect("refused")
            .to_string()
    };
    assert!(build(&config(CoplSettings::default()), None).contains("one modality"));
    let full = ModelConfig { method: FullSettings { save_encoder: None }.into(), ..config(CoplSettings::default()) };
    assert!(build(&full, Some(remote(&audio, Modality::Audio, &link))).contains("in this process"));
}
