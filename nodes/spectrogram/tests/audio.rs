//! Decoded sound: loudness, length, alignment, and what is refused.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::path::Path;

use copl_media::testing::{ffmpeg, write_broken_set};
use copl_media::{Cache, Limits, MediaError, ReasonCode, Stage};
use copl_spectrogram::{AudioSettings, Channels, MissingAudio, ShortAudio, Waveform, decode_all, decode_audio};

fn decode(path: &Path, settings: &AudioSettings) -> Waveform {
    decode_audio(path, settings, &Limits::default()).unwrap()
}

/// `sound` is an expression for ffmpeg's aevalsrc; channels are separated by `|`.
fn write(path: &Path, sound: &str, secs: f64, rate: u32, codec: &str) {
    let source = format!("aevalsrc='{sound}':s={rate}:d={secs}");
    ffmpeg(&["-f", "lavfi", "-i", &source, "-c:a", codec, path.to_str().unwrap()]).unwrap();
}

fn rms(samples: &[f32]) -> f64 {
    (samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
}

/// Hertz, from the upward zero crossings.
fn pitch(samples: &[f32], rate: u32) -> f64 {
    let crossings = samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
    crossings as f64 * f64::from(rate) / samples.len() as f64
}

#[test]
fn mixing_keeps_the_loudness_and_first_takes_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stereo.wav");
    write(&path, "0.5*sin(2*PI*440*t)|0.25*sin(2*PI*440*t)", 10.0, 48_000, "pcm_s16le");
    let settings = AudioSettings::default();
    let mixed = decode(&path, &settings);
    assert_eq!((mixed.samples.len(), mixed.rate), (160_000, 16_000));
    assert!(mixed.notes.is_empty());
    assert!((rms(&mixed.samples) - 0.375 / 2_f64.sqrt()).abs() < 1e-3, "the mean of both channels");
    assert!((pitch(&mixed.samples, 16_000) - 440.0).abs() < 0.5);
    let first = decode(&path, &AudioSettings { channels: Channels::First, ..settings.clone() });
    assert!((rms(&first.samples) - 0.5 / 2_f64.sqrt()).abs() < 1e-3);
    let path = dir.path().join("surround.wav");
    let all = ["0.4*sin(2*PI*440*t)"; 6].join("|");
    ffmpeg(&["-f", "lavfi", "-i", &format!("aevalsrc='{all}':s=48000:d=10:c=5.1"), path.to_str().unwrap()]).unwrap();
    assert!(decode(&path, &settings).samples.iter().all(|sample| sample.abs() <= 0.41), "5.1 is not summed up");
    let fast = decode(&path, &AudioSettings { rate: 32_000, ..settings });
    assert_eq!(fast.samples.len(), 320_000);
}

#[test]
fn a_wav_file_that_needs_no_decoding_is_what_ffmpeg_makes_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, packed) = (dir.path().join("plain.wav"), dir.path().join("packed.flac"));
    write(&plain, "0.9*sin(2*PI*440*t)*sin(3*t)", 10.0, 16_000, "pcm_s16le");
    ffmpeg(&["-i", plain.to_str().unwrap(), "-c:a", "flac", packed.to_str().unwrap()]).unwrap();
    for secs in [10.0, 3.3] {
        let settings = AudioSettings { secs, ..AudioSettings::default() };
        assert!(decode(&plain, &settings) == decode(&packed, &settings), "{secs} s");
    }
    // A file without ffmpeg's reach: none is asked.
    let nowhere = Limits { ffmpeg: dir.path().join("no-ffmpeg"), ..Limits::default() };
    assert!(decode_audio(&plain, &AudioSettings::default(), &nowhere).is_ok());
    assert!(decode_audio(&packed, &AudioSettings::default(), &nowhere).is_err());
    let whole = std::fs::read(&plain).unwrap();
    std::fs::write(&plain, &whole[..whole.len() / 2]).unwrap();
    let cut = decode_audio(&plain, &AudioSettings::default(), &Limits::default());
    assert!(cut.is_err(), "a file shorter than its header says is refused");
}

