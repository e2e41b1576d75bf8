//! Figures as SVG, drawn for a phone's width and scaled up from there, and as PNG.
//!
//! One drawing serves twice: inside the page, where the page's style gives light and dark colours, and as a file of its
//! own ([`standalone`], [`png()`]) with the light ones inside. Series differ by colour, by dash and by the shape of
//! their marks, so that no reader depends on colour.

mod axis;
mod chart;
mod clip;
mod dots;
mod palette;
mod png;
mod stacked;
mod standalone;
mod svg;

pub use chart::{Chart, Series};
pub use clip::{ClipPicture, Picture, Word};
pub use dots::{Dots, Row};
pub use palette::{STYLE, style_of_page};
pub use png::{PngError, png};
pub use stacked::{Part, Stack, Stacked};
pub use standalone::standalone;
pub use svg::escaped;
