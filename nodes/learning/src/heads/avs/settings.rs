//! The heads of segmentation by name, and their settings.

use copl_contract::schema::Schema;
use copl_contract::setting_choice::ChosenGroup;
use copl_contract::settings::{Env, Settings};
use copl_contract::task::{self, Task};
use copl_networks::Result;

use super::{AvsHead, LinearHead, MASK_UNIT, Matching, Pooling, Scales, WIDTH_UNIT, Wanted};
use crate::heads::{Family, Head, HeadConfig, HeadPlace, HeadSettings};

copl_contract::choice! {
    /// What makes masks of the maps.
    pub enum DecoderKind {
        /// AVSBench's decoder with audio-visual interaction (what the paper and the compared codebases use).
        Avsbench = "avsbench",
        /// One linear layer over all maps at a pixel and the sound.
        Linear = "linear",
    }
}

copl_contract::settings! {
    /// Settings of segmentation's heads.
    pub struct AvsSettings {
        "DECODER" decoder: DecoderKind = "avsbench", "avsbench (the official decoder, with audio-visual interaction), or linear (one linear layer over all maps at a pixel and the sound: adapting the features is left to the method).";
        "MASK_SIZE" mask_size: usize = "224", "Rows and columns of the masks, a multiple of 32.";
    }
}

copl_contract::settings! {
    /// Settings of the official decoder.
    pub struct DecoderSettings {
        "DECODER_WIDTH" decoder_width: usize = "256", "Width of the decoder, a multiple of 8; its maps, audio feature and output keep the official proportions to it, but the last output has 16 channels at least.";
    }
}

copl_contract::settings! {
    /// Settings of the official decoder where several sources sound.
    pub struct MatchingSettings {
        "MATCHING_SCALES" scales: Scales = "0,1,2,3", "Scales at which sound and picture are matched, finest (0) to coarsest (3); none leaves the columns of the matching loss out.";
        "MATCHING_POOL" pooling: Pooling = "average", "How logits are brought to a map's size for it: average or max.";
        "MATCHING_THRESHOLD" threshold: bool = "false", "A place counts where its probability is above 0.5, instead of by its probability.";
    }
}

/// Its entry in the registry.
pub static FAMILY: Family = Family { tasks: &["avs-s4", "avs-ms3"], groups, read };

fn groups(task: Task, env: &Env) -> Vec<ChosenGroup> {
    let several = task.name == task::AVS_MS3.name;
    let is_official = env.get("DECODER").is_none_or(|word| word == DecoderKind::Avsbench.word());
    vec![
        ChosenGroup { applies: "TASK avs-s4, avs-ms3", chosen: true, specs: AvsSettings::specs() },
        ChosenGroup { applies: "DECODER avsbench", chosen: is_official, specs: DecoderSettings::specs() },
        ChosenGroup {
            applies: "TASK avs-ms3 and DECODER avsbench",
            chosen: several && is_official,
            specs: MatchingSettings::specs(),
        },
    ]
}

fn read(task: Task, parts: &[Env]) -> Result<HeadConfig, (String, String)> {
    let [own, decoder, matching] = parts else {
        return Err(("DECODER".to_owned(), "three groups of settings".to_owned()));
    };
    let settings = AvsSettings::from_env(own)?;
    let multiple = |key: &str, size: usize, unit: usize| match size > 0 && size.is_multiple_of(unit) {
        true => Ok(()),
        false => Err((key.to_owned(), format!("{size} is no multiple of {unit}"))),
    };
    multiple("MASK_SIZE", settings.mask_size, MASK_UNIT)?;
    let decoder = match settings.decoder {
        DecoderKind::Avsbench => Some(DecoderSettings::from_env(decoder)?),
        DecoderKind::Linear => None,
    };
    if let Some(decoder) = &decoder {
        multiple("DECODER_WIDTH", decoder.decoder_width, WIDTH_UNIT)?;
    }
    let matching = match (&decoder, task.name == task::AVS_MS3.name) {
        (Some(_), true) => Some(MatchingSettings::from_env(matching)?),
        _ => None,
    };
    Ok(Chosen {
        trained: if task.name == task::AVS_MS3.name { Wanted::All } else { Wanted::First },
        settings,
        decoder,
        matching,
    }
    .into())
}

/// A head of segmentation.
#[derive(Debug)]
struct Chosen {
    settings: AvsSettings,
    /// None: the linear head.
    decoder: Option<DecoderSettings>,
    /// Of the official decoder, where several sources sound.
    matching: Option<MatchingSettings>,
    /// Frames of a training clip that have masks.
    trained: Wanted,
}

impl Chosen {
    fn matched(&self) -> Option<Matching> {
        let matching = self.matching.as_ref().filter(|matching| !matching.scales.0.is_empty())?;
        let MatchingSettings { scales, pooling, threshold } = matching.clone();
        Some(Matching { scales, pooling, threshold })
    }
}

impl HeadSettings for Chosen {
    fn values(&self) -> Vec<(&'static str, String)> {
        let of_decoder = self.decoder.iter().flat_map(Settings::values);
        let of_matching = self.matching.iter().flat_map(Settings::values);
        Settings::values(&self.settings).into_iter().chain(of_decoder).chain(of_matching).collect()
    }

    fn schemas(&self, task: Task) -> (Schema, Schema) {
        match self.matched() {
            Some(_) => (Schema::MatchedMaskPredictions, Schema::MatchedMaskGradients),
            None => (task.predictions, task.gradients),
        }
    }

    fn build(&self, place: HeadPlace<'_>) -> Result<Box<dyn Head>> {
        let size = self.settings.mask_size;
        Ok(match &self.decoder {
            Some(decoder) => Box::new(AvsHead::new(size, decoder.decoder_width, self.trained, self.matched(), place)?),
            None => Box::new(LinearHead::new(size, self.trained, place)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use copl_contract::task;

    use super::*;

    #[test]
    fn sizes_that_make_no_maps_are_refused() {
        let read = |key: &str, value: &str| {
            HeadConfig::read(task::AVS_S4, &[(key.to_owned(), value.to_owned())].into()).unwrap_err()
        };
        assert_eq!(read("MASK_SIZE", "100"), ("MASK_SIZE".into(), "100 is no multiple of 32".into()));
        assert_eq!(read("DECODER_WIDTH", "12"), ("DECODER_WIDTH".into(), "12 is no multiple of 8".into()));
        assert!(read("DECODER", "linaer").1.contains("did you mean linear?"));
    }
}
