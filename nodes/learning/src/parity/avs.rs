//! Fixtures of kind `avs-decoder`: logits and loss in evaluation and in training, and gradients of the training pass.

use std::collections::BTreeMap;

use candle_core::{Tensor, Var};
use copl_losses::masks::mask_loss;
use copl_networks::Result;
use copl_networks::kernels::Execution;
use copl_networks::weights::{TensorSpec, Tensors, check_names};
use serde::Deserialize;

use super::fixture::Fixture;
use super::{Measure, ParityReport};
use crate::heads::avs::{Decoder, DecoderConfig, Wanted};
use crate::methods::ClipShape;

#[derive(Deserialize)]
struct Config {
    channel: usize,
    feature_dims: [usize; 4],
    frames: usize,
    batch: usize,
}

/// Runs the decoder in both modes.
pub(super) fn compare(fixture: &Fixture, execution: Execution, report: &mut ParityReport) -> Result<()> {
    let config: Config = fixture.config()?;
    let shape = ClipShape { clips: config.batch, segments: config.frames };
    let width = |name: &str| -> Result<usize> { Ok(fixture.get(name)?.dim(0)?) };
    let output = [width("param.output_conv.0.weight")?, width("param.output_conv.2.weight")?];
    let audio = fixture.get("input.audio")?.dim(1)?;
    let widths = DecoderConfig { features: config.feature_dims, channels: config.channel, audio, output };
    let decoder = Decoder::new(widths, execution);
    let specs: Vec<TensorSpec> =
        decoder.parameters().into_iter().map(|spec| spec.tensor).chain(decoder.buffers()).collect();
    let stored = fixture.under("param.");
    check_names(&fixture.origin(), stored.iter().map(|(name, t)| (name.as_str(), t.dims())), &specs)?;
    let mut vars: BTreeMap<String, Var> = BTreeMap::new();
    for (name, tensor) in &stored {
        vars.insert(name.clone(), Var::from_tensor(tensor)?);
    }
    for index in 0..4 {
        let name = format!("feature.{index}");
        vars.insert(name.clone(), Var::from_tensor(fixture.get(&format!("input.{name}"))?)?);
    }
    vars.insert("audio".to_string(), Var::from_tensor(fixture.get("input.audio")?)?);
    let all: Tensors = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
    let buffers: Tensors = stored.into_iter().filter(|(name, _)| name.contains(".running_")).collect();
    let map = |index: usize| -> Result<Tensor> {
        Ok(all.get(&format!("feature.{index}"))?.permute((0, 2, 3, 1))?.contiguous()?)
    };
    let maps = [map(0)?, map(1)?, map(2)?, map(3)?];
    let masks: Vec<f32> = fixture.get("input.mask")?.flatten_all()?.to_vec1()?;
    for (mode, training) in [("eval", false), ("train", true)] {
        let logits = decoder.forward(&all, &buffers, &maps, &all.get("audio")?, shape, Wanted::All, training)?.logits;
        let loss = first_frames(&logits, &masks, shape.clips)?;
        report.compare(
            &format!("expect.{mode}.logits"),
            Measure::Activation,
            &logits,
            fixture.get(&format!("expect.{mode}.logits"))?,
        )?;
        let value = Tensor::new(loss.0 as f32, logits.device())?;
        report.compare(
            &format!("expect.{mode}.loss"),
            Measure::Activation,
            &value,
            fixture.get(&format!("expect.{mode}.loss"))?,
        )?;
    }
    // As a training step computes it: behind the interaction first frames alone.
    let audio = all.get("audio")?;
    let logits = decoder.forward(&all, &buffers, &maps, &audio, shape, Wanted::First, true)?.logits;
    let loss = first_frames(&logits, &masks, shape.clips)?;
    let expected = fixture.get("expect.train.logits")?.flatten_all()?;
    let expected = expected.reshape((shape.clips, shape.segments, ()))?.narrow(1, 0, 1)?.reshape(logits.shape())?;
    report.compare("expect.train.logits of first frames", Measure::Activation, &logits, &expected)?;
    let slope = Tensor::from_vec(loss.1, logits.shape(), logits.device())?;
    let store = (logits * slope)?.sum_all()?.backward()?;
    for (name, expected) in fixture.under("grad.") {
        let found = match vars.get(&name).and_then(|var| store.get(var)) {
            Some(found) => found.clone(),
            None => expected.zeros_like()?,
        };
        report.compare(&format!("grad.{name}"), Measure::Gradient, &found, &expected)?;
    }
    Ok(())
}

/// The loss of the first frames of `logits` against a mask a clip, mean over the clips, and its gradient.
fn first_frames(logits: &Tensor, masks: &[f32], clips: usize) -> Result<(f64, Vec<f32>)> {
    let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
    let masks: Vec<u8> = masks.iter().map(|bit| u8::from(*bit != 0.0)).collect();
    let of_clips = logits.chunks(logits.len() / clips).zip(masks.chunks(masks.len() / clips));
    let losses: Vec<_> = of_clips.map(|(logits, mask)| mask_loss(logits, mask, clips)).collect();
    let value = losses.iter().map(|loss| loss.value / clips as f64).sum();
    Ok((value, losses.into_iter().flat_map(|loss| loss.gradient).collect()))
}
