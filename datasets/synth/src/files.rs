//! The files of a set: which there are, and how one is written whole.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use copl_datasets::Split;

use crate::error::SynthError;

/// The files of a set beside synth.json; `P` is the kind of its clips' plots.
pub(super) trait SetFiles<P> {
    /// Annotation and split files, inside the set.
    fn lists(&self) -> Vec<&'static str>;

    /// The media of a clip and then its masks, in order; empty if the set can hold no such clip.
    fn of_clip(&self, set: &Path, split: Split, video_id: &str, plot: &P) -> Vec<PathBuf>;

    /// Whether its media are videos.
    fn needs_ffmpeg(&self) -> bool {
        true
    }
}

/// Makes the folders of files that are to be written.
pub(super) fn make_folders(files: &[PathBuf]) -> Result<(), SynthError> {
    for folder in files.iter().filter_map(|file| file.parent()) {
        fs::create_dir_all(folder).map_err(|source| SynthError::Io { path: folder.to_owned(), source })?;
    }
    Ok(())
}

/// Writes a file and waits until it is on disk.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), SynthError> {
    let write = || -> std::io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| SynthError::Io { path: path.to_owned(), source })
}

/// Bytes of a file.
pub(crate) fn length(path: &Path) -> Result<u64, SynthError> {
    Ok(fs::metadata(path).map_err(|source| SynthError::Io { path: path.to_owned(), source })?.len())
}
