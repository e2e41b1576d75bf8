//! Slopes by finite differences, for every way of matching.

use super::*;

const FRAMES: usize = 3;
const SIZE: [usize; 2] = [6, 4];
const CHANNELS: usize = 2;
const SCALES: [[usize; 2]; 2] = [[3, 2], [2, 2]];

/// Numbers that look random, from -1 to 1.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let of = |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed).wrapping_mul(2_246_822_519) >> 8) as f32;
    (0..count as u32).map(|i| of(i + 1) / (1 << 23) as f32 - 1.0).collect()
}

struct Inputs {
    logits: Vec<f32>,
    scales: Vec<[Vec<f32>; 2]>,
}

impl Inputs {
    fn new() -> Self {
        let of = |(i, size): (usize, &[usize; 2])| {
            let positions = size[0] * size[1];
            let seed = 11 * (i as u32 + 1);
            [numbers(FRAMES * CHANNELS, seed), numbers(FRAMES * CHANNELS * positions, seed + 5)]
        };
        Self { logits: numbers(FRAMES * SIZE[0] * SIZE[1], 3), scales: SCALES.iter().enumerate().map(of).collect() }
    }

    fn loss(&self, how: Matching) -> MatchingLoss {
        let scales: Vec<Scale<'_>> =
            self.scales.iter().zip(SCALES).map(|([audio, map], size)| Scale { audio, map, size }).collect();
        how.loss(&self.logits, FRAMES, SIZE, &scales).unwrap()
    }

    /// Every number that has a slope: logits, then audio and map of each scale.
    fn all(&mut self) -> Vec<&mut Vec<f32>> {
        std::iter::once(&mut self.logits).chain(self.scales.iter_mut().flatten()).collect()
    }
}

#[test]
fn slopes_agree_with_finite_differences() {
    for distance in [Distance::Kl, Distance::Euclid] {
        for (unit, threshold, nearest) in [
            (false, false, false),
            (true, false, false),
            (true, true, false),
            (false, false, true),
            (true, false, true),
        ] {
            for pooling in [Pooling::Mean, Pooling::Max] {
                let how = Matching { distance, pooling, unit, threshold, nearest };
                let mut inputs = Inputs::new();
                let loss = inputs.loss(how);
                let analytic: Vec<Vec<f32>> =
                    std::iter::once(loss.logits).chain(loss.scales.into_iter().flatten()).collect();
                for (which, slopes) in analytic.iter().enumerate() {
                    for (i, slope) in slopes.iter().enumerate() {
                        let mut at = |change: f32| {
                            inputs.all()[which][i] += change;
                            let value = inputs.loss(how).value;
                            inputs.all()[which][i] -= change;
                            value
                        };
                        let found = (at(1e-3) - at(-1e-3)) / 2e-3;
                        assert!((found - f64::from(*slope)).abs() < 2e-4, "{how:?}, {which} {i}: {found} {slope}");
                    }
                }
            }
        }
    }
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let how =
        Matching { distance: Distance::Euclid, pooling: Pooling::Max, unit: false, threshold: false, nearest: true };
    let scale = Scale { audio: &[1.0, 2.0], map: &[0.0; 8], size: [2, 2] };
    assert!(how.loss(&[0.0; 16], 1, [4, 4], &[scale]).is_ok());
    assert!(how.loss(&[0.0; 16], 1, [4, 4], &[]).is_err());
    assert!(how.loss(&[0.0; 15], 1, [4, 4], &[scale]).is_err());
    assert!(how.loss(&[0.0; 16], 1, [4, 4], &[Scale { map: &[0.0; 7], ..scale }]).is_err());
    assert!(how.loss(&[0.0; 16], 1, [4, 4], &[Scale { size: [8, 1], ..scale }]).is_err());
}
