//! The loop of a decoding node: clips in, a pool of workers, results out in the clips' order.
//!
//! A clip that cannot be decoded leaves as a tombstone in its place, so the stream has no gap and the clip's row reaches
//! the report by the same way as every other; a tombstone that the source itself sent passes through. Where clips that
//! follow each other name the same files (the questions about one video), the files are decoded once, and sent once.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use copl_contract::events::Event;
use copl_contract::schema::{self, BatchBuilder, Schema};
use copl_contract::{Edges, ExitCode, Header, Kind, Message, NodeError, Polled, Split};

use crate::cache::{Cache, CacheCounts, PassReport};
use crate::error::{BadClip, MediaError};
use crate::pool::{Batch, Pool};
use crate::together;

/// How long the loop waits for a message while workers are busy.
const BUSY_POLL: Duration = Duration::from_millis(3);
/// How long it waits while none is.
const IDLE_POLL: Duration = Duration::from_millis(500);

/// The files of a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipFiles {
    /// The video, or the sound where pictures are extracted.
    pub path: PathBuf,
    /// One picture a segment, where they are extracted; else none.
    pub pictures: Vec<PathBuf>,
}

impl ClipFiles {
    /// Those of a clip's row, whatever its task.
    fn of(message: &Message) -> Result<Self, String> {
        let path = PathBuf::from(schema::utf8(&message.batch, "path")?.value(0));
        let pictures = match message.header.schema {
            Some(Schema::MaskClips) => schema::texts(&message.batch, "pictures", 0)?,
            _ => Vec::new(),
        };
        Ok(Self { path, pictures: pictures.into_iter().map(PathBuf::from).collect() })
    }
}

/// What a decoding node does with a clip.
#[derive(Debug)]
pub struct ClipWork<D, N, B> {
    /// Output the results leave on.
    pub output: &'static str,
    /// Clips decoded at once.
    pub workers: usize,
    /// What `decode` keeps its results in: what it did is told at the end of each pass.
    pub cache: Option<Arc<Cache>>,
    /// Decodes the files of some clips, several at once where several wait: as many results, in their order.
    pub decode: D,
    /// What is worth saying of a result, such as padding.
    pub notes: N,
    /// A result as a message.
    pub batch: B,
}

/// The cache of decoded clips, if it is wanted: `dir`, or the user's cache folder.
///
/// # Errors
/// If the folder cannot be used.
pub fn open_cache(wanted: bool, dir: Option<&Path>, max_gib: f64) -> Result<Option<Arc<Cache>>, NodeError> {
    if !wanted {
        return Ok(None);
    }
    let dir = match dir {
        Some(dir) => dir.to_owned(),
        None => default_cache_dir().ok_or_else(|| {
            NodeError::failed(
                ExitCode::Missing,
                "no cache folder: set CACHE_DIR, or the HOME or XDG_CACHE_HOME variable",
            )
        })?,
    };
    let max_bytes = (max_gib * (1u64 << 30) as f64) as u64;
    Cache::open(&dir, max_bytes).map(|c| Some(Arc::new(c))).map_err(|e| fatal(&e))
}

/// Where decoded clips are kept if nothing else is said.
pub fn default_cache_dir() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
    base.or_else(|| std::env::var_os("HOME").map(|h| Path::new(&h).join(".cache")))
        .map(|b| b.join("copl").join("clips"))
}

fn fatal(error: &MediaError) -> NodeError {
    NodeError::failed(ExitCode::Missing, error)
}

enum Pending {
    /// A clip; `decoded` of its own, else as the clip before it.
    Clip {
        header: Header,
        files: ClipFiles,
        decoded: bool,
    },
    /// A clip the source gave up.
    Tombstone(Header, RecordBatch),
    Boundary(Header),
}

/// What became of a clip: its message.
type Made = (Kind, (Schema, RecordBatch));

