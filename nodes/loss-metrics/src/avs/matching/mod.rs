//! The matching loss of AVSBench-MS3: sound and what is masked should be alike, at every scale of the decoder.
//!
//! With N = B T frames, at a scale with the map x [N, C, h, w] (after TPAVI and ReLU) and the aligned audio a [N, C]:
//! - p = sigmoid(the logits [N, H, W] pooled to h x w); v = mean over all h w positions of x p, or, with a threshold, the mean
//!   over those with p > 0.5, divided by their number + 1e-6: that has no slope towards the logits;
//! - the loss is a [`Distance`] of v from a, the mean over the scales; unit vectors may be taken of both first;
//! - *nearest* (AVM-VV): the target of a frame is v of the frame whose audio is nearest to its own, itself excluded. There is
//!   no threshold then, and no slope towards the audio.
//!
//! Nothing is detached otherwise. Source: AVSBench f7414af, `avs_scripts/avs_ms3/loss.py`.

mod distance;
mod pool;

pub use distance::Distance;
pub use pool::Pooling;

/// Added to the number of positions above the threshold.
const EPSILON: f64 = 1e-6;
/// Shortest vector whose direction is taken.
const SHORTEST: f64 = 1e-12;

/// How sound and masks are matched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matching {
    /// How far apart they are.
    pub distance: Distance,
    /// How logits become as small as a map.
    pub pooling: Pooling,
    /// Whether unit vectors are taken of both first.
    pub unit: bool,
    /// Whether masks are taken at p > 0.5.
    pub threshold: bool,
    /// Whether the target is the frame of the nearest audio.
    pub nearest: bool,
}

/// A scale of the decoder.
#[derive(Clone, Copy, Debug)]
pub struct Scale<'a> {
    /// Aligned audio, [N, C].
    pub audio: &'a [f32],
    /// Map, [N, C, h, w].
    pub map: &'a [f32],
    /// h and w.
    pub size: [usize; 2],
}

/// The loss, and its slopes.
#[derive(Clone, Debug)]
pub struct MatchingLoss {
    /// Mean over the scales.
    pub value: f64,
    /// dL / d logits, [N, H, W].
    pub logits: Vec<f32>,
    /// dL / d aligned audio and dL / d map of each scale.
    pub scales: Vec<[Vec<f32>; 2]>,
}

impl Matching {
    /// The loss of `logits` [frames, H, W] and the scales of the decoder.
    ///
    /// # Errors
    /// If there is no frame or scale, or a tensor does not fill its shape.
    pub fn loss(
        &self,
        logits: &[f32],
        frames: usize,
        size: [usize; 2],
        scales: &[Scale<'_>],
    ) -> Result<MatchingLoss, String> {
        if frames == 0 || scales.is_empty() || logits.len() != frames * size[0] * size[1] {
            return Err(format!(
                "{} logits and {} scales do not match {frames} frames of {size:?}",
                logits.len(),
                scales.len()
            ));
        }
        let logits: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
        let mut slopes = vec![0.0; logits.len()];
        let weight = 1.0 / scales.len() as f64;
        let (mut value, mut of_scales) = (0.0, Vec::with_capacity(scales.len()));
        for scale in scales {
            let channels = scale.audio.len() / frames;
            let positions = scale.size[0] * scale.size[1];
            let [down, across] = scale.size;
            if channels == 0
                || scale.audio.len() != frames * channels
                || scale.map.len() != frames * channels * positions
                || !(1..=size[0]).contains(&down)
                || !(1..=size[1]).contains(&across)
            {
                return Err(format!(
                    "audio of {} and a map of {} values do not match {frames} frames at {:?} of {size:?}",
                    scale.audio.len(),
                    scale.map.len(),
                    scale.size
                ));
            }
            let part = At { how: self, scale, frames, channels, logits: &logits, size };
            let (of_scale, audio, map) = part.loss(weight, &mut slopes);
            value += weight * of_scale;
            of_scales.push([audio, map]);
        }
        Ok(MatchingLoss { value, logits: single(&slopes), scales: of_scales })
    }
}

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|x| *x as f32).collect()
}

