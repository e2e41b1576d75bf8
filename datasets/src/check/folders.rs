//! Which files of AVSBench's layout are there, folder by folder, those that are not needed too.

use serde::Serialize;

use crate::{
    avsbench::{ClipFiles, Subset},
    dataset::Dataset,
};

/// The files of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FolderCount {
    pub folder: &'static str,
    /// How many are there.
    pub there: usize,
    /// Of so many that all clips have.
    pub all: usize,
}

/// Looks for every file of every clip.
pub(super) fn of(dataset: &Dataset, subset: Subset) -> Vec<FolderCount> {
    let mut counts: Vec<FolderCount> = Vec::new();
    for clip in &dataset.clips {
        let category = clip.target.class().map_or("", |class| dataset.class_name(class));
        let files = ClipFiles { subset, root: &dataset.root, split: clip.split, category, name: &clip.video_id };
        for (index, (folder, paths)) in files.all().into_iter().enumerate() {
            if counts.len() == index {
                counts.push(FolderCount { folder, ..FolderCount::default() });
            }
            counts[index].all += paths.len();
            counts[index].there += paths.iter().filter(|path| path.is_file()).count();
        }
    }
    counts
}
