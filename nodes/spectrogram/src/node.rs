//! The node: a pool of workers makes spectrogram segments, results leave in the order the clips came.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use copl_contract::schema::{BatchBuilder, Schema};
use copl_contract::settings::{Env, SECS, SettingValue, Settings, within};
use copl_contract::spec::Axis;
use copl_contract::{EdgeSpec, Edges, Node, NodeError, NodeSpec};
use copl_media::cache::Cache;
use copl_media::limits::Limits;
use copl_media::stream::{self, ClipFiles, ClipWork};

use crate::audio::{AudioSettings, Channels, MissingAudio, ShortAudio, WAVE_SECS, decode_audio};
use crate::fbank::Fbank;
use crate::front::Front;
use crate::hts_at::{HtsAtSettings, HtsAtSpectra};
use crate::segments::{Segments, segments_of};
use crate::settings::FbankSettings;
use crate::vggish::{Examples, VggishSettings, VggishSpectra};

copl_contract::choice! {
    /// The kind of spectra.
    pub enum Kind { Kaldi = "kaldi", HtsAt = "hts-at", Vggish = "vggish" }
}

copl_contract::settings! {
    /// Settings of `spectrogram`.
    pub struct SpectrogramSettings {
        "KIND" kind: Kind = "kaldi", "kaldi: normalised Kaldi fbanks, for Swin-V2 and ViT; hts-at: log-mel spectra in decibels of one-second segments at 32 kHz, 64 mels, for HTS-AT; vggish: log-mel examples of 0.96 s at 16 kHz, 96 frames of 64 mels, for VGGish. Of the settings, hts-at and vggish refuse PRESET, RATE, WINDOW_SECS, SHIFT_MS, MELS, FRAMES, MEAN and STD; TILE_SECS is for hts-at alone, EXAMPLES for vggish, MARGIN_SECS for the others.";
        "PRESET" preset: Option<String> = "", "Kaldi fbank settings of a task and encoder: ave-swin (if unset), ave-vit, avs-swin, avqa-swin. The settings below replace single values.";
        "TILE_SECS" tile_secs: Option<usize> = "", "With KIND hts-at: whole seconds a segment is repeated to, 10 if unset (AVE, MUSIC-AVQA; 5 for AVS); gives 100 TILE_SECS + 1 frames.";
        "EXAMPLES" examples: Option<Examples> = "", "With KIND vggish: per-second (if unset), an example at each whole second, as for AVE and MUSIC-AVQA, or contiguous, end to end, as for AVSBench.";
        "SEGMENTS" segments: Option<usize> = "", "T, the segments of a clip.";
        "CLIP_SECS" clip_secs: f64 = "10", "Length of audio taken from a clip, in seconds: WINDOW_SECS at the least (KIND hts-at: 1), more where there are several segments.";
        "RATE" rate: Option<u32> = "", "Samples a second.";
        "WINDOW_SECS" window_secs: Option<f64> = "", "Length of a segment's audio in seconds.";
        "MARGIN_SECS" margin_secs: Option<f64> = "", "Seconds kept free behind the last segment when segments are spread over the clip; 0 puts segment t at exactly t windows (the official loader keeps 0.1; KIND hts-at: 0 if unset).";
        "SHIFT_MS" shift_ms: Option<f64> = "", "Milliseconds between two columns of the spectrogram.";
        "MELS" mels: Option<usize> = "", "Mel bins.";
        "FRAMES" frames: Option<usize> = "", "Columns of a segment: the time axis is padded with zeros after normalisation, or cut.";
        "MEAN" mean: Option<f64> = "", "Mean of the log energies; the spectrogram is (x - MEAN) / (2 STD).";
        "STD" std: Option<f64> = "", "Their standard deviation.";
        "CHANNELS" channels: Channels = "mix", "Several channels: their mean, or the first one as the official wav loaders take.";
        "SHORT_AUDIO" short: ShortAudio = "pad", "Audio shorter than CLIP_SECS: pad with zeros, repeat it, or quarantine the clip.";
        "MISSING_AUDIO" missing: MissingAudio = "quarantine", "No audio track: quarantine the clip, or take silence.";
        "MIN_SECS" min_secs: f64 = "0.5", "Less audio than this is quarantined.";
        "WORKERS" workers: usize = "2", "ffmpeg processes at once; short clips that wait share one.";
        "TIMEOUT_SECS" timeout_secs: f64 = "120", "Seconds a clip may take.";
        "CACHE" cache: bool = "true", "Keep decoded sound or spectrograms on disk, whichever is smaller, so that audio is decoded once.";
        "CACHE_DIR" cache_dir: Option<PathBuf> = "", "Folder of the cache; the user's cache folder if unset.";
        "CACHE_MAX_GIB" cache_max_gib: f64 = "20", "Size the cache may have. Clips no run has asked for lately make room; what does not fit beside the others is decoded anew each time, and each pass tells how much room it would take.";
        "FFMPEG" ffmpeg: PathBuf = "ffmpeg", "The ffmpeg program.";
    }
}

