//! Pictures as one PNG, and back: [.., W, 3] u8, all rows below each other.

use std::io::{self, Cursor};

use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Limits};

/// The PNG; `None` where values of this shape are no pictures.
pub(super) fn pack(shape: &[usize], values: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let Some((width, height)) = sides(shape) else { return Ok(None) };
    let mut png = Vec::with_capacity(values.len() / 2);
    let mut encoder = Encoder::new(&mut png, width, height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    writer.write_image_data(values).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)?;
    Ok(Some(png))
}

/// The values; `None` if the PNG is not one of this shape.
pub(super) fn unpack(shape: &[usize], png: &[u8]) -> Option<Vec<u8>> {
    let (width, height) = sides(shape)?;
    // Its checksum was right, so it is what this program wrote: as large as any clip that is decoded.
    let mut reader = Decoder::new_with_limits(Cursor::new(png), Limits { bytes: usize::MAX }).read_info().ok()?;
    let info = reader.info();
    if (info.width, info.height, info.color_type, info.bit_depth) != (width, height, ColorType::Rgb, BitDepth::Eight) {
        return None;
    }
    let mut values = vec![0; reader.output_buffer_size()?];
    reader.next_frame(&mut values).ok()?;
    Some(values)
}

/// Width and height in pixels of all pictures below each other.
fn sides(shape: &[usize]) -> Option<(u32, u32)> {
    let [rows @ .., width, 3] = shape else { return None };
    let height = rows.iter().try_fold(1_usize, |height, side| height.checked_mul(*side))?;
    // A PNG has no side of 0, and at most 2^31 - 1 pixels a side.
    let side = |pixels: usize| u32::try_from(pixels).ok().filter(|side| (1..=i32::MAX as u32).contains(side));
    (!rows.is_empty()).then_some((side(*width)?, side(height)?))
}
