//! The dataset of a run, read anew.

use std::collections::HashMap;
use std::path::Path;

use copl_contract::settings::{Env, Settings};
use copl_datasets::{Clip, Dataset, Descriptor, MissingVideos, ReadOptions};
use copl_reports::page::{Strip, pictures};
use copl_reports::view::RunView;
use copl_spectrogram::node::SpectrogramSettings;
use copl_video_decoder::node::VideoDecoderSettings;

/// The dataset of a run, and how its nodes decode.
pub(super) struct Data {
    pub(super) dataset: Dataset,
    pub(super) clips: HashMap<String, Clip>,
    pub(super) video: VideoDecoderSettings,
    sound: Option<SpectrogramSettings>,
}

impl Data {
    pub(super) fn open(view: &RunView) -> Result<Self, String> {
        let source = view.nodes.iter().find(|n| n.kind == "clip-source").ok_or("the dataflow has no clip source")?;
        let folder = view.dataflow_folder();
        let name = source.value("DATASET").unwrap_or_default();
        let own = folder.join(name);
        let name = if own.is_file() { own.display().to_string() } else { name.to_owned() };
        let descriptor = Descriptor::load(&name).map_err(|e| e.to_string())?;
        let root = folder.join(source.value("ROOT").unwrap_or_default());
        let options = ReadOptions { missing: MissingVideos::Keep };
        let dataset = descriptor.open(&root, &options).map_err(|e| e.to_string())?;
        let known = view.record.data_fingerprint.as_deref();
        if known.is_some_and(|known| known != dataset.fingerprint) {
            return Err(format!("the annotations in {} are not those of the run", root.display()));
        }
        let env = |kind: &str| -> Option<Env> {
            let node = view.nodes.iter().find(|n| n.kind == kind)?;
            Some(node.settings.iter().map(|s| (s.key.clone(), s.value.clone())).collect())
        };
        let video = env("video-decoder").unwrap_or_default();
        let video = VideoDecoderSettings::from_env(&video).map_err(|(key, why)| format!("{key}: {why}"))?;
        let sound = env("spectrogram").and_then(|env| SpectrogramSettings::from_env(&env).ok());
        let clips = dataset.clips.iter().map(|c| (c.id.clone(), c.clone())).collect();
        Ok(Self { dataset, clips, video, sound })
    }

    pub(super) fn name(&self, label: i32) -> (String, Option<usize>) {
        match u32::try_from(label) {
            Ok(label) if (label as usize) < self.dataset.classes.len() => {
                (self.dataset.class_name(label).to_owned(), Some(label as usize))
            }
            _ => ("–".to_owned(), None),
        }
    }
}

/// The spectrogram of a media file; none where the dataflow makes none.
pub(super) fn heard(data: &Data, path: &Path) -> Result<Option<Strip>, String> {
    let Some(sound) = &data.sound else { return Ok(None) };
    let (values, shape) = sound.segments_of(path)?;
    let png = pictures::spectrogram(&values, shape).map_err(|e| e.to_string())?;
    Ok(Some(Strip { label: "spectrogram".to_owned(), pictures: vec![png] }))
}
