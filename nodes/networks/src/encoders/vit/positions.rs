//! Position embeddings for another number of patches than the weights were made for, as spectrograms have.
//!
//! All of them, the class token's first, are interpolated linearly along the one axis of their numbers, whatever the
//! grids, as LAVISH does (`AVE/nets/my_vit.py`, `forward_patch`): `torch.nn.functional.interpolate(mode="linear",
//! align_corners=False)` from 1 + m to 1 + n, so that token i of 1 + n reads place (i + 1/2) (1 + m) / (1 + n) - 1/2, held at
//! the first and mixed of its two neighbours. The class token of a spectrogram thus reads a mix of its own and the first
//! patches' embeddings; with as many patches as the weights were made for nothing changes.

use candle_core::{Result, Tensor};

/// Embeddings [1, 1 + m, d], the class token's first -> [1, `tokens`, d]; differentiable in them.
///
/// # Errors
/// If a tensor operation fails.
pub(super) fn resized(embeddings: &Tensor, tokens: usize) -> Result<Tensor> {
    let known = embeddings.dim(1)?;
    if known == tokens {
        return Ok(embeddings.clone());
    }
    let (mut low, mut high, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for token in 0..tokens {
        let place = ((token as f64 + 0.5) * known as f64 / tokens as f64 - 0.5).max(0.0);
        let first = place as usize;
        low.push(first as u32);
        high.push((first + 1).min(known - 1) as u32);
        shares.push((place - first as f64) as f32);
    }
    let device = embeddings.device();
    let pick = |at: Vec<u32>| embeddings.index_select(&Tensor::from_vec(at, tokens, device)?, 1);
    let (low, high) = (pick(low)?, pick(high)?);
    let shares = Tensor::from_vec(shares, (1, tokens, 1), device)?;
    &low + (high - &low)?.broadcast_mul(&shares)?
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use copl_testing::tensors::{assert_gradients, values, var};

    use super::*;

    #[test]
    fn tokens_are_interpolated_the_class_token_among_them() {
        // torch.nn.functional.interpolate([-5, 1, 4, 9, 16, 25, 36, 49], size=N, mode="linear"), PyTorch 2.
        let embeddings = Tensor::new(&[-5f32, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0], &Device::Cpu).unwrap();
        let embeddings = embeddings.reshape((1, 8, 1)).unwrap();
        let check = |count: usize, expected: &[f32]| {
            let found = values(&resized(&embeddings, count).unwrap());
            assert_eq!(found.len(), expected.len());
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}, not {expected:?}");
        };
        check(4, &[-2.0, 6.5, 20.5, 42.5]);
        check(5, &[-3.2, 3.7, 12.5, 26.1, 45.1]);
        check(
            11,
            &[
                -5.0,
                -1.454_545_3,
                1.954_545_6,
                4.227_272_5,
                7.863_637_4,
                12.5,
                18.045_456,
                24.590_91,
                32.5,
                41.318_184,
                49.0,
            ],
        );
        check(8, &[-5.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0]);
    }

    #[test]
    fn interpolation_is_differentiable() {
        let embeddings = var(&[1, 10, 3], 1);
        assert_gradients(&[&embeddings], 30, 1e-3, || resized(&embeddings, 4).unwrap());
    }
}
