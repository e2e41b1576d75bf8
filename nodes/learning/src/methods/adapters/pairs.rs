//! Two encoders in step: block meets block, stage by stage.

use std::sync::Arc;

use candle_core::Tensor;
use copl_networks::encoders::{BlockInfo, Encoder, Maps, stages};
use copl_networks::{Error, Result};

use crate::methods::Encoders;

/// A block of the visual encoder that meets one of the audio encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paired {
    /// Block of the visual encoder.
    pub(crate) visual: usize,
    /// Block of the audio encoder.
    pub(crate) audio: usize,
    /// Stage of both.
    pub(crate) stage: usize,
}

/// The pairs, first to last: stage meets stage; where the visual stage has k times as many blocks, the last of each k.
///
/// # Errors
/// If the stages do not pair.
pub(crate) fn paired(visual: &[BlockInfo], audio: &[BlockInfo]) -> Result<Vec<Paired>> {
    let (visual, audio) = (stages(visual), stages(audio));
    if visual.len() != audio.len() {
        return Err(Error::Config(format!(
            "adapters pair the encoders' blocks stage by stage: {} stages do not pair with {}",
            visual.len(),
            audio.len()
        )));
    }
    let mut pairs = Vec::new();
    for (stage, (v, a)) in visual.iter().zip(&audio).enumerate() {
        let times = v.len() / a.len().max(1);
        if times == 0 || v.len() != times * a.len() {
            return Err(Error::Config(format!(
                "adapters pair the encoders' blocks stage by stage: in stage {stage} the visual encoder's {} blocks are no \
                 multiple of the audio encoder's {}",
                v.len(),
                a.len()
            )));
        }
        let pair = |(index, audio)| Paired { visual: v.start + times * (index + 1) - 1, audio, stage };
        pairs.extend(a.clone().enumerate().map(pair));
    }
    Ok(pairs)
}

/// The two encoders of this process.
///
/// # Errors
/// If one is elsewhere.
pub(crate) fn local(encoders: &Encoders) -> Result<[Arc<dyn Encoder>; 2]> {
    let of = |handle: Option<&Arc<dyn Encoder>>| {
        handle
            .cloned()
            .ok_or_else(|| Error::Config("adapters write into blocks: the encoders must be in this process".into()))
    };
    Ok([of(encoders.visual.local())?, of(encoders.audio.local())?])
}

/// One modality on its way through its encoder.
pub(crate) struct Stream<'a> {
    /// The encoder.
    pub(crate) encoder: &'a dyn Encoder,
    /// The tokens as they stand, [N, L, d].
    pub(crate) tokens: Tensor,
    /// The next block.
    next: usize,
    /// Blocks after which the tokens are kept for the head.
    wanted: Vec<usize>,
    kept: Vec<Tensor>,
}

impl<'a> Stream<'a> {
    /// Of images, before the first block.
    ///
    /// # Errors
    /// If the images have another size.
    pub(crate) fn open(encoder: &'a dyn Encoder, images: &Tensor, maps: Maps) -> Result<Self> {
        let wanted = maps.blocks(encoder.blocks());
        Ok(Self { encoder, tokens: encoder.embed(images)?, next: 0, wanted, kept: Vec::new() })
    }

    /// Runs blocks whole up to `block`, whose stage is entered.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub(crate) fn advance(&mut self, block: usize) -> Result<()> {
        for block in self.next..block {
            let tokens = self.encoder.merge(block, &self.tokens)?;
            self.leave(block, self.encoder.block(block, &tokens, None)?);
        }
        self.tokens = self.encoder.merge(block, &self.tokens)?;
        Ok(())
    }

    /// Takes what a block and what stands beside it made.
    pub(crate) fn leave(&mut self, block: usize, tokens: Tensor) {
        // The last block's are wanted after the final norm.
        if self.wanted.contains(&block) && block + 1 < self.encoder.blocks().len() {
            self.kept.push(tokens.clone());
        }
        (self.tokens, self.next) = (tokens, block + 1);
    }

    /// The tokens after the final norm, and the maps that were asked for.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub(crate) fn finish(mut self) -> Result<(Tensor, Vec<Tensor>)> {
        let finished = self.encoder.finish(&self.tokens)?;
        if !self.wanted.is_empty() {
            self.kept.push(finished.clone());
        }
        Ok((finished, self.kept))
    }
}

#[cfg(test)]
mod tests {
    use copl_networks::encoders::{EncoderShape, preset};

    use super::*;

    #[test]
    fn a_deeper_stage_meets_the_other_encoder_with_the_last_of_each_few_blocks() {
        let blocks = |name: &str| preset(name).unwrap().blocks();
        let (swin, hts_at) = (blocks("swin-v2-large-192"), blocks("hts-at"));
        let found = paired(&swin, &hts_at).unwrap();
        assert_eq!(found.iter().map(|p| p.visual).collect::<Vec<_>>(), [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 22, 23]);
        assert_eq!(found.iter().map(|p| p.audio).collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
        assert!(paired(&swin, &swin).unwrap().iter().all(|p| p.visual == p.audio));
        assert!(paired(&swin, &blocks("vit-large-16")).unwrap_err().to_string().contains("4 stages do not pair with"));
        assert!(paired(&hts_at, &swin).unwrap_err().to_string().contains("no multiple"));
    }
}
