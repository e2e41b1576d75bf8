//! The segments of clips, through the cache.
//!
//! Kept is what is smaller: the waveform, or the spectra made of it. Of a minute of sound with ten windows of two seconds the
//! spectra are 0.38 of the bytes, of ten seconds in ten windows the waveform is 0.43 of them.

use std::path::Path;

use copl_media::cache::{self, f32_from_le};
use copl_media::{Array, BadClip, Cache, Limits, MediaError, ReasonCode, Stage};

use crate::audio::{AudioSettings, Waveform, decode_all, decode_files, opened};
use crate::front::Front;

/// The segments of a clip.
pub(crate) struct Segments {
    /// Row-major.
    pub values: Vec<f32>,
    /// [T, frames, mels].
    pub shape: [usize; 3],
    /// What a reader of the report may want to know of the sound.
    pub notes: Vec<String>,
}

/// Decodes clips and makes their segments, in their order; what needs no decoding is not kept in the cache.
///
/// Errors: [`MediaError::Bad`] says why a clip is refused, stage `audio` or `file`.
pub(crate) fn segments_of(
    cache: Option<&Cache>,
    paths: &[&Path],
    audio: &AudioSettings,
    front: &Front,
    limits: &Limits,
) -> Vec<Result<Segments, MediaError>> {
    let shape = front.shape();
    let spectra_are_smaller = shape.iter().product::<usize>() < audio.samples();
    if !spectra_are_smaller {
        let waves = decode_all(cache, paths, audio, limits).into_iter();
        return waves.map(|wave| made(front, wave?)).collect();
    }
    opened(
        paths,
        audio,
        limits,
        |wave| made(front, wave),
        |files| {
            let key = format!("{} of {}", front.key(), audio.key());
            let arrays = cache::through(cache, files, &limits.ffmpeg, &key, |missing| {
                let array = |wave: Result<Waveform, MediaError>| {
                    let Segments { values, notes, .. } = made(front, wave?)?;
                    Ok(Array::from_f32(shape.to_vec(), &values, notes))
                };
                decode_files(missing, audio, limits).into_iter().map(array).collect()
            });
            let segments = |array: Array| Segments { values: f32_from_le(&array.bytes), shape, notes: array.notes };
            arrays.into_iter().map(|array| array.map(segments)).collect()
        },
    )
}

fn made(front: &Front, wave: Waveform) -> Result<Segments, MediaError> {
    let bad = |detail: String| BadClip::new(Stage::Audio, ReasonCode::TooShort, detail);
    let values = front.segments(&wave.samples).map_err(|error| bad(error.to_string()))?;
    Ok(Segments { values, shape: front.shape(), notes: wave.notes })
}

#[cfg(test)]
mod tests {
    use copl_media::testing::{ffmpeg, write_good_clip};

    use super::*;
    use crate::fbank::Fbank;
    use crate::settings::FbankSettings;

    fn folder_size(folder: &Path) -> u64 {
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }

    #[test]
    fn kept_is_what_is_smaller_and_gives_the_same_bits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.mp4");
        write_good_clip(&path, 12.0).unwrap();
        let small = FbankSettings { segments: 2, mels: 64, frames: 64, shift_ms: 15.0, ..FbankSettings::default() };
        for (settings, secs, expected) in [(small, 12.0, 2 * 64 * 64 * 4), (FbankSettings::default(), 10.0, 640_000)] {
            let front = Front::Kaldi(Fbank::new(settings).unwrap());
            let audio = AudioSettings { secs, ..AudioSettings::default() };
            let folder = dir.path().join(format!("cache-{secs}"));
            let cache = Cache::open(&folder, 1 << 30).unwrap();
            let get = |cache| segments_of(cache, &[&path], &audio, &front, &Limits::default()).remove(0).unwrap();
            let fresh = get(None);
            for hits in 0..2 {
                let cached = get(Some(&cache));
                assert_eq!(
                    (cached.values, cached.notes, cached.shape),
                    (fresh.values.clone(), fresh.notes.clone(), fresh.shape)
                );
                assert_eq!(cache.counts().hits, hits);
            }
            let stored = folder_size(&folder);
            assert!((expected..expected + 400).contains(&stored), "{stored} bytes are stored");
        }
        // A clip that is refused is refused through the cache as well.
        let silent = dir.path().join("silent.mp4");
        ffmpeg(&["-i", path.to_str().unwrap(), "-an", "-c", "copy", silent.to_str().unwrap()]).unwrap();
        let front = Front::Kaldi(Fbank::new(FbankSettings { segments: 1, ..FbankSettings::default() }).unwrap());
        let cache = Cache::open(&dir.path().join("cache"), 1 << 30).unwrap();
        let refused = segments_of(Some(&cache), &[&silent], &AudioSettings::default(), &front, &Limits::default());
        assert_eq!(refused[0].as_ref().err().unwrap().bad_clip().unwrap().reason, ReasonCode::NoAudio);
    }
}
