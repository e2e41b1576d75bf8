//! The conversation of a model with an encoder in a node of its own.

use super::super::declare::{Declared, declare};

declare! {
    /// What an encoder node says of its encoder before anything else: one row.
    ENCODER {
        "name": Utf8, "architecture and size";
        "weights": Utf8, "SHA-256 of its weights in hexadecimal, or another fingerprint of them";
        "parameters": Int64, "numbers in its weights";
        "tensors": Int64, "tensors in its weights";
        "frames": ListInt32, "channels, height and width of the frames it takes; empty if it takes none";
        "spectrogram": ListInt32, "channels, time and mel of the spectrogram segments it takes; empty if it takes none";
        "widths": ListInt32, "width of the tokens of each block";
        "tokens": ListInt32, "number of tokens of each block for a frame, class tokens included; for a spectrogram where it takes no frames";
        "stages": ListInt32, "stage of each block, from 0";
        "class_tokens": Int64, "tokens that stand for no place of the image, before all others";
        "out_dim": Int64, "width of the pooled feature";
        "coupled_sites": Int64, "sites at its end that exchange prompts, unless the model is told otherwise";
    }
    /// Runs blocks with prompts beside the tokens; from an encoder, the gradients of those prompts: one row.
    PROMPTS {
        "first": Int64, "first block";
        "end": Int64, "the block after the last";
        "keep": Int64, "1 if gradients will be asked for, else 0";
        "map": Int64, "1 if the tokens after the last of these blocks are asked for as a map, else 0";
        "bias": Utf8, "position bias of a prompt in a Swin: zero or mean";
        "shared": TensorF32, "[S, d] prompts that all images see; S may be 0";
        "own": TensorF32, "[N, O, d] prompts of each image; O may be 0";
    }
    /// Asks what learned latents gather from the tokens that enter a block; from an encoder, the latents' gradient: one row.
    LATENTS {
        "block": Int64, "the block, the first of a stage where tokens are merged";
        "keep": Int64, "1 if gradients will be asked for, else 0";
        "latents": TensorF32, "[p, d]";
    }
    /// What latents L gathered from the tokens Z, L + softmax(L Zᵀ) Z; to an encoder, the gradient of it: one row.
    CONDENSED {
        "block": Int64, "the block the tokens enter";
        "condensed": TensorF32, "[N, p, d]";
    }
    /// Asks for the features, all blocks having run: one row.
    FINISH {
        "map": Int64, "1 if the tokens after the final norm are asked for as a map, else 0";
    }
    /// Tokens a head asked for; to an encoder, the gradient of them: one row.
    MAP {
        "block": Int64, "the block they left; the number of blocks for those after the final norm";
        "tokens": TensorF32, "[N, L, d]";
    }
    /// The pooled feature of every image; to an encoder, the gradient of it: one row.
    FEATURES {
        "pooled": TensorF32, "[N, d]";
    }
}
