//! Our spectra against torchaudio's (tests/fixtures/kaldi_fbank.safetensors, settings in its metadata), and their speed.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::path::{Path, PathBuf};

use copl_media::testing;
use copl_spectrogram::parity::{ParityError, log_mel, parity};
use copl_spectrogram::{AudioSettings, Fbank, FbankSettings, HtsAtSettings, HtsAtSpectra, decode_audio};

fn fixture() -> PathBuf {
    fixtures().join("kaldi_fbank.safetensors")
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

#[test]
fn spectra_of_hts_at_agree_with_torchlibrosa() {
    let path = fixtures().join("hts_at_tiny.safetensors");
    let cases = parity(&path).unwrap();
    println!("worst {:.2e} dB, mean {:.2e} dB", cases[0].worst, cases[0].mean);
    assert!(cases.len() == 1 && cases[0].passed && cases[0].values == 2 * 120 * 64, "{cases:?}");
    assert_eq!(log_mel(&path).unwrap().len(), 2 * 1001 * 64);
    assert!(matches!(log_mel(&fixture()), Err(ParityError::Config(_))));
}

#[test]
fn every_published_setting_agrees_with_torchaudio() {
    let cases = parity(&fixture()).unwrap();
    for case in &cases {
        println!("{:10} worst {:.2e} mean {:.2e} over {} values", case.name, case.worst, case.mean, case.values);
    }
    let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["ave_swin", "ave_vit", "avqa_swin", "avs_swin"]);
    for case in cases {
        assert!(case.passed, "{case:?}");
    }
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("text.safetensors");
    std::fs::write(&path, "no tensors").unwrap();
    assert!(matches!(parity(&path), Err(ParityError::File(_))));
    let header = br#"{"__metadata__":{"config":"{\"kind\":\"vit\",\"cases\":{}}"}}"#;
    std::fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header].concat()).unwrap();
    assert!(matches!(parity(&path), Err(ParityError::Config(_))));
}

/// Not a check: how much faster than real time the spectra are made, on one thread.
#[test]
fn speed_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.mp4");
    testing::write_good_clip(&path, 10.0).unwrap();
    let waveform = decode_audio(&path, &AudioSettings::default(), &Default::default()).unwrap();
    for name in FbankSettings::PRESETS {
        let fbank = Fbank::new(FbankSettings::preset(name).unwrap()).unwrap();
        let times = (0..5).map(|_| {
            let started = std::time::Instant::now();
            fbank.segments(&waveform.samples).unwrap();
            started.elapsed().as_secs_f64()
        });
        let best = times.fold(f64::INFINITY, f64::min);
        let secs = fbank.settings().segments as f64 * fbank.settings().window_secs;
        println!("{name}: {:.2} ms a clip, {:.0} x real time", best * 1e3, secs / best);
    }
    let wide = AudioSettings { rate: 32_000, ..AudioSettings::default() };
    let waveform = decode_audio(&path, &wide, &Default::default()).unwrap();
    let spectra = HtsAtSpectra::new(HtsAtSettings::default()).unwrap();
    let started = std::time::Instant::now();
    spectra.segments(&waveform.samples).unwrap();
    println!("hts-at: {:.2} ms a clip", started.elapsed().as_secs_f64() * 1e3);
}
