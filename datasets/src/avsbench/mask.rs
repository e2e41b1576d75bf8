//! Masks of AVSBench: PNG files.
//!
//! The official loader opens those of S4 in PIL's mode "1". Grey, RGB, palette and 1-bit pictures whose values are 0 or 255 give
//! here what PIL gives. Of other values the luma (ITU-R 601, as PIL computes it) decides: 128 and above is foreground. PIL would
//! dither grey and colour there, which no mask means. Alpha is left out, as PIL leaves it out.
//!
//! Those of MS3 it opens in palette mode and divides by 255, which is right for the values 0 and 255 and makes the palette
//! indices 0 and 1 nearly nothing. Here every value above zero is foreground, whichever way they are stored.

use std::{
    fs::File,
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use png::{BitDepth, ColorType, Decoder, Transformations};

/// The pixels of the sounding objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    pub height: usize,
    pub width: usize,
    /// [height, width] row by row: 1 on an object, 0 elsewhere.
    pub bits: Vec<u8>,
}

/// Which stored values are foreground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreground {
    /// A luma of 128 and above; of a palette, that of the colour.
    Bright,
    /// Any value but zero; of a palette, that of the index.
    AboveZero,
}

/// A mask as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMask {
    pub height: usize,
    pub width: usize,
    /// [height, width] row by row: greys (1, 2 and 4 bits spread over 0..255), indices into the palette, or the luma of colours.
    pub values: Vec<u8>,
    /// Three bytes a colour.
    pub palette: Option<Vec<u8>>,
}

impl StoredMask {
    /// Which pixels are the objects'.
    pub fn mask(self, foreground: Foreground) -> Mask {
        let Self { height, width, values, palette } = self;
        let is_on = |value: u8| match (foreground, &palette) {
            (Foreground::AboveZero, _) => value > 0,
            (Foreground::Bright, None) => value >= 128,
            // An index without a colour is black.
            (Foreground::Bright, Some(colours)) => {
                colours.chunks_exact(3).nth(usize::from(value)).is_some_and(|rgb| luma(ColorType::Rgb, rgb) >= 128)
            }
        };
        // A picture has many pixels and few values.
        let on: Vec<u8> = (0..=u8::MAX).map(|value| u8::from(is_on(value))).collect();
        Mask { height, width, bits: values.into_iter().map(|value| on[usize::from(value)]).collect() }
    }
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
pub fn read_mask(path: &Path, foreground: Foreground) -> Result<Mask, MaskError> {
    Ok(read_stored(path)?.mask(foreground))
}

/// Reads a mask's values.
///
/// # Errors
/// If the file cannot be read or is no PNG.
pub fn read_stored(path: &Path) -> Result<StoredMask, MaskError> {
    let at = || path.to_owned();
    let png = |source| MaskError::Png { path: at(), source };
    let file = File::open(path).map_err(|source| MaskError::Io { path: at(), source })?;
    let mut decoder = Decoder::new(BufReader::new(file));
    let indexed = decoder.read_header_info().map_err(png)?.color_type == ColorType::Indexed;
    // 16 bits lose their lower half; few bits of a grey become 8-bit values, those of a palette stay indices.
    let expand = if indexed { Transformations::IDENTITY } else { Transformations::EXPAND };
    decoder.set_transformations(expand | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(png)?;
    let size = reader.output_buffer_size().ok_or_else(|| MaskError::Size { path: at() })?;
    let mut bytes = vec![0; size];
    let info = reader.next_frame(&mut bytes).map_err(png)?;
    bytes.truncate(info.buffer_size());
    let (height, width) = (info.height as usize, info.width as usize);
    let values = if indexed {
        bytes.chunks(info.line_size.max(1)).flat_map(|row| unpacked(row, info.bit_depth).take(width)).collect()
    } else {
        bytes.chunks_exact(info.color_type.samples()).map(|pixel| luma(info.color_type, pixel)).collect()
    };
    let palette = reader.info().palette.as_ref().filter(|_| indexed).map(|palette| palette.to_vec());
    Ok(StoredMask { height, width, values, palette })
}

/// The values of a row, the first in the highest bits of its byte.
fn unpacked(row: &[u8], depth: BitDepth) -> impl Iterator<Item = u8> {
    let bits = depth as usize;
    let most = ((1_u16 << bits.min(8)) - 1) as u8;
    row.iter().flat_map(move |byte| (0..8 / bits.clamp(1, 8)).map(move |n| (byte >> (8 - bits * (n + 1))) & most))
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

fn luma(kind: ColorType, pixel: &[u8]) -> u8 {
    match (kind, pixel) {
        (ColorType::Rgb | ColorType::Rgba, [red, green, blue, ..]) => {
            let sum = u32::from(*red) * 19_595 + u32::from(*green) * 38_470 + u32::from(*blue) * 7_471;
            ((sum + 0x8000) >> 16) as u8
        }
        (_, [grey, ..]) => *grey,
        (_, []) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of 2 x 2 pixels, read back.
    fn written(kind: ColorType, depth: png::BitDepth, palette: &[u8], data: &[u8]) -> StoredMask {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        let mut encoder = png::Encoder::new(File::create(&path).unwrap(), 2, 2);
        encoder.set_color(kind);
        encoder.set_depth(depth);
        if !palette.is_empty() {
            encoder.set_palette(palette.to_vec());
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        read_stored(&path).unwrap()
    }

    #[test]
    fn every_kind_of_png_gives_the_same_bits() {
        use png::BitDepth::{Eight, One};
        let expected = Mask { height: 2, width: 2, bits: vec![0, 1, 1, 0] };
        let rgb = [0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0];
        let black_white = [0, 0, 0, 255, 255, 255];
        for (kind, depth, palette, data) in [
            (ColorType::Grayscale, Eight, &[][..], &[0, 255, 255, 0][..]),
            (ColorType::Grayscale, One, &[], &[0x40, 0x80]),
            (ColorType::Rgb, Eight, &[], &rgb),
            (ColorType::Indexed, Eight, &black_white, &[0, 1, 1, 0]),
            (ColorType::Indexed, One, &black_white, &[0x40, 0x80]),
        ] {
            let stored = written(kind, depth, palette, data);
            for foreground in [Foreground::Bright, Foreground::AboveZero] {
                assert_eq!(stored.clone().mask(foreground), expected, "{kind:?} {depth:?} {foreground:?}");
            }
        }
        let greys = written(ColorType::Grayscale, Eight, &[], &[127, 128, 200, 1]);
        assert_eq!(greys.mask(Foreground::Bright), expected);
    }

    /// The palette of S4's masks decides, the index of MS3's does: 0 and 1 are black and nearly black here, and 7 has no colour.
    #[test]
    fn an_index_is_foreground_by_its_colour_or_by_itself() {
        let dark = [0, 0, 0, 1, 1, 1, 255, 255, 255];
        let stored = written(ColorType::Indexed, png::BitDepth::Four, &dark, &[0x01, 0x27]);
        assert_eq!((&stored.values[..], stored.palette.as_deref()), (&[0, 1, 2, 7][..], Some(&dark[..])));
        assert_eq!(stored.clone().mask(Foreground::Bright).bits, [0, 0, 1, 0]);
        assert_eq!(stored.mask(Foreground::AboveZero).bits, [0, 1, 1, 1]);
    }
}
