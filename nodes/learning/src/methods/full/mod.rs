//! Full training: every encoder weight learns. It serves to pre-train a small encoder; prompts are not involved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use copl_contract::settings::Settings;
use copl_networks::encoders::{Architecture, Maps, encode};
use copl_networks::handles::EncoderSource;
use copl_networks::kernels::Execution;
use copl_networks::tensor_file::write_tensors;
use copl_networks::weights::{TensorSpec, Tensors};
use copl_networks::{Error, Result};

use super::{
    Adapted, Built, EncoderShapes, EncoderSources, Family, Features, Learned, Method, MethodInput, MethodSettings,
    SettingGroup, Training,
};
use crate::parameters::{ParamGroup, ParamSpec, Parameters};

const SHARED: &str = "encoder.";
const VISUAL: &str = "visual_encoder.";
const AUDIO: &str = "audio_encoder.";

/// Its entry in the registry.
pub static FAMILY: Family = Family {
    word: "full",
    about: "every encoder weight learns; to make an encoder",
    settings: &[SettingGroup { applies: "METHOD full", specs: FullSettings::specs }],
    training: Training::of_paper,
    read: |_, env| FullSettings::from_env(env).map(Into::into),
};

copl_contract::settings! {
    /// Settings of the method `full`.
    pub struct FullSettings {
        "SAVE_ENCODER" save_encoder: Option<PathBuf> = "", "Write the best encoder's weights to this safetensors file.";
    }
}

impl MethodSettings for FullSettings {
    fn family(&self) -> &'static Family {
        &FAMILY
    }

    fn values(&self) -> Vec<(&'static str, String)> {
        Settings::values(self)
    }

    /// Every weight of the encoders. With one shared encoder they are named `encoder.*`, else `visual_encoder.*` and
    /// `audio_encoder.*`.
    fn parameters(&self, _: usize, encoders: EncoderShapes<'_>) -> Result<Vec<ParamSpec>> {
        let named = |prefix: &str, weights: Option<Vec<TensorSpec>>| {
            let weights = weights.ok_or_else(elsewhere)?.into_iter();
            let named = weights.map(|spec| TensorSpec { name: format!("{prefix}{}", spec.name), ..spec });
            Ok::<_, Error>(named.map(|tensor| ParamSpec { tensor, group: ParamGroup::ENCODER }).collect::<Vec<_>>())
        };
        if encoders.shared {
            return named(SHARED, encoders.visual.weight_specs());
        }
        let visual = named(VISUAL, encoders.visual.weight_specs())?;
        Ok([visual, named(AUDIO, encoders.audio.weight_specs())?].concat())
    }

    fn in_process(&self) -> Option<&'static str> {
        Some("METHOD full changes the encoders' weights")
    }

    fn export(&self, parameters: &Parameters) -> Result<Option<PathBuf>> {
        if let Some(path) = &self.save_encoder {
            save_encoder(path, parameters)?;
        }
        Ok(self.save_encoder.clone())
    }

    fn build(&self, _: usize, encoders: EncoderSources, execution: Execution) -> Result<Built> {
        let local = |source| match source {
            EncoderSource::Local(loaded) => Ok((loaded.architecture, loaded.weights)),
            EncoderSource::Remote(_) => Err(elsewhere()),
        };
        let prefix = if encoders.audio.is_some() { VISUAL } else { SHARED };
        let (visual, weights) = local(encoders.visual)?;
        let named = |prefix: &'static str, weights: Tensors| {
            weights.into_map().into_iter().map(move |(name, tensor)| (format!("{prefix}{name}"), tensor))
        };
        let mut start: BTreeMap<String, Tensor> = named(prefix, weights).collect();
        let audio = match encoders.audio.map(local).transpose()? {
            Some((audio, weights)) => {
                start.extend(named(AUDIO, weights));
                Some(audio)
            }
            None => None,
        };
        Ok(Built { method: Box::new(Full { visual, audio, execution }), start })
    }
}

fn elsewhere() -> Error {
    Error::Config("method full changes the encoders: they must be in this process".to_string())
}

/// The method.
pub struct Full {
    visual: Architecture,
    /// None: the visual encoder serves both.
    audio: Option<Architecture>,
    execution: Execution,
}

impl Full {
    fn prefix(&self) -> &'static str {
        if self.audio.is_some() { VISUAL } else { SHARED }
    }
}

fn strip(parameters: &Tensors, prefix: &str) -> Tensors {
    let all = parameters.iter();
    all.filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_string(), tensor.clone()))).collect()
}

impl Method for Full {
    fn features(&self, learned: Learned<'_>, input: MethodInput<'_>) -> Result<Adapted> {
        let (parameters, MethodInput { frames, spectrogram, shape, maps, .. }) = (learned.parameters, input);
        let visual = self.visual.build(strip(parameters, self.prefix()), self.execution)?;
        let audio = match &self.audio {
            Some(audio) => audio.build(strip(parameters, AUDIO), self.execution)?,
            None => visual.clone(),
        };
        let visual = encode(&*visual, frames, maps)?;
        let audio = encode(&*audio, spectrogram, Maps::None)?;
        Ok(Adapted::of(Features {
            visual: shape.unflatten(&visual.pooled)?,
            audio: shape.unflatten(&audio.pooled)?,
            maps: visual.maps,
        }))
    }

    fn unadapted(&self, learned: Learned<'_>, frames: &Tensor, maps: Maps) -> Result<Vec<Tensor>> {
        let visual = self.visual.build(strip(learned.parameters, self.prefix()), self.execution)?;
        Ok(encode(&*visual, frames, maps)?.maps)
    }
}

/// Writes the trained visual (or shared) encoder's weights under their own names, to be loaded as any published file.
///
/// # Errors
/// If no encoder was trained, or the file cannot be written.
fn save_encoder(path: &Path, parameters: &Parameters) -> Result<()> {
    let all: Tensors = parameters.snapshot()?.into_iter().collect();
    let mut weights = strip(&all, SHARED);
    if weights.iter().next().is_none() {
        weights = strip(&all, VISUAL);
    }
    if weights.iter().next().is_none() {
        return Err(Error::Config("the method trains no encoder: there are no encoder weights to save".to_string()));
    }
    write_tensors(path, &weights.into_map(), &BTreeMap::new())
}