impl SpectrogramSettings {
    /// What makes the spectra.
    fn front(&self) -> Result<Front, (String, String)> {
        let own = [
            ("TILE_SECS", self.tile_secs.is_some(), Kind::HtsAt, "only KIND hts-at repeats segments"),
            ("EXAMPLES", self.examples.is_some(), Kind::Vggish, "only KIND vggish has examples"),
        ];
        if let Some((key, _, _, problem)) = own.into_iter().find(|(_, given, kind, _)| *given && *kind != self.kind) {
            return Err((key.to_owned(), problem.to_owned()));
        }
        let (front, key) = match self.kind {
            Kind::Kaldi => (Fbank::new(self.fbank()?).map(Front::Kaldi), "PRESET"),
            Kind::HtsAt => (HtsAtSpectra::new(self.hts_at()?).map(Front::HtsAt), "KIND"),
            Kind::Vggish => (VggishSpectra::new(self.vggish()?).map(Front::Vggish), "KIND"),
        };
        front.map_err(|e| (key.to_owned(), e.to_string()))
    }

    /// Refuses what this kind has fixed values for.
    fn is_fixed(&self) -> Result<(), (String, String)> {
        let given = [
            ("PRESET", self.preset.is_some()),
            ("RATE", self.rate.is_some()),
            ("WINDOW_SECS", self.window_secs.is_some()),
            ("SHIFT_MS", self.shift_ms.is_some()),
            ("MELS", self.mels.is_some()),
            ("FRAMES", self.frames.is_some()),
            ("MEAN", self.mean.is_some()),
            ("STD", self.std.is_some()),
            ("MARGIN_SECS", self.margin_secs.is_some() && self.kind == Kind::Vggish),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => {
                let kind = self.kind.show();
                Err((key.to_owned(), format!("KIND {kind} has its own fixed value: leave it out")))
            }
            None => Ok(()),
        }
    }

    fn hts_at(&self) -> Result<HtsAtSettings, (String, String)> {
        self.is_fixed()?;
        let default = HtsAtSettings::default();
        Ok(HtsAtSettings {
            segments: self.segments.unwrap_or(default.segments),
            tile_secs: self.tile_secs.unwrap_or(default.tile_secs),
            margin_secs: self.margin_secs.unwrap_or(default.margin_secs),
        })
    }

    fn vggish(&self) -> Result<VggishSettings, (String, String)> {
        self.is_fixed()?;
        let default = VggishSettings::default();
        Ok(VggishSettings {
            segments: self.segments.unwrap_or(default.segments),
            examples: self.examples.unwrap_or(default.examples),
        })
    }

    fn fbank(&self) -> Result<FbankSettings, (String, String)> {
        let name = self.preset.as_deref().unwrap_or("ave-swin");
        let preset = FbankSettings::preset(name).ok_or_else(|| {
            ("PRESET".to_owned(), copl_contract::settings::not_one_of(name, FbankSettings::PRESETS.iter().copied()))
        })?;
        Ok(FbankSettings {
            rate: self.rate.unwrap_or(preset.rate),
            segments: self.segments.unwrap_or(preset.segments),
            window_secs: self.window_secs.unwrap_or(preset.window_secs),
            margin_secs: self.margin_secs.unwrap_or(preset.margin_secs),
            shift_ms: self.shift_ms.unwrap_or(preset.shift_ms),
            mels: self.mels.unwrap_or(preset.mels),
            frames: self.frames.unwrap_or(preset.frames),
            mean: self.mean.unwrap_or(preset.mean),
            std: self.std.unwrap_or(preset.std),
        })
    }

    /// The segments of one clip, decoded anew: values and their shape [T, frames, mels].
    ///
    /// # Errors
    /// If the settings do not fit together or the clip cannot be decoded.
    pub fn segments_of(&self, path: &Path) -> Result<(Vec<f32>, [usize; 3]), String> {
        let front = self.front().map_err(|(key, problem)| format!("{key}: {problem}"))?;
        let wave = decode_audio(path, &self.audio(front.rate()), &self.limits()).map_err(|e| e.to_string())?;
        Ok((front.segments(&wave.samples).map_err(|e| e.to_string())?, front.shape()))
    }

