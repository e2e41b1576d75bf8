//! Images as encoders take them, from what the decoders send.

use candle_core::{DType, Device, Tensor};

use crate::encoders::InputShape;
use crate::error::{Error, Result};

/// ImageNet statistics, which both codebases compared with use for every encoder.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Frames [N, H, W, 3] of `pixels` = H W each as [N, 3, H, W], scaled to 0..1 and normalised.
pub fn normalised(frames: &[u8], pixels: usize) -> Vec<f32> {
    let mut images = vec![0.0; frames.len()];
    for (image, frame) in images.chunks_exact_mut(3 * pixels).zip(frames.chunks_exact(3 * pixels)) {
        for (c, plane) in image.chunks_exact_mut(pixels).enumerate() {
            let (scale, shift) = (1.0 / (255.0 * STD[c]), MEAN[c] / STD[c]);
            for (value, rgb) in plane.iter_mut().zip(frame.chunks_exact(3)) {
                *value = f32::from(rgb[c]) * scale - shift;
            }
        }
    }
    images
}

/// What crosses to an encoder node, frames u8 [N, H, W, 3] or segments f32 [N, 1, time, mel], as its encoder takes it:
/// [N, C, H, W].
///
/// # Errors
/// If the encoder takes images of another size.
pub fn prepared(raw: &Tensor, frames: Option<InputShape>, segments: Option<InputShape>) -> Result<Tensor> {
    let wrong = |what: &str| Error::Shape {
        what: what.to_string(),
        found: raw.dims().to_vec(),
        expected: match (raw.dtype(), frames, segments) {
            (DType::U8, Some(frames), _) => format!("[N, {}, {}, 3]", frames.height, frames.width),
            (_, _, Some(segments)) => format!("[N, 1, {}, {}]", segments.height, segments.width),
            _ => "images of its modality: the encoder takes no such".to_string(),
        },
    };
    match (raw.dtype(), raw.dims(), frames, segments) {
        (DType::U8, &[count, height, width, 3], Some(input), _) if (height, width) == (input.height, input.width) => {
            let values = normalised(&raw.flatten_all()?.to_vec1::<u8>()?, height * width);
            Ok(Tensor::from_vec(values, (count, 3, height, width), &Device::Cpu)?)
        }
        (DType::F32, &[count, 1, time, mel], _, Some(input)) if (time, mel) == (input.height, input.width) => {
            Ok(raw.broadcast_as((count, input.channels, time, mel))?.contiguous()?)
        }
        (DType::U8, ..) => Err(wrong("frames")),
        _ => Err(wrong("spectrogram segments")),
    }
}
