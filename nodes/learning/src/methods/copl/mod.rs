//! Collaborative prompt learning: prompts in every site of two frozen encoders, exchanged between them at the last k.
//!
//! Global and frame prompts (eq. 2) enter every site, interaction prompts (eqs. 5-9, `interaction`) the last k, paired
//! from the end. All blocks of a site see the same prompts, as keys and values only: concatenating them to the tokens
//! and dropping their outputs (eqs. 3, 4) is the same.

mod interaction;
mod settings;

use std::ops::Range;

use candle_core::Tensor;
use copl_contract::settings::Settings;
use copl_networks::encoders::{BlockInfo, Granularity, Maps, Prompts, sites};
use copl_networks::handles::{EncoderHandle, Traversal, await_answers};
use copl_networks::kernels::Execution;
use copl_networks::weights::Tensors;
use copl_networks::{Error, Result};

use self::interaction::Coupling;
pub use self::settings::{CoplSettings, FramePrompts};
use super::{
    Adapted, Built, ClipShape, EncoderShapes, EncoderSources, Encoders, Family, Features, Learned, Method,
    MethodConfig, MethodInput, MethodSettings, SettingGroup, Training,
};
use crate::parameters::{ParamGroup, ParamSpec};

/// Its entry in the registry.
pub static FAMILY: Family = Family {
    word: "copl",
    about: "collaborative prompts on frozen encoders",
    settings: &[SettingGroup { applies: "METHOD copl", specs: CoplSettings::specs }],
    training: Training::of_paper,
    read: |_, env| {
        let settings = CoplSettings::from_env(env)?;
        settings::check(&settings)?;
        Ok(settings.into())
    },
};

/// Rows of the parameter table.
const GLOBAL_PROMPTS: ParamGroup = ParamGroup::of_method("global prompts");
const FRAME_PROMPTS: ParamGroup = ParamGroup::of_method("frame prompts");
const INTERACTION_PROMPTS: ParamGroup = ParamGroup::of_method("interaction prompts");
const MAPPING: ParamGroup = ParamGroup::of_method("mapping");

impl MethodSettings for CoplSettings {
    fn family(&self) -> &'static Family {
        &FAMILY
    }

    fn values(&self) -> Vec<(&'static str, String)> {
        Settings::values(self)
    }

    fn parameters(&self, segments: usize, encoders: EncoderShapes<'_>) -> Result<Vec<ParamSpec>> {
        let coupled = coupled_sites(self, (encoders.visual.coupled_sites(), encoders.audio.coupled_sites()));
        parameters(self, segments, &encoders.visual.blocks(), &encoders.audio.blocks(), coupled)
    }

    /// Prompts of a stage, and of every block.
    fn variants(&self) -> Vec<(String, MethodConfig)> {
        let of = |granularity: &Granularity| {
            (granularity.to_string(), Self { granularity: *granularity, ..self.clone() }.into())
        };
        Granularity::ALL.iter().map(of).collect()
    }

    fn build(&self, segments: usize, encoders: EncoderSources, execution: Execution) -> Result<Built> {
        Ok(Built::of(Copl::new(self.clone(), segments, encoders.frozen(execution)?, execution)?))
    }
}

/// The method.
pub struct Copl {
    config: CoplSettings,
    segments: usize,
    encoders: Encoders,
    /// k; 0 without interaction prompts.
    coupled: usize,
    /// How what is exchanged is computed.
    execution: Execution,
}

/// One modality on its way through its encoder.
struct Stream<'a> {
    name: &'static str,
    traversal: Box<dyn Traversal + 'a>,
    sites: Vec<Range<usize>>,
    /// Blocks after which the tokens are kept for the head; each is the last of its site.
    wanted: Vec<usize>,
}

impl Copl {
    /// On these encoders, for clips of `segments` segments.
    ///
    /// # Errors
    /// If the settings do not fit the encoders.
    pub fn new(config: CoplSettings, segments: usize, encoders: Encoders, execution: Execution) -> Result<Self> {
        let defaults = (encoders.visual.coupled_sites(), encoders.audio.coupled_sites());
        let coupled = coupled_sites(&config, defaults);
        parameters(&config, segments, encoders.visual.blocks(), encoders.audio.blocks(), coupled)?;
        Ok(Self { config, segments, encoders, coupled, execution })
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
        stream.traversal.run(blocks, prompts.as_ref(), map)
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
        visual.0.traversal.read_out(visual.0.sites[visual.1].start, &v_latents)?;
        audio.0.traversal.read_out(audio.0.sites[audio.1].start, &a_latents)?;
        Ok(await_answers([&mut *visual.0.traversal, &mut *audio.0.traversal])?.map(|mut tensors| tensors.pop()))
    }
}

impl Method for Copl {
    fn features(&self, learned: Learned<'_>, input: MethodInput<'_>) -> Result<Adapted> {
        let (parameters, MethodInput { frames, spectrogram, shape, maps, .. }) = (learned.parameters, input);
        if shape.segments != self.segments {
            return Err(Error::Shape {
                what: "a batch".to_string(),
                found: vec![shape.clips, shape.segments],
                expected: format!("[B, {}]: the method was made for clips of that many segments", self.segments),
            });
        }
        let open = |name, handle, images, maps: Maps| -> Result<Stream<'_>> {
            let handle: &dyn EncoderHandle = handle;
            let (traversal, wanted) = (handle.open(images)?, maps.blocks(handle.blocks()));
            Ok(Stream { name, traversal, sites: sites(handle.blocks(), self.config.granularity), wanted })
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
            let (to_visual, to_audio) =
                coupling.prompts(parameters, of_visual, of_audio, shape.images(), self.execution)?;
            self.run_site(&mut visual, v, parameters, Some(to_visual), shape)?;
            self.run_site(&mut audio, a, parameters, Some(to_audio), shape)?;
        }
        Ok(Adapted::of(Features::close(&mut *visual.traversal, &mut *audio.traversal, maps, shape)?))
    }

    fn unadapted(&self, _: Learned<'_>, frames: &Tensor, maps: Maps) -> Result<Vec<Tensor>> {
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
pub fn coupled_sites(config: &CoplSettings, defaults: (usize, usize)) -> usize {
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
    config: &CoplSettings,
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
                specs.push(ParamSpec::prompt(name, &[config.global_len, width], GLOBAL_PROMPTS));
            }
            if config.frame {
                let name = format!("{modality}.frame_prompts.{site}");
                specs.push(ParamSpec::prompt(name, &[segments, width], FRAME_PROMPTS));
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
