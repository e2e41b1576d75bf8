//! Full training: every encoder weight learns. It serves to pre-train a small encoder; prompts are not involved.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;
use copl_networks::encoders::{Architecture, Maps, encode};
use copl_networks::kernels::Execution;
use copl_networks::tensor_file::write_tensors;
use copl_networks::weights::Tensors;
use copl_networks::{Error, Result};

use super::{ClipShape, Features, Method};
use crate::config::MethodKind;
use crate::model::Model;
use crate::parameters::{ParamGroup, ParamSpec};

const SHARED: &str = "encoder.";
const VISUAL: &str = "visual_encoder.";
const AUDIO: &str = "audio_encoder.";

/// The method. With one shared encoder its weights are named `encoder.*`, else `visual_encoder.*` and
/// `audio_encoder.*`.
pub struct Full {
    visual: Architecture,
    /// None: the visual encoder serves both.
    audio: Option<Architecture>,
}

impl Full {
    /// On encoders of these sizes.
    pub fn new(visual: Architecture, audio: Option<Architecture>) -> Self {
        Self { visual, audio }
    }

    /// Every weight of the encoders as a parameter.
    pub fn specs(&self) -> Vec<ParamSpec> {
        let named = |prefix: &'static str, architecture: &Architecture| {
            architecture.tensors().into_iter().map(move |mut tensor| {
                tensor.name = format!("{prefix}{}", tensor.name);
                ParamSpec { tensor, group: ParamGroup::Encoder }
            })
        };
        let visual = named(self.prefix(), &self.visual);
        visual.chain(self.audio.iter().flat_map(|audio| named(AUDIO, audio))).collect()
    }

    fn prefix(&self) -> &'static str {
        if self.audio.is_some() { VISUAL } else { SHARED }
    }

    /// The encoders' starting weights under the parameters' names.
    pub fn start(&self, visual: &Tensors, audio: Option<&Tensors>) -> BTreeMap<String, Tensor> {
        let visual = visual.iter().map(|(name, tensor)| (format!("{}{name}", self.prefix()), tensor.clone()));
        let audio = audio.into_iter().flat_map(Tensors::iter);
        visual.chain(audio.map(|(name, tensor)| (format!("{AUDIO}{name}"), tensor.clone()))).collect()
    }
}

fn strip(parameters: &Tensors, prefix: &str) -> Tensors {
    let all = parameters.iter();
    all.filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_string(), tensor.clone()))).collect()
}

impl Method for Full {
    fn kind(&self) -> MethodKind {
        MethodKind::Full
    }

    fn parameters(&self) -> Vec<ParamSpec> {
        self.specs()
    }

    fn features(
        &self,
        parameters: &Tensors,
        frames: &Tensor,
        spectrogram: &Tensor,
        shape: ClipShape,
        maps: Maps,
    ) -> Result<Features> {
        let visual = self.visual.build(strip(parameters, self.prefix()), Execution::Fast)?;
        let audio = match &self.audio {
            Some(audio) => audio.build(strip(parameters, AUDIO), Execution::Fast)?,
            None => visual.clone(),
        };
        let visual = encode(&*visual, frames, maps)?;
        let audio = encode(&*audio, spectrogram, Maps::None)?;
        Ok(Features {
            visual: shape.unflatten(&visual.pooled)?,
            audio: shape.unflatten(&audio.pooled)?,
            maps: visual.maps,
        })
    }

    fn unadapted(&self, parameters: &Tensors, frames: &Tensor, maps: Maps) -> Result<Vec<Tensor>> {
        let visual = self.visual.build(strip(parameters, self.prefix()), Execution::Fast)?;
        Ok(encode(&*visual, frames, maps)?.maps)
    }
}

/// Writes the trained visual (or shared) encoder's weights under their own names, to be loaded as any published file.
///
/// # Errors
/// If the model trains no encoder, or the file cannot be written.
pub fn save_encoder(path: &Path, model: &Model) -> Result<()> {
    let all: Tensors = model.parameters().snapshot()?.into_iter().collect();
    let mut weights = strip(&all, SHARED);
    if weights.iter().next().is_none() {
        weights = strip(&all, VISUAL);
    }
    if weights.iter().next().is_none() {
        return Err(Error::Config("the method trains no encoder: there are no encoder weights to save".to_string()));
    }
    write_tensors(path, &weights.into_map(), &BTreeMap::new())
}
