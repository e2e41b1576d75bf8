//! What decoders and text encoders make of a clip, and tensors of no further meaning.

use super::super::declare::{Declared, declare};

declare! {
    /// The frames of a clip: one row.
    FRAMES {
        "frames": TensorU8, "[T, H, W, 3] RGB, 0..255";
    }
    /// The spectrogram segments of a clip: one row.
    SPECTROGRAM {
        "segments": TensorF32, "[T, time, mel] normalised log mel energies";
    }
    /// A question as word ids: one row.
    QUESTION_WORDS {
        "video": Utf8, "id of the video it is about";
        "words": TensorI32, "[W] the question's words by their number in the vocabulary, filled with 0";
    }
    /// A question as a frozen text encoder has it: one row.
    QUESTION_FEATURES {
        "video": Utf8, "id of the video it is about";
        "features": TensorF32, "[L, d] last hidden states of its tokens; 0 behind the last token";
        "length": Int64, "tokens, special ones included";
        "pooled": TensorF32, "[d] the vector that stands for the whole question";
    }
    /// A tensor with no further meaning, for nodes of one's own and for benchmarks: one row.
    TENSOR {
        "tensor": TensorF32, "any shape";
    }
}
