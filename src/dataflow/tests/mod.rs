//! Dataflows that are right, and what is said of those that are not.

mod broken;
mod changed;
mod encoders;
mod mutated;
mod odd;
mod questions;
mod specs;

use super::check::check;
use super::diagnostic::{Diagnostic, Severity};

/// `dataflows/ave-mini.yml`.
const GOOD: &str = r#"nodes:
  - id: source
    path: copl
    args: node clip-source
    env: { DATASET: ave-mini, ROOT: ../data/ave-mini, EPOCHS: 12, WINDOW: 12 }
    inputs:
      credits: { source: report/credits, queue_size: 64 }
    outputs: [clips, report]

  - id: video
    path: copl
    args: node video-decoder
    env: { SIZE: 64 }
    inputs:
      clips: { source: source/clips, queue_size: 32 }
    outputs: [frames, report]

  - id: spectrogram
    path: copl
    args: node spectrogram
    inputs:
      clips: { source: source/clips, queue_size: 32 }
    outputs: [segments, report]

  - id: model
    path: copl
    args: node copl-model
    env:
      METHOD: copl
      VISUAL_ENCODER: swin-v2-nano
      BATCH: 4
      LR_HEAD: 0.003
    inputs:
      frames: { source: video/frames, queue_size: 32 }
      spectrogram: { source: spectrogram/segments, queue_size: 32 }
      gradients: { source: loss/gradients, queue_size: 32 }
    outputs: [predictions, report]

  - id: loss
    path: copl
    args: node loss-metrics
    inputs:
      clips: { source: source/clips, queue_size: 32 }
      predictions: { source: model/predictions, queue_size: 32 }
    outputs: [gradients, report]

  - id: report
    path: copl
    args: node report-writer
    inputs:
      report_source: { source: source/report, queue_size: 64 }
      report_video: { source: video/report, queue_size: 64 }
      report_spectrogram: { source: spectrogram/report, queue_size: 64 }
      report_model: { source: model/report, queue_size: 64 }
      report_loss: { source: loss/report, queue_size: 128 }
    outputs: [credits]
"#;

/// The findings on the good dataflow with one text replaced, which must be there once.
fn findings(old: &str, new: &str) -> Vec<Diagnostic> {
    assert_eq!(GOOD.matches(old).count(), 1, "{old:?} must be in the good dataflow once");
    check("flow.yml", &GOOD.replace(old, new), &[], &specs::specs())
}

