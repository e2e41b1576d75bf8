//! The tables of the report. Their columns stand here once: messages, Parquet files and docs follow. A table may gain columns at
//! its end (`added`), and never loses, renames or retypes one.

use super::super::declare::{Declared, declare};

declare! {
    /// Numbers of a step or a pass: one row a metric.
    METRICS {
        "step": Int64 ["steps"], "training step, counted over the run";
        "metric": Utf8, "name, such as loss or accuracy/Church bell; a / or \\ within a part has a \\ before it";
        "value": Float64 ["see unit"], "value";
        "unit": Utf8, "percent, nats, ratio, count or seconds";
        "higher_is_better": Int64, "1, 0, or -1 where neither holds";
        "picks": Int64, "1 where it is the metric by which the model is picked on the validation split, else 0", added;
    }
    /// What became of a clip: one row.
    SAMPLES {
        "clip": Utf8, "clip id";
        "position": Int64 ["clips"], "place of the clip in the run, from 0";
        "status": Utf8, "trained, evaluated or quarantined";
        "prediction": ListInt32 ["class"], "[T] predicted class of each segment; of a question, the one answer; of masks, pixels of each segment's; empty if quarantined";
        "target": ListInt32 ["class"], "the truth in the same form; of masks -1 where none is known";
        "score": Float64 ["ratio"], "share of segments that are right; of a question 1 or 0; of masks the mean IoU of those known; NaN if quarantined";
        "loss": Float64 ["nats"], "loss of the clip in nats; NaN if quarantined";
    }
    /// A clip that could not be decoded, or whose targets could not be read: one row a pass, of the node that gave it up; where both
    /// picture and sound failed, of the picture's.
    QUARANTINE {
        "clip": Utf8, "clip id";
        "path": Utf8, "media file";
        "stage": Utf8, "node that gave it up";
        "reason": Utf8, "reason code";
        "detail": Utf8, "what was seen";
    }
    /// Parameters of a model: one row a group.
    PARAMS {
        "group": Utf8, "such as visual.global_prompts or encoder/swin-v2-nano";
        "tensors": Int64 ["count"], "number of tensors";
        "count": Int64 ["count"], "number of values";
        "trainable": Int64, "1 if trained, 0 if frozen";
    }
    /// How a node spent a pass over an epoch's split: one row.
    NODES {
        "node": Utf8, "node id in the dataflow";
        "items": Int64 ["count"], "messages handled";
        "busy_secs": Float64 ["seconds"], "seconds at work";
        "waiting_secs": Float64 ["seconds"], "seconds waiting for messages";
        "compute_secs": Float64 ["seconds"], "seconds in the model's arithmetic; 0 for other nodes";
        "wall_secs": Float64 ["seconds"], "seconds in all";
        "peak_memory_bytes": Int64 ["bytes"], "most memory the process held so far; 0 where the system does not tell", added;
    }
    /// A checkpoint that is whole on disk: one row.
    CHECKPOINTS {
        "path": Utf8, "file, relative to the run's folder";
        "sha256": Utf8, "of the file's bytes";
        "best": Int64, "1 if it is the model the validation split picked";
    }
    /// Questions of the validation and test splits with their answers, of question answering only: one row a question.
    ANSWERS {
        "clip": Utf8, "clip id";
        "position": Int64 ["clips"], "place of the clip in the run, from 0";
        "video": Utf8, "id of the video";
        "kind": Utf8, "kind of the question, such as Audio-Visual Counting";
        "question": Utf8, "the question in words";
        "answer": Utf8, "the right answer";
        "predicted": Utf8, "the model's answer";
        "probability": Float64 ["ratio"], "what the model gave its answer";
    }
    /// Masks of some clips of the test split as pictures, of segmentation only: one row a segment.
    MASKS {
        "clip": Utf8, "clip id";
        "position": Int64 ["clips"], "place of the clip in the run, from 0";
        "segment": Int64 ["segments"], "segment of the clip, from 0";
        "category": Utf8, "name of the sounding object's class";
        "frame": Binary ["PNG"], "PNG of the frame the model saw; empty if the loss node does not read the frames";
        "predicted": Binary ["PNG"], "PNG of the predicted mask, white on black";
        "target": Binary ["PNG"], "PNG of the true mask; empty if none is known";
        "iou": Float64 ["ratio"], "intersection over union of the two; NaN if no true mask is known";
    }
}
