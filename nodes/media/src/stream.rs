//! The loop of a decoding node: clips in, a pool of workers, results out in the clips' order.
//!
//! A clip that cannot be decoded leaves as a tombstone in its place, so the stream has no gap and the clip's row reaches
//! the report by the same way as every other.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use copl_contract::events::{Event, ProgressMeter};
use copl_contract::schema::{self, BatchBuilder, Schema};
use copl_contract::{Edges, ExitCode, Header, Kind, Message, NodeError, Polled};

use crate::cache::Cache;
use crate::error::{BadClip, MediaError};
use crate::pool::Pool;

/// How long the loop waits for a message while workers are busy.
const BUSY_POLL: Duration = Duration::from_millis(3);
/// How long it waits while none is.
const IDLE_POLL: Duration = Duration::from_millis(500);

/// What a decoding node does with a clip.
#[derive(Debug)]
pub struct ClipWork<D, N, B> {
    /// Output the results leave on.
    pub output: &'static str,
    /// Clips decoded at once.
    pub workers: usize,
    /// Decodes a media file.
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
    Clip(Header, String),
    Boundary(Header),
}

/// Runs the loop until the clips end.
///
/// # Errors
/// A broken contract, or an error that no clip is to blame for (no ffmpeg, no disk).
pub fn run<T, D, N, B>(edges: &mut Edges, work: ClipWork<D, N, B>) -> Result<(), NodeError>
where
    T: Send + 'static,
    D: Fn(&Path) -> Result<T, MediaError> + Send + Sync + 'static,
    N: Fn(&T) -> Vec<String>,
    B: Fn(T) -> Result<(Schema, RecordBatch), String>,
{
    let failed = |e: &dyn std::fmt::Display| NodeError::failed(ExitCode::Internal, e);
    let mut pool: Pool<Result<T, MediaError>> = Pool::new(work.output, work.workers.max(1)).map_err(|e| failed(&e))?;
    let decode = Arc::new(work.decode);
    let mut pending: VecDeque<Pending> = VecDeque::new();
    let mut progress = ProgressMeter::default();
    let mut open = true;
    while open || !pending.is_empty() {
        // Results that stand at the head of the line leave first.
        while let Some(head) = pending.front() {
            match head {
                Pending::Boundary(h) => {
                    let (epoch, split) = (h.epoch, h.split);
                    progress.flush();
                    edges.send_boundary(work.output, epoch, split)?;
                    edges.report_pass(epoch, split)?;
                    pending.pop_front();
                }
                Pending::Clip(..) => {
                    let Some(result) = (if open { pool.try_next() } else { pool.next_timeout(IDLE_POLL) }) else {
                        break;
                    };
                    let Some(Pending::Clip(header, path)) = pending.pop_front() else { break };
                    let (epoch, split) = (header.epoch, header.split);
                    match result.map_err(|e| failed(&e))? {
                        Ok(decoded) => {
                            for note in (work.notes)(&decoded) {
                                Event::info(format!("clip {}: {note}", header.clip)).emit();
                            }
                            let batch = (work.batch)(decoded).map_err(|e| NodeError::contract(work.output, e))?;
                            edges.send(work.output, header.with_kind(Kind::Data), batch)?;
                        }
                        Err(error) => {
                            let bad = error.bad_clip().ok_or_else(|| fatal(&error))?;
                            tombstone(edges, work.output, &header, &path, bad)?;
                        }
                    }
                    progress.clip(epoch, split);
                }
            }
        }
        if !open {
            continue;
        }
        match edges.poll(if pending.is_empty() { IDLE_POLL } else { BUSY_POLL })? {
            Polled::Idle => {}
            Polled::Closed => open = false,
            Polled::Message(Message { header, batch, .. }) => match header.kind {
                Kind::End => {}
                Kind::Boundary => pending.push_back(Pending::Boundary(header)),
                Kind::Tombstone => return Err(NodeError::contract("clips", "a tombstone where clips are expected")),
                Kind::Data => {
                    let path =
                        schema::utf8(&batch, "path").map_err(|e| NodeError::contract("clips", e))?.value(0).to_owned();
                    let (decode, file) = (decode.clone(), PathBuf::from(&path));
                    pool.submit(move || decode(&file));
                    pending.push_back(Pending::Clip(header, path));
                }
            },
        }
    }
    Ok(())
}

fn tombstone(edges: &mut Edges, output: &str, header: &Header, path: &str, bad: &BadClip) -> Result<(), NodeError> {
    let stage = edges.place().node.clone();
    let row = BatchBuilder::new(Schema::Quarantine)
        .utf8([&header.clip])
        .utf8([path])
        .utf8([&stage])
        .utf8([bad.reason.as_str()])
        .utf8([&bad.detail])
        .build()
        .map_err(|e| NodeError::contract(output, e))?;
    edges.send(output, header.with_kind(Kind::Tombstone), row)
}
