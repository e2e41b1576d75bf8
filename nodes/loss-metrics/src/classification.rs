//! Losses of classes, with their gradients: of the segments of event localisation, of answers and of matches.
//!
//! - `cross-entropy`: mean over B T segments of -log softmax(logits)\[label].
//! - `softmax-bce`: the compared codebases' form: p = softmax(logits), then binary cross entropy of every p against the
//!   one-hot label, mean over B T C elements (logarithms clamped at -100 as PyTorch does).

copl_contract::choice! {
    /// The task loss.
    pub enum TaskLoss { CrossEntropy = "cross-entropy", SoftmaxBce = "softmax-bce" }
}

/// Loss of one batch of segments and its gradient.
#[derive(Debug)]
pub struct SegmentLoss {
    /// Loss of each segment; their mean is the batch's loss.
    pub by_segment: Vec<f64>,
    /// Gradient of the mean with respect to the logits, [segments, classes].
    pub gradient: Vec<f32>,
}

impl TaskLoss {
    /// Loss and gradient of `logits` [segments, classes] against `labels` `[segments]`.
    ///
    /// # Errors
    /// If a label is no class, or the sizes do not match.
    pub fn evaluate(self, logits: &[f32], labels: &[i32], classes: usize) -> Result<SegmentLoss, String> {
        if logits.len() != labels.len() * classes {
            return Err(format!("{} logits do not make {} segments of {classes} classes", logits.len(), labels.len()));
        }
        let count = labels.len() as f64;
        let mut gradient = Vec::with_capacity(logits.len());
        let mut by_segment = Vec::with_capacity(labels.len());
        for (row, label) in logits.chunks_exact(classes.max(1)).zip(labels) {
            let label = usize::try_from(*label).ok().filter(|l| *l < classes).ok_or_else(|| {
                format!("label {label} is none of {classes} classes; CLASSES of the model must count the background")
            })?;
            let p = softmax(row);
            by_segment.push(match self {
                Self::CrossEntropy => {
                    gradient.extend(
                        p.iter().enumerate().map(|(c, p)| ((p - f64::from(u8::from(c == label))) / count) as f32),
                    );
                    cross_entropy(row, label)
                }
                Self::SoftmaxBce => {
                    let elements = count * classes as f64;
                    let dp: Vec<f64> =
                        p.iter().enumerate().map(|(c, p)| bce_slope(*p, c == label) / elements).collect();
                    let mean: f64 = dp.iter().zip(&p).map(|(d, p)| d * p).sum();
                    gradient.extend(dp.iter().zip(&p).map(|(d, p)| (p * (d - mean)) as f32));
                    p.iter().enumerate().map(|(c, p)| bce(*p, c == label)).sum::<f64>() / classes as f64
                }
            });
        }
        Ok(SegmentLoss { by_segment, gradient })
    }
}

fn softmax(row: &[f32]) -> Vec<f64> {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let e: Vec<f64> = row.iter().map(|x| f64::from(x - top).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.into_iter().map(|x| x / sum).collect()
}

fn cross_entropy(row: &[f32], label: usize) -> f64 {
    let top = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = row.iter().map(|x| (f64::from(*x) - top).exp()).sum();
    sum.ln() + top - f64::from(row[label])
}

fn bce(p: f64, hit: bool) -> f64 {
    -(if hit { p } else { 1.0 - p }).ln().max(-100.0)
}

fn bce_slope(p: f64, hit: bool) -> f64 {
    // Where PyTorch clamps the logarithm the slope is bounded in the same way: its backward divides by at least 1e-12.
    (p - f64::from(u8::from(hit))) / (p * (1.0 - p)).max(1e-12)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 8] = [0.3, -1.2, 2.0, 0.1, -0.4, 0.8, 0.0, 1.5];
    const LABELS: [i32; 2] = [2, 1];

    fn mean(loss: TaskLoss, logits: &[f32]) -> f64 {
        loss.evaluate(logits, &LABELS, 4).unwrap().by_segment.iter().sum::<f64>() / 2.0
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for loss in [TaskLoss::CrossEntropy, TaskLoss::SoftmaxBce] {
            let gradient = loss.evaluate(&LOGITS, &LABELS, 4).unwrap().gradient;
            for i in 0..8 {
                let (mut up, mut down) = (LOGITS, LOGITS);
                up[i] += 1e-2;
                down[i] -= 1e-2;
                let slope = (mean(loss, &up) - mean(loss, &down)) / 2e-2;
                assert!((slope - f64::from(gradient[i])).abs() < 2e-5, "{loss:?} {i}: {slope} {}", gradient[i]);
            }
        }
    }

    /// torch: F.cross_entropy and F.binary_cross_entropy(x.softmax(-1), one_hot) of the same numbers.
    #[test]
    fn values_agree_with_pytorch() {
        assert!(
            (mean(TaskLoss::CrossEntropy, &LOGITS) - 0.821_282).abs() < 1e-5,
            "{}",
            mean(TaskLoss::CrossEntropy, &LOGITS)
        );
        assert!(
            (mean(TaskLoss::SoftmaxBce, &LOGITS) - 0.363_371).abs() < 1e-5,
            "{}",
            mean(TaskLoss::SoftmaxBce, &LOGITS)
        );
    }

    #[test]
    fn a_label_out_of_range_is_an_error() {
        assert!(TaskLoss::CrossEntropy.evaluate(&LOGITS, &[4, 0], 4).is_err_and(|e| e.contains("background")));
    }
}
