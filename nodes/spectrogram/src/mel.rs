//! Mel filters: Kaldi's, VGGish's and Slaney's.
//!
//! Kaldi's are triangles whose sides are straight on the mel axis, not on the frequency axis. mel(f) = 1127 ln(1 + f / 700), from 20 Hz to half the rate; the spectrum's last bin (half the rate) has no weight.
//! Arithmetic is in f32, as in the reference implementation (torchaudio.compliance.kaldi), so that weights agree in their
//! last digits. Narrow low filters may hold no bin at all: their energy is 0.
//!
//! Slaney's (Auditory Toolbox, as `librosa.filters.mel` has them) are triangles on the frequency axis, of area 1 in hertz.
//! Their corners are evenly spaced on a mel axis that is linear up to 1000 Hz (200 / 3 Hz a mel) and logarithmic above
//! (27 mels for a factor of 6.4).

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
            trimmed(bins.iter().map(|at| weight(*at)).collect())
        };
        Self { filters: (0..mels).map(filter).collect() }
    }

    /// Triangles of height 1 whose sides are straight on Kaldi's mel axis, between two frequencies in hertz; in double
    /// precision, without the bin of 0 Hz.
    pub fn straight_on_mels(mels: usize, fft: usize, rate: u32, (low, high): (f64, f64)) -> Self {
        let mel = |hertz: f64| 1127.0 * (hertz / 700.0).ln_1p();
        let (low, high) = (mel(low), mel(high));
        let edge = |index: usize| low + (high - low) * index as f64 / (mels as f64 + 1.0);
        let filter = |index: usize| {
            let (left, centre, right) = (edge(index), edge(index + 1), edge(index + 2));
            let weight = |bin: usize| {
                let at = mel(bin as f64 * f64::from(rate) / fft as f64);
                let height = ((at - left) / (centre - left)).min((right - at) / (right - centre)).max(0.0);
                if bin == 0 { 0.0 } else { height as f32 }
            };
            trimmed((0..=fft / 2).map(weight).collect())
        };
        Self { filters: (0..mels).map(filter).collect() }
    }

    /// Slaney's filters between two frequencies in hertz.
    pub fn slaney(mels: usize, fft: usize, rate: u32, (low, high): (f64, f64)) -> Self {
        let (low, high) = (slaney_mel(low), slaney_mel(high));
        let corner = |index: usize| slaney_hertz(low + (high - low) * index as f64 / (mels as f64 + 1.0));
        let filter = |mel: usize| {
            let (left, centre, right) = (corner(mel), corner(mel + 1), corner(mel + 2));
            let weight = |bin: usize| {
                let hertz = bin as f64 * f64::from(rate) / fft as f64;
                let height = ((hertz - left) / (centre - left)).min((right - hertz) / (right - centre)).max(0.0);
                (height * 2.0 / (right - left)) as f32
            };
            trimmed((0..=fft / 2).map(weight).collect())
        };
        Self { filters: (0..mels).map(filter).collect() }
    }

    /// Energies `[mels]` of a power spectrum [fft / 2 + 1].
    pub fn energies<'a>(&'a self, power: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        self.filters.iter().map(|(first, weights)| weights.iter().zip(&power[*first..]).map(|(w, p)| w * p).sum())
    }
}

/// A filter from its first bin with weight to its last.
fn trimmed(weights: Vec<f32>) -> (usize, Vec<f32>) {
    let first = weights.iter().position(|weight| *weight > 0.0).unwrap_or(0);
    let end = weights.iter().rposition(|weight| *weight > 0.0).map_or(first, |last| last + 1);
    (first, weights[first..end].to_vec())
}

/// Where Slaney's axis turns logarithmic, in hertz and mels, and its slopes.
const TURN_HERTZ: f64 = 1000.0;
const TURN_MELS: f64 = 15.0;
const HERTZ_A_MEL: f64 = 200.0 / 3.0;
const MELS_A_FACTOR: (f64, f64) = (27.0, 6.4);

fn slaney_mel(hertz: f64) -> f64 {
    let (mels, factor) = MELS_A_FACTOR;
    if hertz < TURN_HERTZ { hertz / HERTZ_A_MEL } else { TURN_MELS + (hertz / TURN_HERTZ).ln() * mels / factor.ln() }
}

fn slaney_hertz(mel: f64) -> f64 {
    let (mels, factor) = MELS_A_FACTOR;
    if mel < TURN_MELS { mel * HERTZ_A_MEL } else { TURN_HERTZ * ((mel - TURN_MELS) * factor.ln() / mels).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slaney_filters_have_area_one_and_stand_where_their_axis_puts_them() {
        assert!((slaney_mel(500.0) - 7.5).abs() < 1e-9);
        assert!((slaney_mel(6400.0) - 42.0).abs() < 1e-9 && (slaney_hertz(42.0) - 6400.0).abs() < 1e-6);
        let filters = MelFilters::slaney(64, 1024, 32_000, (50.0, 14_000.0)).filters;
        for (mel, (first, weights)) in filters.iter().enumerate().skip(20) {
            // Wide filters: the sum over bins of 31.25 Hz is near the integral.
            let area = weights.iter().sum::<f32>() * 31.25;
            assert!((area - 1.0).abs() < 0.05, "filter {mel} from bin {first} has area {area}");
        }
        let (first, weights) = &filters[63];
        let last = first + weights.len() - 1;
        assert!(last == 447 || last == 448, "bin {last}; 14,000 Hz is bin 448, where the weight is 0 but for rounding");
    }

    #[test]
    fn eight_of_192_filters_hold_no_bin_and_the_others_none_of_zero_weight() {
        let filters = MelFilters::new(192, 512, 16_000).filters;
        assert_eq!(filters.iter().filter(|(_, weights)| weights.is_empty()).count(), 8);
        assert!(
            filters.iter().all(|(first, weights)| first + weights.len() <= 256 && weights.iter().all(|w| *w > 0.0))
        );
    }
}
