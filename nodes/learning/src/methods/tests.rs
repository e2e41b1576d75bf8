//! What a method learns under its switches, and that its gradients are right.

use candle_core::{DType, Device, Tensor};
use copl_contract::task;
use copl_networks::Result;
use copl_networks::encoders::swin_v2::config::SwinV2Config;
use copl_networks::encoders::{Architecture, Granularity, LoadedEncoder, Maps, PromptBias};
use copl_networks::kernels::Execution;
use copl_networks::weights::{Tensors, WeightSource};
use copl_testing::tensors::{numbers, tensor, values};

use crate::config::ModelConfig;
use crate::heads::HeadConfig;
use crate::methods::copl::{Copl, CoplSettings, FramePrompts, parameters};
use crate::methods::linear_probe::{LinearProbe, Probe};
use crate::methods::{ClipShape, Context, Encoders, Features, Learned, Method, MethodInput};
use crate::model::{Batch, Model, OutputGradients};
use crate::parameters::Parameters;
use crate::train::checkpoint::{read_adapters, write_adapters};

const CLIPS: usize = 2;
const SEGMENTS: usize = 3;

fn encoder(image_size: usize, depths: &[usize]) -> LoadedEncoder {
    encoder_of(image_size, 8, depths)
}

/// A small Swin-V2 of random weights.
pub(super) fn encoder_of(image_size: usize, embed_dim: usize, depths: &[usize]) -> LoadedEncoder {
    let config = SwinV2Config {
        image_size,
        patch_size: 4,
        window_size: 2,
        embed_dim,
        depths: depths.to_vec(),
        num_heads: vec![2; depths.len()],
        mlp_ratio: 2.0,
        pretrained_window_sizes: vec![],
    };
    let architecture = Architecture::new("test", config);
    let weights = architecture.weights(&WeightSource::Random, 5, &Device::Cpu).unwrap();
    LoadedEncoder { architecture, weights, fingerprint: "test".into() }
}

fn small(copl: CoplSettings) -> CoplSettings {
    CoplSettings { global_len: 2, interaction_len: 3, bank_len: 4, ..copl }
}

fn config(copl: CoplSettings) -> ModelConfig {
    ModelConfig { method: small(copl).into(), segments: SEGMENTS, classes: 5, ..ModelConfig::default() }
}

fn model(config: &ModelConfig, audio: Option<LoadedEncoder>) -> Result<Model> {
    Model::from_encoders(config, encoder(16, &[1, 2]), audio, Execution::CPU, &Device::Cpu)
}

fn batch(audio_size: usize) -> Batch {
    Batch {
        frames: tensor(&[CLIPS, SEGMENTS, 3, 16, 16], 1),
        spectrogram: tensor(&[CLIPS, SEGMENTS, 3, audio_size, audio_size], 2),
        questions: None,
        step: 0,
    }
}

fn run(method: &dyn Method, parameters: &Tensors, images: (&Tensor, &Tensor), maps: Maps) -> Features {
    let buffers = Tensors::default();
    let input = MethodInput {
        frames: images.0,
        spectrogram: images.1,
        shape: ClipShape { clips: CLIPS, segments: SEGMENTS },
        maps,
        context: Context { training: false, step: 0, seed: 0 },
    };
    method.features(Learned { parameters, buffers: &buffers }, input).unwrap().features
}

/// The weighted sum of all predictions of a training step, and the gradients that belong to it.
fn weights_of(model: &Model, batch: &Batch) -> OutputGradients {
    let (p, _) = model.forward(batch).unwrap();
    OutputGradients {
        others: Vec::new(),
        logits: tensor(p.logits.dims(), 3),
        visual_features: Some(tensor(p.visual_features.dims(), 4)),
        audio_features: Some(tensor(p.audio_features.dims(), 5)),
    }
}

fn weighted(model: &Model, batch: &Batch, weights: &OutputGradients) -> f64 {
    let (p, _) = model.forward(batch).unwrap();
    let dot = |a: &Tensor, b: &Tensor| -> f64 {
        values(a).iter().zip(values(b)).map(|(a, b)| f64::from(*a) * f64::from(b)).sum()
    };
    dot(&p.logits, &weights.logits)
        + dot(&p.visual_features, weights.visual_features.as_ref().unwrap())
        + dot(&p.audio_features, weights.audio_features.as_ref().unwrap())
}