#[test]
fn length_is_exact_for_every_codec() {
    let dir = tempfile::tempdir().unwrap();
    for (name, codec, rate) in [
        ("a.m4a", "aac", 44_100),
        ("a.ogg", "libvorbis", 44_100),
        ("a.webm", "libopus", 48_000),
        ("a.mp3", "libmp3lame", 22_050),
    ] {
        let path = dir.path().join(name);
        write(&path, "0.5*sin(2*PI*440*t)", 10.0, rate, codec);
        let waveform = decode(&path, &AudioSettings::default());
        assert_eq!(waveform.samples.len(), 160_000, "{name}");
        assert!(waveform.notes.is_empty(), "{name}: {:?}", waveform.notes);
        let long = decode(&path, &AudioSettings { secs: 3.3, ..AudioSettings::default() });
        assert_eq!(long.samples.len(), 52_800, "{name}: cut");
        assert_eq!(long.samples[..50_000], waveform.samples[..50_000], "{name}: cutting does not move the start");
    }
}

#[test]
fn short_sound_follows_the_setting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("short.wav");
    write(&path, "0.5*sin(2*PI*440*t)+0.1", 7.6, 16_000, "pcm_f32le");
    let with = |short| AudioSettings { short, ..AudioSettings::default() };
    let padded = decode(&path, &with(ShortAudio::Pad));
    assert_eq!(padded.notes, ["padded 2.40 s"]);
    assert!(padded.samples[121_600..].iter().all(|sample| *sample == 0.0) && padded.samples[121_599] != 0.0);
    let repeated = decode(&path, &with(ShortAudio::Repeat));
    assert_eq!(repeated.samples[121_600..], repeated.samples[..38_400]);
    let error = decode_audio(&path, &with(ShortAudio::Quarantine), &Limits::default()).unwrap_err();
    assert_eq!(error.bad_clip().unwrap().reason, ReasonCode::TooShort);
}

#[test]
fn sound_that_starts_late_keeps_its_place() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["late.mkv", "late.mp4", "late.ts"] {
        let path = dir.path().join(name);
        let (video, sound) = ("testsrc2=s=64x64:r=25:d=10", "aevalsrc=0.5*sin(2*PI*440*t):s=16000:d=6");
        let inputs = ["-f", "lavfi", "-i", video, "-f", "lavfi", "-i", sound];
        let codec = if name == "late.mkv" { "pcm_s16le" } else { "aac" };
        let codecs = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-af", "asetpts=PTS+2/TB", "-c:a", codec];
        ffmpeg(&[&inputs[..], &codecs, &[path.to_str().unwrap()]].concat()).unwrap();
        let waveform = decode(&path, &AudioSettings::default());
        let first = waveform.samples.iter().position(|sample| sample.abs() > 0.1).unwrap();
        assert!(first.abs_diff(32_000) < 800, "{name}: the sound begins at sample {first}");
        assert!(waveform.notes[0].starts_with("padded 2.0") || waveform.notes[0].starts_with("padded 1.9"), "{name}");
    }
}

#[test]
fn a_clip_without_sound_is_refused_or_silent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mute.mp4");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=64x64:d=3", "-c:v", "libx264", path.to_str().unwrap()]).unwrap();
    let error = decode_audio(&path, &AudioSettings::default(), &Limits::default()).unwrap_err();
    assert_eq!(error.bad_clip().unwrap().reason, ReasonCode::NoAudio);
    let silent = decode(&path, &AudioSettings { missing: MissingAudio::Silence, ..AudioSettings::default() });
    assert!(silent.samples == [0.0; 160_000] && silent.notes == ["no audio: silence"]);
}

#[test]
fn every_kind_of_broken_clip_has_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    for (name, path, reason) in write_broken_set(dir.path()).unwrap() {
        let result = decode_audio(&path, &AudioSettings::default(), &Limits::default());
        if matches!(reason, ReasonCode::NoVideo | ReasonCode::TooLarge) {
            assert!(result.is_ok(), "{name}: the sound is sound: {result:?}");
            continue;
        }
        let error = result.unwrap_err();
        let bad = error.bad_clip().unwrap();
        assert_eq!(bad.reason, reason, "{name}: {bad}");
        let expected = match reason {
            ReasonCode::EmptyFile | ReasonCode::NotMedia => Stage::File,
            _ => Stage::Audio,
        };
        assert_eq!(bad.stage, expected, "{name}");
    }
}

