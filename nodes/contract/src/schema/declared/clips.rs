//! Clips on their way to the decoders and the loss, with their targets.

use super::super::declare::{Declared, declare};

declare! {
    /// A clip of event localisation to be decoded, with its targets: one row.
    CLIPS {
        "clip": Utf8, "clip id, unique in the dataset";
        "path": Utf8, "media file, absolute";
        "category": Int64, "class of the clip's event";
        "category_name": Utf8, "its name";
        "labels": TensorI32, "[T] class of each segment, background included";
    }
    /// A clip of segmentation to be decoded, with its targets: one row.
    MASK_CLIPS {
        "clip": Utf8, "clip id, unique in the dataset";
        "path": Utf8, "media file, absolute: the video, or the sound where pictures are extracted";
        "pictures": ListUtf8, "picture files of the segments, absolute; empty where the video holds them";
        "category": Int64, "class of the sounding object, -1 where the dataset has no categories";
        "category_name": Utf8, "its name; empty where there is none";
        "masks": TensorU8, "[T, H, W] 1 on the sounding objects, 0 elsewhere, and where no mask is known";
        "known": TensorI32, "[T] 1 where the dataset has a mask of the segment, else 0";
    }
    /// A question about a video to be decoded, with its answer: one row.
    QUESTION_CLIPS {
        "clip": Utf8, "clip id, unique in the dataset: one a question";
        "path": Utf8, "media file, absolute; questions of one video follow each other";
        "video": Utf8, "id of the video";
        "kind": Utf8, "kind of the question: Audio, Visual or Audio-Visual, a blank, and what is asked, such as Counting";
        "question": Utf8, "the question in words, without question mark";
        "words": TensorI32, "[14] the question's words by their number in the vocabulary, filled with 0";
        "answer": Int64, "class of the answer";
        "answers": ListUtf8, "the dataset's answers in order of class";
    }
}
