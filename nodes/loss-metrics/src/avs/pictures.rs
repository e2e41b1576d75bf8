//! Masks of a clip as PNGs, beside the frames the model saw: rows of the table `masks`.

use arrow::array::RecordBatch;
use arrow::datatypes::UInt8Type;
use copl_contract::schema::{self, BatchBuilder, Schema};
use copl_contract::{Message, tensor};
use copl_losses::masks::probability;
use png::{BitDepth, ColorType, Encoder};

use super::masks::Masks;
use super::metrics::iou;

/// Rows of a clip: one a segment.
pub(super) fn rows(
    logits: &[f32],
    masks: &Masks<'_>,
    clip: &Message,
    frames: Option<&Message>,
) -> Result<(Schema, RecordBatch), String> {
    let [segments, height, width] = masks.shape;
    let pixels = masks.pixels();
    let category = schema::utf8(&clip.batch, "category_name")?.value(0);
    let (mut seen, mut said, mut truth, mut scores) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for segment in 0..segments {
        let logits = &logits[segment * pixels..][..pixels];
        let white = |on: bool| if on { 255 } else { 0 };
        let predicted: Vec<u8> = logits.iter().map(|x| white(probability(*x) > 0.5)).collect();
        let mask = masks.mask(segment);
        scores.push(mask.map_or(f64::NAN, |mask| iou(mask, |index| predicted[index] != 0)));
        truth.push(match mask {
            Some(mask) => {
                let mask: Vec<u8> = mask.iter().map(|bit| white(*bit != 0)).collect();
                png(&mask, height, width, ColorType::Grayscale)?
            }
            None => Vec::new(),
        });
        said.push(png(&predicted, height, width, ColorType::Grayscale)?);
        seen.push(frames.map_or(Ok(Vec::new()), |frames| frame(frames, segment))?);
    }
    let id = &clip.header.clip;
    BatchBuilder::new(Schema::Masks)
        .utf8((0..segments).map(|_| id))
        .int64((0..segments).map(|_| clip.header.position as i64))
        .int64((0..segments).map(|segment| segment as i64))
        .utf8((0..segments).map(|_| category))
        .binary(seen)
        .binary(said)
        .binary(truth)
        .float64(scores)
        .build()
}

/// The frame of a segment.
fn frame(frames: &Message, segment: usize) -> Result<Vec<u8>, String> {
    let view = tensor::view::<UInt8Type>(&frames.batch, "frames")?;
    let [segments, height, width, 3] = view.shape[..] else {
        return Err(format!("frames of {:?}, expected [T, H, W, 3]", view.shape));
    };
    if segment >= segments {
        return Err(format!("{segments} frames, masks of segment {segment}"));
    }
    let bytes = height * width * 3;
    png(&view.values[segment * bytes..][..bytes], height, width, ColorType::Rgb)
}

/// A picture of eight bits a sample as a PNG.
fn png(samples: &[u8], height: usize, width: usize, color: ColorType) -> Result<Vec<u8>, String> {
    let side = |length: usize| u32::try_from(length).map_err(|e| e.to_string());
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, side(width)?, side(height)?);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|e| e.to_string())?;
    writer.write_image_data(samples).map_err(|e| e.to_string())?;
    writer.finish().map_err(|e| e.to_string())?;
    Ok(bytes)
}
