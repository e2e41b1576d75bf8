//! Recorded messages: what a node received, in a file, to run it again without a daemon.
//!
//! With `COPL_RECORD: folder` in a node's `env:` map, all it receives is written to `folder/<node id>.messages`:
//! for every message its input and header as JSON, then its rows as an Arrow IPC stream, each behind its length in bytes
//! (u32, little endian).

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::header::{Header, Kind};
use crate::message::Message;
use crate::schema::Schema;

/// A part larger than this is refused when read: a damaged file must not ask for all memory.
const LARGEST_PART: u32 = 1 << 30;

#[derive(serde::Serialize, serde::Deserialize)]
struct Line {
    input: String,
    kind: String,
    seq: u64,
    run: String,
    epoch: u32,
    split: String,
    position: u64,
    clip: String,
    step: Option<u64>,
    schema: Option<String>,
}

/// Writes a recording.
#[derive(Debug)]
pub struct Recorder {
    file: BufWriter<File>,
}

impl Recorder {
    /// A new recording `folder/<node>.messages`.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(folder: &Path, node: &str) -> Result<Self, String> {
        let path = folder.join(format!("{node}.messages"));
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let file = File::create(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { file: BufWriter::new(file) })
    }

    /// Adds a message.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn record(&mut self, message: &Message) -> Result<(), String> {
        self.write(message).map_err(|e| format!("recording messages: {e}"))
    }

    fn write(&mut self, message: &Message) -> Result<(), Box<dyn std::error::Error>> {
        let h = &message.header;
        let line = Line {
            input: message.input.clone(),
            kind: h.kind.as_str().to_owned(),
            seq: h.seq,
            run: h.run.clone(),
            epoch: h.epoch,
            split: h.split.to_string(),
            position: h.position,
            clip: h.clip.clone(),
            step: h.step,
            schema: h.schema.map(|s| s.name().to_owned()),
        };
        let mut rows = Vec::new();
        let mut writer = StreamWriter::try_new(&mut rows, message.batch.schema_ref())?;
        writer.write(&message.batch)?;
        writer.finish()?;
        for part in [serde_json::to_vec(&line)?, rows] {
            self.file.write_all(&u32::try_from(part.len())?.to_le_bytes())?;
            self.file.write_all(&part)?;
        }
        Ok(self.file.flush()?)
    }
}

/// All messages of a recording.
///
/// # Errors
/// If the file cannot be read or is damaged.
pub fn read(path: &Path) -> Result<Vec<Message>, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let mut file = BufReader::new(File::open(path).map_err(|e| failed(&e))?);
    let mut messages = Vec::new();
    while let Some(line) = part(&mut file).map_err(|e| failed(&e))? {
        let rows = part(&mut file).map_err(|e| failed(&e))?.ok_or_else(|| failed(&"a message without rows"))?;
        messages.push(message(&line, &rows).map_err(|e| failed(&e))?);
    }
    Ok(messages)
}

fn part(file: &mut impl Read) -> Result<Option<Vec<u8>>, String> {
    let mut length = [0; 4];
    match file.read(&mut length[..1]).map_err(|e| e.to_string())? {
        0 => return Ok(None),
        _ => file.read_exact(&mut length[1..]).map_err(|e| e.to_string())?,
    }
    let length = u32::from_le_bytes(length);
    if length > LARGEST_PART {
        return Err(format!("a part of {length} bytes: the file is damaged"));
    }
    let mut bytes = Vec::new();
    file.take(length.into()).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() != length as usize { Err("the file is cut short".to_owned()) } else { Ok(Some(bytes)) }
}

/// Refuses rows whose parts state lengths that are not there: Arrow's reader would ask for as much memory.
fn check_lengths(mut rows: &[u8]) -> Result<(), String> {
    let damaged = || "its rows are damaged".to_owned();
    while let Some((_, rest)) = rows.split_at_checked(4).filter(|(marker, _)| *marker == [0xff; 4]) {
        let (length, rest) = rest.split_at_checked(4).ok_or_else(damaged)?;
        let length = u32::from_le_bytes(length.try_into().map_err(|_| damaged())?) as usize;
        if length == 0 {
            return Ok(());
        }
        let (metadata, rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
        let message = arrow::ipc::root_as_message(metadata).map_err(|_| damaged())?;
        let body = usize::try_from(message.bodyLength()).map_err(|_| damaged())?;
        rows = rest.get(body..).ok_or_else(damaged)?;
    }
    if rows.is_empty() { Ok(()) } else { Err(damaged()) }
}

/// The rows of a message. Arrow's reader trusts lengths that a file states, and panics where they are wrong.
fn batch(rows: &[u8]) -> Result<RecordBatch, String> {
    check_lengths(rows)?;
    let read = || {
        let mut reader = StreamReader::try_new(rows, None).map_err(|e| e.to_string())?;
        reader.next().ok_or("a message without a batch")?.map_err(|e| e.to_string())
    };
    std::panic::catch_unwind(read).unwrap_or_else(|_| Err("its rows are damaged".to_owned()))
}

fn message(line: &[u8], rows: &[u8]) -> Result<Message, String> {
    let line: Line = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    let batch = batch(rows)?;
    let kind = Kind::parse(&line.kind).ok_or_else(|| format!("unknown kind `{}`", line.kind))?;
    let schema = match line.schema {
        Some(name) => Some(Schema::by_name(&name).ok_or_else(|| format!("unknown schema `{name}`"))?),
        None => None,
    };
    let header = Header {
        kind,
        seq: line.seq,
        run: line.run,
        epoch: line.epoch,
        split: line.split.parse()?,
        position: line.position,
        clip: line.clip,
        step: line.step,
        schema,
    };
    Ok(Message { input: line.input, header, batch })
}
