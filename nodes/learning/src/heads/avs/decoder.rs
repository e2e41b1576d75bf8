//! The AVSBench model's decoder at any width, from four feature maps to one logit a pixel.
//!
//! Maps are channels last, [B T, H, W, C], finest first, each half as high as the one before. Per scale: a sum of four
//! dilated 3x3 convolutions, then `tpavi` with the frame's audio; from the coarsest up, fusion blocks of residual units
//! (`path4`..`path1`), each doubling the map; then the output convolutions. Logits are four times as high as the finest map.
//! The official ReLUs work in place, so a residual unit adds relu(x), not x. Names are the official decoder's; the first
//! residual unit of `path4` is declared as there, and never used.

use std::collections::BTreeMap;

use candle_core::Tensor;
use copl_networks::kernels::{Execution, Filter, Interpolation};
use copl_networks::weights::{Init, TensorSpec, Tensors};
use copl_networks::{Error, Result};

use super::tpavi;
use crate::heads::layers::{conv_specs, dense, spec};
use crate::methods::ClipShape;
use crate::parameters::ParamSpec;

/// Dilations of the convolutions summed at each scale.
const DILATIONS: [usize; 4] = [3, 6, 12, 18];

/// Fewest channels of the last convolution with a ReLU. At the start a channel is negative all over the picture half of the
/// time, and where all are no gradient passes: of four channels in one start of sixteen.
const LEAST_OUTPUT: usize = 16;

/// Widths of a decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderConfig {
    /// Of the four maps, finest first (official: 64, 128, 320, 512).
    pub features: [usize; 4],
    /// Of the decoder (256).
    pub channels: usize,
    /// Of the audio feature (128).
    pub audio: usize,
    /// Of the two output convolutions (128, 32).
    pub output: [usize; 2],
}

impl DecoderConfig {
    /// All widths in the official proportions to that of the decoder, a multiple of 8; but the last never below
    /// sixteen.
    pub fn of_width(channels: usize) -> Self {
        let features = [channels / 4, channels / 2, 5 * channels / 4, 2 * channels];
        let output = [channels / 2, (channels / 8).max(LEAST_OUTPUT)];
        Self { features, channels, audio: channels / 2, output }
    }
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self::of_width(256)
    }
}

/// Frames of each clip that logits are wanted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All T.
    All,
    /// The first alone, the only one of a training clip with a mask. The others take part as far as they matter to it: in the
    /// audio-visual interaction and its batch statistics; behind it a frame is by itself. Same numbers, same gradients.
    First,
}

/// Logits of a batch, and in training what its running statistics become.
#[derive(Debug, Clone)]
pub struct Segmentation {
    /// [B T, 4 H, 4 W], or [B, 4 H, 4 W] of first frames.
    pub logits: Tensor,
    /// Running statistics after the batch, by name; empty in evaluation.
    pub buffers: BTreeMap<String, Tensor>,
    /// Of each scale, finest first: the map behind the interaction, [B T, H_i, W_i, C], and the audio aligned to it,
    /// [B T, C].
    pub scales: [(Tensor, Tensor); 4],
}

/// The decoder.
#[derive(Debug, Clone)]
pub struct Decoder {
    config: DecoderConfig,
    execution: Execution,
}

impl Decoder {
    /// Of these widths.
    pub fn new(config: DecoderConfig, execution: Execution) -> Self {
        Self { config, execution }
    }

