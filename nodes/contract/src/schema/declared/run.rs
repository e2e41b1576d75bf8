//! What bounds a run and lets it go on: credits and checkpoints.

use super::super::declare::{Declared, declare};

declare! {
    /// Clips whose row is in the report: one row a clip. Each frees a place in the window.
    CREDITS {
        "position": Int64, "place of the clip in the run";
        "usable": Int64, "1 if it was trained or evaluated, 0 if it was quarantined";
        "clip": Utf8, "clip id";
    }
    /// A place in the run where every node's state is kept: one row, of a `checkpoint` message.
    CHECKPOINT {
        "name": Utf8, "name of the checkpoint, a folder of resume/";
        "items": Int64, "clips and boundaries that are done, counted over the run";
        "done": Int64, "clips of the header's epoch and split that are done";
        "checkpoint_rows": Int64, "rows of the table `checkpoints` that the model sent before it";
        "requested": Int64, "1 if it was asked for, else 0";
        "parts": ListUtf8, "files that nodes have put into its folder; each node adds its own";
    }
}
