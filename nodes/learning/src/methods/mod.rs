//! Methods: how frozen encoders are adapted to a task.
//!
//! One folder a method. It owns its name, its settings, what it learns and keeps, and its building, and is an entry of
//! [`FAMILIES`]; nothing else asks which method a model has. A method holds no numbers of its own: what it learns is described
//! by its parameter specifications and handed to it at every call.

mod adapters;
mod config;
pub mod copl;
pub mod dg_sct;
pub mod full;
pub mod lavish;
pub mod linear_probe;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use candle_core::Tensor;
use copl_networks::encoders::{Encoder, EncoderShape, Maps};
use copl_networks::handles::{EncoderHandle, EncoderSource, LocalEncoder, Traversal, await_answers};
use copl_networks::kernels::Execution;
use copl_networks::weights::{TensorSpec, Tensors};
use copl_networks::{Error, Result};

pub use self::config::{Family, MethodConfig, SettingGroup, Training, groups};
use crate::parameters::{ParamSpec, Parameters};

/// Every method: a new one is a line here.
pub static FAMILIES: [&Family; 5] =
    [&copl::FAMILY, &lavish::FAMILY, &dg_sct::FAMILY, &linear_probe::FAMILY, &full::FAMILY];

/// What a head is given of every segment.
#[derive(Debug, Clone)]
pub struct Features {
    /// Pooled, [B, T, d_v].
    pub visual: Tensor,
    /// Pooled, [B, T, d_a].
    pub audio: Tensor,
    /// The visual token maps that were asked for ([`Maps`]), [B T, L, d] each, finest first; the last one after the
    /// final norm, the others as their stage's last block leaves them.
    pub maps: Vec<Tensor>,
}

impl Features {
    /// Of two passes whose blocks have run.
    fn close(visual: &mut dyn Traversal, audio: &mut dyn Traversal, maps: Maps, shape: ClipShape) -> Result<Self> {
        visual.finish(maps != Maps::None)?;
        audio.finish(false)?;
        let [mut visual, mut audio] = await_answers([visual, audio])?;
        let maps = visual.split_off(1);
        let pooled = |tensors: &mut Vec<Tensor>| match tensors.pop() {
            Some(pooled) => shape.unflatten(&pooled),
            None => Err(Error::Segments("a pass ended without features".to_string())),
        };
        Ok(Self { visual: pooled(&mut visual)?, audio: pooled(&mut audio)?, maps })
    }
}

/// The two frozen encoders, wherever they run; the same one twice when it is shared.
#[derive(Clone)]
pub struct Encoders {
    /// For frames.
    pub visual: Arc<dyn EncoderHandle>,
    /// For spectrograms.
    pub audio: Arc<dyn EncoderHandle>,
}

impl Encoders {
    /// Both in this process.
    pub fn here(visual: Arc<dyn Encoder>, audio: Arc<dyn Encoder>) -> Self {
        Self { visual: Arc::new(LocalEncoder(visual)), audio: Arc::new(LocalEncoder(audio)) }
    }

    /// Visual token maps without prompts; see [`Method::unadapted`].
    fn unadapted(&self, frames: &Tensor, maps: Maps) -> Result<Vec<Tensor>> {
        let blocks = self.visual.blocks();
        let mut pass = self.visual.open(frames)?;
        unprompted(&mut *pass, blocks.len(), &maps.blocks(blocks))?;
        pass.finish(maps != Maps::None)?;
        let [mut found] = await_answers([&mut *pass])?;
        Ok(found.split_off(1))
    }
}

/// All blocks without prompts; the tokens after those `wanted` are kept, but for the last.
fn unprompted(pass: &mut dyn Traversal, blocks: usize, wanted: &[usize]) -> Result<()> {
    let mut start = 0;
    for end in wanted.iter().map(|block| block + 1).filter(|end| *end < blocks) {
        pass.run(start..end, None, true)?;
        start = end;
    }
    pass.run(start..blocks, None, false)
}

/// Clips (B) and segments a clip (T) of a batch; images are ordered clip by clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClipShape {
    /// Clips (B).
    pub clips: usize,
    /// Segments a clip (T).
    pub segments: usize,
}

impl ClipShape {
    /// Images of a modality (B T).
    pub fn images(self) -> usize {
        self.clips * self.segments
    }

    /// [B T, d] -> [B, T, d].
    ///
    /// # Errors
    /// If the tensor has another number of rows.
    pub fn unflatten(self, features: &Tensor) -> Result<Tensor> {
        let width = features.dim(1)?;
        Ok(features.reshape((self.clips, self.segments, width))?)
    }
}

/// The sizes of a model's two encoders; the same one twice when it is shared.
#[derive(Clone, Copy)]
pub struct EncoderShapes<'a> {
    /// Of the frames.
    pub visual: &'a dyn EncoderShape,
    /// Of the spectrograms.
    pub audio: &'a dyn EncoderShape,
    /// One encoder serves both.
    pub shared: bool,
}

/// A model's two encoders before a method has them.
pub struct EncoderSources {
    /// Of the frames.
    pub visual: EncoderSource,
    /// Of the spectrograms; none: the visual encoder serves both.
    pub audio: Option<EncoderSource>,
}

