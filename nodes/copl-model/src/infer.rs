//! What a trained model says of one clip, outside any dataflow.

use candle_core::{D, Device};

use crate::encoders::InputShape;
use crate::error::{Error, Result};
use crate::images::normalised;
use crate::methods::ClipShape;
use crate::model::{Batch, Model};

/// A decoded clip as it would cross the edges to the model's node.
#[derive(Debug, Clone, Copy)]
pub struct DecodedClip<'a> {
    /// [T, H, W, 3] RGB bytes.
    pub frames: &'a [u8],
    /// T, H, W, 3.
    pub frames_shape: [usize; 4],
    /// [T, time, mel] log-mel energies, normalised as in training.
    pub spectrogram: &'a [f32],
    /// T, time, mel.
    pub spectrogram_shape: [usize; 3],
}

/// Probability of every class in every segment: `[T][classes]`.
///
/// # Errors
/// If the clip's shapes are not those the encoders take.
pub fn segment_probabilities(model: &Model, clip: DecodedClip<'_>, device: &Device) -> Result<Vec<Vec<f32>>> {
    let inputs = model.inputs();
    let wanted = |input: InputShape, found: [usize; 2], what: &str, all: &[usize]| {
        if [input.height, input.width] == found {
            return Ok(());
        }
        Err(Error::Shape { what: what.to_string(), found: all.to_vec(), expected: format!("images of {input}") })
    };
    let [segments, height, width, _] = clip.frames_shape;
    wanted(inputs.visual, [height, width], "frames", &clip.frames_shape)?;
    wanted(
        inputs.audio,
        [clip.spectrogram_shape[1], clip.spectrogram_shape[2]],
        "spectrogram",
        &clip.spectrogram_shape,
    )?;
    let shape = ClipShape { clips: 1, segments };
    let batch = Batch::from_slices(&normalised(clip.frames, height * width), clip.spectrogram, shape, inputs, device)?;
    let logits = model.predict(&batch)?.logits.squeeze(0)?;
    // Softmax over the classes, by hand: the logits are few.
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?.exp()?;
    Ok(shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?.to_vec2::<f32>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModelConfig;

    #[test]
    fn probabilities_sum_to_one_and_wrong_sizes_are_refused() {
        let config = ModelConfig { visual_encoder: "swin-v2-nano".to_string(), classes: 9, ..ModelConfig::default() };
        let model = Model::build(&config, &Device::Cpu).unwrap();
        let (frames, spectrogram) = (vec![100; 10 * 64 * 64 * 3], vec![0.1; 10 * 64 * 64]);
        let clip = DecodedClip {
            frames: &frames,
            frames_shape: [10, 64, 64, 3],
            spectrogram: &spectrogram,
            spectrogram_shape: [10, 64, 64],
        };
        let said = segment_probabilities(&model, clip, &Device::Cpu).unwrap();
        assert_eq!((said.len(), said[0].len()), (10, 9));
        assert!(said.iter().all(|p| (p.iter().sum::<f32>() - 1.0).abs() < 1e-5));
        let smaller = DecodedClip { frames_shape: [10, 32, 128, 3], ..clip };
        assert!(segment_probabilities(&model, smaller, &Device::Cpu).unwrap_err().to_string().contains("frames"));
    }
}
