//! Masks, all of them read: how large, what values they hold, how many are empty, which are not to be read. The official S4's
//! 10 852 of 224 x 224 pixels are read in seconds, so none is left to chance.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    avsbench::{Foreground, mask::read_stored},
    dataset::{Dataset, Target},
};

/// Entries shown of a long list.
pub(super) const SHOWN: usize = 8;

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
    /// Without a pixel of an object.
    pub empty: usize,
    /// Masks by "width x height" in pixels.
    pub sizes: BTreeMap<String, usize>,
    /// Masks by the values they hold, such as "0 and 255", and whether they are indices into a palette.
    pub values: BTreeMap<String, usize>,
    /// Masks whose objects have the value 1, where the official loader divides by 255 and sees next to nothing.
    pub faint: usize,
    pub unreadable: Vec<BadMask>,
}

impl MaskCounts {
    /// Reads every mask that is there.
    pub(super) fn of(dataset: &Dataset) -> Self {
        let mut counts = Self::default();
        for clip in &dataset.clips {
            let Target::Masks { masks, foreground, .. } = &clip.target else { continue };
            masks.iter().flatten().filter(|path| path.is_file()).for_each(|path| counts.add(path, *foreground));
        }
        counts
    }

    fn add(&mut self, path: &Path, foreground: Foreground) {
        let stored = match read_stored(path) {
            Ok(stored) => stored,
            Err(error) => {
                self.unreadable.push(BadMask { path: path.to_owned(), why: error.to_string() });
                return;
            }
        };
        let values: BTreeSet<u8> = stored.values.iter().copied().collect();
        let indexed = stored.palette.is_some();
        *self.values.entry(values_text(&values, indexed)).or_default() += 1;
        self.faint += usize::from(foreground == Foreground::AboveZero && values.last() == Some(&1));
        *self.sizes.entry(size_text([stored.width, stored.height])).or_default() += 1;
        self.read += 1;
        self.empty += usize::from(!stored.mask(foreground).bits.contains(&1));
    }

    /// The sizes found, with how often if there are several.
    pub(super) fn sizes_text(&self) -> String {
        match self.sizes.iter().collect::<Vec<_>>().as_slice() {
            [(size, _)] => (*size).clone(),
            several => several.iter().map(|(size, count)| format!("{size} ({count})")).collect::<Vec<_>>().join(", "),
        }
    }
}

impl fmt::Display for MaskCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "masks read: {} ({}), {} of them empty", self.read, self.sizes_text(), self.empty)?;
        let mut often: Vec<_> = self.values.iter().collect();
        often.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (values, count) in often.iter().take(SHOWN) {
            writeln!(f, "  of {values}: {count}")?;
        }
        if often.len() > SHOWN {
            writeln!(f, "  of {} other values", often.len() - SHOWN)?;
        }
        if self.faint > 0 {
            writeln!(
                f,
                "  {} hold indices 0 and 1 instead of 0 and 255: the official loader divides them by 255 and sees next to \
                 nothing; here every value above 0 is an object's",
                self.faint
            )?;
        }
        writeln!(f, "masks that cannot be read: {}", self.unreadable.len())?;
        self.unreadable.iter().take(SHOWN).try_for_each(|BadMask { why, .. }| writeln!(f, "  {why}"))
    }
}

/// Width and height as a report shows them.
pub(super) fn size_text([width, height]: [usize; 2]) -> String {
    format!("{width} x {height}")
}

/// The values of a mask as a report shows them: few are named, of many the least and the greatest.
fn values_text(values: &BTreeSet<u8>, indexed: bool) -> String {
    let named = match values.iter().map(u8::to_string).collect::<Vec<_>>().as_slice() {
        [] => "no value".to_owned(),
        [one] => format!("{one} alone"),
        [first, second] => format!("{first} and {second}"),
        [first, .., last] => format!("{} values from {first} to {last}", values.len()),
    };
    if indexed { format!("{named}, palette indices") } else { named }
}
