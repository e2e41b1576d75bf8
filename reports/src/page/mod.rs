//! The page of one run or several: one HTML file that needs no network, and the same as Markdown.
//!
//! Everything a reader may doubt is on it: what was run, with which settings, how it stands beside the paper, where the
//! time went, which clips were given up, and clips with what was said of them.

mod beside;
mod examples;
mod figures;
mod html;
mod markdown;
pub mod pictures;
mod sections;
mod whole;

pub use examples::{Example, Said, Strip};
pub use figures::{Figure, figures};
pub use markdown::markdown;
pub use whole::Page;

#[cfg(test)]
mod tests;
