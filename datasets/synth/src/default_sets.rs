//! The sets that descriptors name, as they are made without any choice.

use std::path::Path;

use copl_datasets::descriptor::Generator;

use crate::{
    error::SynthError,
    music::{MusicOptions, music_avqa},
    options::SynthOptions,
    scenes,
    set::{Progress, SynthSummary},
};

/// Makes the set of a descriptor's generator at `out`.
///
/// # Errors
/// If ffmpeg fails, files cannot be written, or another set or other files lie at `out`.
pub fn make(generator: Generator, out: &Path, progress: &mut dyn FnMut(Progress)) -> Result<SynthSummary, SynthError> {
    match generator {
        Generator::Ave => scenes::ave(out, &SynthOptions::ave(), progress),
        Generator::Avs => scenes::avs(out, &SynthOptions::avs(), progress),
        Generator::Ms3 => scenes::ms3(out, &SynthOptions::ms3(), progress),
        Generator::Objects => scenes::objects(out, &SynthOptions::objects(), progress),
        Generator::MusicAvqa => music_avqa(out, &MusicOptions::default(), progress),
    }
}