/// Runs the loop until the clips end.
///
/// # Errors
/// A broken contract, or an error that no clip is to blame for (no ffmpeg, no disk).
pub fn run<T, D, N, B>(edges: &mut Edges, work: ClipWork<D, N, B>) -> Result<(), NodeError>
where
    T: Send + 'static,
    D: Batch<ClipFiles, Result<T, MediaError>>,
    N: Fn(&T) -> Vec<String>,
    B: Fn(T) -> Result<(Schema, RecordBatch), String>,
{
    let failed = |e: &dyn std::fmt::Display| NodeError::failed(ExitCode::Internal, e);
    let mut pool = Pool::new(work.output, work.workers, together::MOST, work.decode).map_err(|e| failed(&e))?;
    let mut pending: VecDeque<Pending> = VecDeque::new();
    let mut progress = edges.progress();
    let (mut newest, mut made): (Option<ClipFiles>, Option<Made>) = (None, None);
    let mut open = true;
    while open || !pending.is_empty() {
        // Results that stand at the head of the line leave first.
        while let Some(head) = pending.pop_front() {
            match head {
                Pending::Boundary(Header { epoch, split, .. }) => {
                    progress.flush();
                    if let Some(cache) = &work.cache {
                        tell(&cache.end_pass(epoch), epoch, split);
                    }
                    edges.send_boundary(work.output, epoch, split)?;
                    edges.report_pass(epoch, split)?;
                }
                Pending::Tombstone(header, batch) => {
                    progress.clip(header.epoch, header.split);
                    edges.send(work.output, header, (Schema::Quarantine, batch))?;
                }
                Pending::Clip { header, files, decoded } => {
                    if decoded {
                        let result = if open { pool.try_next() } else { pool.next_timeout(IDLE_POLL) };
                        let Some(result) = result else {
                            pending.push_front(Pending::Clip { header, files, decoded });
                            break;
                        };
                        made = Some(match result.map_err(|e| failed(&e))? {
                            Ok(decoded) => {
                                for note in (work.notes)(&decoded) {
                                    Event::info(format!("clip {}: {note}", header.clip)).emit();
                                }
                                let batch = (work.batch)(decoded);
                                (Kind::Data, batch.map_err(|e| NodeError::contract(work.output, e))?)
                            }
                            Err(error) => {
                                let bad = error.bad_clip().ok_or_else(|| fatal(&error))?;
                                let row = tombstone(&edges.place().node, &header, &files, bad);
                                (Kind::Tombstone, row.map_err(|e| NodeError::contract(work.output, e))?)
                            }
                        });
                    }
                    let Some((kind, rows)) = &made else {
                        return Err(NodeError::contract("clips", "no clip before the one that is as the one before"));
                    };
                    match (kind, decoded) {
                        (_, true) => edges.send(work.output, header.with_kind(*kind), rows.clone())?,
                        // It names the clip.
                        (Kind::Tombstone, false) => {
                            let renamed = renamed(&rows.1, &header).map_err(|e| failed(&e))?;
                            edges.send(work.output, header.with_kind(*kind), (rows.0, renamed))?;
                        }
                        (_, false) => edges.send_again(work.output, &header)?,
                    }
                    progress.clip(header.epoch, header.split);
                }
            }
        }
        if !open {
            continue;
        }
        match edges.poll(if pending.is_empty() { IDLE_POLL } else { BUSY_POLL })? {
            Polled::Idle => {}
            Polled::Closed => open = false,
            Polled::Message(message) => match message.header.kind {
                Kind::Checkpoint | Kind::End => {}
                Kind::Boundary => pending.push_back(Pending::Boundary(message.header)),
                Kind::Tombstone => pending.push_back(Pending::Tombstone(message.header, message.batch)),
                Kind::Data | Kind::Repeat => {
                    let files = ClipFiles::of(&message).map_err(|e| NodeError::contract("clips", e))?;
                    let decoded = newest.as_ref() != Some(&files);
                    if decoded {
                        newest = Some(files.clone());
                        pool.submit(files.clone());
                    }
                    pending.push_back(Pending::Clip { header: message.header, files, decoded });
                }
            },
        }
    }
    Ok(())
}

/// What the cache did in a pass: in the log, and as a warning where clips are decoded anew that need not be. A set whose
/// frames and sound lie in files of their own asks nothing of it, and nothing is said.
fn tell(report: &PassReport, epoch: u32, split: Split) {
    if report.counts == CacheCounts::default() {
        return;
    }
    let text = format!("epoch {epoch} {split}: {report}");
    let event = if report.is_worth_a_warning() { Event::warning(text) } else { Event::info(text) };
    event.emit();
}

fn tombstone(stage: &str, header: &Header, files: &ClipFiles, bad: &BadClip) -> Result<(Schema, RecordBatch), String> {
    BatchBuilder::new(Schema::Quarantine)
        .utf8([&header.clip])
        .utf8([files.path.to_string_lossy()])
        .utf8([stage])
        .utf8([bad.reason.as_str()])
        .utf8([&bad.detail])
        .build()
}

