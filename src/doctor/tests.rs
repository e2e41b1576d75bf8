use super::*;

fn options(ffmpeg: &str, weights: Vec<Weights>) -> Options {
    Options { runs_dir: PathBuf::from("no/such/runs"), ffmpeg: PathBuf::from(ffmpeg), weights, cuda_built: false }
}

#[test]
fn this_machine_is_described() {
    let lines = run(&options("ffmpeg", vec![Weights { name: "nano".into(), path: None, needed: true }]));
    for name in
        ["ffmpeg", "decoders", "encoders", "ffprobe", "disk", "memory", "threads", "cuda", "clip cache", "weights nano"]
    {
        assert!(lines.iter().any(|l| l.name == name && !l.found.is_empty()), "{name}: {lines:?}");
    }
    assert!(!failed(&lines), "{}", render(&lines));
}

#[test]
fn without_ffmpeg_the_doctor_fails_and_says_what_to_do() {
    let lines = run(&options("no-such-ffmpeg", Vec::new()));
    assert!(failed(&lines));
    let text = render(&lines);
    assert!(text.starts_with("FAIL  ffmpeg") && text.contains("-> install ffmpeg"), "{text}");
    assert!(text.ends_with("Not ready; missing: 1."), "{text}");
}

#[test]
fn missing_weights_fail_only_where_they_are_needed() {
    let missing = |needed| weights(&Weights { name: "x".into(), path: Some("no/such/file".into()), needed }).state;
    assert_eq!((missing(true), missing(false)), (State::Fail, State::Warn));
}

#[test]
fn lines_are_aligned() {
    let lines = [Line::ok("a", "1"), Line::lacking("bcd", State::Warn, "2", "do it")];
    assert_eq!(render(&lines), "ok    a    1\nwarn  bcd  2\n           -> do it\n\nReady; warnings: 1.");
}