    /// What it learns, under the official names.
    pub fn parameters(&self) -> Vec<ParamSpec> {
        let DecoderConfig { features, channels, audio, output } = self.config;
        let square = [3, 3];
        let mut specs = Vec::new();
        for (index, width) in features.into_iter().enumerate() {
            let scale = index + 1;
            for branch in 0..DILATIONS.len() {
                let name = format!("conv{scale}.conv2d_list.{branch}");
                let start = Init::Normal { std: 0.01 };
                specs.push(spec(format!("{name}.weight"), &[channels, width, 3, 3], start));
                specs.extend(conv_specs(&name, width, channels, &square).into_iter().skip(1));
            }
            specs.extend(tpavi::parameters(&format!("tpavi_b{scale}"), channels, audio));
            for (unit, conv) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
                let name = format!("path{scale}.resConfUnit{unit}.conv{conv}");
                specs.extend(conv_specs(&name, channels, channels, &square));
            }
        }
        specs.extend(conv_specs("output_conv.0", channels, output[0], &square));
        specs.extend(conv_specs("output_conv.2", output[0], output[1], &square));
        specs.extend(conv_specs("output_conv.4", output[1], 1, &[1, 1]));
        specs
    }

    /// Running statistics, which belong in the checkpoint beside the parameters.
    pub fn buffers(&self) -> Vec<TensorSpec> {
        (1..=4).flat_map(|scale| tpavi::buffers(&format!("tpavi_b{scale}"), self.config.channels)).collect()
    }

    /// Maps [B T, H_i, W_i, C_i] and `audio` [B T, d] -> logits of the wanted frames.
    ///
    /// # Errors
    /// If shapes do not fit or a tensor is absent.
    #[allow(clippy::too_many_arguments, reason = "the decoder's inputs, each of its own kind")]
    pub fn forward(
        &self,
        parameters: &Tensors,
        buffers: &Tensors,
        maps: &[Tensor; 4],
        audio: &Tensor,
        shape: ClipShape,
        wanted: Wanted,
        training: bool,
    ) -> Result<Segmentation> {
        let mut updates = BTreeMap::new();
        let mut scales = Vec::with_capacity(maps.len());
        let mut fused: Option<Tensor> = None;
        for (index, map) in maps.iter().enumerate().rev() {
            let scale = index + 1;
            if map.dim(0)? != shape.images() {
                let expected = format!("[{}, H, W, C]", shape.images());
                return Err(Error::Shape { what: format!("map {scale}"), found: map.dims().to_vec(), expected });
            }
            let branch =
                |(branch, dilation)| filter(parameters, &format!("conv{scale}.conv2d_list.{branch}"), dilation);
            let branches = DILATIONS.into_iter().enumerate().map(branch).collect::<Result<Vec<_>>>()?;
            let x = self.execution.convolve(map, &branches)?;
            let name = format!("tpavi_b{scale}");
            let target = training.then_some(&mut updates);
            let (x, aligned) = tpavi::forward(&name, parameters, buffers, &x, audio, shape, target, self.execution)?;
            scales.push((x.clone(), aligned));
            let x = match wanted {
                Wanted::All => x,
                Wanted::First => first_frames(&x, shape)?,
            };
            let x = match fused {
                Some(coarser) => (coarser + self.unit(parameters, &format!("path{scale}.resConfUnit1"), &x)?)?,
                None => x,
            };
            let x = self.unit(parameters, &format!("path{scale}.resConfUnit2"), &x)?;
            fused = Some(self.doubled(&x, Interpolation::BilinearAligned)?);
        }
        let (Some(x), Ok([d, c, b, a])) = (fused, <[(Tensor, Tensor); 4]>::try_from(scales)) else {
            return Err(Error::Config("a decoder needs four maps".to_string()));
        };
        let x = self.execution.convolve(&x, &[filter(parameters, "output_conv.0", 1)?])?;
        let x = self.doubled(&x, Interpolation::Bilinear)?;
        let x = self.execution.relu(&self.execution.convolve(&x, &[filter(parameters, "output_conv.2", 1)?])?)?;
        let logits = dense(parameters, "output_conv.4", &x, self.execution)?.squeeze(3)?;
        Ok(Segmentation { logits, buffers: updates, scales: [a, b, c, d] })
    }

    /// relu(x) + conv(relu(conv(relu(x)))).
    fn unit(&self, parameters: &Tensors, name: &str, x: &Tensor) -> Result<Tensor> {
        let x = self.execution.relu(x)?;
        let y = self.execution.convolve(&x, &[filter(parameters, &format!("{name}.conv1"), 1)?])?;
        let y = self.execution.relu(&y)?;
        Ok((self.execution.convolve(&y, &[filter(parameters, &format!("{name}.conv2"), 1)?])? + x)?)
    }

    fn doubled(&self, x: &Tensor, how: Interpolation) -> Result<Tensor> {
        let (_, height, width, _) = x.dims4()?;
        Ok(self.execution.resize(x, (2 * height, 2 * width), how)?)
    }
}

/// [B T, H, W, C] -> [B, H, W, C], of each clip's first frame.
fn first_frames(x: &Tensor, shape: ClipShape) -> Result<Tensor> {
    let (_, height, width, channels) = x.dims4()?;
    let clips = x.reshape((shape.clips, shape.segments, height, width, channels))?;
    Ok(clips.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?)
}

fn filter(parameters: &Tensors, name: &str, dilation: usize) -> Result<Filter> {
    let get = |what: &str| parameters.get(&format!("{name}.{what}"));
    Ok(Filter { weight: get("weight")?, bias: get("bias")?, dilation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_decoder_has_its_parameters() {
        let config = DecoderConfig { features: [64, 128, 320, 512], channels: 256, audio: 128, output: [128, 32] };
        assert_eq!(DecoderConfig::default(), config);
        let decoder = Decoder::new(config, Execution::CPU);
        let count: usize = decoder.parameters().iter().map(|spec| spec.tensor.count()).sum();
        // 19.878 M in the AVSBench code, without encoders: convolutions 9.441, paths 9.441, interaction 0.663, output 0.332.
        assert_eq!(count, 19_877_569);
    }
}
