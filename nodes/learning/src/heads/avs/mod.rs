//! Audio-visual segmentation: the mask of the sounding object in the frame of every segment, with the AVSBench model's
//! decoder on the encoders' maps (the wiring of LAVISH).
//!
//! - the visual token map of each stage before merging (the last after the final norm) -> Linear to the decoder's width
//!   of that scale -> bicubic to 1/4, 1/8, 1/16 and 1/32 of the mask (56, 28, 14, 7 of 224);
//! - the pooled audio feature -> Linear to the decoder's audio width;
//! - `decoder`: four maps and the audio feature -> one logit a pixel; `tpavi`: audio-visual interaction in each map.
//!
//! An encoder of one resolution (ViT) has one map: each of the four scales takes that map through a Linear of its own, and
//! resizes it. Nothing is published for it; this is the simplest pyramid, after ViTDet (Li et al. 2022, arXiv 2203.16527),
//! which builds all scales from the last map. Generally, scales beyond an encoder's coarsest map take that map too.

mod decoder;
mod linear;
mod matching;
mod settings;
mod tpavi;

use candle_core::Tensor;
use copl_networks::encoders::{MapSize, Maps};
use copl_networks::kernels::{Execution, Interpolation};
use copl_networks::weights::{TensorSpec, Tensors};
use copl_networks::{Error, Result};

pub use self::decoder::{Decoder, DecoderConfig, Segmentation, Wanted};
pub use self::linear::LinearHead;
pub use self::matching::{Matching, Pooling, Scales, masked_mean};
pub use self::settings::{AvsSettings, DecoderKind, DecoderSettings, FAMILY};
use super::layers::{dense, linear_specs};
use super::{Head, HeadInput, HeadOutput, HeadPlace};
use crate::parameters::{ParamGroup, ParamSpec};

/// Scales of the decoder.
const SCALES: usize = 4;
/// What a mask's side must be a multiple of: its coarsest map has one token for so many pixels.
pub const MASK_UNIT: usize = 32;
/// What the decoder's width must be a multiple of.
pub const WIDTH_UNIT: usize = 8;

/// The head.
#[derive(Debug)]
pub struct AvsHead {
    mask_size: usize,
    /// The encoder's maps that are used, finest first; at most four.
    maps: Vec<MapSize>,
    /// Maps of the encoder that are finer than all that are used.
    unused: usize,
    audio: usize,
    widths: DecoderConfig,
    decoder: Decoder,
    /// Frames of a training clip that have masks.
    trained: Wanted,
    /// What sound and picture are matched by, where the loss does.
    matching: Option<Matching>,
    execution: Execution,
}

impl AvsHead {
    /// On encoders of these sizes, with masks of `mask_size` and a decoder of `decoder_width`; in training, logits are of the
    /// frames `trained`.
    ///
    /// # Errors
    /// If the encoder's tokens make no maps.
    pub fn new(
        mask_size: usize,
        decoder_width: usize,
        trained: Wanted,
        matching: Option<Matching>,
        place: HeadPlace<'_>,
    ) -> Result<Self> {
        let HeadPlace { visual, audio, execution, .. } = place;
        let mut maps = visual.maps(Maps::Scales)?;
        let unused = maps.len().saturating_sub(SCALES);
        maps.drain(..unused);
        let widths = DecoderConfig::of_width(decoder_width);
        let decoder = Decoder::new(widths.clone(), execution);
        Ok(Self { mask_size, maps, unused, audio: audio.out_dim(), widths, decoder, trained, matching, execution })
    }

    /// The encoder's map that a scale takes.
    fn source(&self, scale: usize) -> Option<&MapSize> {
        self.maps.get(scale).or(self.maps.last())
    }

