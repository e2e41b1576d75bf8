//! Patches of an image as rows. A convolution whose stride is its size is a product with these: many times faster on the
//! CPU than a general convolution.

use candle_core::{Result, Tensor};

/// Images [N, C, H, W] -> patches [N, (H / P)(W / P), C P P], row by row; the numbers of a patch stand as those of a
/// convolution's weight [D, C, P, P]. Rows and columns that fill no patch are dropped, as the convolution drops them.
///
/// # Errors
/// If the images are no batch of images.
pub(super) fn unfold(images: &Tensor, patch: usize) -> Result<Tensor> {
    let (count, channels, height, width) = images.dims4()?;
    let (rows, columns) = (height / patch, width / patch);
    let whole = images.narrow(2, 0, rows * patch)?.narrow(3, 0, columns * patch)?.contiguous()?;
    let grid = whole.reshape(vec![count, channels, rows, patch, columns, patch])?.permute(vec![0, 2, 4, 1, 3, 5])?;
    grid.contiguous()?.reshape((count, rows * columns, channels * patch * patch))
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::{difference, tensor};

    use super::*;

    #[test]
    fn a_product_with_patches_is_the_convolution() {
        let (images, weight) = (tensor(&[2, 3, 11, 8], 1), tensor(&[5, 3, 4, 4], 2));
        let expected = images.conv2d(&weight, 0, 4, 1, 1).unwrap().flatten_from(2).unwrap().transpose(1, 2).unwrap();
        let patches = unfold(&images, 4).unwrap();
        let found = patches.broadcast_matmul(&weight.flatten_from(1).unwrap().t().unwrap()).unwrap();
        assert!(difference(&found, &expected) < 1e-5);
    }
}