impl EncoderSources {
    /// The encoders built, frozen. Weights are given away, so that they are not in memory twice.
    ///
    /// # Errors
    /// If an encoder's weights do not fit its sizes.
    pub fn frozen(self, execution: Execution) -> Result<Encoders> {
        let handle = |source| -> Result<Arc<dyn EncoderHandle>> {
            Ok(match source {
                EncoderSource::Local(loaded) => {
                    Arc::new(LocalEncoder(loaded.architecture.build(loaded.weights, execution)?))
                }
                EncoderSource::Remote(one) => one.handle,
            })
        };
        let visual = handle(self.visual)?;
        let audio = self.audio.map_or_else(|| Ok(visual.clone()), handle)?;
        Ok(Encoders { visual, audio })
    }
}

/// A method with its settings, before there are encoders.
pub trait MethodSettings: std::fmt::Debug + Send + Sync {
    /// Its entry in [`FAMILIES`].
    fn family(&self) -> &'static Family;

    /// Every setting with the value it has.
    fn values(&self) -> Vec<(&'static str, String)>;

    /// What it learns on encoders of these sizes, for clips of `segments` segments.
    ///
    /// # Errors
    /// If the settings do not fit the encoders.
    fn parameters(&self, segments: usize, encoders: EncoderShapes<'_>) -> Result<Vec<ParamSpec>>;

    /// Running statistics it keeps beside its parameters, and stores with them.
    ///
    /// # Errors
    /// If the settings do not fit the encoders.
    fn buffers(&self, _segments: usize, _encoders: EncoderShapes<'_>) -> Result<Vec<TensorSpec>> {
        Ok(Vec::new())
    }

    /// Numbers that its official code declares as parameters and never uses: published counts have them, ours do not.
    ///
    /// # Errors
    /// If the settings do not fit the encoders.
    fn unused(&self, _encoders: EncoderShapes<'_>) -> Result<usize> {
        Ok(0)
    }

    /// True if its training compares the features of the two modalities (eq. 10), where the loss has a weight for it.
    fn compares_features(&self) -> bool {
        true
    }

    /// The method with other choices that a user may want counted beside it, each with its name.
    fn variants(&self) -> Vec<(String, MethodConfig)> {
        Vec::new()
    }

    /// Why its encoders must be in this process; none where an encoder node serves it too.
    fn in_process(&self) -> Option<&'static str> {
        None
    }

    /// Writes what a user asked to have of the best parameters beside the checkpoint; the file, if any.
    ///
    /// # Errors
    /// If it cannot be written.
    fn export(&self, _parameters: &Parameters) -> Result<Option<PathBuf>> {
        Ok(None)
    }

    /// The method on its encoders.
    ///
    /// # Errors
    /// If the settings do not fit the encoders, or those are not where the method needs them.
    fn build(&self, segments: usize, encoders: EncoderSources, execution: Execution) -> Result<Built>;
}

/// A method on its encoders.
pub struct Built {
    /// The method.
    pub method: Box<dyn Method>,
    /// Parameters that start from given numbers, by name.
    pub start: BTreeMap<String, Tensor>,
}

impl Built {
    /// Of a method all of whose parameters start from the seed.
    pub fn of(method: impl Method + 'static) -> Self {
        Self { method: Box::new(method), start: BTreeMap::new() }
    }
}

/// What a pass over a batch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// A training step: statistics are those of the batch.
    pub training: bool,
    /// The training step, for random numbers.
    pub step: u64,
    /// Seed of the model's random numbers.
    pub seed: u64,
}

/// What a model has learned, and the running statistics beside it, by name.
#[derive(Debug, Clone, Copy)]
pub struct Learned<'a> {
    /// The parameters; part of a graph in training.
    pub parameters: &'a Tensors,
    /// The running statistics.
    pub buffers: &'a Tensors,
}

/// What a method is given of a batch.
#[derive(Debug, Clone, Copy)]
pub struct MethodInput<'a> {
    /// [B T, 3, H, W]; for an encoder elsewhere as decoders send them.
    pub frames: &'a Tensor,
    /// [B T, 3, H', W'], likewise.
    pub spectrogram: &'a Tensor,
    /// Clips and segments.
    pub shape: ClipShape,
    /// The visual token maps a head asks for.
    pub maps: Maps,
    /// What it is for.
    pub context: Context,
}

/// What a method makes of a batch.
#[derive(Debug, Clone)]
pub struct Adapted {
    /// For the head.
    pub features: Features,
    /// In training, its running statistics after the batch, by name.
    pub buffers: BTreeMap<String, Tensor>,
}

impl Adapted {
    /// Features of a method without running statistics.
    pub fn of(features: Features) -> Self {
        Self { features, buffers: BTreeMap::new() }
    }
}

/// A way of turning frames and spectrograms into features with what it has learned.
pub trait Method: Send + Sync {
    /// True if what it makes of a clip depends on the other clips of its batch, as where a norm takes the batch's statistics.
    fn joins_clips(&self, _training: bool) -> bool {
        false
    }

    /// A batch -> pooled features and the visual token maps asked for. A graph is kept where what is learned takes part in one.
    ///
    /// # Errors
    /// If shapes do not fit or a tensor is absent.
    fn features(&self, learned: Learned<'_>, input: MethodInput<'_>) -> Result<Adapted>;

    /// Visual token maps of frames [N, 3, H, W] as the encoder leaves them unadapted, [N, L, d] each.
    ///
    /// # Errors
    /// If the frames have another size.
    fn unadapted(&self, learned: Learned<'_>, frames: &Tensor, maps: Maps) -> Result<Vec<Tensor>>;
}
