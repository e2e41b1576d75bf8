//! Decoding a clip's sound to a mono waveform of exactly `rate * secs` samples.
//!
//! Time zero is the start of the container: sound that begins later is preceded by zeros, so second t of the waveform belongs
//! to second t of the picture. Samples are on ffmpeg's scale, -1 to 1.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use copl_contract::settings::SettingValue;
use copl_media::cache::{self, f32_from_le};
use copl_media::ffmpeg::{Output, Run};
use copl_media::origin::late_start_secs;
use copl_media::together::{self, Part};
use copl_media::verdict::{judge, judge_end};
use copl_media::{Array, BadClip, Cache, Limits, MediaError, ReasonCode, Stage, input};

/// Codecs round a clip to whole packets: so much missing at the end, in seconds, is filled with zeros without a word.
const TAIL_SECS: f64 = 0.1;

/// Packets a second of AAC, by far the most common codec; decoder faults are weighed against this count.
const PACKETS_PER_SEC: f64 = 43.0;

copl_contract::choice! {
    /// How several channels become one.
    #[derive(Default)]
    pub enum Channels {
        /// ffmpeg's down-mix, scaled so that it cannot clip: for stereo the mean of both.
        #[default]
        Mix = "mix",
        /// The first channel alone, as the published loaders take it.
        First = "first",
    }
}

copl_contract::choice! {
    /// What is done when the sound ends before `secs`.
    #[derive(Default)]
    pub enum ShortAudio {
        /// Zeros to the end, with a note.
        #[default]
        Pad = "pad",
        /// The sound again from its beginning, as the published loaders tile it.
        Repeat = "repeat",
        /// The clip is refused as `too_short`.
        Quarantine = "quarantine",
    }
}

copl_contract::choice! {
    /// What is done with a clip that has no sound.
    #[derive(Default)]
    pub enum MissingAudio {
        /// The clip is refused as `no_audio`.
        #[default]
        Quarantine = "quarantine",
        /// Zeros, with a note.
        Silence = "silence",
    }
}

/// Length a waveform may have, in seconds.
pub(crate) const WAVE_SECS: RangeInclusive<f64> = 0.01..=86_400.0;

/// How a clip's sound is decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioSettings {
    /// Samples a second, hertz.
    pub rate: u32,
    /// Length of the waveform; what comes after is cut.
    pub secs: f64,
    pub channels: Channels,
    pub short: ShortAudio,
    pub missing: MissingAudio,
    /// Less sound than this is refused as `too_short`, whatever `short` says.
    pub min_secs: f64,
}

impl Default for AudioSettings {
    fn default() -> Self {
        Self {
            rate: 16_000,
            secs: 10.0,
            channels: Channels::default(),
            short: ShortAudio::default(),
            missing: MissingAudio::default(),
            min_secs: 0.5,
        }
    }
}

impl AudioSettings {
    /// Samples of a waveform.
    pub fn samples(&self) -> usize {
        (f64::from(self.rate) * self.secs).round() as usize
    }

    /// Bytes of its samples, four each.
    fn bytes(&self) -> u64 {
        4 * self.samples() as u64
    }

    /// Refuses settings that mean nothing.
    pub fn check(&self) -> Result<(), MediaError> {
        let refuse = |text: String| Err(MediaError::Settings(text));
        if !(1_000..=384_000).contains(&self.rate) {
            return refuse(format!("a rate of {} Hz: 1000 to 384000 are possible", self.rate));
        }
        if !WAVE_SECS.contains(&self.secs) {
            return refuse(format!("a waveform of {} s: 0.01 to 86400 are possible", self.secs));
        }
        if !(0.0..=*WAVE_SECS.end()).contains(&self.min_secs) {
            return refuse(format!("at least {} s of sound: 0 to 86400 are possible", self.min_secs));
        }
        Ok(())
    }

    /// Every setting the waveform depends on, for the key of the cache.
    pub fn key(&self) -> String {
        let Self { rate, secs, channels, short, missing, min_secs } = self;
        let (channels, short, missing) = (channels.show(), short.show(), missing.show());
        format!(
            "waveform rate={rate} secs={secs} channels={channels} short={short} missing={missing} min_secs={min_secs}"
        )
    }
}

