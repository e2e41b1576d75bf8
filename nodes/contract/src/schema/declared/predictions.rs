//! What a model says of a batch, task by task.

use super::super::declare::{Declared, declare};

declare! {
    /// What a model says of a batch in event localisation: one row a clip.
    PREDICTIONS {
        "clip": Utf8, "clip id";
        "position": Int64, "place of the clip in the run";
        "logits": TensorF32, "[T, classes]";
        "visual_features": TensorF32, "[T, d] pooled visual features";
        "audio_features": TensorF32, "[T, d] pooled audio features, mapped to the visual width where widths differ";
    }
    /// What a model says of a batch in segmentation: one row a clip.
    MASK_PREDICTIONS {
        "clip": Utf8, "clip id";
        "position": Int64, "place of the clip in the run";
        "logits": TensorF32, "[T, H, W] of the sounding object, against all else; in training [1, H, W], of the first frame, which alone has a mask";
        "visual_features": TensorF32, "[T, d] pooled visual features";
        "audio_features": TensorF32, "[T, d] pooled audio features, mapped to the visual width where widths differ";
    }
    /// What a model says of a batch in segmentation where sound and picture are matched too: one row a clip.
    MATCHED_MASK_PREDICTIONS {
        "clip": Utf8, "clip id";
        "position": Int64, "place of the clip in the run";
        "logits": TensorF32, "[T, H, W] of the sounding objects, against all else";
        "matched_maps": TensorF32, "[T, S, C] of each frame and scale, the mean of the decoder's map where objects are said to sound";
        "matched_sounds": TensorF32, "[T, S, C] of each segment, its sound as the scale takes it";
        "visual_features": TensorF32, "[T, d] pooled visual features";
        "audio_features": TensorF32, "[T, d] pooled audio features, mapped to the visual width where widths differ";
    }
    /// What a model says of a batch in question answering: one row a clip.
    ANSWER_PREDICTIONS {
        "clip": Utf8, "clip id";
        "position": Int64, "place of the clip in the run";
        "logits": TensorF32, "[answers]";
        "match_positive": TensorF32, "[T, 2] whether sound and picture belong together, of those that do";
        "match_negative": TensorF32, "[T, 2] the same of pictures of other videos; NaN where there were none at hand";
        "visual_features": TensorF32, "[T, d] pooled visual features";
        "audio_features": TensorF32, "[T, d] pooled audio features, mapped to the visual width where widths differ";
    }
}
