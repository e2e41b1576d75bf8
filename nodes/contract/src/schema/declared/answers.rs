//! What a loss answers: gradients in the order of the predictions, and the verdict on a validation pass.

use super::super::declare::{Declared, declare};

declare! {
    /// The loss's gradient with respect to every prediction: one row a clip, in the order of the predictions.
    GRADIENTS {
        "logits": TensorF32, "[T, classes]";
        "visual_features": TensorF32, "[T, d]";
        "audio_features": TensorF32, "[T, d]";
    }
    /// The loss's gradient with respect to every prediction of segmentation: one row a clip, in their order.
    MASK_GRADIENTS {
        "logits": TensorF32, "[1, H, W], as predicted";
        "visual_features": TensorF32, "[T, d]";
        "audio_features": TensorF32, "[T, d]";
    }
    /// The same where sound and picture are matched too.
    MATCHED_MASK_GRADIENTS {
        "logits": TensorF32, "[T, H, W]";
        "matched_maps": TensorF32, "[T, S, C]";
        "matched_sounds": TensorF32, "[T, S, C]";
        "visual_features": TensorF32, "[T, d]";
        "audio_features": TensorF32, "[T, d]";
    }
    /// The loss's gradient with respect to every prediction of question answering: one row a clip, in their order.
    ANSWER_GRADIENTS {
        "logits": TensorF32, "[answers]";
        "match_positive": TensorF32, "[T, 2]";
        "match_negative": TensorF32, "[T, 2]";
        "visual_features": TensorF32, "[T, d]";
        "audio_features": TensorF32, "[T, d]";
    }
    /// The outcome of a validation pass: one row.
    VERDICT {
        "metric": Utf8, "the metric the model is picked by";
        "value": Float64, "its value on the validation split";
        "best": Int64, "1 if it is the best so far, else 0";
    }
}
