//! A whole pass through an encoder, with no method in it.

use candle_core::Tensor;

use super::encoder::Encoder;
use super::maps::Maps;
use crate::error::Result;

/// What a whole pass gives.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// [N, d]
    pub pooled: Tensor,
    /// The token maps asked for, [N, L, d], finest first; the last one after the final norm.
    pub maps: Vec<Tensor>,
}

/// A whole pass without prompts: images [N, C, H, W] -> pooled feature [N, d], and token maps.
///
/// # Errors
/// If the images have another size.
pub fn encode(encoder: &dyn Encoder, images: &Tensor, maps: Maps) -> Result<Encoded> {
    let wanted = maps.blocks(encoder.blocks());
    let mut kept = Vec::with_capacity(wanted.len());
    let mut tokens = encoder.embed(images)?;
    for block in 0..encoder.blocks().len() {
        tokens = encoder.block(block, &encoder.merge(block, &tokens)?, None)?;
        if wanted.contains(&block) {
            kept.push(tokens.clone());
        }
    }
    let finished = encoder.finish(&tokens)?;
    if let Some(last) = kept.last_mut() {
        *last = finished.clone();
    }
    Ok(Encoded { pooled: encoder.pool(&finished)?, maps: kept })
}
