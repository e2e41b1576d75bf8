//! What an encoder is given: which modality, and images of which size.

use serde::Serialize;

/// Which of a clip's two streams an encoder serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Modality {
    /// Frames.
    Visual,
    /// Spectrograms.
    Audio,
}

/// Shape of one image an encoder takes, without the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct InputShape {
    /// Channels (C): 3, or 1 for an encoder of spectrograms alone.
    pub channels: usize,
    /// Rows (H): pixels, or frames of a spectrogram.
    pub height: usize,
    /// Columns (W): pixels, or mel bands.
    pub width: usize,
}

impl InputShape {
    /// A square picture of three channels.
    pub fn picture(size: usize) -> Self {
        Self { channels: 3, height: size, width: size }
    }

    /// [C, H, W]
    pub fn dims(self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }
}

impl std::fmt::Display for InputShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {}", self.height, self.width)
    }
}
