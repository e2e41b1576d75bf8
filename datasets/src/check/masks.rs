//! Masks, all of them read: how large, how many are empty, which are not to be read. The official set's 10 852 of
//! 224 x 224 pixels are read in seconds, so none is left to chance.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;

use crate::{
    avs_s4::read_mask,
    dataset::{Dataset, FileKind},
};

/// A mask that is there and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadMask {
    pub path: PathBuf,
    pub why: String,
}

/// What the masks of a dataset count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MaskCounts {
    pub read: usize,
    /// Without a pixel of the object.
    pub empty: usize,
    /// Masks by "width x height" in pixels.
    pub sizes: BTreeMap<String, usize>,
    pub unreadable: Vec<BadMask>,
}

impl MaskCounts {
    /// Reads every mask that is there.
    pub(super) fn of(dataset: &Dataset) -> Self {
        let mut counts = Self::default();
        for (kind, path) in dataset.clips.iter().flat_map(|clip| clip.files()) {
            if kind != FileKind::Mask || !path.is_file() {
                continue;
            }
            match read_mask(path) {
                Ok(mask) => {
                    counts.read += 1;
                    counts.empty += usize::from(!mask.bits.contains(&1));
                    *counts.sizes.entry(size_text([mask.width, mask.height])).or_default() += 1;
                }
                Err(error) => counts.unreadable.push(BadMask { path: path.to_owned(), why: error.to_string() }),
            }
        }
        counts
    }

    /// The sizes found, with how often if there are several.
    pub(super) fn sizes_text(&self) -> String {
        match self.sizes.iter().collect::<Vec<_>>().as_slice() {
            [(size, _)] => (*size).clone(),
            several => several.iter().map(|(size, count)| format!("{size} ({count})")).collect::<Vec<_>>().join(", "),
        }
    }
}

/// Width and height as a report shows them.
pub(super) fn size_text([width, height]: [usize; 2]) -> String {
    format!("{width} x {height}")
}
