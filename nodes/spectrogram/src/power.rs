//! Power spectra of real frames.

use realfft::RealToComplex;
use realfft::num_complex::Complex;

use crate::error::FbankError;

/// Buffers of one transform, used again for every frame.
pub(crate) struct PowerSpectrum {
    /// The frame to be transformed.
    pub(crate) input: Vec<f32>,
    output: Vec<Complex<f32>>,
    work: Vec<Complex<f32>>,
    power: Vec<f32>,
}

impl PowerSpectrum {
    /// For frames of a transform's length.
    pub(crate) fn new(transform: &dyn RealToComplex<f32>) -> Self {
        let output = transform.make_output_vec();
        let power = vec![0.0; output.len()];
        Self { input: transform.make_input_vec(), output, work: transform.make_scratch_vec(), power }
    }

    /// Power spectrum [length / 2 + 1] of the input, which it leaves in disorder.
    pub(crate) fn power(&mut self, transform: &dyn RealToComplex<f32>) -> Result<&[f32], FbankError> {
        transform
            .process_with_scratch(&mut self.input, &mut self.output, &mut self.work)
            .map_err(|error| FbankError::Transform(error.to_string()))?;
        for (power, bin) in self.power.iter_mut().zip(&self.output) {
            *power = bin.norm_sqr();
        }
        Ok(&self.power)
    }
}
