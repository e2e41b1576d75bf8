//! Kaldi's mel filters: triangles whose sides are straight on the mel axis, not on the frequency axis.
//!
//! mel(f) = 1127 ln(1 + f / 700), from 20 Hz to half the rate; the spectrum's last bin (half the rate) has no weight.
//! Arithmetic is in f32, as in the reference implementation (torchaudio.compliance.kaldi), so that weights agree in their
//! last digits. Narrow low filters may hold no bin at all: their energy is 0.

/// Lowest frequency of the first filter, hertz.
const LOW_HERTZ: f64 = 20.0;

/// Filters over the power spectrum of a frame of `fft` samples, each stored from its first bin with weight.
pub struct MelFilters {
    filters: Vec<(usize, Vec<f32>)>,
}

impl MelFilters {
    pub fn new(mels: usize, fft: usize, rate: u32) -> Self {
        let scalar = |hertz: f64| 1127.0 * (1.0 + hertz / 700.0).ln();
        let (low, high) = (scalar(LOW_HERTZ), scalar(f64::from(rate) / 2.0));
        let step = ((high - low) / (mels as f64 + 1.0)) as f32;
        let low = low as f32;
        let bin_hertz = (f64::from(rate) / fft as f64) as f32;
        let bins: Vec<f32> = (0..fft / 2).map(|bin| 1127.0 * (1.0 + bin_hertz * bin as f32 / 700.0).ln()).collect();
        let filter = |mel: usize| {
            let left = low + mel as f32 * step;
            let centre = low + (mel as f32 + 1.0) * step;
            let right = low + (mel as f32 + 2.0) * step;
            let weight = |at: f32| ((at - left) / (centre - left)).min((right - at) / (right - centre)).max(0.0);
            let weights: Vec<f32> = bins.iter().map(|at| weight(*at)).collect();
            let first = weights.iter().position(|weight| *weight > 0.0).unwrap_or(0);
            let end = weights.iter().rposition(|weight| *weight > 0.0).map_or(first, |last| last + 1);
            (first, weights[first..end].to_vec())
        };
        Self { filters: (0..mels).map(filter).collect() }
    }

    /// Energies `[mels]` of a power spectrum [fft / 2 + 1].
    pub fn energies<'a>(&'a self, power: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        self.filters.iter().map(|(first, weights)| weights.iter().zip(&power[*first..]).map(|(w, p)| w * p).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_of_192_filters_hold_no_bin_and_the_others_none_of_zero_weight() {
        let filters = MelFilters::new(192, 512, 16_000).filters;
        assert_eq!(filters.iter().filter(|(_, weights)| weights.is_empty()).count(), 8);
        assert!(
            filters.iter().all(|(first, weights)| first + weights.len() <= 256 && weights.iter().all(|w| *w > 0.0))
        );
    }
}
