//! Dataflows broken in one place each: what is said, and where.

use super::{findings, shown};

/// Text to replace, its replacement, line, column, a part of the message, a part of the help.
type Case = (&'static str, &'static str, usize, usize, &'static str, &'static str);

fn assert_found(cases: &[Case]) {
    let mut missed = Vec::new();
    for (old, new, line, column, message, help) in cases {
        let found = findings(old, new);
        let is_it = found.iter().any(|d| {
            (d.line, d.column) == (*line, *column)
                && d.message.contains(message)
                && d.help.as_deref().unwrap_or_default().contains(help)
        });
        if !is_it {
            missed.push(format!("{old:?} -> {new:?}: no {line}:{column} {message:?} {help:?}\n{}", shown(&found)));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
}

#[test]
fn yaml_and_shape() {
    assert_found(&[
        ("outputs: [credits]\n", "outputs: [credits\n", 56, 1, "not valid YAML", ""),
        ("EPOCHS: 12,", "EPOCHS: 12, ROOT: x,", 5, 67, "the key `ROOT` stands twice", ""),
        (
            "    env: { SIZE: 64 }",
            "    args: node spectrogram\n    env: { SIZE: 64 }",
            13,
            5,
            "the key `args` stands twice",
            "",
        ),
        ("nodes:\n", "nods:\n", 1, 1, "no `nodes`", "list of nodes"),
        ("    env: { SIZE: 64 }", "    env: [SIZE]", 13, 10, "`env` must be a mapping", ""),
        ("EPOCHS: 12,", "EPOCHS: ,", 5, 55, "`EPOCHS` has no value", "take the default"),
        ("    outputs: [credits]", "    outputs: credits", 56, 14, "`outputs` must be a list", ""),
        (
            "{ source: report/credits, queue_size: 64 }",
            "{ queue_size: 64 }",
            7,
            7,
            "input `credits` has no source",
            "credits: { source:",
        ),
    ]);
}

#[test]
fn keys_and_options() {
    assert_found(&[
        (
            "nodes:\n",
            "helth_check_interval: 5\nnodes:\n",
            1,
            1,
            "a dataflow has no key `helth_check_interval`",
            "`health_check_interval`",
        ),
        ("    env: { SIZE: 64 }", "    envs: { SIZE: 64 }", 13, 5, "a node has no key `envs`", "did you mean `env`?"),
        (
            "source: video/frames, queue_size",
            "source: video/frames, queue_sise",
            34,
            39,
            "an input has no key `queue_sise`",
            "`queue_size`",
        ),
        (
            "source: video/frames, queue_size: 32",
            "source: video/frames, queue_size: many",
            34,
            51,
            "`many` is no whole number",
            "",
        ),
        (
            "source: video/frames,",
            "source: video/frames, queue_policy: drop_newest,",
            34,
            53,
            "`drop_newest` is no queue policy",
            "`drop_oldest`",
        ),
        (
            "nodes:\n",
            "env: { EPOCHS: 3 }\nnodes:\n",
            1,
            8,
            "`EPOCHS` is a setting",
            "move it into the `env` of `source`",
        ),
    ]);
}

#[test]
fn nodes_and_kinds() {
    assert_found(&[
        ("  - id: video\n    path", "  - path", 10, 5, "a node without an id", "id: NAME"),
        ("id: video", "id: source", 10, 9, "two nodes have the id `source`", "line 2"),
        ("id: video", "id: my video", 10, 9, "holds ` `", ""),
        (
            "args: node video-decoder",
            "args: node video-decodr",
            12,
            11,
            "there is no node `video-decodr`",
            "`video-decoder`",
        ),
        ("args: node video-decoder", "args: video-decoder", 12, 11, "names no node", "args: node NAME"),
        ("    args: node video-decoder\n", "", 11, 11, "without `args: node NAME`", "video-decoder"),
        (
            "args: node video-decoder",
            "args: node video-decoder --fast",
            12,
            11,
            "`--fast` after the node's name",
            "env:",
        ),
    ]);
}

#[test]
fn settings() {
    assert_found(&[
        ("EPOCHS: 12", "EPOCS: 12", 5, 55, "clip-source has no setting `EPOCS`", "`EPOCHS`"),
        ("EPOCHS: 12", "EPOCHS: twelve", 5, 63, "`twelve` is no whole number", "Passes over"),
        ("METHOD: copl", "METHOD: cpol", 29, 15, "`cpol` is not one of copl, full, linear-probe", "`copl`"),
        ("DATASET: ave-mini, ", "", 5, 5, "clip-source needs the setting `DATASET`", "Name of a dataset"),
        (
            "VISUAL_ENCODER: swin-v2-nano",
            "VISUAL_ENCODER: swin-v2-nan",
            30,
            23,
            "no encoder `swin-v2-nan`",
            "`swin-v2-nano`",
        ),
        ("    env: { SIZE: 64 }", "    env: { SIZES: 64 }", 13, 12, "no setting `SIZES`", "`SIZE`"),
    ]);
}

#[test]
fn inputs_and_outputs() {
    assert_found(&[
        ("      frames: {", "      frame: {", 34, 7, "copl-model has no input `frame`", "`frames`"),
        (
            "report_video: { source: video/report",
            "clips: { source: video/report",
            52,
            7,
            "report-writer has no input `clips`",
            "report",
        ),
        (
            "      frames: { source: video/frames, queue_size: 32 }\n",
            "",
            33,
            5,
            "the input `frames` of `model` is not connected",
            "source: video/frames",
        ),
        ("[frames, report]", "[frames, reprot]", 16, 23, "video-decoder has no output `reprot`", "`report`"),
        ("[frames, report]", "[report]", 16, 5, "does not declare its output `frames`", "add `frames`"),
        (
            "[frames, report]",
            "[report]",
            34,
            25,
            "declares no output `frames`",
            "add `frames` to the `outputs` of `video`",
        ),
        ("[frames, report]", "[frames, report, report]", 16, 31, "declared twice", ""),
    ]);
}

#[test]
fn links_between_nodes() {
    assert_found(&[
        ("source: video/frames", "source: vido/frames", 34, 25, "the dataflow has no node `vido`", "`video`"),
        ("source: video/frames", "source: video/frame", 34, 25, "node `video` declares no output `frame`", "`frames`"),
        ("source: video/frames", "source: frames", 34, 25, "`frames` is no source", "`video/frames`"),
        (
            "source: video/frames",
            "source: dora/timer/parsecs/3",
            34,
            25,
            "`dora/timer/parsecs/3` is no source of dora",
            "millis",
        ),
        (
            "source: video/frames",
            "source: spectrogram/segments",
            34,
            25,
            "carries spectrogram, but the input `frames` of `model` takes frames",
            "video/frames",
        ),
        ("source: video/frames", "source: spectrogram/segments", 16, 15, "nobody reads `video/frames`", "connect it"),
        (
            "      report_video: { source: video/report, queue_size: 64 }\n",
            "",
            16,
            23,
            "nobody reads `video/report`",
            "",
        ),
    ]);
}

#[test]
fn cycles_credits_and_queues() {
    let credits = "      credits: { source: report/credits, queue_size: 64 }\n";
    assert_found(&[
        (credits, "", 6, 5, "a cycle without credits", "source: report/credits"),
        (
            "source: report/credits, queue_size: 64",
            "source: report/credits",
            7,
            7,
            "the input `credits` has no queue_size, and dora's 10",
            "queue_size: 14",
        ),
        (
            "source: video/frames, queue_size: 32",
            "source: video/frames, queue_size: 13",
            34,
            51,
            "queue_size 13 of the input `frames` is less than WINDOW 12 of `source` and 2 boundaries: messages would be dropped",
            "queue_size: 14",
        ),
        (
            "source: loss/gradients, queue_size: 32",
            "source: loss/gradients, queue_size: 4",
            36,
            56,
            "queue_size 4",
            "queue_size: 14",
        ),
        (
            "source: loss/report, queue_size: 128",
            "source: loss/report, queue_size: 31",
            55,
            55,
            "less than WINDOW 12 of `source` and 2 boundaries, 2 messages a clip and 4 a boundary",
            "queue_size: 32",
        ),
        ("WINDOW: 12", "WINDOW: 3", 5, 75, "WINDOW 3 of `source` is smaller than BATCH 4 of `model`", "4 or more"),
        (
            "      clips: { source: source/clips, queue_size: 32 }\n    outputs: [segments",
            "      clips: { source: model/predictions, queue_size: 32 }\n    outputs: [segments",
            22,
            24,
            "a cycle without feedback: spectrogram -> model -> spectrogram",
            "only feedback inputs",
        ),
    ]);
}