fn shown(found: &[Diagnostic]) -> String {
    found.iter().map(|d| d.render(false)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_good_dataflow_has_no_findings() {
    let found = check("flow.yml", GOOD, &[], &specs::specs());
    assert!(found.is_empty(), "{}", shown(&found));
}

#[test]
fn shipped_dataflows_are_right_for_the_nodes_as_they_are() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dataflows");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "yml")).collect();
    assert!(files.iter().any(|path| path.ends_with("ave-hts-at.yml")), "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let found = check(&path.display().to_string(), &text, &[], &crate::catalog::specs());
        assert!(found.is_empty(), "{}", shown(&found));
    }
}

#[test]
fn an_encoder_of_spectrograms_cannot_serve_frames() {
    let text = include_str!("../../../dataflows/ave-hts-at.yml");
    let text = text.replace("VISUAL_ENCODER: swin-v2-large-192", "VISUAL_ENCODER: hts-at");
    let found = check("flow.yml", &text, &[], &crate::catalog::specs());
    assert!(shown(&found).contains("hts-at takes no frames"), "{}", shown(&found));
}

#[test]
fn images_of_another_size_than_the_encoder_takes_are_found_where_they_are_set() {
    let mini = include_str!("../../../dataflows/ave-mini.yml");
    let said = |old: &str, new: &str, overrides: &[&str]| {
        assert_eq!(mini.matches(old).count(), 1, "{old:?}");
        let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
        check("flow.yml", &mini.replace(old, new), &overrides, &crate::catalog::specs())
    };
    let found = said("SIZE: 64", "SIZE: 96", &[]);
    assert!(found.len() == 1 && found[0].line == 16, "{}", shown(&found));
    assert!(
        shown(&found).contains("`video` gives `frames` of the shape [10, 96, 96, 3], `model` takes [10, 64, 64, 3]")
    );
    assert_eq!(
        found[0].help.as_deref(),
        Some("SIZE of `video` and VISUAL_ENCODER of `model` decide it: 96 and 64 here")
    );
    let found = said("MELS: 64", "MELS: 80", &[]);
    assert!(found.len() == 1 && shown(&found).contains("[10, 64, 80]"), "{}", shown(&found));
    // An encoder of another size: both its inputs are wrong, and said to be.
    let found = said("SIZE: 64", "SIZE: 64", &["model.VISUAL_ENCODER=vit-small-16"]);
    assert_eq!(found.len(), 2, "{}", shown(&found));
    let right =
        ["model.VISUAL_ENCODER=vit-small-16", "video.SIZE=224", "spectrogram.FRAMES=102", "spectrogram.MELS=128"];
    let found = said("SIZE: 64", "SIZE: 64", &right);
    assert!(found.is_empty(), "{}", shown(&found));
    let found = said("SIZE: 64", "SIZE: 64, SEGMENTS: 5", &[]);
    assert!(shown(&found).contains("SEGMENTS of `video` and SEGMENTS of `model` decide it: 5 and 10 here"));
}

#[test]
fn dataset_and_model_are_of_one_task() {
    let flow = include_str!("../../../dataflows/avs-s4-mini.yml");
    let said = |old: &str, new: &str| {
        assert_eq!(flow.matches(old).count(), 1, "{old:?}");
        check("flow.yml", &flow.replace(old, new), &[], &crate::catalog::specs())
    };
    assert!(said("MASK_SIZE: 64", "MASK_SIZE: 96").is_empty(), "sizes of masks are known when they are read");
    for new in ["TASK: ave", "SEED: 1"] {
        let found = said("TASK: avs-s4", new);
        assert!(
            shown(&found).contains("TASK ave of `model` is not that of the dataset avs-s4-mini"),
            "{}",
            shown(&found)
        );
        assert_eq!(found[0].help.as_deref(), Some("set TASK to avs-s4"));
    }
    let found = said("SIZE: 64, SEGMENTS: 5", "SIZE: 64, SEGMENTS: 6");
    assert!(shown(&found).contains("SEGMENTS 6 of `video`, but clips of the dataset avs-s4-mini of `source` have 5"));
    let found = said("MASK_SIZE: 64", "MASK_SIZE: 65");
    assert!(shown(&found).contains("65 is no multiple of 32"), "{}", shown(&found));
}

#[test]
fn what_is_valid_is_not_refused() {
    let good = [
        // Known only when the run starts.
        ("EPOCHS: 12", "EPOCHS: \"${EPOCHS}\""),
        // Numbers as dora passes them on.
        ("BATCH: 4", "BATCH: 4.0"),
        ("BATCH: 4", "BATCH: \"4\""),
        ("METHOD: copl", "COPL_RECORD: record.arrow\n      RAYON_NUM_THREADS: 2"),
        ("source: video/frames, queue_size: 32", "source: video/frames, queue_policy: backpressure, queue_size: 2"),
        ("{ SIZE: 64 }", "{ SIZE: &edge 64, WORKERS: *edge }"),
        ("nodes:\n", "# a comment\nenv: { RUST_LOG: info }\nnodes:\n"),
        ("EPOCHS: 12, WINDOW: 12", "EPOCHS: 12"),
        (
            "{ source: report/credits, queue_size: 64 }",
            "{ source: report/credits, queue_size: 14, input_timeout: 900 }",
        ),
    ];
    for (old, new) in good {
        let found = findings(old, new);
        assert!(found.is_empty(), "{new}\n{}", shown(&found));
    }
}

#[test]
fn a_node_of_another_program_is_checked_for_keys_and_links() {
    let other = "\n  - id: mine\n    path: mine.py\n    env: { ANY: thing }\n    inputs:\n      tick: dora/timer/millis/100\n      seen: { source: video/frames, queue_size: 14 }\n";
    let text = format!("{GOOD}{other}");
    let found = check("flow.yml", &text, &[], &specs::specs());
    assert!(found.is_empty(), "{}", shown(&found));
    let warned = [
        ("outputs", "queue_size: 14 }\n", "queue_size: 14 }\n    outputs: [unread]\n", "nobody reads `mine/unread`"),
        ("queue", "queue_size: 14 }\n", "queue_size: 2 }\n", "less than WINDOW 12"),
    ];
    for (what, old, new, message) in warned {
        let found = check("flow.yml", &text.replace(old, new), &[], &specs::specs());
        let is_it = matches!(&found[..], [d] if d.severity == Severity::Warning && d.message.contains(message));
        assert!(is_it, "{what}\n{}", shown(&found));
    }
    let wrong = check("flow.yml", &text.replace("    path: mine.py", "    pth: mine.py"), &[], &specs::specs());
    assert!(
        wrong
            .iter()
            .any(|d| d.message == "a node has no key `pth`" && d.help.as_deref() == Some("did you mean `path`?"))
    );
}

#[test]
fn findings_are_shown_with_line_and_mark() {
    let found = findings("id: video", "id: vidoe");
    let text = shown(&found);
    assert!(text.contains("flow.yml:34:25: error: the dataflow has no node `video`"), "{text}");
    assert!(
        text.contains(
            " 34 |       frames: { source: video/frames, queue_size: 32 }\n    |                         ^^^^^^^^^^^^"
        ),
        "{text}"
    );
    assert!(text.contains("help: did you mean `vidoe`?"), "{text}");
}
