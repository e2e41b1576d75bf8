//! Images as encoders take them, from what the decoders send.

/// ImageNet statistics, which both codebases compared with use for every encoder.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Frames [N, H, W, 3] of `pixels` = H W each as [N, 3, H, W], scaled to 0..1 and normalised.
pub(crate) fn normalised(frames: &[u8], pixels: usize) -> Vec<f32> {
    let mut images = vec![0.0; frames.len()];
    for (image, frame) in images.chunks_exact_mut(3 * pixels).zip(frames.chunks_exact(3 * pixels)) {
        for (c, plane) in image.chunks_exact_mut(pixels).enumerate() {
            let (scale, shift) = (1.0 / (255.0 * STD[c]), MEAN[c] / STD[c]);
            for (value, rgb) in plane.iter_mut().zip(frame.chunks_exact(3)) {
                *value = f32::from(rgb[c]) * scale - shift;
            }
        }
    }
    images
}