/// One clip's sound.
#[derive(Clone, PartialEq)]
pub struct Waveform {
    pub rate: u32,
    /// `rate * secs` values.
    pub samples: Vec<f32>,
    /// What a reader of the report may want to know: `padded 2.40 s`, faults the decoder hid.
    pub notes: Vec<String>,
}

impl fmt::Debug for Waveform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, notes, .. } = self;
        f.debug_struct("Waveform").field("rate", rate).field("notes", notes).finish_non_exhaustive()
    }
}

/// Decodes a clip's sound.
///
/// Errors: [`MediaError::Bad`] says why the clip is refused, stage `audio` or `file`.
pub fn decode_audio(path: &Path, settings: &AudioSettings, limits: &Limits) -> Result<Waveform, MediaError> {
    match Source::open(path, settings, limits)? {
        Source::AsItIs(wave) => Ok(wave),
        Source::Coded(absolute) => decode(&absolute, settings, limits),
    }
}

/// As [`decode_audio`], of several clips: in their order, the same sound, short ones by one ffmpeg; through the cache, if
/// there is one. What needs no decoding is not kept there.
pub fn decode_all(
    cache: Option<&Cache>,
    paths: &[&Path],
    settings: &AudioSettings,
    limits: &Limits,
) -> Vec<Result<Waveform, MediaError>> {
    opened(paths, settings, limits, Ok, |files| {
        let arrays = cache::through(cache, files, &limits.ffmpeg, &settings.key(), |missing| {
            let array = |wave: Waveform| Array::from_f32(vec![wave.samples.len()], &wave.samples, wave.notes);
            decode_files(missing, settings, limits).into_iter().map(|wave| wave.map(array)).collect()
        });
        let wave =
            |array: Array| Waveform { rate: settings.rate, samples: f32_from_le(&array.bytes), notes: array.notes };
        arrays.into_iter().map(|array| array.map(wave)).collect()
    })
}

/// Where a clip's sound comes from.
enum Source {
    /// Nothing is to be decoded.
    AsItIs(Waveform),
    /// A file that was checked, for [`decode`].
    Coded(PathBuf),
}

impl Source {
    /// Checks settings and file.
    fn open(path: &Path, settings: &AudioSettings, limits: &Limits) -> Result<Self, MediaError> {
        settings.check()?;
        let absolute = input::check(path, limits)?;
        Ok(as_it_is(&absolute, settings).map_or(Self::Coded(absolute), Self::AsItIs))
    }
}

/// Of each clip, in order, what `ready` makes of its sound where nothing is to be decoded, and what `coded` makes of the files
/// that are to be (as many results, in their order).
pub(crate) fn opened<T>(
    paths: &[&Path],
    settings: &AudioSettings,
    limits: &Limits,
    ready: impl Fn(Waveform) -> Result<T, MediaError>,
    coded: impl FnOnce(&[&Path]) -> Vec<Result<T, MediaError>>,
) -> Vec<Result<T, MediaError>> {
    let sources: Vec<_> = paths.iter().map(|path| Source::open(path, settings, limits)).collect();
    let file = |source: &'_ Result<Source, MediaError>| match source {
        Ok(Source::Coded(file)) => Some(file.clone()),
        _ => None,
    };
    let files: Vec<PathBuf> = sources.iter().filter_map(file).collect();
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let mut made = if files.is_empty() { Vec::new() } else { coded(&files) }.into_iter();
    let result = |source| match source {
        Ok(Source::Coded(_)) => made.next(),
        Ok(Source::AsItIs(wave)) => Some(ready(wave)),
        Err(error) => Some(Err(error)),
    };
    sources.into_iter().filter_map(result).collect()
}

