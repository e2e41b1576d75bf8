//! A figure as PNG, drawn by resvg with one free typeface inside the program: the same picture on every machine.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::standalone::standalone;

/// Pixels a unit: sharp on today's screens and on paper.
const SCALE: f32 = 2.0;

/// Why a figure could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// The SVG is malformed.
    #[error("the figure is no SVG: {0}")]
    Svg(#[from] resvg::usvg::Error),
    /// It has no area.
    #[error("the figure has no area")]
    Empty,
    /// The picture could not be encoded.
    #[error("the figure cannot be encoded: {0}")]
    Encode(String),
}

/// The PNG file of a figure, twice its size in pixels, on white.
///
/// # Errors
/// If it is no SVG.
pub fn png(svg: &str) -> Result<Vec<u8>, PngError> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    fonts.set_sans_serif_family("Ubuntu");
    let options = Options { fontdb: Arc::new(fonts), font_family: "Ubuntu".to_owned(), ..Options::default() };
    let tree = Tree::from_str(&standalone(svg), &options)?;
    let size = tree.size().to_int_size().scale_by(SCALE).ok_or(PngError::Empty)?;
    let mut pixels = Pixmap::new(size.width(), size.height()).ok_or(PngError::Empty)?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| PngError::Encode(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Chart, Series};

    #[test]
    fn a_figure_has_its_lines_and_its_text_in_pixels() {
        let series =
            Series { name: "val".into(), points: vec![(1.0, 2.0), (2.0, 3.0)], marks: true, ..Series::default() };
        let chart = |title: &str| Chart { title: title.into(), series: vec![series.clone()], ..Chart::default() };
        let pixels = |title: &str| {
            let bytes = png(&chart(title).svg()).unwrap();
            let mut reader = ::png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
            let mut buffer = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut buffer).unwrap();
            (info.width, buffer)
        };
        let (width, with) = pixels("Title");
        assert_eq!(width, 920);
        let blue = with.chunks_exact(4).filter(|p| p[..3] == [0, 0x72, 0xb2]).count();
        assert!(blue > 500, "{blue} pixels of the line");
        assert_ne!(with, pixels("").1, "the title is drawn");
        assert!(png("no svg").is_err());
    }
}
