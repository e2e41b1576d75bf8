//! LAVISH (Lin et al. 2023): two adapters a block and modality, beside attention and feed-forward layer, through which the
//! modalities read each other's tokens.
//!
//! X, Y ← attend(X) + A₁(X, Y), attend(Y) + A₁(Y, X); X, Y ← feed(X) + A₂(X, Y), feed(Y) + A₂(Y, X), all of one state.
//! One encoder for both modalities, as in the official code (97722b0), or two whose blocks are paired: then a bias-free
//! linear layer a stage and direction carries the other modality's tokens to the adapter's width, our reading of a
//! configuration that the CoPL paper has a row for and nobody published.

mod settings;

use candle_core::Tensor;
use copl_contract::settings::Settings;
use copl_networks::Result;
use copl_networks::encoders::{BlockInfo, Maps};
use copl_networks::kernels::Execution;
use copl_networks::weights::TensorSpec;

pub use self::settings::LavishSettings;
use super::adapters::{self, ATTENTION, Adapter, AdapterSizes, FEED_FORWARD, Paired, Run, Stream, paired};
use super::{
    Adapted, Built, EncoderShapes, EncoderSources, Encoders, Family, Features, Learned, Method, MethodInput,
    MethodSettings,
};
use crate::parameters::{ParamGroup, ParamSpec};

/// Its entry in the registry.
pub static FAMILY: Family = Family {
    word: "lavish",
    about: "adapters beside the halves of frozen blocks (LAVISH)",
    settings: &[adapters::GROUP],
    read: |task, env| LavishSettings::read(task, env).map(Into::into),
    training: settings::training,
};

/// Row of the parameter table.
const WIDTHS: ParamGroup = ParamGroup::of_method("widths between encoders");

impl MethodSettings for LavishSettings {
    fn family(&self) -> &'static Family {
        &FAMILY
    }

    fn values(&self) -> Vec<(&'static str, String)> {
        Settings::values(&self.adapters)
    }

    fn parameters(&self, _: usize, encoders: EncoderShapes<'_>) -> Result<Vec<ParamSpec>> {
        Ok(Plan::new(self.sizes, &encoders.visual.blocks(), &encoders.audio.blocks())?.parameters())
    }

    fn buffers(&self, _: usize, encoders: EncoderShapes<'_>) -> Result<Vec<TensorSpec>> {
        Ok(Plan::new(self.sizes, &encoders.visual.blocks(), &encoders.audio.blocks())?.buffers())
    }

    fn unused(&self, encoders: EncoderShapes<'_>) -> Result<usize> {
        let plan = Plan::new(self.sizes, &encoders.visual.blocks(), &encoders.audio.blocks())?;
        Ok(plan.adapters().map(Adapter::unused_norm).sum())
    }

    fn compares_features(&self) -> bool {
        false
    }

    fn in_process(&self) -> Option<&'static str> {
        Some("METHOD lavish writes inside the encoders' blocks")
    }

    fn build(&self, _: usize, encoders: EncoderSources, execution: Execution) -> Result<Built> {
        let encoders = encoders.frozen(execution)?;
        let plan = Plan::new(self.sizes, encoders.visual.blocks(), encoders.audio.blocks())?;
        Ok(Built::of(Lavish { plan, encoders, execution }))
    }
}

/// Adapters of a pair of blocks.
struct Pair {
    blocks: Paired,
    /// Visual and audio, of each half.
    halves: [[Adapter; 2]; 2],
    /// Widths of the two modalities' tokens.
    widths: (usize, usize),
}

/// Where adapters stand, and of which sizes.
struct Plan {
    pairs: Vec<Pair>,
    /// A visual and an audio width somewhere differ.
    maps_widths: bool,
    batch_norm: bool,
}

impl Plan {
    fn new(sizes: AdapterSizes, visual: &[BlockInfo], audio: &[BlockInfo]) -> Result<Self> {
        let pair = |(index, blocks): (usize, Paired)| {
            let widths = (visual[blocks.visual].width, audio[blocks.audio].width);
            let half = |half: &str| -> Result<[Adapter; 2]> {
                let of = |modality: &str, width| Adapter::new(modality, index, half, width, sizes);
                Ok([of("visual", widths.0)?, of("audio", widths.1)?])
            };
            Ok(Pair { blocks, halves: [half(ATTENTION)?, half(FEED_FORWARD)?], widths })
        };
        let pairs: Vec<Pair> = paired(visual, audio)?.into_iter().enumerate().map(pair).collect::<Result<_>>()?;
        let maps_widths = pairs.iter().any(|pair| pair.widths.0 != pair.widths.1);
        Ok(Self { pairs, maps_widths, batch_norm: sizes.batch_norm })
    }

    fn adapters(&self) -> impl Iterator<Item = &Adapter> {
        self.pairs.iter().flat_map(|pair| pair.halves.iter().flatten())
    }