#[test]
fn a_break_in_the_file_is_not_taken_for_a_short_clip() {
    let dir = tempfile::tempdir().unwrap();
    for (name, codec) in [("a.wav", "pcm_s16le"), ("a.mka", "aac"), ("a.ogg", "libvorbis")] {
        let path = dir.path().join(name);
        write(&path, "0.5*sin(2*PI*440*t)", 10.0, 44_100, codec);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() * 6 / 10]).unwrap();
        let result = decode_audio(&path, &AudioSettings::default(), &Limits::default());
        if name == "a.ogg" {
            // Ogg states no length anywhere: a cut file is a whole shorter one, and the note says what was added.
            assert!(result.unwrap().notes[0].starts_with("padded"));
            continue;
        }
        assert_eq!(result.unwrap_err().bad_clip().unwrap().reason, ReasonCode::Truncated, "{name}");
    }
}

#[test]
fn a_few_infinite_samples_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inf.wav");
    write(&path, "if(eq(n,50000),1/0,0.1)", 10.0, 16_000, "pcm_f32le");
    let error = decode_audio(&path, &AudioSettings::default(), &Limits::default()).unwrap_err();
    let bad = error.bad_clip().unwrap();
    assert_eq!(bad.reason, ReasonCode::NanAudio);
    assert!(bad.detail.ends_with("the first is sample 50000"), "{}", bad.detail);
}

#[test]
fn limits_and_settings_hold() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.wav");
    // Of another rate than the wanted one: ffmpeg is asked.
    write(&path, "0.5*sin(2*PI*440*t)", 10.0, 44_100, "pcm_s16le");
    let short = Limits { timeout: std::time::Duration::from_millis(2), ..Limits::default() };
    let error = decode_audio(&path, &AudioSettings::default(), &short).unwrap_err();
    assert_eq!(error.bad_clip().unwrap().reason, ReasonCode::Timeout);
    for bad in [
        AudioSettings { rate: 0, ..AudioSettings::default() },
        AudioSettings { secs: f64::NAN, ..AudioSettings::default() },
        AudioSettings { secs: -1.0, ..AudioSettings::default() },
    ] {
        assert!(matches!(decode_audio(&path, &bad, &Limits::default()), Err(MediaError::Settings(_))));
    }
}

#[test]
fn a_cached_waveform_is_the_decoded_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.wav");
    write(&path, "0.5*sin(2*PI*440*t)", 7.0, 16_000, "pcm_s16le");
    let cache = Cache::open(&dir.path().join("cache"), 1 << 30).unwrap();
    let fresh = decode(&path, &AudioSettings::default());
    for hits in 0..2 {
        let cached =
            decode_all(Some(&cache), &[&path], &AudioSettings::default(), &Limits::default()).remove(0).unwrap();
        assert_eq!(cached, fresh);
        assert_eq!(cache.counts().hits, hits);
    }
}

#[test]
fn clips_decoded_together_have_the_sound_they_have_alone() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["a.m4a", "b.ogg", "c.wav", "none.wav", "silent.mp4", "d.mp3"].map(|name| dir.path().join(name));
    let [a, b, c, _, silent, d] = &names;
    write(a, "0.5*sin(2*PI*440*t)|0.25*sin(2*PI*220*t)", 10.0, 44_100, "aac");
    write(b, "0.5*sin(2*PI*330*t)", 7.0, 48_000, "libvorbis");
    write(c, "0.5*sin(2*PI*550*t)", 10.0, 16_000, "pcm_s16le");
    write(d, "0.5*sin(2*PI*660*t)", 10.0, 22_050, "libmp3lame");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=64x64:d=2", silent.to_str().unwrap()]).unwrap();
    let text = |result: Result<Waveform, MediaError>| match result {
        Ok(wave) => (wave.samples, wave.notes.join(", ")),
        Err(error) => (Vec::new(), error.to_string()),
    };
    let limits = Limits::default();
    let sets: [Vec<&Path>; 2] = [names.iter().map(|name| name.as_path()).collect(), vec![a, b, d]];
    for paths in sets {
        for settings in
            [AudioSettings::default(), AudioSettings { channels: Channels::First, ..AudioSettings::default() }]
        {
            let alone: Vec<_> = paths.iter().map(|path| text(decode_audio(path, &settings, &limits))).collect();
            let together = decode_all(None, &paths, &settings, &limits);
            assert!(together.into_iter().map(text).eq(alone), "{paths:?}");
        }
    }
}
