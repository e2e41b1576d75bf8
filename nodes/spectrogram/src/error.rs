//! Why a waveform gives no spectra.

/// Why a waveform gives no spectra.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FbankError {
    #[error("spectrogram settings: {0}")]
    Settings(String),
    #[error("a waveform of {samples} samples is shorter than one window of {window}")]
    TooShort { samples: usize, window: usize },
    #[error("the Fourier transform failed: {0}")]
    Transform(String),
}
