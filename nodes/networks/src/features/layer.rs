//! What an encoder gives of an image.

use serde::Serialize;

/// A layer of an encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Its name, as `copl nodes describe` and fixtures have it.
    pub name: String,
    /// What it holds of an image.
    pub shape: LayerShape,
}

/// The shape of a layer, without the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerShape {
    /// A map, row by row: [height width, width of a place].
    Map {
        /// Rows of places.
        height: usize,
        /// Places of a row.
        width: usize,
        /// Numbers of a place (d).
        channels: usize,
    },
    /// Tokens that make no picture, or a class token before one: [tokens, width].
    Tokens {
        /// Tokens (L).
        tokens: usize,
        /// Numbers of a token (d).
        width: usize,
    },
    /// One vector `[d]`.
    Vector {
        /// d
        width: usize,
    },
}

impl Layer {
    /// A map.
    pub(super) fn map(name: impl Into<String>, [height, width]: [usize; 2], channels: usize) -> Self {
        Self { name: name.into(), shape: LayerShape::Map { height, width, channels } }
    }

    /// Tokens.
    pub(super) fn tokens(name: impl Into<String>, tokens: usize, width: usize) -> Self {
        Self { name: name.into(), shape: LayerShape::Tokens { tokens, width } }
    }

    /// A vector.
    pub(super) fn vector(name: impl Into<String>, width: usize) -> Self {
        Self { name: name.into(), shape: LayerShape::Vector { width } }
    }
}

impl LayerShape {
    /// [L, d] of a map or of tokens, `[d]` of a vector.
    pub fn dims(self) -> Vec<usize> {
        match self {
            Self::Map { height, width, channels } => vec![height * width, channels],
            Self::Tokens { tokens, width } => vec![tokens, width],
            Self::Vector { width } => vec![width],
        }
    }
}