    /// The decoder's map of a scale from the encoder's maps: [B T, L, d] -> [B T, H, W, C].
    fn map(&self, parameters: &Tensors, maps: &[Tensor], scale: usize) -> Result<Tensor> {
        let index = self.unused + scale.min(self.maps.len().saturating_sub(1));
        let (Some(size), Some(tokens)) = (self.source(scale), maps.get(index)) else {
            return Err(Error::Config(format!("{} maps of the encoder, scale {scale} has none", maps.len())));
        };
        let (images, _, _) = tokens.dims3()?;
        let narrow = dense(parameters, &format!("stages.{scale}"), &size.places(tokens)?, self.execution)?;
        let map = narrow.reshape((images, size.side, size.side, self.widths.features[scale]))?;
        let side = (self.mask_size / 4) >> scale;
        Ok(self.execution.resize(&map, (side, side), Interpolation::Bicubic)?)
    }
}

impl Head for AvsHead {
    fn maps(&self) -> Maps {
        Maps::Scales
    }

    /// `stages.S.*`, `audio.*`, and the decoder's under their official names.
    fn parameters(&self) -> Vec<ParamSpec> {
        let stage = |scale: usize| {
            let inputs = self.source(scale).map_or(0, |map| map.width);
            let width = self.widths.features[scale];
            ParamSpec::linear(&format!("stages.{scale}"), inputs, width, true, ParamGroup::STAGE_MAPS)
        };
        let mut specs: Vec<ParamSpec> = (0..SCALES).flat_map(stage).collect();
        specs.extend(linear_specs("audio", self.audio, self.widths.audio));
        specs.extend(self.decoder.parameters());
        specs
    }

    fn buffers(&self) -> Vec<TensorSpec> {
        self.decoder.buffers()
    }

    /// In training the batch norms of TPAVI do.
    fn joins_clips(&self, training: bool) -> bool {
        training
    }

    /// Logits [B, T, H, W]; in training of the frames that have masks: [B, 1, H, W] where the first alone has.
    fn predict(&self, parameters: &Tensors, buffers: &Tensors, input: HeadInput<'_>) -> Result<HeadOutput> {
        let HeadInput { features, shape, context, .. } = input;
        let map = |scale| self.map(parameters, &features.maps, scale);
        let maps = [map(0)?, map(1)?, map(2)?, map(3)?];
        let audio = features.audio.flatten(0, 1)?;
        let audio = dense(parameters, "audio", &audio, self.execution)?;
        let wanted = if context.training { self.trained } else { Wanted::All };
        let Segmentation { logits, buffers, scales } =
            self.decoder.forward(parameters, buffers, &maps, &audio, shape, wanted, context.training)?;
        let side = self.mask_size;
        let logits = logits.reshape((shape.clips, (), side, side))?;
        let others = match &self.matching {
            Some(matching) => matching.columns(&logits, &scales, shape)?,
            None => Vec::new(),
        };
        Ok(HeadOutput { logits, others, buffers })
    }
}

#[cfg(test)]
mod tests {
    use copl_networks::encoders::preset;

    use super::*;

    fn count(visual: &str, audio: &str, keep: impl Fn(&ParamSpec) -> bool) -> usize {
        let (visual, audio) = (preset(visual).unwrap(), preset(audio).unwrap());
        let place = HeadPlace { classes: 1, visual: &visual, audio: &audio, execution: Execution::CPU };
        let head = AvsHead::new(224, 256, Wanted::First, None, place).unwrap();
        head.parameters().iter().filter(|spec| keep(spec)).map(|spec| spec.tensor.count()).sum()
    }

    #[test]
    fn the_linears_of_swin_large_are_those_the_paper_counts() {
        let stages = |spec: &ParamSpec| spec.group == ParamGroup::STAGE_MAPS;
        // 192·64 + 384·128 + 768·320 + 1536·512 and four biases: 1.095 M.
        assert_eq!(count("swin-v2-large-192", "swin-v2-large-192", stages), 1_094_656);
        // The audio linear: 1536·128 + 128, 0.197 M.
        let audio = |spec: &ParamSpec| spec.tensor.name.starts_with("audio.");
        assert_eq!(count("swin-v2-large-192", "swin-v2-large-192", audio), 196_736);
    }

    #[test]
    fn a_vit_gives_its_one_map_to_every_scale() {
        let stages = |spec: &ParamSpec| spec.group == ParamGroup::STAGE_MAPS;
        let widths = 64 + 128 + 320 + 512;
        assert_eq!(count("vit-large-16", "vit-large-16", stages), 1024 * widths + widths);
    }
}
