//! Pictures side by side as one PNG: frames, spectrogram segments, masks.

use std::io::Cursor;

/// Pixels between two pictures.
const GAP: usize = 2;
/// Largest width and height of a spectrogram segment; larger ones are averaged.
const LARGEST: usize = 96;

/// Why a picture could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The values do not fill the shape.
    #[error("{values} values do not fill {shape}")]
    Shape {
        /// Number of values.
        values: usize,
        /// What they should fill.
        shape: String,
    },
    /// The PNG could not be encoded.
    #[error("the picture cannot be encoded: {0}")]
    Encode(#[from] ::png::EncodingError),
}

/// Frames [T, H, W, 3] of bytes side by side.
///
/// # Errors
/// If the bytes do not fill the shape.
pub fn frames(rgb: &[u8], [t, h, w, c]: [usize; 4]) -> Result<Vec<u8>, PictureError> {
    if c != 3 || rgb.is_empty() || rgb.len() != t * h * w * c {
        return Err(PictureError::Shape { values: rgb.len(), shape: format!("[{t}, {h}, {w}, {c}]") });
    }
    let width = t * (w + GAP) - GAP;
    let mut out = vec![0xff; width * h * 3];
    for (i, frame) in rgb.chunks_exact(h * w * 3).enumerate() {
        for (y, row) in frame.chunks_exact(w * 3).enumerate() {
            let at = (y * width + i * (w + GAP)) * 3;
            out[at..at + w * 3].copy_from_slice(row);
        }
    }
    encode(&out, width, h, ::png::ColorType::Rgb)
}

/// Colour of what a mask covers.
const COVERED: [u8; 3] = [255, 64, 32];

/// Frames [T, H, W, 3] side by side with masks [T, H, W] over them: half the colour of what a mask covers, half its own;
/// the rest is darkened.
///
/// # Errors
/// If the bytes do not fill the shape, or the masks have not one value a pixel.
pub fn overlaid(rgb: &[u8], shape: [usize; 4], masks: &[bool]) -> Result<Vec<u8>, PictureError> {
    if masks.len() * 3 != rgb.len() {
        return Err(PictureError::Shape {
            values: masks.len(),
            shape: format!("[{}, {}, {}]", shape[0], shape[1], shape[2]),
        });
    }
    let mix = |(pixel, covered): (&[u8], &bool)| -> [u8; 3] {
        let half = |c: usize| u8::midpoint(pixel[c], if *covered { COVERED[c] } else { 0 });
        [half(0), half(1), half(2)]
    };
    let mixed: Vec<u8> = rgb.chunks_exact(3).zip(masks).flat_map(mix).collect();
    frames(&mixed, shape)
}

/// A mask [H, W]: white is covered.
///
/// # Errors
/// If the values do not fill the shape.
pub fn mask(covered: &[bool], [h, w]: [usize; 2]) -> Result<Vec<u8>, PictureError> {
    if covered.is_empty() || covered.len() != h * w {
        return Err(PictureError::Shape { values: covered.len(), shape: format!("[{h}, {w}]") });
    }
    let pixels: Vec<u8> = covered.iter().map(|on| if *on { 255 } else { 0 }).collect();
    encode(&pixels, w, h, ::png::ColorType::Grayscale)
}

/// Spectrogram segments [T, time, mel] side by side: time to the right, low sounds below, loud is dark. The scale goes
/// from the lowest to the highest energy of the clip.
///
/// # Errors
/// If the values do not fill the shape.
pub fn spectrogram(values: &[f32], [t, time, mels]: [usize; 3]) -> Result<Vec<u8>, PictureError> {
    if values.is_empty() || values.len() != t * time * mels {
        return Err(PictureError::Shape { values: values.len(), shape: format!("[{t}, {time}, {mels}]") });
    }
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
    let (w, h) = (time.min(LARGEST), mels.min(LARGEST));
    let width = t * (w + GAP) - GAP;
    let mut out = vec![0xff; width * h];
    for (i, segment) in values.chunks_exact(time * mels).enumerate() {
        for x in 0..w {
            for y in 0..h {
                let columns = x * time / w..((x + 1) * time / w).max(x * time / w + 1);
                let rows = y * mels / h..((y + 1) * mels / h).max(y * mels / h + 1);
                let count = (columns.len() * rows.len()) as f32;
                let sum: f32 = columns.flat_map(|c| rows.clone().map(move |r| segment[c * mels + r])).sum();
                let level = ((sum / count - low) / (high - low).max(1e-6)).clamp(0.0, 1.0);
                out[(h - 1 - y) * width + i * (w + GAP) + x] = (255.0 * (1.0 - level)) as u8;
            }
        }
    }
    encode(&out, width, h, ::png::ColorType::Grayscale)
}

fn encode(pixels: &[u8], width: usize, height: usize, colour: ::png::ColorType) -> Result<Vec<u8>, PictureError> {
    let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = ::png::Encoder::new(&mut bytes, size(width), size(height));
    encoder.set_color(colour);
    encoder.set_depth(::png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(png: Vec<u8>) -> (u32, u32, Vec<u8>) {
        let mut reader = ::png::Decoder::new(Cursor::new(png)).read_info().unwrap();
        let mut buffer = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut buffer).unwrap();
        (info.width, info.height, buffer)
    }

    #[test]
    fn frames_stand_side_by_side() {
        let rgb: Vec<u8> = [[10u8; 3], [20; 3]].concat();
        let (width, height, pixels) = decoded(frames(&rgb, [2, 1, 1, 3]).unwrap());
        assert_eq!((width, height), (4, 1));
        assert_eq!(pixels, [10, 10, 10, 255, 255, 255, 255, 255, 255, 20, 20, 20]);
        assert!(frames(&rgb, [2, 1, 2, 3]).is_err());
    }

    #[test]
    fn a_mask_tints_what_it_covers_and_darkens_the_rest() {
        let (width, height, pixels) = decoded(overlaid(&[100; 6], [1, 1, 2, 3], &[true, false]).unwrap());
        assert_eq!((width, height, pixels), (2, 1, vec![177, 82, 66, 50, 50, 50]));
        assert!(overlaid(&[100; 6], [1, 1, 2, 3], &[true]).is_err());
        assert_eq!(decoded(mask(&[true, false], [2, 1]).unwrap()), (1, 2, vec![255, 0]));
        assert!(mask(&[true], [1, 2]).is_err());
    }

    #[test]
    fn low_sounds_are_below_and_loud_ones_dark() {
        // Two columns of two mels: silence, then a low tone.
        let (width, height, pixels) = decoded(spectrogram(&[0.0, 0.0, 1.0, 0.0], [1, 2, 2]).unwrap());
        assert_eq!((width, height, pixels), (2, 2, vec![255, 255, 255, 0]));
        assert!(spectrogram(&[0.0], [1, 2, 2]).is_err());
    }

    #[test]
    fn a_long_segment_is_averaged() {
        let values: Vec<f32> = (0..192).map(|i| (i % 2) as f32).collect();
        let (width, _, pixels) = decoded(spectrogram(&values, [1, 192, 1]).unwrap());
        assert_eq!(width, 96);
        assert!(pixels.iter().all(|p| (126..=128).contains(p)), "{pixels:?}");
    }
}
