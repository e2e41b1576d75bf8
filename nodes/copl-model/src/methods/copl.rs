//! Collaborative prompt learning: prompts in every site of two frozen encoders, exchanged between them at the last k.
//!
//! Global and frame prompts (eq. 2) enter every site, interaction prompts (eqs. 5-9, `interaction`) the last k, paired
//! from the end. All blocks of a site see the same prompts, as keys and values only: concatenating them to the tokens
//! and dropping their outputs (eqs. 3, 4) is the same.

use std::ops::Range;

use candle_core::Tensor;

use super::interaction::Coupling;
use super::{ClipShape, Encoders, Features, Method};
use crate::config::{CoplConfig, FramePrompts, Granularity, MethodKind};
use crate::encoders::{BlockInfo, Encoder, Maps, Prompts, encode};
use crate::error::{Error, Result};
use crate::parameters::{ParamGroup, ParamSpec};
use crate::weights::Tensors;

/// The method.
pub struct Copl {
    config: CoplConfig,
    segments: usize,
    encoders: Encoders,
    /// k; 0 without interaction prompts.
    coupled: usize,
}

/// One modality on its way through its encoder.
struct Stream<'a> {
    name: &'static str,
    encoder: &'a dyn Encoder,
    sites: Vec<Range<usize>>,
    tokens: Tensor,
    /// Blocks after which the tokens are kept for the head; each is the last of its site.
    wanted: Vec<usize>,
    maps: Vec<Tensor>,
}

impl Copl {
    /// On these encoders, for clips of `segments` segments.
    ///
    /// # Errors
    /// If the settings do not fit the encoders.
    pub fn new(config: CoplConfig, segments: usize, encoders: Encoders) -> Result<Self> {
        let defaults = (encoders.visual.coupled_sites(), encoders.audio.coupled_sites());
        let coupled = coupled_sites(&config, defaults);
        parameters(&config, segments, encoders.visual.blocks(), encoders.audio.blocks(), coupled)?;
        Ok(Self { config, segments, encoders, coupled })
    }

    /// What every image of a site sees, before interaction prompts.
    fn modal_prompts(&self, parameters: &Tensors, modality: &str, site: usize, shape: ClipShape) -> Result<Prompts> {
        let get = |what: &str| parameters.get(&format!("{modality}.{what}_prompts.{site}"));
        let mut shared = Vec::new();
        let mut own = None;
        if self.config.global {
            shared.push(get("global")?);
        }
        if self.config.frame {
            let rows = get("frame")?;
            match self.config.frame_prompts {
                FramePrompts::All => shared.push(rows),
                FramePrompts::Own => {
                    let (segments, width) = rows.dims2()?;
                    let rows = rows.unsqueeze(0)?.broadcast_as((shape.clips, segments, width))?;
                    own = Some(rows.contiguous()?.reshape((shape.images(), 1, width))?);
                }
            }
        }
        let shared = match shared.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            several => Some(Tensor::cat(several, 0)?),
        };
        Ok(Prompts { shared, own, bias: self.config.prompt_bias })
    }

    /// Runs a site of a stream, with `interaction` [N, 2 L_I, d] where it is coupled. The merging that opens the site
    /// has been done.
    fn run_site(
        &self,
        stream: &mut Stream<'_>,
        site: usize,
        parameters: &Tensors,
        interaction: Option<Tensor>,
        shape: ClipShape,
    ) -> Result<()> {
        let mut prompts = self.modal_prompts(parameters, stream.name, site, shape)?;
        prompts.own = match (prompts.own, interaction) {
            (Some(own), Some(interaction)) => Some(Tensor::cat(&[&own, &interaction], 1)?),
            (own, interaction) => own.or(interaction),
        };
        let prompts = (prompts.shared.is_some() || prompts.own.is_some()).then_some(prompts);
        for block in stream.sites[site].clone() {
            if block > stream.sites[site].start {
                stream.tokens = stream.encoder.merge(block, &stream.tokens)?;
            }
            stream.tokens = stream.encoder.block(block, &stream.tokens, prompts.as_ref())?;
        }
        if stream.wanted.contains(&(stream.sites[site].end - 1)) {
            stream.maps.push(stream.tokens.clone());
        }
        Ok(())
    }
}

impl Stream<'_> {
    /// The merging that opens a site, so that its tokens have the site's width.
    fn enter(&mut self, site: usize) -> Result<()> {
        self.tokens = self.encoder.merge(self.sites[site].start, &self.tokens)?;
        Ok(())
    }
}

impl Method for Copl {
    fn kind(&self) -> MethodKind {
        MethodKind::Copl
    }

    fn parameters(&self) -> Vec<ParamSpec> {
        let blocks = (self.encoders.visual.blocks(), self.encoders.audio.blocks());
        // The settings were checked when the method was made.
        parameters(&self.config, self.segments, blocks.0, blocks.1, self.coupled).unwrap_or_default()
    }

