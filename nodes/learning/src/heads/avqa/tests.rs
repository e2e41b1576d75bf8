//! Sizes of the official head, and what does not follow from the golden numbers.

use candle_core::{Device, Tensor};
use copl_contract::task;
use copl_networks::encoders::swin_v2::config::SwinV2Config;
use copl_networks::encoders::{Architecture, LoadedEncoder};
use copl_networks::kernels::Execution;
use copl_networks::weights::WeightSource;
use copl_testing::tensors::numbers;

use super::*;
use crate::config::ModelConfig;
use crate::heads::HeadConfig;
use crate::methods::MethodConfig;
use crate::methods::copl::CoplSettings;
use crate::methods::linear_probe::LinearProbe;
use crate::model::{Batch, Model, OutputGradients};
use crate::parameters::Parameters;

fn count(config: AvstConfig) -> usize {
    let head = Avst::new(config, Execution::CPU).unwrap();
    head.parameters().iter().map(|spec| spec.tensor.count()).sum()
}

fn official() -> AvstConfig {
    let question = QuestionKind::Words { vocabulary: 93 };
    AvstConfig { visual: 1536, audio: 1536, width: 512, heads: 4, question, answers: 42 }
}

fn small(question: QuestionKind) -> AvstConfig {
    AvstConfig { visual: 6, audio: 5, width: 8, heads: 2, question, answers: 3 }
}

fn tensor(shape: &[usize], seed: usize) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| ((i * 37 + seed * 101) % 89) as f32 / 44.0 - 1.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn ids(rows: &[u32], columns: usize) -> Tensor {
    Tensor::from_slice(rows, (rows.len() / columns, columns), &Device::Cpu).unwrap()
}

fn input(videos: &[u32]) -> AvstInput {
    let words: Vec<u32> = (0..videos.len() as u32 * 4).map(|i| (i * 5) % 11).collect();
    AvstInput {
        maps: tensor(&[2 * 3, 4, 6], 1),
        audio: tensor(&[2, 3, 5], 2),
        negatives: Some(tensor(&[videos.len() * 3, 4, 6], 3)),
        questions: Questions::Words(ids(&words, 4)),
        videos: Tensor::new(videos, &Device::Cpu).unwrap(),
    }
}

fn parameters(head: &Avst) -> Parameters {
    Parameters::initial(head.parameters(), Vec::new(), 1, &Device::Cpu).unwrap()
}

fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn the_official_head_has_its_parameters() {
    // 7.851 M in the layers that the official code uses, with the projections of both modalities to 512.
    let projections = 2 * (1536 * 512 + 512);
    assert_eq!(count(official()), 7_850_668 + projections);
    // No projection where maps come at the head's width; fc_a1 then takes VGGish's 128 numbers.
    assert_eq!(count(AvstConfig { visual: 512, audio: 128, ..official() }), 7_850_668 + 128 * 512 + 512);
}

