//! Masks of AVSBench: PNG files that the official loader opens in PIL's mode "1".
//!
//! Grey, RGB, palette and 1-bit pictures whose values are 0 or 255 give what PIL gives. Of other values the luma
//! (ITU-R 601, as PIL computes it) decides: 128 and above is foreground. PIL would dither grey and colour there, which
//! no mask means. Alpha is left out, as PIL leaves it out.

use std::{
    fs::File,
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use png::{ColorType, Decoder, Transformations};

/// The pixels of the sounding object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    pub height: usize,
    pub width: usize,
    /// [height, width] row by row: 1 on the object, 0 elsewhere.
    pub bits: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum MaskError {
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is no PNG that can be read: {source}", path.display())]
    Png { path: PathBuf, source: png::DecodingError },
    #[error("cannot write {}: {source}", path.display())]
    Encode { path: PathBuf, source: png::EncodingError },
    #[error("{} is larger than memory allows", path.display())]
    Size { path: PathBuf },
}

/// Reads a mask.
///
/// # Errors
/// If the file cannot be read or is no PNG.
pub fn read_mask(path: &Path) -> Result<Mask, MaskError> {
    let at = || path.to_owned();
    let file = File::open(path).map_err(|source| MaskError::Io { path: at(), source })?;
    let mut decoder = Decoder::new(BufReader::new(file));
    // Palettes and few bits become 8-bit values, 16 bits lose their lower half.
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|source| MaskError::Png { path: at(), source })?;
    let size = reader.output_buffer_size().ok_or_else(|| MaskError::Size { path: at() })?;
    let mut values = vec![0; size];
    let info = reader.next_frame(&mut values).map_err(|source| MaskError::Png { path: at(), source })?;
    values.truncate(info.buffer_size());
    let bits =
        values.chunks_exact(info.color_type.samples()).map(|pixel| u8::from(luma(info.color_type, pixel) >= 128));
    Ok(Mask { height: info.height as usize, width: info.width as usize, bits: bits.collect() })
}

/// Writes a mask as a grey PNG of one bit a pixel.
///
/// # Errors
/// If the file cannot be written, or the mask has no pixels.
pub fn write_mask(path: &Path, mask: &Mask) -> Result<(), MaskError> {
    let at = || path.to_owned();
    let file = File::create(path).map_err(|source| MaskError::Io { path: at(), source })?;
    let (Ok(width), Ok(height)) = (u32::try_from(mask.width), u32::try_from(mask.height)) else {
        return Err(MaskError::Size { path: at() });
    };
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let packed: Vec<u8> = mask
        .bits
        .chunks(mask.width.max(1))
        .flat_map(|row| row.chunks(8))
        .map(|bits| bits.iter().enumerate().fold(0, |byte, (n, bit)| byte | (bit & 1) << (7 - n)))
        .collect();
    let write = || -> Result<(), png::EncodingError> {
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&packed)?;
        writer.finish()
    };
    write().map_err(|source| MaskError::Encode { path: at(), source })
}

fn luma(kind: ColorType, pixel: &[u8]) -> u32 {
    match (kind, pixel) {
        (ColorType::Rgb | ColorType::Rgba, [red, green, blue, ..]) => {
            (u32::from(*red) * 19_595 + u32::from(*green) * 38_470 + u32::from(*blue) * 7_471 + 0x8000) >> 16
        }
        (_, [grey, ..]) => u32::from(*grey),
        (_, []) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: ColorType, depth: png::BitDepth, palette: &[u8], data: &[u8]) -> Mask {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        let mut encoder = png::Encoder::new(File::create(&path).unwrap(), 2, 2);
        encoder.set_color(kind);
        encoder.set_depth(depth);
        if !palette.is_empty() {
            encoder.set_palette(palette.to_vec());
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        read_mask(&path).unwrap()
    }

    #[test]
    fn every_kind_of_png_gives_the_same_bits() {
        use png::BitDepth::{Eight, One};
        let expected = Mask { height: 2, width: 2, bits: vec![0, 1, 1, 0] };
        let rgb = [0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0];
        assert_eq!(written(ColorType::Grayscale, Eight, &[], &[0, 255, 255, 0]), expected);
        assert_eq!(written(ColorType::Grayscale, One, &[], &[0x40, 0x80]), expected);
        assert_eq!(written(ColorType::Rgb, Eight, &[], &rgb), expected);
        assert_eq!(written(ColorType::Indexed, Eight, &[0, 0, 0, 255, 255, 255], &[0, 1, 1, 0]), expected);
        assert_eq!(written(ColorType::Grayscale, Eight, &[], &[127, 128, 200, 1]), expected);
    }
}