    fn limits(&self) -> Limits {
        Limits { ffmpeg: self.ffmpeg.clone(), timeout: Duration::from_secs_f64(self.timeout_secs), ..Limits::default() }
    }

    fn audio(&self, rate: u32) -> AudioSettings {
        AudioSettings {
            rate,
            secs: self.clip_secs,
            channels: self.channels,
            short: self.short,
            missing: self.missing,
            min_secs: self.min_secs,
        }
    }
}

fn check(env: &Env) -> Result<(), (String, String)> {
    let s = SpectrogramSettings::from_env(env)?;
    for (key, given) in [("SEGMENTS", s.segments), ("MELS", s.mels), ("FRAMES", s.frames)] {
        given.map_or(Ok(()), |given| within(key, given, 1..=100_000))?;
    }
    s.tile_secs.map_or(Ok(()), |given| within("TILE_SECS", given, 1..=60))?;
    let given = |key: &str, given: Option<f64>, least: f64, most: f64| {
        given.map_or(Ok(()), |given| within(key, given, least..=most))
    };
    s.rate.map_or(Ok(()), |rate| within("RATE", rate, 1000..=384_000))?;
    given("WINDOW_SECS", s.window_secs, 0.025, 3600.0)?;
    given("MARGIN_SECS", s.margin_secs, 0.0, 3600.0)?;
    given("SHIFT_MS", s.shift_ms, 0.01, 1e6)?;
    given("MEAN", s.mean, f64::MIN, f64::MAX)?;
    given("STD", s.std, f64::MIN_POSITIVE, f64::MAX)?;
    within("CLIP_SECS", s.clip_secs, WAVE_SECS)?;
    within("MIN_SECS", s.min_secs, 0.0..=*WAVE_SECS.end())?;
    within("WORKERS", s.workers, 1..=1024)?;
    within("TIMEOUT_SECS", s.timeout_secs, SECS)?;
    within("CACHE_MAX_GIB", s.cache_max_gib, 0.0..=1e9)?;
    let front = s.front()?;
    front.fits(s.audio(front.rate()).samples()).map_err(|problem| {
        // Named is what was given: by default a clip has ten seconds, which hold the windows of every preset.
        let given = |key: &&str| env.contains_key(*key);
        let key = ["CLIP_SECS", "WINDOW_SECS", "MARGIN_SECS", "SEGMENTS"].into_iter().find(given);
        (key.unwrap_or("CLIP_SECS").to_owned(), problem)
    })
}

/// [T, time, mel] of the segments.
fn shape(env: &Env) -> Option<Vec<Axis>> {
    let settings = SpectrogramSettings::from_env(env).ok()?;
    let [segments, frames, mels] = settings.front().ok()?.shape();
    Some(match settings.kind {
        Kind::Kaldi => {
            // What is not given on its own is the preset's.
            let of = |given: bool, key| if given || settings.preset.is_none() { key } else { "PRESET" };
            vec![
                (segments, of(settings.segments.is_some(), "SEGMENTS")),
                (frames, of(settings.frames.is_some(), "FRAMES")),
                (mels, of(settings.mels.is_some(), "MELS")),
            ]
        }
        Kind::HtsAt => vec![(segments, "SEGMENTS"), (frames, "TILE_SECS"), (mels, "KIND")],
        Kind::Vggish => vec![(segments, "SEGMENTS"), (frames, "KIND"), (mels, "KIND")],
    })
}

/// The node.
#[derive(Debug)]
pub struct Spectrogram;

impl Node for Spectrogram {
    type Settings = SpectrogramSettings;

