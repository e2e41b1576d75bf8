//! Collaborative prompt learning: prompts in every site of two frozen encoders, exchanged between them at the last k.
//!
//! Global and frame prompts (eq. 2) enter every site, interaction prompts (eqs. 5-9, `interaction`) the last k, paired
//! from the end. All blocks of a site see the same prompts, as keys and values only: concatenating them to the tokens
//! and dropping their outputs (eqs. 3, 4) is the same.

use std::ops::Range;

use candle_core::Tensor;
use copl_networks::encoders::{BlockInfo, Maps, Prompts, sites};
use copl_networks::handles::{EncoderHandle, Traversal, await_answers};
use copl_networks::weights::Tensors;
use copl_networks::{Error, Result};

use super::interaction::Coupling;
use super::{ClipShape, Encoders, Features, Method};
use crate::config::{CoplConfig, FramePrompts, Granularity, MethodKind};
use crate::parameters::{ParamGroup, ParamSpec};

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
    pass: Box<dyn Traversal + 'a>,
    sites: Vec<Range<usize>>,
    /// Blocks after which the tokens are kept for the head; each is the last of its site.
    wanted: Vec<usize>,
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

    /// Runs a site of a stream, with `interaction` [N, 2 L_I, d] where it is coupled.
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
        // The tokens of the last site are wanted after the final norm.
        let blocks = stream.sites[site].clone();
        let map = site + 1 < stream.sites.len() && stream.wanted.contains(&(blocks.end - 1));
        stream.pass.run(blocks, prompts.as_ref(), map)
    }

    /// What latents gather from the tokens entering a pair of coupled sites, if there are latents.
    fn read_out(
        &self,
        coupling: &Coupling,
        parameters: &Tensors,
        visual: (&mut Stream<'_>, usize),
        audio: (&mut Stream<'_>, usize),
    ) -> Result<[Option<Tensor>; 2]> {
        let of = |name| coupling.latents(parameters, name);
        let (Some(v_latents), Some(a_latents)) = (of(visual.0.name)?, of(audio.0.name)?) else {
            return Ok([None, None]);
        };
        visual.0.pass.read_out(visual.0.sites[visual.1].start, &v_latents)?;
        audio.0.pass.read_out(audio.0.sites[audio.1].start, &a_latents)?;
        Ok(await_answers([&mut *visual.0.pass, &mut *audio.0.pass])?.map(|mut tensors| tensors.pop()))
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
        let open = |name, handle, images, maps: Maps| -> Result<Stream<'_>> {
            let handle: &dyn EncoderHandle = handle;
            let (pass, wanted) = (handle.open(images)?, maps.blocks(handle.blocks()));
            Ok(Stream { name, pass, sites: sites(handle.blocks(), self.config.granularity), wanted })
        };
        let handles = (&*self.encoders.visual, &*self.encoders.audio);
        let mut visual = open("visual", handles.0, frames, maps)?;
        let mut audio = open("audio", handles.1, spectrogram, Maps::None)?;
        let coupled = self.coupled;
        for stream in [&mut visual, &mut audio] {
            for site in 0..stream.sites.len() - coupled {
                self.run_site(stream, site, parameters, None, shape)?;
            }
        }
        for index in 0..coupled {
            let (v, a) = (visual.sites.len() - coupled + index, audio.sites.len() - coupled + index);
            let width = |handle: &dyn EncoderHandle, stream: &Stream<'_>, site: usize| {
                handle.blocks()[stream.sites[site].start].width
            };
            let coupling =
                Coupling::new(index, width(handles.0, &visual, v), width(handles.1, &audio, a), &self.config);
            let found = self.read_out(&coupling, parameters, (&mut visual, v), (&mut audio, a))?;
            let [of_visual, of_audio] = found.each_ref().map(Option::as_ref);
            let (to_visual, to_audio) = coupling.prompts(parameters, of_visual, of_audio, shape.images())?;
            self.run_site(&mut visual, v, parameters, Some(to_visual), shape)?;
            self.run_site(&mut audio, a, parameters, Some(to_audio), shape)?;
        }
        Features::close(&mut *visual.pass, &mut *audio.pass, maps, shape)
    }

    fn unadapted(&self, _: &Tensors, frames: &Tensor, maps: Maps) -> Result<Vec<Tensor>> {
        self.encoders.unadapted(frames, maps)
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
