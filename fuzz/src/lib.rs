//! What the targets share.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::path::{Component, Path};

use copl_datasets::{Dataset, ReadError};
use tempfile::TempDir;

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

/// A folder in memory that lasts as long as the process.
///
/// # Panics
/// If none can be made.
pub fn in_folder<T>(use_it: impl FnOnce(&Path) -> T) -> T {
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| tempfile::tempdir_in("/dev/shm").expect("a folder in memory"));
        use_it(folder.path())
    })
}

/// Every file of every clip is inside the root, and every clip has a name of its own.
///
/// # Panics
/// If not: that is what is looked for.
pub fn assert_inside(read: Result<Dataset, ReadError>) {
    let Ok(dataset) = read else { return };
    let mut ids = HashSet::new();
    for clip in &dataset.clips {
        assert!(ids.insert(&clip.id), "two clips are called {}", clip.id);
        for (_, path) in clip.files() {
            let rest = path.strip_prefix(&dataset.root).expect("a path inside the root");
            assert!(rest.components().all(|part| matches!(part, Component::Normal(_))), "{}", path.display());
        }
    }
}
