//! Fixtures of kind `avqa-head`: answers, matches, loss, and gradients of parameters and features.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor, Var};
use copl_networks::kernels::Execution;
use copl_networks::weights::{TensorSpec, Tensors, check_names};
use copl_networks::{Error, Result};
use serde::Deserialize;

use super::fixture::Fixture;
use super::{Measure, ParityReport};
use crate::heads::avqa::{Avst, AvstConfig, AvstInput, QuestionKind, Questions};
use crate::loss::answer_loss;

/// Weight of the match in the official loss.
const MATCH_WEIGHT: f64 = 0.5;

#[derive(Deserialize)]
struct Config {
    width: usize,
    audio_dim: usize,
    heads: usize,
    vocabulary: usize,
    answers: usize,
}

/// Runs the head without dropout; every question has a video of its own.
pub(super) fn compare(fixture: &Fixture, execution: Execution, report: &mut ParityReport) -> Result<()> {
    let Config { width, audio_dim: audio, heads, vocabulary, answers } = fixture.config()?;
    let question = QuestionKind::Words { vocabulary };
    let head = Avst::new(AvstConfig { visual: width, audio, width, heads, question, answers }, execution)?;
    let specs: Vec<TensorSpec> = head.parameters().into_iter().map(|spec| spec.tensor).collect();
    let stored = fixture.under("param.");
    check_names(&fixture.origin(), stored.iter().map(|(name, t)| (name.as_str(), t.dims())), &specs)?;
    let mut vars: BTreeMap<String, Var> = BTreeMap::new();
    let inputs =
        ["audio", "visual_positive", "visual_negative"].map(|name| (name, fixture.get(&format!("input.{name}"))));
    for (name, tensor) in inputs {
        vars.insert(name.to_string(), Var::from_tensor(tensor?)?);
    }
    for (name, tensor) in &stored {
        vars.insert(name.clone(), Var::from_tensor(tensor)?);
    }
    let all: Tensors = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
    // [B, T, C, H, W] -> [B T, H W, C]
    let maps = |name: &str| -> Result<Tensor> {
        Ok(all.get(name)?.flatten(0, 1)?.flatten_from(2)?.transpose(1, 2)?.contiguous()?)
    };
    let device =
        stored.values().next().map(Tensor::device).ok_or_else(|| Error::Config("an empty head".to_string()))?;
    let questions = fixture.get("input.question")?.to_dtype(DType::U32)?;
    let count = questions.dim(0)?;
    let input = AvstInput {
        maps: maps("visual_positive")?,
        audio: all.get("audio")?,
        negatives: Some(maps("visual_negative")?),
        questions: Questions::Words(questions),
        videos: Tensor::arange(0, count as u32, device)?,
    };
    let output = head.forward(&all, &input, None)?;
    let expected: Vec<u32> = fixture.get("input.answer")?.to_dtype(DType::U32)?.to_vec1()?;
    let negative = output.negative.ok_or_else(|| Error::Config("no match of negatives".to_string()))?;
    let predictions =
        [("answer_logits", &output.answers), ("match_positive", &output.positive), ("match_negative", &negative)];
    for (name, found) in predictions {
        let name = format!("expect.{name}");
        report.compare(&name, Measure::Activation, found, fixture.get(&name)?)?;
    }
    let numbers = |t: &Tensor| -> Result<Vec<f32>> { Ok(t.flatten_all()?.to_vec1()?) };
    let loss = answer_loss(
        &numbers(&output.answers)?,
        &expected,
        &numbers(&output.positive)?,
        &numbers(&negative)?,
        MATCH_WEIGHT,
    );
    let value = Tensor::new(loss.value as f32, device)?;
    report.compare("expect.loss", Measure::Activation, &value, fixture.get("expect.loss")?)?;
    let gradients = [(&output.answers, loss.answers), (&output.positive, loss.positive), (&negative, loss.negative)];
    let mut total = Tensor::zeros((), DType::F32, device)?;
    for (tensor, gradient) in gradients {
        let slope = Tensor::from_vec(gradient, tensor.shape(), device)?;
        total = (total + (tensor * slope)?.sum_all()?)?;
    }
    let store = total.backward()?;
    for (name, expected) in fixture.under("grad.") {
        let found = vars.get(&name).and_then(|var| store.get(var)).cloned();
        let found = found.map_or_else(|| expected.zeros_like(), Ok)?;
        report.compare(&format!("grad.{name}"), Measure::Gradient, &found, &expected)?;
    }
    Ok(())
}
