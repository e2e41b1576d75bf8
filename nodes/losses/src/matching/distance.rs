//! How far what is seen is from what it should match, over the rows [N, C] of a stage, with the slopes.

/// The distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// Sum over rows *and* channels of s(target) (log s(target) - log s(seen)), s = softmax over channels: it grows with the
    /// batch.
    Kl,
    /// Mean over rows of |target - seen + 1e-6|.
    Euclid,
}

/// Added to every difference, as PyTorch's `pairwise_distance` has it.
const EPSILON: f64 = 1e-6;

impl Distance {
    /// The distance of `rows` rows; adds its slopes to those of the targets and of what is seen.
    pub(super) fn of(
        self,
        [target, seen]: [&[f64]; 2],
        channels: usize,
        [target_slopes, seen_slopes]: [&mut [f64]; 2],
    ) -> f64 {
        let rows = (target.len() / channels).max(1) as f64;
        let pairs = target.chunks_exact(channels).zip(seen.chunks_exact(channels));
        let slopes = target_slopes.chunks_exact_mut(channels).zip(seen_slopes.chunks_exact_mut(channels));
        let mut sum = 0.0;
        for ((a, v), (da, dv)) in pairs.zip(slopes) {
            sum += match self {
                Self::Kl => kl(a, v, da, dv),
                Self::Euclid => euclid(a, v, 1.0 / rows, da, dv),
            };
        }
        match self {
            Self::Kl => sum,
            Self::Euclid => sum / rows,
        }
    }
}

/// log softmax.
fn log_softmax(row: &[f64]) -> Vec<f64> {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|x| (x - top).exp()).sum();
    row.iter().map(|x| x - top - sum.ln()).collect()
}

fn kl(a: &[f64], v: &[f64], da: &mut [f64], dv: &mut [f64]) -> f64 {
    let (log_t, log_q) = (log_softmax(a), log_softmax(v));
    let terms: Vec<f64> = log_t.iter().zip(&log_q).map(|(t, q)| t.exp() * (t - q)).collect();
    let value: f64 = terms.iter().sum();
    for (c, (t, q)) in log_t.iter().zip(&log_q).enumerate() {
        da[c] += t.exp() * (t - q - value);
        dv[c] += q.exp() - t.exp();
    }
    value
}

fn euclid(a: &[f64], v: &[f64], weight: f64, da: &mut [f64], dv: &mut [f64]) -> f64 {
    let gaps: Vec<f64> = a.iter().zip(v).map(|(a, v)| a - v + EPSILON).collect();
    let length = gaps.iter().map(|gap| gap * gap).sum::<f64>().sqrt();
    if length > 0.0 {
        for (c, gap) in gaps.iter().enumerate() {
            da[c] += weight * gap / length;
            dv[c] -= weight * gap / length;
        }
    }
    length
}
