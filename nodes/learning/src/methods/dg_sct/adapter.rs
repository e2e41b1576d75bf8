//! An adapter of DG-SCT: the other modality's tokens are brought to the number and width of its own, and two attentions
//! weigh its channels and its tokens before the bottleneck.
//!
//! With Ŷ = align_width(W Y + b), which only ever enters products, Ŷ itself is never formed (U, u: align_width; σ: row sums of
//! U; b over tokens): L Ŷᵀ is (L U) Yᵀ Wᵀ + (L σ) bᵀ up to a constant of each latent, which its softmax takes away; and P Ŷ is
//! ((P W) Y + (P b)) Uᵀ + u where the rows of P sum to 1, the mean of Ŷ being one more row of P. So n m multiply-adds a latent
//! instead of n m times the other width. `resize` likewise: W is then the same small matrix on either side of a square map.

use candle_core::Tensor;
use copl_networks::encoders::BlockInfo;
use copl_networks::kernels::{Execution, Interpolation};
use copl_networks::weights::{Init, TensorSpec, Tensors};
use copl_networks::{Error, Result};

use super::settings::{DgSctSettings, TokenAlign};
use crate::methods::adapters::{Adapter, Run};
use crate::parameters::{ParamGroup, ParamSpec};

/// Rows of the parameter table.
const TOKENS: ParamGroup = ParamGroup::of_method("token matrices");
const WIDTHS: ParamGroup = ParamGroup::of_method("widths between encoders");
const ATTENTION: ParamGroup = ParamGroup::of_method("channel and spatial attention");

/// An adapter with its attentions.
pub(super) struct AttendedAdapter {
    adapter: Adapter,
    /// Its tokens: their number n and width d.
    own: (usize, usize),
    /// The other modality's: m and e.
    other: (usize, usize),
    align: TokenAlign,
    /// α and β.
    weights: (f64, f64),
}

/// What the adapter is given of the tokens of the other modality, all of the same graph.
struct Seen {
    /// S, [N, t, d].
    gathered: Tensor,
    /// The mean of Ŷ, [N, 1, d].
    mean: Tensor,
}

impl AttendedAdapter {
    /// The adapter of pair `pair` of a modality, beside a half of its block.
    ///
    /// # Errors
    /// If its sizes do not divide the width, or tokens make no square map.
    pub(super) fn new(
        place: (&str, usize, &str),
        own: &BlockInfo,
        other: &BlockInfo,
        settings: &DgSctSettings,
    ) -> Result<Self> {
        let (modality, pair, half) = place;
        for tokens in [own.tokens, other.tokens] {
            if tokens.isqrt().pow(2) != tokens {
                return Err(Error::Config(format!(
                    "dg-sct needs square maps of tokens: an encoder has blocks of {tokens} tokens"
                )));
            }
        }
        Ok(Self {
            adapter: Adapter::new(modality, pair, half, own.width, settings.sizes)?,
            own: (own.tokens, own.width),
            other: (other.tokens, other.width),
            align: settings.align,
            weights: (settings.attention.channel_weight, settings.attention.spatial_weight),
        })
    }

    /// What it learns.
    pub(super) fn parameters(&self) -> Vec<ParamSpec> {
        let ((n, d), (m, e)) = (self.own, self.other);
        let mut specs = self.adapter.parameters();
        if self.align == TokenAlign::Learned {
            // PyTorch's start of the convolution that the official code has here.
            let init = Init::Uniform { bound: 1.0 / (m as f64).sqrt() };
            for (what, shape) in [("weight", &[n, m][..]), ("bias", &[n][..])] {
                let tensor = TensorSpec::new(self.adapter.of(&format!("align_tokens.{what}")), shape, init);
                specs.push(ParamSpec { tensor, group: TOKENS });
            }
        }
        let h = d / 2;
        for (name, inputs, outputs, group) in [
            ("align_width", e, d, WIDTHS),
            ("channel_other", d, d, ATTENTION),
            ("channel_own", d, d, ATTENTION),
            ("channel_squeeze", d, h, ATTENTION),
            ("channel_expand", h, d, ATTENTION),
            ("spatial_other", d, h, ATTENTION),
            ("spatial_own", d, h, ATTENTION),
            ("spatial_score", h, 1, ATTENTION),
        ] {
            specs.extend(ParamSpec::linear(&self.adapter.of(name), inputs, outputs, true, group));
        }
        specs
    }

    /// Running statistics of its batch norms.
    pub(super) fn buffers(&self) -> Vec<TensorSpec> {
        self.adapter.buffers()
    }

    /// Numbers that the official code declares and never uses where tokens are resized.
    pub(super) fn unused_tokens(&self) -> usize {
        match self.align {
            TokenAlign::Learned => 0,
            TokenAlign::Resize => self.own.0 * self.other.0 + self.own.0,
        }
    }

    /// The adapter itself.
    pub(super) fn inner(&self) -> &Adapter {
        &self.adapter
    }

    fn get(&self, parameters: &Tensors, name: &str) -> Result<(Tensor, Tensor)> {
        let of = |what: &str| parameters.get(&self.adapter.of(&format!("{name}.{what}")));
        Ok((of("weight")?, of("bias")?))
    }

    fn dense(&self, run: &Run<'_>, name: &str, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = self.get(run.learned.parameters, name)?;
        Ok(run.execution.linear(x, &weight, Some(&bias))?)
    }

