//! The linear head of segmentation: what the encoders' features say of a pixel with nothing learned between.
//!
//! logit = sum over maps s of resize(Linear_s(LayerNorm_s(map_s))) + Linear(f_a): since a linear layer and a resize can change
//! places, this is one linear layer over all maps at a pixel and the sound of its segment. The official decoder is a network of
//! its own that adapts frozen features itself; this head leaves that to the method. Each map has a norm, as in the
//! Swin of dense prediction (Liu et al. 2021, arXiv 2103.14030): maps before merging are sums of all residuals.

use copl_networks::encoders::{MapSize, Maps};
use copl_networks::kernels::{Execution, Interpolation};
use copl_networks::weights::Tensors;
use copl_networks::{Error, Result};

use crate::heads::avs::Wanted;
use crate::heads::layers::{dense, linear_specs, norm, norm_specs};
use crate::heads::{Head, HeadInput, HeadOutput, HeadPlace};
use crate::parameters::ParamSpec;

/// The head.
#[derive(Debug)]
pub struct LinearHead {
    mask_size: usize,
    /// The encoder's maps, finest first.
    maps: Vec<MapSize>,
    audio: usize,
    /// Frames of a training clip that have masks.
    trained: Wanted,
    execution: Execution,
}

impl LinearHead {
    /// On encoders of these sizes, for masks of `mask_size` rows and columns.
    ///
    /// # Errors
    /// If the encoder's tokens make no maps.
    pub fn new(mask_size: usize, trained: Wanted, place: HeadPlace<'_>) -> Result<Self> {
        let HeadPlace { visual, audio, execution, .. } = place;
        Ok(Self { mask_size, maps: visual.maps(Maps::Scales)?, audio: audio.out_dim(), trained, execution })
    }
}

impl Head for LinearHead {
    fn maps(&self) -> Maps {
        Maps::Scales
    }

    /// `norms.S.*` and `stages.S.*`, each map's norm and linear layer, and `audio.*`, the sound's.
    fn parameters(&self) -> Vec<ParamSpec> {
        let map = |(scale, map): (usize, &MapSize)| {
            let norm = norm_specs(&format!("norms.{scale}"), map.width, 1.0);
            norm.into_iter().chain(linear_specs(&format!("stages.{scale}"), map.width, 1))
        };
        self.maps.iter().enumerate().flat_map(map).chain(linear_specs("audio", self.audio, 1)).collect()
    }

    /// Logits [B, T, H, W]; in training of the frames that have masks: [B, 1, H, W] where the first alone has.
    fn predict(&self, parameters: &Tensors, _: &Tensors, input: HeadInput<'_>) -> Result<HeadOutput> {
        let HeadInput { features, shape, context, .. } = input;
        let first_alone = context.training && self.trained == Wanted::First;
        let segments = if first_alone { 1 } else { shape.segments };
        let images = shape.clips * segments;
        let masks = (self.mask_size, self.mask_size);
        let sound = features.audio.narrow(1, 0, segments)?.contiguous()?;
        let sound = dense(parameters, "audio", &sound, self.execution)?.reshape((images, 1, 1, 1))?;
        let mut logits = sound.broadcast_as((images, masks.0, masks.1, 1))?;
        for (scale, size) in self.maps.iter().enumerate() {
            let Some(tokens) = features.maps.get(scale) else {
                return Err(Error::Config(format!(
                    "{} maps of the encoder, scale {scale} has none",
                    features.maps.len()
                )));
            };
            let tokens = size.places(tokens)?.reshape((shape.clips, shape.segments, (), size.width))?;
            let tokens = tokens.narrow(1, 0, segments)?.contiguous()?;
            let tokens = norm(parameters, &format!("norms.{scale}"), &tokens, self.execution)?;
            let map = dense(parameters, &format!("stages.{scale}"), &tokens, self.execution)?;
            let map = map.reshape((images, size.side, size.side, 1))?;
            logits = (logits + self.execution.resize(&map, masks, Interpolation::Bicubic)?)?;
        }
        Ok(HeadOutput::of(logits.reshape((shape.clips, segments, masks.0, masks.1))?))
    }
}