    fn spec() -> NodeSpec {
        NodeSpec {
            name: "spectrogram",
            about: "T segments of each clip's audio: normalised Kaldi fbanks, HTS-AT's log-mel spectra, or VGGish's examples",
            settings: SpectrogramSettings::specs(),
            inputs: vec![EdgeSpec::required("clips", copl_contract::spec::CLIPS, "clips whose audio is wanted")],
            outputs: vec![
                EdgeSpec::required(
                    "segments",
                    &[Schema::Spectrogram],
                    "the segments of each clip, in the clips' order; a tombstone for a clip that cannot be decoded",
                )
                .shaped(shape),
                EdgeSpec::optional("report", copl_contract::spec::REPORT_TABLES, "rows of the `nodes` table"),
            ],
            check,
        }
    }

    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError> {
        let wrong = |(key, problem)| NodeError::Setting { key, problem };
        let front = settings.front().map_err(wrong)?;
        let audio = settings.audio(front.rate());
        front.fits(audio.samples()).map_err(|problem| wrong(("CLIP_SECS".to_owned(), problem)))?;
        let limits = settings.limits();
        let cache: Option<Arc<Cache>> =
            stream::open_cache(settings.cache, settings.cache_dir.as_deref(), settings.cache_max_gib)?;
        let work = ClipWork {
            output: "segments",
            workers: settings.workers,
            cache: cache.clone(),
            decode: move |clips: &[ClipFiles]| {
                let paths: Vec<&Path> = clips.iter().map(|files| files.path.as_path()).collect();
                segments_of(cache.as_deref(), &paths, &audio, &front, &limits)
            },
            notes: |segments: &Segments| segments.notes.clone(),
            batch: |segments: Segments| {
                BatchBuilder::new(Schema::Spectrogram).tensor_f32(segments.values, 1, &segments.shape).build()
            },
        };
        stream::run(edges, work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(env: &[(&str, &str)]) -> Result<(), (String, String)> {
        check(&env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn settings_of_the_other_kind_are_refused() {
        assert_eq!(checked(&[]), Ok(()));
        assert_eq!(
            checked(&[("KIND", "hts-at"), ("TILE_SECS", "5"), ("SEGMENTS", "5"), ("MARGIN_SECS", "0.1")]),
            Ok(())
        );
        for (key, value) in [("PRESET", "ave-swin"), ("MELS", "64"), ("RATE", "32000"), ("MEAN", "0")] {
            assert_eq!(checked(&[("KIND", "hts-at"), (key, value)]).unwrap_err().0, key);
        }
        assert_eq!(checked(&[("TILE_SECS", "10")]).unwrap_err().0, "TILE_SECS");
        assert_eq!(checked(&[("KIND", "hts-at"), ("TILE_SECS", "0")]).unwrap_err().0, "TILE_SECS");
        assert_eq!(checked(&[("PRESET", "ave-swim")]).unwrap_err().0, "PRESET");
    }

    #[test]
    fn a_clip_too_short_for_its_windows_is_found() {
        let refused = |env: &[(&str, &str)]| checked(env).unwrap_err();
        let (key, problem) = refused(&[("CLIP_SECS", "0.5")]);
        assert_eq!(key, "CLIP_SECS");
        assert_eq!(problem, "0.5 s of sound are less than one window, 1 s");
        assert_eq!(refused(&[("PRESET", "avs-swin"), ("CLIP_SECS", "1.9")]).0, "CLIP_SECS");
        assert_eq!(refused(&[("KIND", "hts-at"), ("CLIP_SECS", "0.9")]).0, "CLIP_SECS");
        // A window fits, but the last of the ten would begin where the first does.
        let (key, problem) = refused(&[("CLIP_SECS", "1.1"), ("SEGMENTS", "10")]);
        assert_eq!(key, "CLIP_SECS");
        assert!(
            problem.starts_with("in 1.1 s of sound several of the 10 windows of 1 s would be the same"),
            "{problem}"
        );
        assert_eq!(refused(&[("KIND", "hts-at"), ("CLIP_SECS", "1"), ("SEGMENTS", "2")]).0, "CLIP_SECS");
        // What was given is named.
        assert_eq!(refused(&[("WINDOW_SECS", "12")]).0, "WINDOW_SECS");
        assert_eq!(refused(&[("MARGIN_SECS", "9.5")]).0, "MARGIN_SECS");
        for fit in [
            &[("CLIP_SECS", "5"), ("PRESET", "avs-swin")][..],
            &[("CLIP_SECS", "1"), ("SEGMENTS", "1")],
            &[("CLIP_SECS", "1.2")],
            &[("KIND", "hts-at"), ("CLIP_SECS", "1"), ("SEGMENTS", "1")],
            &[("CLIP_SECS", "60"), ("PRESET", "avqa-swin")],
        ] {
            assert_eq!(checked(fit), Ok(()), "{fit:?}");
        }
        for far in [("CLIP_SECS", "100000"), ("CLIP_SECS", "0.001"), ("MIN_SECS", "100000")] {
            assert_eq!(refused(&[far]).0, far.0, "a run would refuse it");
        }
        assert_eq!(refused(&[("KIND", "hts-at"), ("TILE_SECS", "61")]).0, "TILE_SECS");
    }

    #[test]
    fn segments_of_hts_at_have_the_shape_it_takes() {
        let env = [("KIND".to_owned(), "hts-at".to_owned())].into_iter().collect();
        let front = SpectrogramSettings::from_env(&env).unwrap().front().unwrap();
        assert_eq!((front.rate(), front.shape()), (32_000, [10, 1001, 64]));
    }
}