/// Every parameter has a gradient, and each is the slope along a random direction of that parameter.
fn assert_slopes(config: &ModelConfig, audio: Option<LoadedEncoder>, audio_size: usize) {
    let model = model(config, audio).unwrap();
    for (index, (_, var)) in model.parameters().vars().enumerate() {
        // Prompts at their start are so small that a wrong sign would not show.
        var.set(&(var.as_detached_tensor() + (tensor(var.dims(), 100 + index as u64) * 0.3).unwrap()).unwrap())
            .unwrap();
    }
    let batch = batch(audio_size);
    let weights = weights_of(&model, &batch);
    let (_, graph) = model.forward(&batch).unwrap();
    let gradients = graph.backward(&weights).unwrap();
    for (name, var) in model.parameters().vars() {
        let gradient = values(gradients.get(name).unwrap_or_else(|| panic!("{name} has no gradient")));
        let start = values(var);
        let direction = numbers(start.len(), 7);
        let expected: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
        let at = |h: f32| {
            let moved: Vec<f32> = start.iter().zip(&direction).map(|(x, d)| x + h * d).collect();
            var.set(&Tensor::from_vec(moved, var.dims(), &Device::Cpu).unwrap()).unwrap();
            weighted(&model, &batch, &weights)
        };
        let h = 2e-3;
        let slope = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * f64::from(h));
        at(0.0);
        let error = (slope - expected).abs() / expected.abs().max(1.0);
        assert!(error < 2e-2, "{name}: {expected} by hand, {slope} by differences");
    }
}

#[test]
fn gradients_are_the_slopes_of_the_predictions() {
    assert_slopes(&config(CoplSettings::default()), None, 16);
    let varied = CoplSettings {
        granularity: Granularity::Block,
        prompt_bias: PromptBias::Mean,
        frame_prompts: FramePrompts::All,
        bank: false,
        ..CoplSettings::default()
    };
    assert_slopes(&config(varied), None, 16);
    assert_slopes(&config(CoplSettings::default()), Some(encoder(12, &[1, 1, 1])), 12);
    assert_slopes(&linear_segmentation(), None, 16);
}

fn segmentation() -> ModelConfig {
    segmentation_by(&[("MASK_SIZE", "32"), ("DECODER_WIDTH", "8")])
}

fn linear_segmentation() -> ModelConfig {
    segmentation_by(&[("MASK_SIZE", "32"), ("DECODER", "linear")])
}

fn segmentation_by(head: &[(&str, &str)]) -> ModelConfig {
    let env = head.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let head = HeadConfig::read(task::AVS_S4, &env).unwrap();
    ModelConfig { task: task::AVS_S4, head, ..config(CoplSettings::default()) }
}

/// Of the maps a head is given; what a decoder makes of them bends at every ReLU, where differences are no slopes.
#[test]
fn gradients_through_the_maps_are_their_slopes() {
    let loaded = encoder(16, &[2, 1]);
    let built = loaded.architecture.build(loaded.weights, Execution::CPU).unwrap();
    let both = Encoders::here(built.clone(), built);
    let (settings, blocks) = (small(CoplSettings::default()), both.visual.blocks().to_vec());
    let specs = parameters(&settings, SEGMENTS, &blocks, &blocks, 2).unwrap();
    let method = Copl::new(settings, SEGMENTS, both, Execution::CPU).unwrap();
    let parameters = Parameters::initial(specs, Vec::new(), 3, &Device::Cpu).unwrap();
    for (index, (_, var)) in parameters.vars().enumerate() {
        var.set(&(tensor(var.dims(), 100 + index as u64) * 0.3).unwrap()).unwrap();
    }
    let batch = batch(16);
    let (frames, sound) = (batch.frames.flatten(0, 1).unwrap(), batch.spectrogram.flatten(0, 1).unwrap());
    let weighted = |parameters: &Tensors| {
        let maps = run(&method, parameters, (&frames, &sound), Maps::Scales).maps;
        let sums = maps.iter().enumerate().map(|(i, map)| (map * tensor(map.dims(), 7 + i as u64)).unwrap().sum_all());
        sums.map(Result::unwrap).reduce(|a, b| (a + b).unwrap()).unwrap()
    };
    let tracked = parameters.tracked();
    let store = weighted(&tracked).backward().unwrap();
    let mut compared = 0;
    for (name, var) in parameters.vars() {
        let Some(gradient) = store.get(&tracked.get(name).unwrap()) else {
            // What only the last site of the sound sees reaches no map of the frames; all else does.
            let unseen = ["audio.global_prompts.1", "audio.frame_prompts.1", "coupling.1.visual_to_audio."];
            assert!(unseen.iter().any(|part| name.starts_with(part)), "{name} has no gradient");
            continue;
        };
        let (gradient, start) = (values(gradient), values(var));
        let direction = numbers(start.len(), 7);
        let expected: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
        let at = |h: f32| {
            let moved: Vec<f32> = start.iter().zip(&direction).map(|(x, d)| x + h * d).collect();
            var.set(&Tensor::from_vec(moved, var.dims(), &Device::Cpu).unwrap()).unwrap();
            f64::from(weighted(&parameters.detached()).to_scalar::<f32>().unwrap())
        };
        let h = 2e-3;
        let slope = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * f64::from(h));
        at(0.0);
        let error = (slope - expected).abs() / expected.abs().max(1.0);
        assert!(error < 2e-2, "{name}: {expected} by hand, {slope} by differences");
        compared += 1;
    }
    assert_eq!(compared, parameters.vars().count() - 6, "all but what only the sound's last site sees");
}

