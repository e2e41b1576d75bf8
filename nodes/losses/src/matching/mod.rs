//! The matching loss of AVSBench-MS3: sound and what is masked should be alike, at every scale of the decoder.
//!
//! With N = B T frames, at a scale with v [N, C], the mean of the decoder's map weighted with the mask that the model itself
//! predicts (the model's head gives it, and the gradient goes on through it to map and logits), and the aligned audio a [N, C]:
//! - the loss is a [`Distance`] of v from a, the mean over the scales; unit vectors may be taken of both first;
//! - *nearest* (AVM-VV): the target of a frame is v of the frame whose audio is nearest to its own, itself excluded. There is
//!   no slope towards the audio then.
//!
//! Nothing is detached otherwise. Source: AVSBench f7414af, `avs_scripts/avs_ms3/loss.py`.

mod distance;

pub use distance::Distance;

/// Shortest vector whose direction is taken.
const SHORTEST: f64 = 1e-12;

/// How sound and masks are matched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matching {
    /// How far apart they are.
    pub distance: Distance,
    /// Whether unit vectors are taken of both first.
    pub unit: bool,
    /// Whether the target is the frame of the nearest audio.
    pub nearest: bool,
}

/// The loss, and its slopes.
#[derive(Clone, Debug)]
pub struct MatchingLoss {
    /// Mean over the scales.
    pub value: f64,
    /// dL / d v and dL / d a of each scale, [N, C] each.
    pub scales: Vec<[Vec<f32>; 2]>,
}

impl Matching {
    /// The loss of `frames` frames: v and a of each scale, [N, C] each.
    ///
    /// # Errors
    /// If there is no frame or scale, or the two of a scale do not fit.
    pub fn loss(&self, frames: usize, scales: &[[&[f32]; 2]]) -> Result<MatchingLoss, String> {
        if frames == 0 || scales.is_empty() {
            return Err(format!("{} scales of {frames} frames cannot be matched", scales.len()));
        }
        let weight = 1.0 / scales.len() as f64;
        let (mut value, mut of_scales) = (0.0, Vec::with_capacity(scales.len()));
        for &[seen, heard] in scales {
            let channels = heard.len() / frames;
            if channels == 0 || heard.len() != frames * channels || seen.len() != heard.len() {
                return Err(format!(
                    "maps of {} and sounds of {} values do not match {frames} frames",
                    seen.len(),
                    heard.len()
                ));
            }
            let (of_scale, slopes) = At { how: self, frames, channels }.loss(weight, seen, heard);
            value += weight * of_scale;
            of_scales.push(slopes);
        }
        Ok(MatchingLoss { value, scales: of_scales })
    }
}

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|x| *x as f32).collect()
}

/// The loss at one scale.
struct At<'a> {
    how: &'a Matching,
    frames: usize,
    channels: usize,
}