    fn parameters(&self) -> Vec<ParamSpec> {
        let mut specs: Vec<ParamSpec> = self.adapters().flat_map(Adapter::parameters).collect();
        let mut stage = None;
        for pair in self.pairs.iter().filter(|_| self.maps_widths) {
            if stage != Some(pair.blocks.stage) {
                stage = Some(pair.blocks.stage);
                let (visual, audio) = pair.widths;
                for (direction, from, to) in [("audio_to_visual", audio, visual), ("visual_to_audio", visual, audio)] {
                    specs.extend(ParamSpec::linear(&map_name(pair.blocks.stage, direction), from, to, false, WIDTHS));
                }
            }
        }
        specs
    }

    fn buffers(&self) -> Vec<TensorSpec> {
        self.adapters().flat_map(Adapter::buffers).collect()
    }
}

fn map_name(stage: usize, direction: &str) -> String {
    format!("align.{stage}.{direction}")
}

/// The method.
pub struct Lavish {
    plan: Plan,
    encoders: Encoders,
    execution: Execution,
}

impl Lavish {
    /// Latents of an adapter that gather the other modality's tokens at its own width, L + softmax(L (Y Pᵀ)ᵀ) Y Pᵀ: the
    /// map P goes to the latents and to what they gathered, so that Y Pᵀ is never formed.
    fn gather(&self, run: &Run<'_>, adapter: &Adapter, other: &Tensor, map: Option<&Tensor>) -> Result<Tensor> {
        let latents = adapter.latents(run)?;
        let Some(map) = map else { return Ok(self.execution.gather(&latents, other)?) };
        let seen = self.execution.linear(&latents, &map.t()?.contiguous()?, None)?;
        // L P + softmax(..) Y, of the other width.
        let gathered = self.execution.gather(&seen, other)?.broadcast_sub(&seen)?;
        Ok(self.execution.linear(&gathered, map, None)?.broadcast_add(&latents)?)
    }
}

impl Method for Lavish {
    fn joins_clips(&self, training: bool) -> bool {
        training && self.plan.batch_norm
    }

    fn features(&self, learned: Learned<'_>, input: MethodInput<'_>) -> Result<Adapted> {
        let MethodInput { frames, spectrogram, shape, maps, context } = input;
        let mut run = Run { learned, context, execution: self.execution, updates: Default::default() };
        let [eyes, ears] = adapters::local(&self.encoders)?;
        let mut visual = Stream::open(&*eyes, frames, maps)?;
        let mut audio = Stream::open(&*ears, spectrogram, Maps::None)?;
        for pair in &self.plan.pairs {
            let Paired { visual: v, audio: a, stage } = pair.blocks;
            visual.advance(v)?;
            audio.advance(a)?;
            let map = |direction: &str| {
                let of = |_| learned.parameters.get(&format!("{}.weight", map_name(stage, direction)));
                self.plan.maps_widths.then_some(()).map(of).transpose()
            };
            let (to_visual, to_audio) = (map("audio_to_visual")?, map("visual_to_audio")?);
            for (half, [of_visual, of_audio]) in pair.halves.iter().enumerate() {
                let (x, y) = (visual.tokens.contiguous()?, audio.tokens.contiguous()?);
                let from_y = of_visual.fusion(&run, self.gather(&run, of_visual, &y, to_visual.as_ref())?)?;
                let from_x = of_audio.fusion(&run, self.gather(&run, of_audio, &x, to_audio.as_ref())?)?;
                let added =
                    (of_visual.adapt(&mut run, &x, Some(&from_y))?, of_audio.adapt(&mut run, &y, Some(&from_x))?);
                let run_half = |stream: &Stream<'_>, block: usize, tokens: &Tensor| match half {
                    0 => stream.encoder.attend(block, tokens, None),
                    _ => stream.encoder.feed(block, tokens),
                };
                let x = (run_half(&visual, v, &x)? + added.0)?;
                let y = (run_half(&audio, a, &y)? + added.1)?;
                match half {
                    0 => (visual.tokens, audio.tokens) = (x, y),
                    _ => {
                        visual.leave(v, x);
                        audio.leave(a, y);
                    }
                }
            }
        }
        // A stage's last block is paired, so that no block is left.
        let (visual, maps) = visual.finish()?;
        let (audio, _) = audio.finish()?;
        let features = Features {
            visual: shape.unflatten(&eyes.pool(&visual)?)?,
            audio: shape.unflatten(&ears.pool(&audio)?)?,
            maps,
        };
        Ok(Adapted { features, buffers: run.updates })
    }

    fn unadapted(&self, _: Learned<'_>, frames: &Tensor, maps: Maps) -> Result<Vec<Tensor>> {
        self.encoders.unadapted(frames, maps)
    }
}