    /// The other modality's tokens `y` [N, m, e] as the latents gathered them, and their mean.
    fn see(&self, run: &Run<'_>, y: &Tensor) -> Result<Seen> {
        let ((n, _), (m, _)) = (self.own, self.other);
        let images = y.dim(0)?;
        let latents = self.adapter.latents(run)?;
        let t = latents.dim(0)?;
        let (width, width_bias) = self.get(run.learned.parameters, "align_width")?;
        let seen = run.execution.linear(&latents, &width.t()?.contiguous()?, None)?; // L U, [t, e]
        let compared = run.execution.linear(y, &seen, None)?.transpose(1, 2)?.contiguous()?; // [N, t, m]
        let uniform = Tensor::full(1.0 / n as f32, (images, 1, n), y.device())?;
        let weights = |scores: Tensor| -> Result<Tensor> {
            Ok(Tensor::cat(&[run.execution.softmax(&scores)?, uniform.clone()], 1)?) // [N, t + 1, n]
        };
        let mixed = match self.align {
            TokenAlign::Learned => {
                let (matrix, bias) = self.get(run.learned.parameters, "align_tokens")?;
                let scores = run.execution.linear(&compared, &matrix, None)?;
                let offset = seen.sum_keepdim(1)?.matmul(&bias.unsqueeze(0)?)?; // [t, n]
                let weights = weights(scores.broadcast_add(&offset)?)?;
                let offset = run.execution.times(&weights, &bias.unsqueeze(1)?)?; // [N, t + 1, 1]
                run.execution.times(&weights, &matrix)?.matmul(y)?.broadcast_add(&offset)?
            }
            TokenAlign::Resize => {
                let axis = axis(m.isqrt(), n.isqrt(), y, run.execution)?;
                let scores = both_sides(&axis, &compared)?;
                both_sides(&axis.t()?.contiguous()?, &weights(scores)?)?.matmul(y)?
            }
        };
        let aligned = run.execution.linear(&mixed, &width, Some(&width_bias))?; // [N, t + 1, d]
        let gathered = aligned.narrow(1, 0, t)?.broadcast_add(&latents)?;
        Ok(Seen { gathered, mean: aligned.narrow(1, t, 1)?.contiguous()? })
    }

    /// Tokens `x` [N, n, d] that see the other modality's `y` [N, m, e]: what is added, [N, n, d], and the scores of the
    /// spatial attention, [N, n, 1].
    ///
    /// # Errors
    /// If shapes do not fit or a parameter is absent.
    pub(super) fn adapt(&self, run: &mut Run<'_>, x: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor)> {
        let Seen { gathered, mean } = self.see(run, y)?;
        let fusion = self.adapter.fusion(run, gathered)?;
        let x = run.execution.fuse(x, &fusion)?;
        let relu = |x: Tensor| run.execution.relu(&x);
        let own = run.execution.mean_of_positive(&self.dense(run, "channel_own", &x)?)?;
        let query = (relu(self.dense(run, "channel_other", &mean)?)? * own)?;
        let squeezed = relu(self.dense(run, "channel_squeeze", &query)?)?;
        let channel = sigmoid(&self.dense(run, "channel_expand", &squeezed)?)?; // [N, 1, d]
        let seen = run.execution.weigh(&x, &(&channel + 1.0)?, None)?;
        let own = relu(self.dense(run, "spatial_own", &seen)?)?; // [N, n, h]
        // The score's weights go to what the other modality says: h numbers an image instead of n h.
        let (score, bias) = self.get(run.learned.parameters, "spatial_score")?;
        let other = relu(self.dense(run, "spatial_other", &mean)?)?.broadcast_mul(&score)?; // [N, 1, h]
        let score = own.matmul(&other.transpose(1, 2)?.contiguous()?)?.broadcast_add(&bias)?; // [N, n, 1]
        let (alpha, beta) = self.weights;
        let (channels, tokens) = (channel.affine(alpha, 1.0 - alpha)?, (sigmoid(&score)? * beta)?);
        let x = run.execution.weigh(&x, &channels, Some(&tokens))?;
        Ok((self.adapter.adapt(run, &x, None)?, score))
    }
}

/// 1 / (1 + e^-x).
fn sigmoid(x: &Tensor) -> Result<Tensor> {
    Ok((x * 0.5)?.tanh()?.affine(0.5, 0.5)?)
}

/// The matrix [to, from] that resizes one axis of a square map.
fn axis(from: usize, to: usize, like: &Tensor, execution: Execution) -> Result<Tensor> {
    let unit = Tensor::eye(from, like.dtype(), like.device())?.reshape((from, from, 1, 1))?;
    let unit = unit.broadcast_as((from, from, from, 1))?.contiguous()?;
    let columns = execution.resize(&unit, (to, from), Interpolation::Bicubic)?;
    Ok(columns.narrow(2, 0, 1)?.reshape((from, to))?.t()?.contiguous()?)
}

/// Maps [N, k, s s] with a matrix A [r, s] on both sides, A M Aᵀ, [N, k, r r].
fn both_sides(matrix: &Tensor, maps: &Tensor) -> Result<Tensor> {
    let (r, s) = matrix.dims2()?;
    let (images, count, _) = maps.dims3()?;
    let rows = maps.reshape((images * count * s, s))?.matmul(&matrix.t()?)?; // [.., s, r]
    let rows = rows.reshape((images * count, s, r))?.transpose(1, 2)?.contiguous()?;
    let both = rows.reshape((images * count * r, s))?.matmul(&matrix.t()?)?; // [.., r (column), r (row)]
    Ok(both.reshape((images * count, r, r))?.transpose(1, 2)?.contiguous()?.reshape((images, count, r * r))?)
}