#[test]
fn gradients_of_masks_are_the_same_by_kernels_and_by_plain_operations() {
    let step = |execution| {
        let model = Model::from_encoders(&segmentation(), encoder(16, &[1, 2]), None, execution, &Device::Cpu).unwrap();
        for (index, (_, var)) in model.parameters().vars().enumerate() {
            let moved = (var.as_detached_tensor() + (tensor(var.dims(), 100 + index as u64) * 0.1).unwrap()).unwrap();
            var.set(&moved).unwrap();
        }
        let (predictions, graph) = model.forward(&batch(16)).unwrap();
        let gradients = OutputGradients {
            logits: tensor(predictions.logits.dims(), 3),
            others: Vec::new(),
            visual_features: None,
            audio_features: None,
        };
        graph.backward(&gradients).unwrap()
    };
    let (fast, plain) = (step(Execution::CPU), step(Execution::PLAIN));
    let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|x| f64::from(x * x)).sum::<f64>().sqrt();
    for part in ["stages.3.weight", "audio.weight", "visual.global_prompts.0", "coupling.0.audio.bank"] {
        assert!(fast.get(part).is_some(), "{part} has no gradient");
    }
    for (name, expected) in plain.iter() {
        let (found, expected) = (values(fast.get(name).unwrap()), values(expected));
        let difference = norm(&mut found.iter().zip(&expected).map(|(a, b)| a - b));
        let size = norm(&mut expected.iter().copied());
        // A bias in front of a batch norm has no slope: what is left of it is rounding.
        assert!(difference <= 2e-3 * size.max(0.5), "{name}: {difference} of {size}");
    }
}

#[test]
fn a_mask_has_a_logit_for_every_pixel_of_every_segment() {
    let model = model(&segmentation(), None).unwrap();
    let logits = model.predict(&batch(16)).unwrap().logits;
    assert_eq!(logits.dims(), [CLIPS, SEGMENTS, 32, 32]);
    let (trained, _) = model.forward(&batch(16)).unwrap();
    assert_eq!(trained.logits.dims(), [CLIPS, 1, 32, 32], "a training clip has one mask");
}

#[test]
fn the_linear_head_trains_on_the_first_of_the_frames_it_evaluates() {
    let model = model(&linear_segmentation(), None).unwrap();
    let logits = model.predict(&batch(16)).unwrap().logits;
    assert_eq!(logits.dims(), [CLIPS, SEGMENTS, 32, 32]);
    let (trained, _) = model.forward(&batch(16)).unwrap();
    assert_eq!(values(&trained.logits), values(&logits.narrow(1, 0, 1).unwrap()));
    // A sum of its parts: with nothing but one part's bias, that bias is every pixel's logit.
    for part in ["stages.0.bias", "stages.1.bias", "audio.bias"] {
        for (name, var) in model.parameters().vars() {
            let value = if name == part { 1.5 } else { 0.0 };
            var.set(&(var.ones_like().unwrap() * value).unwrap()).unwrap();
        }
        let logits = model.predict(&batch(16)).unwrap().logits;
        assert!(values(&logits).iter().all(|logit| (logit - 1.5).abs() < 1e-5), "{part}");
    }
}