#[test]
fn each_question_is_answered_about_its_own_video() {
    let head = Avst::new(small(QuestionKind::Words { vocabulary: 11 }), Execution::CPU).unwrap();
    let parameters = parameters(&head).detached();
    let answers = |input: &AvstInput| values(&head.forward(&parameters, input, None).unwrap().answers);
    let both = input(&[0, 1, 1]);
    let all = answers(&both);
    // The second question alone, on the second video alone.
    let Questions::Words(words) = &both.questions else { panic!() };
    let alone = AvstInput {
        maps: both.maps.narrow(0, 3, 3).unwrap(),
        audio: both.audio.narrow(0, 1, 1).unwrap(),
        negatives: None,
        questions: Questions::Words(words.narrow(0, 1, 1).unwrap()),
        videos: Tensor::new(&[0u32], &Device::Cpu).unwrap(),
    };
    let found = answers(&alone);
    assert!(found.iter().zip(&all[3..6]).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {all:?}");
    assert!(head.forward(&parameters, &alone, None).unwrap().negative.is_none());
    let elsewhere = answers(&AvstInput { videos: Tensor::new(&[0u32, 0, 1], &Device::Cpu).unwrap(), ..both });
    assert_ne!(elsewhere[3..6], all[3..6]);
}

#[test]
fn dropout_changes_training_and_is_the_same_every_time() {
    let head = Avst::new(small(QuestionKind::Words { vocabulary: 11 }), Execution::CPU).unwrap();
    let (parameters, input) = (parameters(&head).detached(), input(&[0, 1, 1]));
    let answers =
        |dropout: Option<Dropout>| values(&head.forward(&parameters, &input, dropout.as_ref()).unwrap().answers);
    let dropout = Dropout { rate: 0.5, seed: 1, step: 2, row: 0 };
    assert_eq!(answers(Some(dropout)), answers(Some(dropout)));
    assert_ne!(answers(Some(dropout)), answers(Some(Dropout { step: 3, ..dropout })));
    assert_ne!(answers(Some(dropout)), answers(None));
}

#[test]
fn vectors_of_whole_questions_take_the_place_of_words() {
    let head = Avst::new(small(QuestionKind::Vector { width: 7 }), Execution::CPU).unwrap();
    assert!(!head.parameters().iter().any(|spec| spec.tensor.name.starts_with("question_encoder")));
    let parameters = parameters(&head).detached();
    let words = input(&[0, 1, 1]);
    let vectors = AvstInput { questions: Questions::Vectors(tensor(&[3, 7], 4)), ..words.clone() };
    assert_eq!(head.forward(&parameters, &vectors, None).unwrap().answers.dims(), [3, 3]);
    let error = head.forward(&parameters, &words, None).unwrap_err().to_string();
    assert!(error.contains("was given words"), "{error}");
}

#[test]
fn a_width_that_cannot_be_divided_is_refused() {
    let config = AvstConfig { width: 10, ..small(QuestionKind::Vector { width: 7 }) };
    assert!(Avst::new(config, Execution::CPU).is_err());
}

#[test]
fn every_parameter_learns() {
    let head = Avst::new(small(QuestionKind::Words { vocabulary: 11 }), Execution::CPU).unwrap();
    let parameters = parameters(&head);
    let out = head.forward(&parameters.tracked(), &input(&[0, 1, 1]), None).unwrap();
    let matched = (out.positive.sqr().unwrap().sum_all().unwrap()
        + out.negative.unwrap().sqr().unwrap().sum_all().unwrap())
    .unwrap();
    let total = (out.answers.sqr().unwrap().sum_all().unwrap() + matched).unwrap();
    let store = total.backward().unwrap();
    for (name, var) in parameters.vars() {
        let gradient = store.get(var).map(values).unwrap_or_default();
        assert!(gradient.iter().any(|x| *x != 0.0), "{name} has no gradient");
    }
}

/// A model of two segments on a tiny encoder, its prompts and head moved away from their start.
fn model(method: MethodConfig) -> Model {
    model_with(method, AnswerHead::Avst)
}

fn copl() -> MethodConfig {
    CoplSettings { global_len: 2, interaction_len: 3, bank_len: 4, ..CoplSettings::default() }.into()
}

fn model_with(method: MethodConfig, answer_head: AnswerHead) -> Model {
    let sizes = SwinV2Config {
        image_size: 16,
        patch_size: 4,
        window_size: 2,
        embed_dim: 8,
        depths: vec![1, 1],
        num_heads: vec![2, 2],
        mlp_ratio: 2.0,
        pretrained_window_sizes: vec![],
    };
    let architecture = Architecture::new("test", sizes);
    let weights = architecture.weights(&WeightSource::Random, 5, &Device::Cpu).unwrap();
    let encoder = LoadedEncoder { architecture, weights, fingerprint: "test".into() };
    let head = [("HEAD_WIDTH", "8"), ("VOCABULARY", "11"), ("DROPOUT", "0.2"), ("ANSWER_HEAD", answer_head.word())];
    let head = head.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let head = HeadConfig::read(task::MUSIC_AVQA, &head).unwrap();
    let config = ModelConfig { method, head, segments: 2, classes: 5, ..ModelConfig::of(task::MUSIC_AVQA) };
    let model = Model::from_encoders(&config, encoder, None, Execution::CPU, &Device::Cpu).unwrap();
    for (index, (_, var)) in model.parameters().vars().enumerate() {
        var.set(&(var.as_detached_tensor() + (tensor(var.dims(), index) * 0.2).unwrap()).unwrap()).unwrap();
    }
    model
}

/// Three questions about two videos.
fn batch(model: &Model) -> Batch {
    let frames = tensor(&[2, 2, 3, 16, 16], 1);
    let maps = model.unadapted_maps(&frames).unwrap();
    let asked = QuestionBatch {
        questions: Questions::Words(ids(&[1, 2, 3, 0, 4, 5, 6, 7, 8, 9, 10, 0], 4)),
        videos: Tensor::new(&[0u32, 1, 1], &Device::Cpu).unwrap(),
        negatives: Some(Tensor::cat(&[&maps, &maps.narrow(0, 0, 2).unwrap()], 0).unwrap()),
        before: 0,
    };
    Batch { frames, spectrogram: tensor(&[2, 2, 3, 16, 16], 2), questions: Some(asked), step: 4 }
}

#[test]
fn the_linear_head_answers_linearly_and_matches_nothing() {
    let model = model_with(copl(), AnswerHead::Linear);
    let batch = batch(&model);
    let (predictions, _) = model.forward(&batch).unwrap();
    assert_eq!(predictions.logits.dims(), [3, 5]);
    assert!(predictions.others.iter().all(|(_, t)| t.dims() == [3, 2, 2] && values(t).iter().all(|x| x.is_nan())));
    // Of features: twice the weights of both projections move the logits twice as far from those without them.
    let answers = |factor: f64| {
        for name in ["yb_fc_v.weight", "fc_a1.weight"] {
            let var = model.parameters().var(name).unwrap();
            var.set(&(var.as_detached_tensor() * factor).unwrap()).unwrap();
        }
        values(&model.predict(&batch).unwrap().logits)
    };
    let (one, two, four) = (answers(1.0), answers(2.0), answers(2.0));
    for ((one, two), four) in one.iter().zip(&two).zip(&four) {
        assert!((four - two - 2.0 * (two - one)).abs() < 1e-4 * four.abs().max(1.0), "{one} {two} {four}");
    }
    assert_slopes(
        &model,
        &batch,
        &[
            "visual.global_prompts.0",
            "audio.frame_prompts.1",
            "coupling.0.visual.bank",
            "yb_fc_v.weight",
            "fc_a1.weight",
            "words.weight",
        ],
    );
}

#[test]
fn the_linear_head_reads_each_word_at_its_place() {
    let model = model_with(LinearProbe.into(), AnswerHead::Linear);
    let mut batch = batch(&model);
    let mut answers = |words: &[u32]| {
        let asked = batch.questions.as_mut().unwrap();
        (asked.questions, asked.videos) =
            (Questions::Words(ids(words, 4)), Tensor::new(&[0u32], &Device::Cpu).unwrap());
        model.predict(&batch).map(|predictions| values(&predictions.logits))
    };
    let [is, are, is_flute, are_flute] =
        [[1, 2, 3, 0], [4, 2, 3, 0], [1, 2, 5, 0], [4, 2, 5, 0]].map(|q| answers(&q).unwrap());
    let turned = answers(&[2, 1, 3, 0]).unwrap();
    assert!(is.iter().zip(&turned).any(|(a, b)| (a - b).abs() > 1e-3), "the order of words is not read");
    // A word does the same whatever the others are: logits are linear in the question.
    for n in 0..is.len() {
        let (of_is, of_are) = (is_flute[n] - is[n], are_flute[n] - are[n]);
        assert!((of_is - of_are).abs() < 1e-4 * of_is.abs().max(1.0), "{of_is} {of_are}");
    }
    let error = answers(&[1, 2, 11, 0]).unwrap_err().to_string();
    assert!(error.contains("number 11") && error.contains("below 11"), "{error}");
}

#[test]
fn gradients_of_answers_and_matches_reach_prompts_as_their_slopes() {
    let model = model(copl());
    let batch = batch(&model);
    let names = [
        "visual.global_prompts.0",
        "audio.frame_prompts.1",
        "coupling.0.visual.bank",
        "yb_fc_v.weight",
        "fc_gl.weight",
        "attn_a.in_proj_weight",
        "question_encoder.lstm.weight_hh_l0",
        "question_encoder.word2vec.weight",
    ];
    assert_slopes(&model, &batch, &names);
}

/// Gradients of these parameters are the slopes of the predictions along random directions.
fn assert_slopes(model: &Model, batch: &Batch, names: &[&str]) {
    let (predictions, graph) = model.forward(batch).unwrap();
    assert_eq!((predictions.logits.dims(), predictions.visual_features.dims()), (&[3, 5][..], &[3, 2, 16][..]));
    let weights = OutputGradients {
        logits: tensor(&[3, 5], 3),
        others: predictions.others.iter().map(|(_, t)| tensor(t.dims(), 4)).collect(),
        visual_features: None,
        audio_features: None,
    };
    let gradients = graph.backward(&weights).unwrap();
    let weighted = || -> f64 {
        let (p, _) = model.forward(batch).unwrap();
        let dot =
            |a: &Tensor, b: &Tensor| -> f64 { values(a).iter().zip(values(b)).map(|(a, b)| f64::from(a * b)).sum() };
        dot(&p.logits, &weights.logits)
            + p.others.iter().zip(&weights.others).map(|((_, a), b)| dot(a, b)).filter(|x| !x.is_nan()).sum::<f64>()
    };
    for &name in names {
        let var = model.parameters().var(name).unwrap();
        let (start, direction) = (values(var), numbers(var.elem_count(), 7));
        let gradient = values(gradients.get(name).unwrap());
        let expected: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
        let at = |h: f32| {
            let moved: Vec<f32> = start.iter().zip(&direction).map(|(x, d)| x + h * d).collect();
            var.set(&Tensor::from_vec(moved, var.dims(), &Device::Cpu).unwrap()).unwrap();
            weighted()
        };
        let slope = (at(1e-3) - at(-1e-3)) / 2e-3;
        at(0.0);
        let error = (slope - expected).abs() / expected.abs().max(1.0);
        assert!(error < 5e-2, "{name}: {expected} by hand, {slope} by differences");
    }
}

#[test]
fn negatives_are_maps_of_the_encoder_alone() {
    let (adapted, frozen) = (model(copl()), model(LinearProbe.into()));
    let batch = batch(&frozen);
    let of = |model: &Model| values(&model.unadapted_maps(&batch.frames).unwrap());
    let maps = |model: &Model| values(&model.features(&batch).unwrap().maps[0]);
    assert_eq!(of(&adapted), of(&frozen));
    let difference = |a: Vec<f32>, b: Vec<f32>| a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // Videos together or in parts: not the same bits.
    assert!(difference(maps(&frozen), of(&frozen)) < 1e-5);
    assert!(difference(maps(&adapted), of(&adapted)) > 1e-2);
}

#[test]
fn a_batch_in_parts_learns_what_it_learns_as_one() {
    let model = model(copl());
    let batch = batch(&model);
    let with_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(64 << 20).build().unwrap();
        pool.install(|| {
            let (predictions, graph) = model.forward(&batch).unwrap();
            let weights = OutputGradients {
                logits: tensor(&[3, 5], 3),
                others: predictions.others.iter().map(|(_, t)| tensor(t.dims(), 4)).collect(),
                visual_features: Some(tensor(&[3, 2, 16], 5)),
                audio_features: None,
            };
            (predictions, graph.backward(&weights).unwrap(), model.predict(&batch).unwrap())
        })
    };
    let ((one, of_one, seen), (parts, of_parts, seen_in_parts)) = (with_threads(1), with_threads(2));
    let mut pairs = vec![(one.logits, parts.logits), (seen.logits, seen_in_parts.logits)];
    pairs.extend(one.others.into_iter().zip(parts.others).map(|((_, a), (_, b))| (a, b)));
    pairs.push((one.visual_features, parts.visual_features));
    pairs.push((one.audio_features, parts.audio_features));
    assert_eq!(of_one.iter().count(), of_parts.iter().count());
    for (name, gradient) in of_one.iter() {
        pairs.push((gradient.clone(), of_parts.get(name).unwrap().clone()));
    }
    for (index, (one, parts)) in pairs.iter().enumerate() {
        let difference = copl_testing::tensors::difference(parts, one);
        assert!(difference < 1e-5, "pair {index} differs by {difference}");
    }
}

