//! Annotations that somebody else wrote: no field leads out of the data root, and no bytes do worse than an error.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use copl_datasets::avsbench::{self, Subset};
use copl_datasets::music_avqa::Edition;
use copl_datasets::{Dataset, ReadError, ReadOptions, ave, music_avqa};
use copl_testing::mutate;
use tempfile::TempDir;

/// Names that would lead somewhere else, or are none.
const LEAVING: [&str; 14] = [
    "..",
    ".",
    "../x",
    "../../etc/passwd",
    "a/../../x",
    "a/b",
    "/etc/passwd",
    "//etc/passwd",
    "a\\..\\x",
    "C:x",
    "~/../x",
    "x/",
    "..x..",
    "x\u{7f}",
];

const S4_ROWS: &str = "name,start,category,split\n-dash_1,0,dog,train\nb,5,cat,test\nc,7,dog,val\n";

const MS3_ROWS: &str = "name,split\n-dash_1,train\nb,test\nc,val\n";

/// What stands in annotation files and what hurts there.
const WORDS: [&str; 22] = [
    "&",
    ",",
    "\n",
    "\r\n",
    "..",
    "/",
    "../",
    "\0",
    "\"",
    "\\",
    "[",
    "{",
    "}",
    "null",
    "-1",
    "99999999999999999999",
    "\u{feff}",
    "\u{202e}",
    "train",
    "<Object>",
    "&0&10",
    "\u{ff1f}",
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Data roots in the four layouts, whose annotation files a test writes.
#[derive(Clone, Copy, Debug)]
enum Layout {
    Ave,
    AvsS4,
    AvsMs3,
    MusicAvqa,
}

impl Layout {
    const ALL: [Self; 4] = [Self::Ave, Self::AvsS4, Self::AvsMs3, Self::MusicAvqa];

    /// The annotation files with what good ones hold.
    fn files(self) -> Vec<(&'static str, Vec<u8>)> {
        let read = |set: &str, file: &'static str| (file, fs::read(fixture(set).join(file)).unwrap());
        match self {
            Self::Ave => {
                ["Annotations.txt", "trainSet.txt", "valSet.txt", "testSet.txt"].map(|f| read("ave", f)).into()
            }
            Self::AvsS4 => vec![("s4_meta_data.csv", S4_ROWS.into())],
            Self::AvsMs3 => vec![("ms3_meta_data.csv", MS3_ROWS.into())],
            Self::MusicAvqa => ["json/avqa-train.json", "json/avqa-val.json", "json/avqa-test.json"]
                .map(|f| read("music-avqa", f))
                .into(),
        }
    }

    fn root(self) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in ["AVE", "s4_data", "ms3_data", "json", "videos"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        for (file, bytes) in self.files() {
            fs::write(root.path().join(file), bytes).unwrap();
        }
        root
    }

    fn read(self, root: &Path) -> Result<Dataset, ReadError> {
        let options = ReadOptions::default();
        match self {
            Self::Ave => ave::read(root, &options),
            Self::AvsS4 => avsbench::read(root, Subset::S4, &[], &options),
            Self::AvsMs3 => avsbench::read(root, Subset::Ms3, &[], &options),
            Self::MusicAvqa => music_avqa::read(root, Edition::Original, &options),
        }
    }
}

/// Every file of every clip is inside the root, and every clip has a name of its own.
fn assert_inside(dataset: &Dataset) {
    let mut ids = HashSet::new();
    for clip in &dataset.clips {
        assert!(ids.insert(&clip.id), "two clips are called {}", clip.id);
        for (_, path) in clip.files() {
            let rest = path.strip_prefix(&dataset.root).unwrap_or_else(|_| panic!("{} is outside", path.display()));
            assert!(rest.components().all(|part| matches!(part, Component::Normal(_))), "{}", path.display());
            assert!(!path.to_string_lossy().contains('\0'), "{}", path.display());
        }
    }
}

/// A good line, or entry, with `name` in one of the fields that become a path.
fn with_name(layout: Layout, field: &str, name: &str) -> (&'static str, String) {
    let json = |text: &str| serde_json::to_string(text).unwrap();
    match (layout, field) {
        (Layout::Ave, _) => ("Annotations.txt", format!("Bark&{name}&good&0&1\n")),
        (Layout::AvsS4, "name") => ("s4_meta_data.csv", format!("{S4_ROWS}{name},0,dog,train\n")),
        (Layout::AvsS4, "category") => ("s4_meta_data.csv", format!("{S4_ROWS}x,0,{name},train\n")),
        (Layout::AvsS4, _) => ("s4_meta_data.csv", format!("{S4_ROWS}x,0,dog,{name}\n")),
        (Layout::AvsMs3, "name") => ("ms3_meta_data.csv", format!("{MS3_ROWS}{name},train\n")),
        (Layout::AvsMs3, _) => ("ms3_meta_data.csv", format!("{MS3_ROWS}x,{name}\n")),
        (Layout::MusicAvqa, _) => {
            let good = fs::read_to_string(fixture("music-avqa/json/avqa-val.json")).unwrap();
            ("json/avqa-val.json", good.replace("\"00000002\"", &json(name)))
        }
    }
}

#[test]
fn no_field_of_any_reader_leads_out_of_the_data_root() {
    let fields = [
        (Layout::Ave, "VideoID"),
        (Layout::AvsS4, "name"),
        (Layout::AvsS4, "category"),
        (Layout::AvsS4, "split"),
        (Layout::AvsMs3, "name"),
        (Layout::AvsMs3, "split"),
        (Layout::MusicAvqa, "video_id"),
    ];
    for (layout, field) in fields {
        for name in LEAVING {
            let root = layout.root();
            let (file, text) = with_name(layout, field, name);
            fs::write(root.path().join(file), text).unwrap();
            match layout.read(root.path()) {
                Err(ReadError::Problems(problems)) => {
                    let said = problems.to_string();
                    assert!(said.contains(field), "{layout:?} {field} {name:?}: {said}");
                }
                other => panic!("{layout:?}, {field} {name:?} was taken: {other:?}"),
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn links_out_of_the_root_are_refused_whatever_they_stand_for() {
    use std::os::unix::fs::symlink;

    // The link, and what it leads to: a file of a clip, or a folder above one.
    let links = [
        (Layout::Ave, "AVE/Bark000000b.mp4", "video.mp4"),
        (Layout::Ave, "AVE", "folder"),
        (Layout::AvsS4, "s4_data/raw_videos/train/dog/-dash_1.mp4", "video.mp4"),
        (Layout::AvsS4, "s4_data/visual_frames/train/dog/-dash_1", "folder"),
        (Layout::AvsS4, "s4_data/audio_wav/train/dog", "folder"),
        (Layout::AvsS4, "s4_data/gt_masks/val", "folder"),
        (Layout::AvsS4, "s4_data", "folder"),
        (Layout::AvsMs3, "ms3_data/raw_videos/-dash_1.mp4", "video.mp4"),
        (Layout::AvsMs3, "ms3_data/visual_frames/-dash_1", "folder"),
        (Layout::AvsMs3, "ms3_data/audio_wav/train", "folder"),
        (Layout::AvsMs3, "ms3_data/gt_masks/val", "folder"),
        (Layout::MusicAvqa, "videos/00000002.mkv", "video.mp4"),
        (Layout::MusicAvqa, "videos", "folder"),
    ];
    for (layout, link, to) in links {
        let (root, outside) = (layout.root(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("video.mp4"), "x").unwrap();
        // Whatever is looked for is there, so that the link alone is at fault.
        let folder = outside.path().join("folder");
        for file in [
            "-dash_1.wav",
            "-dash_1_1.png",
            "dog/c/c_1.png",
            "-dash_1.mp4_1.png",
            "c/c_1.png",
            "gt_masks/train/dog/-dash_1/-dash_1_1.png",
            "00000002.mp4",
            "Bark000000b.mp4",
        ] {
            let file = folder.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "x").unwrap();
        }
        let link_path = root.path().join(link);
        if link_path.is_dir() {
            fs::remove_dir_all(&link_path).unwrap();
        }
        fs::create_dir_all(link_path.parent().unwrap()).unwrap();
        symlink(outside.path().join(to), &link_path).unwrap();
        match layout.read(root.path()) {
            Err(ReadError::Problems(problems)) => {
                assert!(problems.to_string().contains("outside the data root"), "{link}: {problems}");
            }
            other => panic!("{layout:?}: the link {link} was followed: {other:?}"),
        }
    }
}

#[cfg(unix)]
#[test]
fn annotation_files_that_are_no_files_are_refused_at_once() {
    for layout in Layout::ALL {
        for (file, _) in layout.files() {
            for kind in ["pipe", "endless", "folder"] {
                let root = layout.root();
                let path = root.path().join(file);
                fs::remove_file(&path).unwrap();
                match kind {
                    "pipe" => {
                        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
                        // SAFETY: `name` is a valid C string for the length of the call.
                        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
                    }
                    "endless" => std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
                    _ => fs::create_dir(&path).unwrap(),
                }
                // Opening a pipe nobody writes to waits for ever, so another thread does it.
                #[allow(clippy::disallowed_methods, reason = "one message")]
                let (send, receive) = std::sync::mpsc::channel();
                std::thread::spawn(move || send.send(layout.read(root.path()).map(|_| ()).map_err(|e| e.to_string())));
                let said = receive.recv_timeout(Duration::from_secs(10));
                let said = said.unwrap_or_else(|_| panic!("{layout:?} {file} {kind}: it waits")).unwrap_err();
                assert!(said.contains("not a regular file") || said.contains("no "), "{layout:?} {file}: {said}");
            }
        }
    }
}

#[test]
fn an_annotation_file_of_terabytes_is_refused_at_once() {
    for layout in Layout::ALL {
        let root = layout.root();
        let (file, _) = layout.files()[0];
        // Sparse: it takes no room.
        fs::OpenOptions::new().write(true).open(root.path().join(file)).unwrap().set_len(1 << 42).unwrap();
        let begun = Instant::now();
        let said = layout.read(root.path()).unwrap_err().to_string();
        assert!(said.contains("4398046511104 bytes"), "{said}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

/// Reads what became of an annotation file; an error or a dataset inside its root is all there may be.
fn changed(layout: Layout, cases: u32) {
    let root = layout.root();
    let files = layout.files();
    let seeds: Vec<Vec<u8>> = files.iter().map(|(_, bytes)| bytes.clone()).collect();
    let read = std::cell::Cell::new(0);
    mutate::each(cases, &seeds, &WORDS, |bytes| {
        for (file, good) in &files {
            fs::write(root.path().join(file), bytes).unwrap();
            match layout.read(root.path()) {
                Ok(dataset) => {
                    read.set(read.get() + 1);
                    assert_inside(&dataset);
                }
                // What is shown to a user is text.
                Err(error) => assert!(!error.to_string().is_empty()),
            }
            fs::write(root.path().join(file), good).unwrap();
        }
    });
    assert!(read.get() > 0, "no changed file was read: the changes test nothing");
}

#[test]
fn changed_ave_annotations_are_read_or_refused() {
    changed(Layout::Ave, 800);
}

#[test]
fn changed_s4_metadata_are_read_or_refused() {
    changed(Layout::AvsS4, 3000);
}

#[test]
fn changed_ms3_metadata_are_read_or_refused() {
    changed(Layout::AvsMs3, 3000);
}

#[test]
fn changed_music_avqa_questions_are_read_or_refused() {
    changed(Layout::MusicAvqa, 1000);
}