/// The same tombstone for another clip.
fn renamed(tombstone: &RecordBatch, header: &Header) -> Result<RecordBatch, String> {
    let text = |name: &str| Ok::<_, String>(schema::utf8(tombstone, name)?.value(0).to_owned());
    let row = BatchBuilder::new(Schema::Quarantine).utf8([&header.clip]).utf8([text("path")?]);
    let row = row.utf8([text("stage")?]).utf8([text("reason")?]).utf8([text("detail")?]);
    row.build().map(|(_, batch)| batch)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use copl_contract::testing::{Harness, Sent};
    use copl_contract::{EdgeSpec, Node, NodeSpec};

    use super::*;
    use crate::error::{ReasonCode, Stage};

    copl_contract::settings! {
        /// Settings of the node under test.
        pub struct NoSettings {}
    }

    static DECODED: AtomicUsize = AtomicUsize::new(0);

    /// Decodes a clip to the length of its path; `bad` is no clip.
    struct Lengths;

    impl Node for Lengths {
        type Settings = NoSettings;

        fn spec() -> NodeSpec {
            NodeSpec {
                name: "lengths",
                about: "for the tests of the loop",
                settings: Vec::new(),
                inputs: vec![EdgeSpec::required("clips", copl_contract::spec::CLIPS, "clips")],
                outputs: vec![EdgeSpec::required("tensors", &[Schema::Tensor], "lengths")],
                check: |_| Ok(()),
            }
        }

        fn run(_: NoSettings, edges: &mut Edges) -> Result<(), NodeError> {
            let work = ClipWork {
                output: "tensors",
                workers: 3,
                cache: None,
                decode: |clips: &[ClipFiles]| {
                    DECODED.fetch_add(clips.len(), Ordering::SeqCst);
                    let length = |files: &ClipFiles| match files.path.to_string_lossy().as_ref() {
                        "bad" => Err(BadClip::new(Stage::File, ReasonCode::Missing, "not there".to_owned()).into()),
                        path => Ok(path.len() as f32),
                    };
                    clips.iter().map(length).collect()
                },
                notes: |_: &f32| Vec::new(),
                batch: |length| BatchBuilder::new(Schema::Tensor).tensor_f32(vec![length], 1, &[1]).build(),
            };
            run(edges, work)
        }
    }

    fn question(path: &str, number: i64) -> (Schema, RecordBatch) {
        let row = BatchBuilder::new(Schema::QuestionClips).utf8([format!("{path}#{number}")]).utf8([path]);
        let row = row.utf8(["v"]).utf8(["Audio Counting"]).utf8(["How many"]).tensor_i32(vec![1; 14], 1, &[14]);
        row.int64([number]).list_utf8([&["one"][..]]).build().unwrap()
    }

    #[test]
    fn questions_about_one_video_decode_and_send_it_once() {
        let mut harness = Harness::new().outputs(&["tensors"]);
        let asked = ["aa", "aa", "aa", "bad", "bad", "cccc", "aa"];
        for (position, path) in asked.into_iter().enumerate() {
            let header = Header { position: position as u64, ..Header::new(Kind::Data, 1, Split::Val) };
            let header = Header { clip: format!("{path}#{position}"), ..header };
            harness = harness.message("clips", header, question(path, position as i64));
        }
        let sent = harness.control("clips", Kind::End, 0, Split::Train).run::<Lengths>().unwrap();
        assert_eq!(DECODED.load(Ordering::SeqCst), 4, "aa, bad, cccc, and aa again");
        let of = |sent: &Sent| {
            if sent.header.kind == Kind::Repeat {
                assert!(sent.batch.is_none());
                return Some("again".to_owned());
            }
            let batch = sent.batch.as_ref()?;
            Some(match sent.header.kind {
                Kind::Tombstone => schema::utf8(batch, "clip").unwrap().value(0).to_owned(),
                _ => {
                    let view = copl_contract::tensor::view::<arrow::datatypes::Float32Type>(batch, "tensor");
                    view.unwrap().values[0].to_string()
                }
            })
        };
        let found: Vec<String> = sent.iter().filter_map(of).collect();
        assert_eq!(found, ["2", "again", "again", "bad#3", "bad#4", "4", "2"]);
        let positions: Vec<u64> =
            sent.iter().filter(|s| s.header.kind != Kind::End).map(|s| s.header.position).collect();
        assert_eq!(positions, [0, 1, 2, 3, 4, 5, 6]);
    }
}