#[test]
fn running_statistics_follow_training_and_are_stored_with_the_weights() {
    let (trained, other) = (model(&segmentation(), None).unwrap(), model(&segmentation(), None).unwrap());
    let first = |model: &Model| values(&model.parameters().buffers().get("tpavi_b1.W_z.1.running_var").unwrap());
    let start = first(&trained);
    assert!(start.iter().all(|v| *v == 1.0));
    trained.predict(&batch(16)).unwrap();
    assert_eq!(first(&trained), start, "evaluation changes nothing");
    trained.forward(&batch(16)).unwrap();
    assert_ne!(first(&trained), start);
    // A start of zero would hide them: the module's scale.
    for model in [&trained, &other] {
        let var = model.parameters().var("tpavi_b1.W_z.1.weight").unwrap();
        var.set(&var.ones_like().unwrap()).unwrap();
    }
    let logits = |model: &Model| values(&model.predict(&batch(16)).unwrap().logits);
    assert_ne!(logits(&trained), logits(&other));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.safetensors");
    write_adapters(&path, &trained, &std::collections::BTreeMap::new()).unwrap();
    read_adapters(&path, &other).unwrap();
    assert_eq!(logits(&trained), logits(&other));
}

#[test]
fn each_switch_takes_its_parameters_with_it() {
    let names = |copl: CoplSettings| -> Vec<String> {
        let model = model(&config(copl), None).unwrap();
        model.parameters().vars().map(|(name, _)| name.to_string()).collect()
    };
    let has = |names: &[String], part: &str| names.iter().any(|name| name.contains(part));
    let all = names(CoplSettings::default());
    for part in [
        "visual.global_prompts.1",
        "audio.frame_prompts.0",
        "coupling.1.audio.bank",
        "coupling.0.visual_to_audio.up.bias",
        "classifier.weight",
    ] {
        assert!(has(&all, part), "{part} in {all:?}");
    }
    assert!(!has(&names(CoplSettings { global: false, ..CoplSettings::default() }), "global_prompts"));
    assert!(!has(&names(CoplSettings { frame: false, ..CoplSettings::default() }), "frame_prompts"));
    assert!(!has(&names(CoplSettings { interaction: false, ..CoplSettings::default() }), "coupling"));
    let no_bank = names(CoplSettings { bank: false, ..CoplSettings::default() });
    assert!(!has(&no_bank, ".bank") && !has(&no_bank, ".latents") && has(&no_bank, "coupling.0.audio.prompts"));
}

#[test]
fn all_switches_off_is_the_linear_probe() {
    let off = CoplSettings { global: false, frame: false, interaction: false, ..CoplSettings::default() };
    let (off, probe) = (config(off), ModelConfig { method: LinearProbe.into(), ..config(CoplSettings::default()) });
    let (a, b) = (model(&off, None).unwrap(), model(&probe, None).unwrap());
    let batch = batch(16);
    assert_eq!(values(&a.predict(&batch).unwrap().logits), values(&b.predict(&batch).unwrap().logits));
    assert_eq!(b.table().additional, 0);
}

#[test]
fn training_and_evaluation_predict_the_same() {
    let model = model(&config(CoplSettings::default()), None).unwrap();
    let batch = batch(16);
    let (trained, _) = model.forward(&batch).unwrap();
    assert_eq!(values(&trained.logits), values(&model.predict(&batch).unwrap().logits));
}

#[test]
fn a_frame_prompt_reaches_its_own_segment_only() {
    let model = model(&config(CoplSettings { interaction: false, ..CoplSettings::default() }), None).unwrap();
    let batch = batch(16);
    let before = values(&model.predict(&batch).unwrap().visual_features);
    let var = model.parameters().var("visual.frame_prompts.0").unwrap();
    let mut rows = values(var);
    rows[8..16].iter_mut().for_each(|x| *x += 3.0);
    var.set(&Tensor::from_vec(rows, var.dims(), &Device::Cpu).unwrap()).unwrap();
    let after = values(&model.predict(&batch).unwrap().visual_features);
    let width = before.len() / (CLIPS * SEGMENTS);
    for image in 0..CLIPS * SEGMENTS {
        let same = before[image * width..][..width] == after[image * width..][..width];
        assert_eq!(same, image % SEGMENTS != 1, "image {image}");
    }
}

