//! Position embeddings for another number of patches than the weights were made for, as spectrograms have.
//!
//! The embeddings of the patches are interpolated linearly along the one axis of their numbers, whatever their grids, as
//! `torch.nn.functional.interpolate(mode="linear", align_corners=False)` does: patch i of n reads place
//! (i + 1/2) m / n - 1/2 of m, held at the first and mixed of its two neighbours. The class token keeps its own.
//!
//! LAVISH (`AVE/nets/my_vit.py`, `forward_patch`) makes the same call with the class token's embedding among the others, as
//! the first of 1 + m: the class token of a spectrogram then reads a mix of patches' embeddings.

use candle_core::{Result, Tensor};

/// Embeddings [1, 1 + m, d], the class token's first -> [1, 1 + `patches`, d]; differentiable in them.
///
/// # Errors
/// If a tensor operation fails.
pub(super) fn resized(embeddings: &Tensor, patches: usize) -> Result<Tensor> {
    let known = embeddings.dim(1)? - 1;
    if known == patches {
        return Ok(embeddings.clone());
    }
    let (mut low, mut high, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for patch in 0..patches {
        let place = ((patch as f64 + 0.5) * known as f64 / patches as f64 - 0.5).max(0.0);
        let first = place as usize;
        low.push(first as u32);
        high.push((first + 1).min(known - 1) as u32);
        shares.push((place - first as f64) as f32);
    }
    let device = embeddings.device();
    let own = embeddings.narrow(1, 1, known)?.contiguous()?;
    let pick = |at: Vec<u32>| own.index_select(&Tensor::from_vec(at, patches, device)?, 1);
    let (low, high) = (pick(low)?, pick(high)?);
    let shares = Tensor::from_vec(shares, (1, patches, 1), device)?;
    let mixed = (&low + (high - &low)?.broadcast_mul(&shares)?)?;
    Tensor::cat(&[&embeddings.narrow(1, 0, 1)?, &mixed], 1)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::kernels::testing::{assert_gradients, values, var};

    #[test]
    fn patches_are_interpolated_and_the_class_token_stays() {
        // torch.nn.functional.interpolate([1, 4, 9, 16, 25, 36, 49], size=N, mode="linear"), PyTorch 2.
        let embeddings = Tensor::new(&[-5f32, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0], &Device::Cpu).unwrap();
        let embeddings = embeddings.reshape((1, 8, 1)).unwrap();
        let check = |count: usize, expected: &[f32]| {
            let found = values(&resized(&embeddings, count).unwrap());
            assert_eq!(found.len(), expected.len());
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}, not {expected:?}");
        };
        check(3, &[-5.0, 3.0, 16.0, 40.333_33]);
        check(4, &[-5.0, 2.125, 9.875, 23.875, 44.125]);
        check(10, &[-5.0, 1.0, 2.65, 5.25, 8.75, 13.55, 19.15, 25.55, 33.25, 41.85, 49.0]);
        check(7, &[-5.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0]);
    }

    #[test]
    fn interpolation_is_differentiable() {
        let embeddings = var(&[1, 10, 3], 1);
        assert_gradients(&[&embeddings], 30, 1e-3, || resized(&embeddings, 4).unwrap());
    }
}
