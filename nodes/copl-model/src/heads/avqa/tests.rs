//! Sizes of the official head, and what does not follow from the golden numbers.

use candle_core::{Device, Tensor};

use super::*;
use crate::parameters::Parameters;

fn count(config: AvstConfig) -> usize {
    let head = Avst::new(config, Execution::Fast).unwrap();
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
    let head = Avst::new(small(QuestionKind::Words { vocabulary: 11 }), Execution::Fast).unwrap();
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
    let head = Avst::new(small(QuestionKind::Words { vocabulary: 11 }), Execution::Fast).unwrap();
    let (parameters, input) = (parameters(&head).detached(), input(&[0, 1, 1]));
    let answers =
        |dropout: Option<Dropout>| values(&head.forward(&parameters, &input, dropout.as_ref()).unwrap().answers);
    let dropout = Dropout { rate: 0.5, seed: 1, step: 2 };
    assert_eq!(answers(Some(dropout)), answers(Some(dropout)));
    assert_ne!(answers(Some(dropout)), answers(Some(Dropout { step: 3, ..dropout })));
    assert_ne!(answers(Some(dropout)), answers(None));
}

#[test]
fn vectors_of_whole_questions_take_the_place_of_words() {
    let head = Avst::new(small(QuestionKind::Vector { width: 7 }), Execution::Fast).unwrap();
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
    assert!(Avst::new(config, Execution::Fast).is_err());
}

#[test]
fn every_parameter_learns() {
    let head = Avst::new(small(QuestionKind::Words { vocabulary: 11 }), Execution::Fast).unwrap();
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