#[test]
fn settings_that_do_not_fit_are_refused() {
    let refused = |copl: CoplSettings| model(&config(copl), None).err().expect("refused").to_string();
    assert!(refused(CoplSettings { coupled_sites: Some(3), ..CoplSettings::default() }).contains("2 sites"));
    assert!(
        refused(CoplSettings { coupled_sites: Some(0), ..CoplSettings::default() }).contains("switch interaction off")
    );
    let model = model(&config(CoplSettings::default()), None).unwrap();
    let short = Batch {
        frames: tensor(&[1, 2, 3, 16, 16], 1),
        spectrogram: tensor(&[1, 2, 3, 16, 16], 1),
        questions: None,
        step: 0,
    };
    assert!(model.predict(&short).unwrap_err().to_string().contains("[B, 3]"));
}

#[test]
fn products_in_half_precision_stay_near_those_in_single() {
    let config = config(CoplSettings::default());
    let build = |dtype| {
        let mut encoder = encoder(16, &[1, 2]);
        encoder.weights = encoder.weights.with_products_in(dtype).unwrap();
        Model::from_encoders(&config, encoder, None, Execution::PLAIN, &Device::Cpu).unwrap()
    };
    let single = build(DType::F32);
    let weights = weights_of(&single, &batch(16));
    let step = |model: &Model| {
        let (predictions, graph) = model.forward(&batch(16)).unwrap();
        (predictions.logits, graph.backward(&weights).unwrap())
    };
    let (expected, expected_gradients) = step(&single);
    for (dtype, tolerance) in [(DType::BF16, 0.3), (DType::F16, 0.03)] {
        let (logits, gradients) = step(&build(dtype));
        assert_eq!(logits.dtype(), DType::F32);
        let near = |found: &Tensor, expected: &Tensor| {
            let (found, expected) = (values(found), values(expected));
            let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|x| f64::from(x * x)).sum::<f64>().sqrt();
            let difference = norm(&mut found.iter().zip(&expected).map(|(a, b)| a - b));
            let share = difference / norm(&mut expected.iter().copied());
            assert!(share > 0.0 && share < tolerance, "{dtype:?}: {share}");
        };
        near(&logits, &expected);
        let name = "visual.global_prompts.0";
        near(gradients.get(name).unwrap(), expected_gradients.get(name).unwrap());
    }
}

#[test]
fn maps_are_kept_where_they_are_asked_for() {
    let loaded = encoder(16, &[2, 1]);
    let built = loaded.architecture.build(loaded.weights, Execution::CPU).unwrap();
    let both = Encoders::here(built.clone(), built);
    let off = CoplSettings { global: false, frame: false, interaction: false, ..CoplSettings::default() };
    let copl = |settings| Copl::new(settings, SEGMENTS, both.clone(), Execution::CPU).unwrap();
    let methods: [Box<dyn Method>; 3] = [
        Box::new(copl(off.clone())),
        Box::new(copl(CoplSettings { granularity: Granularity::Block, ..off })),
        Box::new(Probe::new(both.clone())),
    ];
    let batch = batch(16);
    let (frames, sound) = (batch.frames.flatten(0, 1).unwrap(), batch.spectrogram.flatten(0, 1).unwrap());
    let run = |method: &dyn Method, maps| run(method, &Tensors::default(), (&frames, &sound), maps);
    let mut finest = Vec::new();
    for method in &methods {
        let features = run(&**method, Maps::Scales);
        let shapes: Vec<_> = features.maps.iter().map(|map| map.dims3().unwrap()).collect();
        assert_eq!(shapes, [(6, 16, 8), (6, 4, 16)]);
        // The coarsest is what the pooled feature is the mean of; that of CLIPS x SEGMENTS images.
        assert_eq!(values(&features.maps[1].mean(1).unwrap()), values(&features.visual));
        finest.push(values(&features.maps[0]));
        assert_eq!(values(&run(&**method, Maps::Final).maps[0]), values(&features.maps[1]));
        assert!(run(&**method, Maps::None).maps.is_empty());
    }
    assert!(finest.iter().all(|map| *map == finest[0]));
}