#[test]
fn a_part_holds_the_questions_of_its_videos() {
    let model = model(LinearProbe.into());
    let mut batch = batch(&model);
    let questions = |asked: &QuestionBatch| match &asked.questions {
        Questions::Words(words) => words.to_vec2::<u32>().unwrap(),
        Questions::Vectors(_) => panic!(),
    };
    let parts = batch.parts(2).unwrap();
    let asked: Vec<&QuestionBatch> = parts.iter().map(|part| part.questions.as_ref().unwrap()).collect();
    assert_eq!((questions(asked[0]), asked[0].before), (vec![vec![1, 2, 3, 0]], 0));
    assert_eq!((questions(asked[1]), asked[1].before), (vec![vec![4, 5, 6, 7], vec![8, 9, 10, 0]], 1));
    assert_eq!(asked[1].videos.to_vec1::<u32>().unwrap(), [0, 0]);
    assert_eq!(asked[1].negatives.as_ref().unwrap().dim(0).unwrap(), 4);
    // Not in the order of their videos, or a video about which nothing is asked: the batch stays whole.
    for videos in [[1u32, 0, 1], [0, 0, 0]] {
        batch.questions.as_mut().unwrap().videos = Tensor::new(&videos, &Device::Cpu).unwrap();
        assert_eq!(batch.parts(2).unwrap().len(), 1);
    }
}

#[test]
fn without_other_videos_there_is_no_negative_match() {
    let model = model(LinearProbe.into());
    let mut batch = batch(&model);
    batch.questions.as_mut().unwrap().negatives = None;
    let (predictions, _) = model.forward(&batch).unwrap();
    let [(_, positive), (name, negative)] = &predictions.others[..] else { panic!() };
    assert_eq!(*name, "match_negative");
    assert!(values(positive).iter().all(|x| x.is_finite()) && values(negative).iter().all(|x| x.is_nan()));
    batch.questions = None;
    assert!(model.predict(&batch).is_err(), "the task asks questions");
}
