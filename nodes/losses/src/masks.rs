//! The loss of masks: binary cross entropy of sigmoid(logit) against the masks of a clip, mean over their pixels. Of a batch,
//! the mean over its clips. AVSBench-S4 has the mask of the *first* frame alone, and the other frames have no loss; MS3 has
//! those of all frames.

/// Probability of a logit, in single precision as PyTorch has it.
pub fn probability(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// Loss of one clip, and its gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskLoss {
    /// Mean over the pixels of the masks, in nats. Saturates as PyTorch's BCELoss of a single-precision sigmoid:
    /// logarithms stop at -100.
    pub value: f64,
    /// Gradient of the batch's mean with respect to the clip's logits, [T, H, W].
    pub gradient: Vec<f32>,
}

/// The loss of a clip's `logits` [T, H, W] against the `mask` [t, H, W] of its first frames, in a batch of `clips`.
pub fn mask_loss(logits: &[f32], mask: &[u8], clips: usize) -> MaskLoss {
    let count = mask.len().max(1) as f64;
    let mut gradient = vec![0.0; logits.len()];
    let mut value = 0.0;
    for ((x, bit), slope) in logits.iter().zip(mask).zip(&mut gradient) {
        let p = probability(*x);
        let (p, q, y) = (f64::from(p), f64::from(1.0 - p), f64::from(u8::from(*bit != 0)));
        value -= if *bit != 0 { p.ln().max(-100.0) } else { q.ln().max(-100.0) };
        // Where p or 1 - p is 0, PyTorch's slopes are 0 too: it divides by at least 1e-12, then multiplies by p (1 - p).
        *slope = ((p - y) / (p * q).max(1e-12) * p * q / (count * clips.max(1) as f64)) as f32;
    }
    MaskLoss { value: value / count, gradient }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 8] = [0.3, -1.2, 2.0, 0.1, 5.0, -5.0, 1.0, 1.0];
    const MASK: [u8; 4] = [1, 0, 0, 1];

    #[test]
    fn only_the_first_frame_is_supervised_and_its_gradient_is_the_slope() {
        let loss = mask_loss(&LOGITS, &MASK, 2);
        assert!(loss.gradient[4..].iter().all(|slope| *slope == 0.0));
        for i in 0..4 {
            let (mut up, mut down) = (LOGITS, LOGITS);
            up[i] += 1e-2;
            down[i] -= 1e-2;
            let slope = (mask_loss(&up, &MASK, 2).value - mask_loss(&down, &MASK, 2).value) / 2e-2 / 2.0;
            assert!((slope - f64::from(loss.gradient[i])).abs() < 1e-4, "{i}: {slope} {}", loss.gradient[i]);
        }
    }

    #[test]
    fn the_value_is_the_mean_of_the_logarithms() {
        let expected: f64 = [(0.3, 1.0), (-1.2, 0.0), (2.0, 0.0), (0.1, 1.0)]
            .iter()
            .map(|(x, y): &(f64, f64)| x.max(0.0) - x * y + (-x.abs()).exp().ln_1p())
            .sum::<f64>()
            / 4.0;
        assert!((mask_loss(&LOGITS, &MASK, 1).value - expected).abs() < 1e-6);
        let sure = mask_loss(&[-200.0], &[1], 1);
        assert_eq!((sure.value, sure.gradient[0]), (100.0, 0.0));
    }
}