    fn features(
        &self,
        parameters: &Tensors,
        frames: &Tensor,
        spectrogram: &Tensor,
        shape: ClipShape,
        maps: Maps,
    ) -> Result<Features> {
        if shape.segments != self.segments {
            return Err(Error::Shape {
                what: "a batch".to_string(),
                found: vec![shape.clips, shape.segments],
                expected: format!("[B, {}]: the method was made for clips of that many segments", self.segments),
            });
        }
        let open = |name, encoder, images, maps: Maps| -> Result<Stream<'_>> {
            let encoder: &dyn Encoder = encoder;
            let (tokens, sites) = (encoder.embed(images)?, encoder.sites(self.config.granularity));
            Ok(Stream { name, encoder, sites, tokens, wanted: maps.blocks(encoder.blocks()), maps: Vec::new() })
        };
        let mut visual = open("visual", &*self.encoders.visual, frames, maps)?;
        let mut audio = open("audio", &*self.encoders.audio, spectrogram, Maps::None)?;
        let coupled = self.coupled;
        for stream in [&mut visual, &mut audio] {
            for site in 0..stream.sites.len() - coupled {
                stream.enter(site)?;
                self.run_site(stream, site, parameters, None, shape)?;
            }
        }
        for index in 0..coupled {
            let (v, a) = (visual.sites.len() - coupled + index, audio.sites.len() - coupled + index);
            visual.enter(v)?;
            audio.enter(a)?;
            let (_, _, v_width) = visual.tokens.dims3()?;
            let (_, _, a_width) = audio.tokens.dims3()?;
            let coupling = Coupling::new(index, v_width, a_width, &self.config);
            let (to_visual, to_audio) = coupling.prompts(parameters, &visual.tokens, &audio.tokens)?;
            self.run_site(&mut visual, v, parameters, Some(to_visual), shape)?;
            self.run_site(&mut audio, a, parameters, Some(to_audio), shape)?;
        }
        let close = |mut stream: Stream<'_>| -> Result<(Tensor, Vec<Tensor>)> {
            let finished = stream.encoder.finish(&stream.tokens)?;
            if let Some(last) = stream.maps.last_mut() {
                *last = finished.clone();
            }
            Ok((shape.unflatten(&stream.encoder.pool(&finished)?)?, stream.maps))
        };
        let ((visual, maps), (audio, _)) = (close(visual)?, close(audio)?);
        Ok(Features { visual, audio, maps })
    }

    fn unadapted(&self, _: &Tensors, frames: &Tensor, maps: Maps) -> Result<Vec<Tensor>> {
        Ok(encode(&*self.encoders.visual, frames, maps)?.maps)
    }
}

/// Width of each prompt site.
fn site_widths(blocks: &[BlockInfo], granularity: Granularity) -> Vec<usize> {
    match granularity {
        Granularity::Block => blocks.iter().map(|block| block.width).collect(),
        Granularity::Stage => {
            let mut stages: Vec<BlockInfo> = blocks.to_vec();
            stages.dedup_by_key(|block| block.stage);
            stages.iter().map(|block| block.width).collect()
        }
    }
}

/// The sites that exchange prompts (k): what the settings say, else the smaller of the two encoders' own numbers; 0
/// without interaction prompts.
pub fn coupled_sites(config: &CoplConfig, defaults: (usize, usize)) -> usize {
    match config.interaction {
        true => config.coupled_sites.unwrap_or(defaults.0.min(defaults.1)),
        false => 0,
    }
}

/// What the method learns on encoders with these blocks, the last `coupled` sites of which exchange prompts.
///
/// # Errors
/// If the settings do not fit the encoders.
pub fn parameters(
    config: &CoplConfig,
    segments: usize,
    visual: &[BlockInfo],
    audio: &[BlockInfo],
    coupled: usize,
) -> Result<Vec<ParamSpec>> {
    let (visual, audio) = (site_widths(visual, config.granularity), site_widths(audio, config.granularity));
    if config.global && config.global_len == 0 {
        return Err(Error::Config("global prompts: 0 (switch them off for none)".to_string()));
    }
    let mut specs = Vec::new();
    for (modality, widths) in [("visual", &visual), ("audio", &audio)] {
        for (site, &width) in widths.iter().enumerate() {
            if config.global {
                let name = format!("{modality}.global_prompts.{site}");
                specs.push(ParamSpec::prompt(name, &[config.global_len, width], ParamGroup::GlobalPrompts));
            }
            if config.frame {
                let name = format!("{modality}.frame_prompts.{site}");
                specs.push(ParamSpec::prompt(name, &[segments, width], ParamGroup::FramePrompts));
            }
        }
    }
    if config.interaction {
        let sites = visual.len().min(audio.len());
        if coupled == 0 || coupled > sites {
            return Err(Error::Config(format!(
                "{coupled} coupled sites, but these encoders have {sites} sites to couple (for none, switch interaction off)"
            )));
        }
        let empty = config.interaction_len == 0 || (config.bank && config.bank_len == 0);
        if empty || config.bottleneck == 0 {
            return Err(Error::Config(
                "interaction prompts, bank prompts and bottleneck must be at least 1".to_string(),
            ));
        }
        for index in 0..coupled {
            let (v, a) = (visual[visual.len() - coupled + index], audio[audio.len() - coupled + index]);
            specs.extend(Coupling::new(index, v, a, config).parameters());
        }
    }
    Ok(specs)
}