/// The loss at one scale.
struct At<'a> {
    how: &'a Matching,
    scale: &'a Scale<'a>,
    frames: usize,
    channels: usize,
    logits: &'a [f64],
    size: [usize; 2],
}

impl At<'_> {
    /// The distance, and `weight` times its slopes towards audio and map; those towards the logits are added to `logits`.
    fn loss(&self, weight: f64, logits: &mut [f64]) -> (f64, Vec<f32>, Vec<f32>) {
        let masks: Vec<Vec<f64>> = (0..self.frames).map(|frame| self.mask(frame)).collect();
        let seen: Vec<f64> = masks.iter().enumerate().flat_map(|(frame, mask)| self.seen(frame, mask)).collect();
        let heard: Vec<f64> = self.scale.audio.iter().map(|x| f64::from(*x)).collect();
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
        let mut map = vec![0.0; self.scale.map.len()];
        for (frame, mask) in masks.iter().enumerate() {
            let slopes: Vec<f64> = self.row(&dv, frame).iter().map(|slope| weight * slope).collect();
            self.back(frame, mask, &slopes, &mut map, logits);
        }
        da.iter_mut().for_each(|slope| *slope *= weight);
        (value, single(&da), single(&map))
    }

    fn row<'a>(&self, rows: &'a [f64], row: usize) -> &'a [f64] {
        &rows[row * self.channels..][..self.channels]
    }

    fn has_threshold(&self) -> bool {
        self.how.threshold && !self.how.nearest
    }

    fn frame_logits(&self, frame: usize) -> &[f64] {
        let pixels = self.size[0] * self.size[1];
        &self.logits[frame * pixels..][..pixels]
    }

    /// p of a frame at every position.
    fn mask(&self, frame: usize) -> Vec<f64> {
        let pooled = self.how.pooling.pooled(self.frame_logits(frame), self.size, self.scale.size);
        let p = pooled.into_iter().map(|x| 1.0 / (1.0 + (-x).exp()));
        if self.has_threshold() { p.map(|p| f64::from(u8::from(p > 0.5))).collect() } else { p.collect() }
    }

    /// What the mask's sums are divided by.
    fn divisor(&self, mask: &[f64]) -> f64 {
        if self.has_threshold() { mask.iter().sum::<f64>() + EPSILON } else { mask.len() as f64 }
    }

    /// A frame's map, channel by channel.
    fn map(&self, frame: usize) -> impl Iterator<Item = &[f32]> {
        let positions = self.scale.size[0] * self.scale.size[1];
        self.scale.map[frame * self.channels * positions..][..self.channels * positions].chunks_exact(positions)
    }

    /// v of a frame.
    fn seen(&self, frame: usize, mask: &[f64]) -> Vec<f64> {
        let divisor = self.divisor(mask);
        let of = |map: &[f32]| map.iter().zip(mask).map(|(x, p)| f64::from(*x) * p).sum::<f64>() / divisor;
        self.map(frame).map(of).collect()
    }

    /// Carries the slopes of a frame's v back to its map and its logits.
    fn back(&self, frame: usize, mask: &[f64], slopes: &[f64], map: &mut [f64], logits: &mut [f64]) {
        let (divisor, positions) = (self.divisor(mask), mask.len());
        let own = &mut map[frame * self.channels * positions..][..self.channels * positions];
        for (to, slope) in own.chunks_exact_mut(positions).zip(slopes) {
            to.iter_mut().zip(mask).for_each(|(to, p)| *to = slope * p / divisor);
        }
        if self.has_threshold() {
            return;
        }
        let mut pooled = vec![0.0; positions];
        for (map, slope) in self.map(frame).zip(slopes) {
            pooled.iter_mut().zip(map).for_each(|(sum, x)| *sum += slope * f64::from(*x) / divisor);
        }
        pooled.iter_mut().zip(mask).for_each(|(slope, p)| *slope *= p * (1.0 - p));
        let pixels = self.size[0] * self.size[1];
        let own = &mut logits[frame * pixels..][..pixels];
        self.how.pooling.spread(&pooled, self.frame_logits(frame), self.size, self.scale.size, own);
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
mod tests;
