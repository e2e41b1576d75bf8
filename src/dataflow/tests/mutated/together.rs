//! What is right alone and does not fit together: tasks, encoders, sizes, segments, classes, windows.

use super::super::super::document::{Item, Node};
use super::Mutant;
use super::good::Good;

/// The place and text of a node's setting.
fn setting<'a>(good: &'a Good, kind: &str, key: &str) -> Option<(Node<'a>, &'a Item)> {
    let node = good.document.nodes().into_iter().find(|n| n.kind() == Some(kind))?;
    let (_, value) = node.env().iter().find(|(k, _)| k.text() == Some(key))?;
    Some((node, value))
}

/// Lines that decide the shape of what the model takes.
fn sizes(good: &Good) -> Vec<usize> {
    let of = |kind: &str, keys: &[&str]| {
        keys.iter().filter_map(|key| setting(good, kind, key)).map(|(_, v)| v.place.line).collect::<Vec<_>>()
    };
    let inputs = good.inputs().into_iter().filter(|(n, _)| ["copl-model", "encoder"].contains(&n.kind().unwrap()));
    [
        of("video-decoder", &["SIZE", "SEGMENTS"]),
        of("spectrogram", &["MELS", "FRAMES", "SEGMENTS", "PRESET", "KIND"]),
        inputs.map(|(_, i)| i.name.place.line).collect(),
    ]
    .concat()
}

pub(super) fn make(good: &Good) -> Vec<Mutant> {
    let mut made = Vec::new();
    let mut replace = |sort, kind: &str, key: &str, new: &str, others: Vec<usize>| {
        let Some((node, value)) = setting(good, kind, key) else { return };
        let text = value.text().unwrap();
        if text == new {
            return;
        }
        made.push(Mutant {
            kind: sort,
            what: format!("{}.{key}: `{text}` became `{new}`", node.id_text().unwrap()),
            text: good.replaced(&value.place, text, new),
            lines: [vec![value.place.line], others].concat(),
        });
    };
    let model = good.nodes().into_iter().find(|n| n.node.kind() == Some("copl-model"));
    let model_lines: Vec<usize> = model
        .iter()
        .flat_map(|m| {
            [
                Some(m.node.place().line),
                setting(good, "copl-model", "TASK").map(|(_, v)| v.place.line),
                Some(Good::key_line(m.node, "env")),
                Some(Good::key_line(m.node, "inputs")),
            ]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
        })
        .collect();
    for task in ["ave", "avs", "avqa"] {
        replace("together: task of the model", "copl-model", "TASK", task, vec![]);
    }
    for dataset in ["ave", "avs-s4", "music-avqa"] {
        let same = good.file.starts_with("ave") && dataset == "ave"
            || good.file.starts_with("avs") && dataset == "avs-s4"
            || good.file.starts_with("music") && dataset == "music-avqa"
            || good.file.starts_with("pretrain") && dataset == "ave";
        if !same {
            replace("together: dataset of another task", "clip-source", "DATASET", dataset, model_lines.clone());
        }
    }
    for encoder in ["hts-at", "shared", "vit-small-16", "vit-base-16"] {
        if setting(good, "copl-model", "VISUAL_ENCODER").is_some_and(|(_, v)| v.text() != Some("node")) {
            replace("together: another visual encoder", "copl-model", "VISUAL_ENCODER", encoder, sizes(good));
        }
    }
    for encoder in ["hts-at", "vit-small-16"] {
        let lines = sizes(good);
        replace("together: another audio encoder", "copl-model", "AUDIO_ENCODER", encoder, lines);
    }
    for (kind, key, values) in [
        ("video-decoder", "SIZE", ["65", "224"]),
        ("video-decoder", "SEGMENTS", ["10", "4"]),
        ("spectrogram", "SEGMENTS", ["10", "4"]),
        ("copl-model", "SEGMENTS", ["10", "4"]),
        ("spectrogram", "MELS", ["80", "128"]),
        ("spectrogram", "FRAMES", ["65", "100"]),
        ("spectrogram", "PRESET", ["ave-vit", "avs-swim"]),
        ("copl-model", "MASK_SIZE", ["100", "225"]),
        ("copl-model", "CLASSES", ["8", "28"]),
        ("clip-source", "WINDOW", ["1", "1000"]),
        ("tensor-source", "WINDOW", ["100", "1000"]),
    ] {
        for new in values {
            // Either of what does not fit together may be the one that is wrong.
            let others = match key {
                "SEGMENTS" => [sizes(good), model_lines.clone()].concat(),
                "WINDOW" => good.inputs().iter().map(|(_, i)| i.name.place.line).collect(),
                _ => vec![],
            };
            replace("together: numbers", kind, key, new, others);
        }
    }
    made
}
