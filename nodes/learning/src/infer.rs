//! What a trained model says of one clip, outside any dataflow.

use candle_core::{D, Device, Tensor};
use copl_networks::encoders::InputShape;
use copl_networks::images::normalised;
use copl_networks::{Error, Result};

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
    let logits = logits(model, clip, device)?;
    // Softmax over the classes, by hand: the logits are few.
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?.exp()?;
    Ok(shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?.to_vec2::<f32>()?)
}

/// Where in each segment's frame the sounding object is, with its probability in every pixel.
#[derive(Debug, Clone)]
pub struct SoundingMasks {
    /// Probabilities [T, H, W].
    pub probabilities: Vec<f32>,
    /// T, H, W.
    pub shape: [usize; 3],
}

/// Masks of a model for segmentation.
///
/// # Errors
/// If the clip's shapes are not those the encoders take.
pub fn sounding_masks(model: &Model, clip: DecodedClip<'_>, device: &Device) -> Result<SoundingMasks> {
    let logits = logits(model, clip, device)?;
    let (segments, height, width) = logits.dims3()?;
    let probabilities = logits.flatten_all()?.to_vec1::<f32>()?.into_iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
    Ok(SoundingMasks { probabilities, shape: [segments, height, width] })
}

/// Logits of one clip, without the dimension of the batch.
fn logits(model: &Model, clip: DecodedClip<'_>, device: &Device) -> Result<Tensor> {
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
    Ok(model.predict(&batch)?.logits.squeeze(0)?)
}

#[cfg(test)]
mod tests {
    use copl_contract::task;

    use super::*;
    use crate::config::ModelConfig;
    use crate::heads::HeadConfig;

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

    #[test]
    fn masks_have_a_probability_in_every_pixel_of_every_segment() {
        let small = [("MASK_SIZE".to_owned(), "32".to_owned()), ("DECODER_WIDTH".to_owned(), "16".to_owned())];
        let config = ModelConfig {
            visual_encoder: "swin-v2-nano".to_string(),
            segments: 5,
            head: HeadConfig::read(task::AVS_S4, &small.into()).unwrap(),
            ..ModelConfig::of(task::AVS_S4)
        };
        let model = Model::build(&config, &Device::Cpu).unwrap();
        let (frames, spectrogram) = (vec![100; 5 * 64 * 64 * 3], vec![0.1; 5 * 64 * 64]);
        let clip = DecodedClip {
            frames: &frames,
            frames_shape: [5, 64, 64, 3],
            spectrogram: &spectrogram,
            spectrogram_shape: [5, 64, 64],
        };
        let masks = sounding_masks(&model, clip, &Device::Cpu).unwrap();
        assert_eq!(masks.shape, [5, 32, 32]);
        assert_eq!(masks.probabilities.len(), 5 * 32 * 32);
        assert!(masks.probabilities.iter().all(|p| (0.0..=1.0).contains(p)));
    }
}
