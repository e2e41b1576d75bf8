//! The arithmetic of adapters beside frozen blocks (LAVISH, Lin et al. 2023; DG-SCT, Duan et al. 2023): latents gather the
//! other modality's tokens, tokens read the latents, a grouped bottleneck closes.
//!
//! - [`Fusion`]: X' = X + g softmax(X Sᵀ) S, with what latents S gathered
//! - [`Bottleneck`]: g · LN(BN(W_up ReLU(BN(W_down LN(X'))))), each norm where there is one
//! - `gather`, `fusion`, `bottleneck`: each as one operation of the CPU
//! - `latents`, `reading`, `grouped`, `packed`: what those share, on slices
//! - `attention`: weights of channels and tokens (DG-SCT)
//! - `plain`: all three from elementary operations, on any device: the oracle

mod attention;
mod bottleneck;
mod fusion;
mod gather;
mod grouped;
mod latents;
mod packed;
mod plain;
mod reading;

use candle_core::{Result, Tensor};

use super::batch_norm::BatchStatistics;

pub(super) use attention::{mean_of_positive_fused, mean_of_positive_plain, weigh_fused, weigh_plain};
pub(super) use bottleneck::fused as adapt_fused;
pub(super) use fusion::fused as fuse_fused;
pub(super) use gather::fused as gather_fused;
pub(super) use plain::{adapt, fuse, gather};

/// What tokens read from latents: X' = X + gate · softmax(X Sᵀ) S over the latents, one head, without 1/√d.
#[derive(Debug, Clone)]
pub struct Fusion {
    /// S, [N, t, d].
    pub latents: Tensor,
    /// `[1]`
    pub gate: Tensor,
}

/// A batch norm of rows: weight, bias `[channels]`, and the statistics to take; none: those of the rows at hand.
#[derive(Debug, Clone)]
pub struct RowNorm {
    /// `[channels]`
    pub weight: Tensor,
    /// `[channels]`
    pub bias: Tensor,
    /// Running ones; none in training.
    pub given: Option<BatchStatistics>,
}

/// Where the gate of a bottleneck stands to its last norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatePlace {
    /// Behind it.
    AfterNorm,
    /// Before it.
    BeforeNorm,
}

/// The bottleneck of an adapter of width d, narrowed to r in G groups: output group k reads input group k alone.
#[derive(Debug, Clone)]
pub struct Bottleneck {
    /// G.
    pub groups: usize,
    /// Weight and bias `[d]` of the layer norm before it.
    pub norm_before: Option<(Tensor, Tensor)>,
    /// [r, d / G]
    pub down: Tensor,
    /// Behind `down`, of r channels.
    pub batch_norm_down: Option<RowNorm>,
    /// [d, r / G]
    pub up: Tensor,
    /// Behind `up`, of d channels.
    pub batch_norm_up: Option<RowNorm>,
    /// Weight and bias `[d]` of the layer norm behind it.
    pub norm_after: Option<(Tensor, Tensor)>,
    /// `[1]`
    pub gate: Option<Tensor>,
    /// Where the gate stands.
    pub gate_place: GatePlace,
}

/// What an adapter made of tokens.
#[derive(Debug, Clone)]
pub struct AdaptedTokens {
    /// To be added to the block's sum, [N, n, d].
    pub tokens: Tensor,
    /// The statistics of the batch that its batch norms took, behind `down` and behind `up`.
    pub statistics: [Option<BatchStatistics>; 2],
}

impl Bottleneck {
    /// Widths (d, r), if all shapes fit together.
    ///
    /// # Errors
    /// If they do not.
    pub(super) fn widths(&self) -> Result<(usize, usize)> {
        let (r, inputs) = self.down.dims2()?;
        let (d, outputs) = self.up.dims2()?;
        let fits = self.groups > 0 && inputs * self.groups == d && outputs * self.groups == r && r % self.groups == 0;
        if !fits || d % self.groups != 0 {
            candle_core::bail!(
                "a bottleneck of {} groups with weights {:?} and {:?}",
                self.groups,
                [r, inputs],
                [d, outputs]
            );
        }
        Ok((d, r))
    }
}
