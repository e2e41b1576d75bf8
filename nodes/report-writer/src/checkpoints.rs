//! The last step of a checkpoint: all rows before it go to disk, and it gets its name.
//!
//! Rows of `checkpoints` come from the model on an edge of their own, so they may arrive behind the checkpoint message that
//! counts them: it waits for them. All other rows that must come back bit for bit arrive on the message's own edge. Rows of
//! `nodes` tell of time and are counted as they stand.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use arrow::array::RecordBatch;
use copl_contract::checkpoint::{self, Mark, ReportPart};
use copl_contract::edges::Place;
use copl_contract::events::Event;
use copl_contract::schema;
use copl_contract::{ExitCode, Header, Message, NodeError};
use copl_reports::Table;

use crate::disk::disk;
use crate::tables::Tables;

/// Checkpoints under way, and what the next one must know.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    run_dir: PathBuf,
    before: Option<ReportPart>,
    quarantined: Vec<String>,
    waiting: VecDeque<(Mark, ReportPart)>,
    warned: bool,
}

fn failed(e: impl std::fmt::Display) -> NodeError {
    NodeError::failed(ExitCode::NodeFailed, format!("the checkpoint cannot be written: {e}"))
}

impl Checkpoints {
    /// Of a run that begins, or goes on.
    pub(crate) fn open(place: &Place) -> Result<Self, NodeError> {
        let read = |folder: &PathBuf| ReportPart::read(folder).map_err(|e| NodeError::failed(ExitCode::Missing, e));
        let before = place.resume.as_ref().map(|resume| read(&resume.checkpoint)).transpose()?;
        let quarantined = before.as_ref().map(|part| part.quarantined.clone()).unwrap_or_default();
        checkpoint::claim(&place.run_dir).map_err(failed)?;
        Ok(Self { run_dir: place.run_dir.clone(), before, quarantined, waiting: VecDeque::new(), warned: false })
    }

    /// The part of the checkpoint the run goes on from.
    pub(crate) fn before(&self) -> Option<&ReportPart> {
        self.before.as_ref()
    }

    /// Takes note of the clips that credits say are quarantined.
    pub(crate) fn credited(&mut self, credits: &RecordBatch) -> Result<(), String> {
        let (usable, clips) = (schema::int64(credits, "usable")?, schema::utf8(credits, "clip")?);
        for row in 0..credits.num_rows() {
            let clip = clips.value(row);
            if usable.value(row) == 0 && !self.quarantined.iter().any(|known| known == clip) {
                self.quarantined.push(clip.to_owned());
            }
        }
        Ok(())
    }

    /// Takes a checkpoint message: it counts the rows that are here now.
    pub(crate) fn add(&mut self, message: &Message, tables: &Tables) -> Result<(), NodeError> {
        let mark = Mark::read(&message.batch).map_err(|e| NodeError::contract(&message.input, e))?;
        let mut rows: BTreeMap<String, u64> = tables.totals();
        rows.insert(Table::Checkpoints.name().to_owned(), mark.checkpoint_rows);
        let Header { epoch, split, .. } = message.header;
        let pass = (epoch, split.to_string(), mark.done);
        let part = ReportPart { items: mark.items, pass, rows, quarantined: self.quarantined.clone() };
        self.waiting.push_back((mark, part));
        Ok(())
    }

    /// Nodes of several machines may not see one folder: the run goes on, but cannot be resumed.
    fn warn(&mut self, problem: &str) {
        if !std::mem::replace(&mut self.warned, true) {
            Event::warning(format!(
                "no checkpoint can be completed, so this run could not be resumed: {problem}; all nodes must see one folder \
                 of the run (COPL_RUN_DIR)"
            ))
            .emit();
        }
    }

    /// Completes the checkpoints that have all their rows.
    pub(crate) fn complete(&mut self, tables: &mut Tables) -> Result<(), NodeError> {
        while let Some((mark, part)) = self.waiting.pop_front() {
            let have = tables.totals();
            if part.rows.iter().any(|(table, rows)| have.get(table).is_none_or(|have| have < rows)) {
                self.waiting.push_front((mark, part));
                return Ok(());
            }
            tables.flush().map_err(disk)?;
            let folder = checkpoint::partial(&self.run_dir, &mark.name).map_err(failed)?;
            if let Some(part) = mark.parts.iter().find(|part| !folder.join(part).is_file()) {
                self.warn(&format!("{} has no {part}", folder.display()));
                checkpoint::abandon(&self.run_dir, &mark.name).map_err(failed)?;
                continue;
            }
            checkpoint::write_part(&folder, ReportPart::FILE, &part).map_err(failed)?;
            checkpoint::commit(&self.run_dir, &mark.name).map_err(failed)?;
            let path = folder.with_file_name(&mark.name).display().to_string();
            Event::Checkpoint { path, requested: mark.requested }.emit();
        }
        Ok(())
    }
}
