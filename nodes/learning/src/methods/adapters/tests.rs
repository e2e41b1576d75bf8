//! What models with adapters make of a batch, on every kind of pairing.

use candle_core::{Device, Tensor};
use copl_contract::settings::Env;
use copl_contract::task::{self, Task};
use copl_networks::encoders::LoadedEncoder;
use copl_networks::kernels::Execution;
use copl_testing::tensors::{difference, tensor, values};

use crate::config::ModelConfig;
use crate::heads::HeadConfig;
use crate::methods::MethodConfig;
use crate::methods::tests::encoder_of;
use crate::model::{Batch, Model, OutputGradients};

const CLIPS: usize = 2;
const SEGMENTS: usize = 3;

fn encoder(embed_dim: usize, depths: &[usize]) -> LoadedEncoder {
    encoder_of(16, embed_dim, depths)
}

fn env(pairs: &[(&str, &str)]) -> Env {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn method(word: &str, task: Task, more: &[(&str, &str)]) -> MethodConfig {
    let narrow = [("LATENTS", "3"), ("REDUCTION", "2"), ("GROUPS", "2")];
    MethodConfig::read(word, task, &env(&[&narrow[..], more].concat())).unwrap()
}

/// A model whose gates are open, so that every parameter counts.
fn model(word: &str, task: Task, more: &[(&str, &str)], two_encoders: bool) -> Model {
    let head = match task == task::AVS_S4 {
        true => HeadConfig::read(task, &env(&[("MASK_SIZE", "32"), ("DECODER", "linear")])).unwrap(),
        false => HeadConfig::of(task),
    };
    let config =
        ModelConfig { method: method(word, task, more), head, segments: SEGMENTS, classes: 5, ..ModelConfig::of(task) };
    let audio = two_encoders.then(|| encoder(4, &[1, 2]));
    let model = Model::from_encoders(&config, encoder(8, &[2, 2]), audio, Execution::CPU, &Device::Cpu).unwrap();
    for (index, (_, var)) in model.parameters().vars().enumerate() {
        var.set(&(var.as_detached_tensor() + (tensor(var.dims(), 100 + index as u64) * 0.3).unwrap()).unwrap())
            .unwrap();
    }
    model
}

fn batch(clips: usize, seed: u64) -> Batch {
    Batch {
        frames: tensor(&[clips, SEGMENTS, 3, 16, 16], seed),
        spectrogram: tensor(&[clips, SEGMENTS, 3, 16, 16], seed + 1),
        questions: None,
        step: 0,
    }
}

fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(64 << 20).build().unwrap().install(work)
}

#[test]
fn every_parameter_learns_in_every_pairing_and_audio_features_are_not_compared() {
    for (word, two, task) in [
        ("lavish", false, task::AVE),
        ("lavish", true, task::AVE),
        ("lavish", false, task::AVS_S4),
        ("lavish", true, task::AVS_S4),
        ("dg-sct", true, task::AVE),
        ("dg-sct", true, task::AVS_S4),
    ] {
        let model = model(word, task, &[], two);
        let (predictions, graph) = model.forward(&batch(CLIPS, 1)).unwrap();
        assert_eq!(predictions.audio_features.dims(), [CLIPS, SEGMENTS, 0]);
        let gradients = OutputGradients {
            others: Vec::new(),
            logits: tensor(predictions.logits.dims(), 3),
            visual_features: Some(tensor(predictions.visual_features.dims(), 4)),
            audio_features: Some(predictions.audio_features.zeros_like().unwrap()),
        };
        let found = graph.backward(&gradients).unwrap();
        let batch_norm = model.config().method.values().contains(&("BATCH_NORM", "true".to_string()));
        for (name, _) in model.parameters().vars() {
            // What stands before a batch norm and is added to all its rows is taken away by it.
            let inert = batch_norm && name.ends_with("norm_before.bias");
            let moved = found.get(name).is_some_and(|g| values(g).iter().any(|g| *g != 0.0));
            assert_eq!(moved, !inert, "{word}, {}: {name}", task.name);
            assert!(found.get(name).is_none_or(|g| !g.track_op()), "the gradient of {name} holds on to the graph");
        }
    }
}

