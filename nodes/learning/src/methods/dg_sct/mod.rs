//! DG-SCT (Duan et al. 2023): adapters beside the halves of frozen blocks in which the other modality's tokens weigh channels
//! and tokens.
//!
//! Of each pair of blocks, p and q being what the visual and the audio adapter make: X ← attend(X) + p₁; Y ← block(Y) + q₁;
//! then X ← feed(X) + p₂; Y ← Y + q₂. The maps of the last pair's second adapters pool the tokens, those of the audio encoder
//! without its final norm. Two encoders with square maps of tokens (Swin-V2 and HTS-AT in the official code, 211fc57).

mod adapter;
mod settings;

use candle_core::Tensor;
use copl_contract::settings::Settings;
use copl_networks::encoders::{BlockInfo, Maps};
use copl_networks::kernels::Execution;
use copl_networks::weights::TensorSpec;
use copl_networks::{Error, Result};

use self::adapter::AttendedAdapter;
pub use self::settings::DgSctSettings;
use super::adapters::{self, ATTENTION, FEED_FORWARD, Paired, Run, Stream, paired};
use super::{
    Adapted, Built, EncoderShapes, EncoderSources, Encoders, Family, Features, Learned, Method, MethodInput,
    MethodSettings,
};
use crate::parameters::ParamSpec;

/// Its entry in the registry.
pub static FAMILY: Family = Family {
    word: "dg-sct",
    about: "adapters with attention over channels and tokens beside the halves of frozen blocks (DG-SCT)",
    settings: &[adapters::GROUP, settings::GROUP],
    read: |task, env| DgSctSettings::read(task, env).map(Into::into),
    training: settings::training,
};

impl MethodSettings for DgSctSettings {
    fn family(&self) -> &'static Family {
        &FAMILY
    }

    fn values(&self) -> Vec<(&'static str, String)> {
        [Settings::values(&self.adapters), Settings::values(&self.attention)].concat()
    }

    fn parameters(&self, _: usize, encoders: EncoderShapes<'_>) -> Result<Vec<ParamSpec>> {
        Ok(plan_for(self, encoders)?.iter().flat_map(Pair::adapters).flat_map(AttendedAdapter::parameters).collect())
    }

    fn buffers(&self, _: usize, encoders: EncoderShapes<'_>) -> Result<Vec<TensorSpec>> {
        Ok(plan_for(self, encoders)?.iter().flat_map(Pair::adapters).flat_map(AttendedAdapter::buffers).collect())
    }

    fn unused(&self, encoders: EncoderShapes<'_>) -> Result<usize> {
        let of = |one: &AttendedAdapter| one.unused_tokens() + one.inner().unused_norm();
        Ok(plan_for(self, encoders)?.iter().flat_map(Pair::adapters).map(of).sum())
    }

    fn compares_features(&self) -> bool {
        false
    }

    fn in_process(&self) -> Option<&'static str> {
        Some("METHOD dg-sct writes inside the encoders' blocks")
    }

    fn build(&self, _: usize, encoders: EncoderSources, execution: Execution) -> Result<Built> {
        if encoders.audio.is_none() {
            return Err(shared());
        }
        let encoders = encoders.frozen(execution)?;
        let pairs = plan(self, encoders.visual.blocks(), encoders.audio.blocks())?;
        Ok(Built::of(DgSct { pairs, batch_norm: self.sizes.batch_norm, encoders, execution }))
    }
}

fn shared() -> Error {
    Error::Config("dg-sct has two encoders: name an AUDIO_ENCODER (the official one is hts-at)".to_string())
}

/// Adapters of a pair of blocks.
struct Pair {
    blocks: Paired,
    /// Visual and audio, beside attention and feed-forward layer.
    halves: [[AttendedAdapter; 2]; 2],
}

impl Pair {
    fn adapters(&self) -> impl Iterator<Item = &AttendedAdapter> {
        self.halves.iter().flatten()
    }
}

fn plan_for(settings: &DgSctSettings, encoders: EncoderShapes<'_>) -> Result<Vec<Pair>> {
    match encoders.shared {
        true => Err(shared()),
        false => plan(settings, &encoders.visual.blocks(), &encoders.audio.blocks()),
    }
}

fn plan(settings: &DgSctSettings, visual: &[BlockInfo], audio: &[BlockInfo]) -> Result<Vec<Pair>> {
    let pair = |(index, blocks): (usize, Paired)| {
        let (v, a) = (&visual[blocks.visual], &audio[blocks.audio]);
        let half = |half: &str| -> Result<[AttendedAdapter; 2]> {
            Ok([
                AttendedAdapter::new(("visual", index, half), v, a, settings)?,
                AttendedAdapter::new(("audio", index, half), a, v, settings)?,
            ])
        };
        Ok(Pair { blocks, halves: [half(ATTENTION)?, half(FEED_FORWARD)?] })
    };
    paired(visual, audio)?.into_iter().enumerate().map(pair).collect()
}

/// The method.
pub struct DgSct {
    pairs: Vec<Pair>,
    batch_norm: bool,
    encoders: Encoders,
    execution: Execution,
}

impl Method for DgSct {
    fn joins_clips(&self, training: bool) -> bool {
        training && self.batch_norm
    }

    fn features(&self, learned: Learned<'_>, input: MethodInput<'_>) -> Result<Adapted> {
        let MethodInput { frames, spectrogram, shape, maps, context } = input;
        let mut run = Run { learned, context, execution: self.execution, updates: Default::default() };
        let [eyes, ears] = adapters::local(&self.encoders)?;
        let mut visual = Stream::open(&*eyes, frames, maps)?;
        let mut audio = Stream::open(&*ears, spectrogram, Maps::None)?;
        let mut scores = None;
        for pair in &self.pairs {
            let Paired { visual: v, audio: a, .. } = pair.blocks;
            visual.advance(v)?;
            audio.advance(a)?;
            let (x, y) = (visual.tokens.contiguous()?, audio.tokens.contiguous()?);
            let [of_visual, of_audio] = &pair.halves[0];
            let (p, q) = (of_visual.adapt(&mut run, &x, &y)?.0, of_audio.adapt(&mut run, &y, &x)?.0);
            let x = (eyes.attend(v, &x, None)? + p)?;
            let y = (ears.block(a, &y, None)? + q)?;
            let [of_visual, of_audio] = &pair.halves[1];
            let ((p, of_x), (q, of_y)) = (of_visual.adapt(&mut run, &x, &y)?, of_audio.adapt(&mut run, &y, &x)?);
            visual.leave(v, (eyes.feed(v, &x)? + p)?);
            audio.leave(a, (y + q)?);
            scores = Some((of_x, of_y));
        }
        let Some((of_visual, of_audio)) = scores else {
            return Err(Error::Config("the encoders have no blocks to pair".to_string()));
        };
        // A stage's last block is paired, so that no block is left.
        let sounds = audio.tokens.clone();
        let (seen, maps) = visual.finish()?;
        let pool = |scores: Tensor, tokens: &Tensor| -> Result<Tensor> {
            let weights = self.execution.softmax(&scores.tanh()?.transpose(1, 2)?.contiguous()?)?; // [N, 1, n]
            shape.unflatten(&weights.matmul(&tokens.contiguous()?)?.squeeze(1)?)
        };
        let features = Features { visual: pool(of_visual, &seen)?, audio: pool(of_audio, &sounds)?, maps };
        Ok(Adapted { features, buffers: run.updates })
    }

    fn unadapted(&self, _: Learned<'_>, frames: &Tensor, maps: Maps) -> Result<Vec<Tensor>> {
        self.encoders.unadapted(frames, maps)
    }
}
