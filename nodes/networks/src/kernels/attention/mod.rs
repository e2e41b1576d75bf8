//! Window attention whose prompts are keys and values only.
//!
//! Tokens [N, L, C] of N images stand in windows of W positions; every window of an image also sees that image's P
//! prompts. Logits of query i and column j in head h: `scale_h <q_i, k_j> + bias_h(i, j) + mask(i, j)`, with q and k
//! normalised when `cosine` is set; a prompt column has no mask, and bias 0 or the mean of bias_h(i, ·) over the
//! window's own columns ([`PromptBias`]); without position biases both are 0. Queries, keys and values come packed: `qkv`
//! [N, L, 3C], prompts `kv` [P, 2C].
//!
//! - [`windows`]: index arithmetic of windows
//! - `forward`, `backward`: the kernel on slices, one task an image
//! - [`trainable`]: the kernel as a tensor function with gradients of scale and bias too, without prompts
//! - [`plain`]: the same from elementary tensor operations

mod backward;
mod forward;
pub mod plain;
mod prompt_bias;
mod scratch;
pub mod trainable;
pub mod windows;

pub use prompt_bias::PromptBias;
use windows::Windows;

/// What one attention layer is, apart from its linear layers.
#[derive(Debug, Clone)]
pub struct Attention {
    /// Heads (H); the head width D is C / H.
    pub heads: usize,
    /// Width (C).
    pub width: usize,
    /// Normalise queries and keys.
    pub cosine: bool,
    /// The windows.
    pub windows: Windows,
    /// `[H]` factor of the logits.
    pub scale: Vec<f32>,
    /// [H, W, W] position bias, or empty: none.
    pub bias: Vec<f32>,
    /// `[3C]` packed query, key and value of a padded position: the biases of the layer that makes them.
    pub padding: Vec<f32>,
}

/// Prompts of a call: the same for all images, and each image's own.
#[derive(Clone, Copy)]
pub(crate) struct PromptKeys<'a> {
    /// [S, 2C]
    pub(crate) shared: &'a [f32],
    /// [N, O, 2C]
    pub(crate) own: &'a [f32],
    pub(crate) bias: PromptBias,
}

impl PromptKeys<'_> {
    pub(crate) const NONE: PromptKeys<'static> = PromptKeys { shared: &[], own: &[], bias: PromptBias::Zero };
}

/// Gradients of the packed inputs.
pub(crate) struct KeyGradients {
    /// [N, L, 3C], empty if not asked for.
    pub(crate) qkv: Vec<f32>,
    /// [S, 2C]
    pub(crate) shared: Vec<f32>,
    /// [N, O, 2C]
    pub(crate) own: Vec<f32>,
    /// [H, W, W], empty if not asked for.
    pub(crate) bias: Vec<f32>,
    /// [H], empty if not asked for.
    pub(crate) scale: Vec<f32>,
}

/// Which gradients a backward pass computes, beside those of prompts.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) qkv: bool,
    pub(crate) bias_and_scale: bool,
}

impl Attention {
    fn head_width(&self) -> usize {
        self.width / self.heads
    }

    /// Images, shared prompts and own prompts an image of a call.
    fn counts(&self, qkv: &[f32], prompts: PromptKeys<'_>) -> (usize, usize, usize) {
        let images = qkv.len() / (self.windows.tokens * 3 * self.width);
        let shared = prompts.shared.len() / (2 * self.width);
        let own = prompts.own.len() / (2 * self.width * images.max(1));
        (images, shared, own)
    }
}