#[test]
fn a_batch_norm_joins_the_clips_of_a_batch_and_of_nothing_else() {
    // With batch norms the clips see each other in training, and whole batches are walked by all threads.
    let joined = model("lavish", task::AVE, &[], false);
    let logits = |model: &Model, batch: &Batch| model.forward(batch).unwrap().0.logits;
    let both = batch(CLIPS, 1);
    let alone = Batch {
        frames: both.frames.narrow(0, 0, 1).unwrap(),
        spectrogram: both.spectrogram.narrow(0, 0, 1).unwrap(),
        questions: None,
        step: 0,
    };
    let first = |logits: &Tensor| logits.narrow(0, 0, 1).unwrap();
    assert!(difference(&first(&logits(&joined, &both)), &logits(&joined, &alone)) > 1e-3);
    let [one, two] = [1, 2].map(|threads| {
        with_threads(threads, || {
            let model = model("lavish", task::AVE, &[], false);
            let mut found = vec![logits(&model, &both)];
            found.extend(model.parameters().buffers().into_map().into_values());
            found
        })
    });
    for (one, two) in one.iter().zip(&two) {
        assert!(difference(one, two) < 1e-5, "however many threads; running statistics too");
    }
    // In evaluation, and without batch norms, a clip is what it is.
    let evaluated = |batch: &Batch| joined.predict(batch).unwrap().logits;
    assert!(difference(&first(&evaluated(&both)), &evaluated(&alone)) < 1e-5);
    for (word, two) in [("lavish", false), ("dg-sct", true)] {
        let model = model(word, task::AVE, &[("BATCH_NORM", "false")], two);
        assert!(difference(&first(&logits(&model, &both)), &logits(&model, &alone)) < 1e-5, "{word}");
    }
}

#[test]
fn running_statistics_are_stored_with_what_was_learned() {
    let trained = model("lavish", task::AVE, &[], false);
    let before = trained.predict(&batch(CLIPS, 1)).unwrap().logits;
    for step in 0..3 {
        trained.forward(&batch(CLIPS, 10 + step)).unwrap();
    }
    let after = trained.predict(&batch(CLIPS, 1)).unwrap().logits;
    assert!(difference(&before, &after) > 1e-3, "evaluation follows the statistics alone");
    let restored = model("lavish", task::AVE, &[], false);
    restored.parameters().load("a snapshot", &trained.parameters().snapshot().unwrap()).unwrap();
    assert_eq!(values(&restored.predict(&batch(CLIPS, 1)).unwrap().logits), values(&after));
}

#[test]
fn what_is_unset_is_the_tasks_and_what_does_not_fit_is_named() {
    let value = |word: &str, task: Task, key: &str| {
        let values = MethodConfig::read(word, task, &Env::new()).unwrap().values();
        values.into_iter().find(|(name, _)| *name == key).unwrap().1
    };
    assert_eq!(value("lavish", task::AVE, "LATENTS"), "2");
    assert_eq!(value("lavish", task::AVS_MS3, "LATENTS"), "32");
    assert_eq!(value("lavish", task::MUSIC_AVQA, "LATENT_START"), "zeros");
    assert_eq!(value("dg-sct", task::AVS_S4, "TOKEN_ALIGN"), "resize");
    assert_eq!(value("dg-sct", task::AVE, "CHANNEL_WEIGHT"), "0.3");
    let wrong =
        |word: &str, key: &str, value: &str| MethodConfig::read(word, task::AVE, &env(&[(key, value)])).unwrap_err();
    assert_eq!(wrong("lavish", "GROUPS", "0"), ("GROUPS".into(), "must be at least 1".into()));
    assert!(wrong("lavish", "TOKEN_ALIGN", "resize").1.contains("no such setting"));
    assert!(wrong("dg-sct", "TOKEN_ALIGN", "resise").1.contains("did you mean resize?"));
    let refused = |word: &str, more: &[(&str, &str)], audio: Option<LoadedEncoder>| {
        let config =
            ModelConfig { method: method(word, task::AVE, more), segments: SEGMENTS, ..ModelConfig::default() };
        let made = Model::from_encoders(&config, encoder(8, &[2, 2]), audio, Execution::CPU, &Device::Cpu);
        made.err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert!(refused("lavish", &[("REDUCTION", "3")], None).contains("REDUCTION 3 does not divide the width 8"));
    assert!(refused("lavish", &[("GROUPS", "3")], None).contains("GROUPS 3 does not divide the widths 8 and 4"));
    assert!(refused("lavish", &[], Some(encoder(8, &[2, 3]))).contains("no multiple of the audio encoder's 3"));
    assert!(refused("lavish", &[], Some(encoder(8, &[2]))).contains("2 stages do not pair with 1"));
    assert!(refused("dg-sct", &[], None).contains("two encoders"));
}