/// What ffmpeg makes of files that were checked.
pub(crate) fn decode_files(
    files: &[&Path],
    settings: &AudioSettings,
    limits: &Limits,
) -> Vec<Result<Waveform, MediaError>> {
    let mut made = decode_together(files, settings, limits);
    let one = |(index, file): (usize, &&Path)| match made.remove(&index) {
        Some(wave) => Ok(wave),
        None => decode(file, settings, limits),
    };
    files.iter().enumerate().map(one).collect()
}

/// The sound of the files that one ffmpeg decodes without a word, by their place among `files`.
fn decode_together(files: &[&Path], settings: &AudioSettings, limits: &Limits) -> BTreeMap<usize, Waveform> {
    let places: Vec<usize> = (0..files.len()).filter(|index| together::is_short(files[*index])).collect();
    let part = |place: &usize| Part {
        absolute: files[*place].to_owned(),
        args: output_arguments(settings, 0.0),
        max_bytes: settings.bytes(),
    };
    let parts: Vec<Part> = places.iter().map(part).collect();
    let outputs = together::outputs(Stage::Audio, &parts, limits).outputs.into_iter();
    let wave = |place: usize, output: Option<Output>| judged(files[place], &output?, settings, limits).ok();
    places.into_iter().zip(outputs).filter_map(|(place, output)| Some((place, wave(place, output)?))).collect()
}

/// What ffmpeg makes of a file that was checked.
fn decode(absolute: &Path, settings: &AudioSettings, limits: &Limits) -> Result<Waveform, MediaError> {
    let late = late_start_secs(absolute, Stage::Audio, limits)?;
    let mut args = input::arguments(absolute, limits);
    args.extend(output_arguments(settings, late));
    args.push("pipe:1".into());
    let output = Run { stage: Stage::Audio, args, folder: None, max_bytes: settings.bytes() }.output(limits)?;
    judged(absolute, &output, settings, limits)
}

fn judged(absolute: &Path, output: &Output, settings: &AudioSettings, limits: &Limits) -> Result<Waveform, MediaError> {
    let heard = f32_from_le(&output.bytes);
    let heard_secs = heard.len() as f64 / f64::from(settings.rate);
    let packets = (heard_secs * PACKETS_PER_SEC).ceil() as usize;
    let verdict = judge(Stage::Audio, absolute, output, packets, limits);
    let silent = settings.missing == MissingAudio::Silence;
    let fault = match verdict {
        Err(bad) if bad.reason == ReasonCode::NoAudio && silent => {
            let samples = vec![0.0; settings.samples()];
            return Ok(Waveform { rate: settings.rate, samples, notes: vec!["no audio: silence".to_owned()] });
        }
        verdict => verdict?,
    };
    judge_end(Stage::Audio, absolute, &output.log, heard_secs, settings.secs - TAIL_SECS, limits)?;
    check_finite(&heard)?;
    let (samples, fitted) = fit(heard, settings)?;
    let notes = fault.into_iter().chain(fitted).collect();
    Ok(Waveform { rate: settings.rate, samples, notes })
}