impl At<'_> {
    /// The distance, and `weight` times its slopes towards what is seen and heard.
    fn loss(&self, weight: f64, seen: &[f32], heard: &[f32]) -> (f64, [Vec<f32>; 2]) {
        let double = |values: &[f32]| values.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
        let (seen, heard) = (double(seen), double(heard));
        let direction = |rows: &[f64]| if self.how.unit { self.units(rows) } else { rows.to_vec() };
        let (a, v) = (direction(&heard), direction(&seen));
        let (mut da, mut dv) = (vec![0.0; a.len()], vec![0.0; v.len()]);
        let value = if self.how.nearest {
            let nearest = self.nearest(&a);
            let target: Vec<f64> = nearest.iter().flat_map(|row| self.row(&v, *row).to_vec()).collect();
            let mut of_target = vec![0.0; target.len()];
            let value = self.how.distance.of([&target, &v], self.channels, [&mut of_target, &mut dv]);
            for (row, slopes) in nearest.iter().zip(of_target.chunks_exact(self.channels)) {
                let own = &mut dv[row * self.channels..][..self.channels];
                own.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope);
            }
            value
        } else {
            self.how.distance.of([&a, &v], self.channels, [&mut da, &mut dv])
        };
        if self.how.unit {
            da = self.through_units(&heard, &a, &da);
            dv = self.through_units(&seen, &v, &dv);
        }
        da.iter_mut().chain(&mut dv).for_each(|slope| *slope *= weight);
        (value, [single(&dv), single(&da)])
    }

    fn row<'a>(&self, rows: &'a [f64], row: usize) -> &'a [f64] {
        &rows[row * self.channels..][..self.channels]
    }

    /// For each row the nearest other one; of one row alone, itself.
    fn nearest(&self, rows: &[f64]) -> Vec<usize> {
        let gap = |one: usize, other: usize| -> f64 {
            let pairs = self.row(rows, one).iter().zip(self.row(rows, other));
            pairs.map(|(a, b)| (a - b) * (a - b)).sum()
        };
        let nearest =
            |row: usize| (0..self.frames).filter(|o| *o != row).min_by(|a, b| gap(row, *a).total_cmp(&gap(row, *b)));
        (0..self.frames).map(|row| nearest(row).unwrap_or(row)).collect()
    }

    fn units(&self, rows: &[f64]) -> Vec<f64> {
        let unit = |row: &[f64]| {
            let length = length(row);
            row.iter().map(move |x| x / length).collect::<Vec<_>>()
        };
        rows.chunks_exact(self.channels).flat_map(unit).collect()
    }

    /// Slopes of rows from those of their unit vectors.
    fn through_units(&self, rows: &[f64], units: &[f64], slopes: &[f64]) -> Vec<f64> {
        let of = |((row, unit), slope): ((&[f64], &[f64]), &[f64])| {
            let along: f64 = unit.iter().zip(slope).map(|(u, g)| u * g).sum();
            let length = length(row);
            unit.iter().zip(slope).map(|(u, g)| (g - u * along) / length).collect::<Vec<_>>()
        };
        let n = self.channels;
        rows.chunks_exact(n).zip(units.chunks_exact(n)).zip(slopes.chunks_exact(n)).flat_map(of).collect()
    }
}

fn length(row: &[f64]) -> f64 {
    row.iter().map(|x| x * x).sum::<f64>().sqrt().max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: usize = 3;
    const CHANNELS: usize = 2;

    /// Numbers that look random, from -1 to 1; not evenly spaced, so that no two rows are equally near to a third.
    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let of = |i: u32| {
            let mixed = i.wrapping_mul(2_654_435_761).wrapping_add(seed).wrapping_mul(2_246_822_519);
            ((mixed ^ (mixed >> 15)).wrapping_mul(3_266_489_917) >> 8) as f32
        };
        (0..count as u32).map(|i| of(i + 1) / (1 << 23) as f32 - 1.0).collect()
    }

    fn loss(how: Matching, inputs: &[Vec<f32>]) -> MatchingLoss {
        let scales: Vec<[&[f32]; 2]> = inputs.chunks(2).map(|scale| [&scale[0][..], &scale[1][..]]).collect();
        how.loss(FRAMES, &scales).unwrap()
    }

    #[test]
    fn slopes_agree_with_finite_differences() {
        for distance in [Distance::Kl, Distance::Euclid] {
            for (unit, nearest) in [(false, false), (true, false), (false, true), (true, true)] {
                let how = Matching { distance, unit, nearest };
                let mut inputs: Vec<Vec<f32>> = (0..4).map(|seed| numbers(FRAMES * CHANNELS, 11 * seed + 3)).collect();
                let analytic: Vec<Vec<f32>> = loss(how, &inputs).scales.into_iter().flatten().collect();
                for (which, slopes) in analytic.iter().enumerate() {
                    for (i, slope) in slopes.iter().enumerate() {
                        let mut at = |change: f32| {
                            inputs[which][i] += change;
                            let value = loss(how, &inputs).value;
                            inputs[which][i] -= change;
                            value
                        };
                        let found = (at(1e-3) - at(-1e-3)) / 2e-3;
                        let allowed = 2e-4 + 1e-3 * f64::from(slope.abs());
                        assert!((found - f64::from(*slope)).abs() < allowed, "{how:?}, {which} {i}: {found} {slope}");
                    }
                }
            }
        }
    }

    #[test]
    fn tensors_that_do_not_fit_are_refused() {
        let how = Matching { distance: Distance::Euclid, unit: false, nearest: true };
        assert!(how.loss(1, &[[&[1.0, 2.0], &[1.0, 2.0]]]).is_ok());
        assert!(how.loss(1, &[]).is_err());
        assert!(how.loss(0, &[[&[], &[]]]).is_err());
        assert!(how.loss(2, &[[&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]]]).is_err());
        assert!(how.loss(1, &[[&[1.0], &[1.0, 2.0]]]).is_err());
    }
}