/// A WAV file of one channel, 16 bits and the wanted rate that lasts long enough: nothing is to be decoded, and the samples
/// are those ffmpeg gives. Of anything else, damage too, ffmpeg is the judge.
fn as_it_is(absolute: &Path, settings: &AudioSettings) -> Option<Waveform> {
    let mut reader = hound::WavReader::open(absolute).ok()?;
    let wanted = hound::WavSpec {
        channels: 1,
        sample_rate: settings.rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let count = settings.samples();
    if reader.spec() != wanted || (reader.duration() as usize) < count {
        return None;
    }
    let samples: Vec<f32> = reader
        .samples::<i16>()
        .take(count)
        .map(|sample| sample.map(|s| f32::from(s) / 32768.0))
        .collect::<Result<_, _>>()
        .ok()?;
    Some(Waveform { rate: settings.rate, samples, notes: Vec::new() })
}

/// Everything after the input but where the samples go. `-ac 1` would add stereo up without scaling (1.4 times too loud) and
/// drop a late start: so `rematrix_maxval`, which scales, and `async` with `first_pts`, which fills the time before with zeros.
fn output_arguments(settings: &AudioSettings, late_start_secs: f64) -> Vec<OsString> {
    let late = match late_start_secs {
        0.0 => String::new(),
        secs => format!("asetpts=PTS+{secs}/TB,"),
    };
    let first = if settings.channels == Channels::First { "pan=mono|c0=c0," } else { "" };
    let filters = format!(
        "{late}{first}aresample={}:rematrix_maxval=1.0:async=1:first_pts=0,\
         aformat=sample_fmts=flt:channel_layouts=mono,atrim=end_sample={}",
        settings.rate,
        settings.samples()
    );
    let args = ["-vn", "-sn", "-dn", "-af", &filters, "-threads", "1", "-c:a", "pcm_f32le", "-f", "f32le"];
    args.map(OsString::from).into()
}

fn check_finite(samples: &[f32]) -> Result<(), BadClip> {
    let Some(first) = samples.iter().position(|sample| !sample.is_finite()) else {
        return Ok(());
    };
    let count = samples.iter().filter(|sample| !sample.is_finite()).count();
    let detail = format!("{count} of {} samples are no numbers, the first is sample {first}", samples.len());
    Err(BadClip::new(Stage::Audio, ReasonCode::NanAudio, detail))
}

/// Brings `heard` to the length the settings name.
fn fit(mut heard: Vec<f32>, settings: &AudioSettings) -> Result<(Vec<f32>, Option<String>), BadClip> {
    let rate = f64::from(settings.rate);
    let (want, have) = (settings.samples(), heard.len());
    let (have_secs, short_secs) = (have as f64 / rate, want.saturating_sub(have) as f64 / rate);
    let least = settings.min_secs.min(settings.secs);
    let too_short = |least: f64| {
        let detail = format!("{have_secs:.2} s of audio; the least is {least} s");
        BadClip::new(Stage::Audio, ReasonCode::TooShort, detail)
    };
    if have_secs < least {
        return Err(too_short(least));
    }
    if short_secs <= TAIL_SECS {
        heard.resize(want, 0.0);
        return Ok((heard, None));
    }
    match settings.short {
        ShortAudio::Pad => {
            heard.resize(want, 0.0);
            Ok((heard, Some(format!("padded {short_secs:.2} s"))))
        }
        ShortAudio::Repeat => {
            let repeated = heard.iter().cycle().take(want).copied().collect();
            Ok((repeated, Some(format!("repeated to fill {short_secs:.2} s"))))
        }
        ShortAudio::Quarantine => Err(too_short(settings.secs)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(short: ShortAudio) -> AudioSettings {
        AudioSettings { rate: 1000, secs: 2.0, short, ..AudioSettings::default() }
    }

    #[test]
    fn short_sound_is_padded_repeated_or_refused_and_said_so() {
        let heard: Vec<f32> = (1..=800).map(|value| value as f32).collect();
        let (samples, note) = fit(heard.clone(), &settings(ShortAudio::Pad)).unwrap();
        assert_eq!((samples.len(), samples[799], samples[800], samples[1999]), (2000, 800.0, 0.0, 0.0));
        assert_eq!(note.unwrap(), "padded 1.20 s");
        let (samples, note) = fit(heard.clone(), &settings(ShortAudio::Repeat)).unwrap();
        assert_eq!((samples.len(), samples[800], samples[1599], samples[1999]), (2000, 1.0, 800.0, 400.0));
        assert_eq!(note.unwrap(), "repeated to fill 1.20 s");
        assert_eq!(fit(heard.clone(), &settings(ShortAudio::Quarantine)).unwrap_err().reason, ReasonCode::TooShort);
        let tiny = heard[..400].to_vec();
        assert_eq!(fit(tiny, &settings(ShortAudio::Repeat)).unwrap_err().reason, ReasonCode::TooShort);
    }

    #[test]
    fn a_rounded_tail_is_filled_without_a_word() {
        let (samples, note) = fit(vec![1.0; 1950], &settings(ShortAudio::Quarantine)).unwrap();
        assert_eq!((samples.len(), samples[1999], note), (2000, 0.0, None));
    }
}
