//! Node `report-writer`: writes the tables of a run, and returns a credit for every clip whose row it has.
//!
//! Any number of `report_*` inputs carry rows of any table; the message's header names it. A `samples` row frees a place
//! in the clip source's window: its credit goes back at once, before anything is written, so the graph does not wait for
//! the disk. Rows are on disk within `FLUSH_SECS`, and always at the end of a pass; when all inputs have ended, each
//! table becomes one file. A checkpoint is whole when all rows before it are on disk.

mod checkpoints;
mod convert;
mod disk;
mod tables;

use std::time::Duration;

use checkpoints::Checkpoints;
use copl_contract::schema::{self, BatchBuilder, Schema};
use copl_contract::settings::{Settings, within};
use copl_contract::spec::REPORT_TABLES;
use copl_contract::{EdgeSpec, Edges, Kind, Message, Node, NodeError, NodeSpec, Polled};
use disk::disk;
use tables::Tables;

copl_contract::settings! {
    /// Settings of `report-writer`.
    pub struct ReportWriterSettings {
        "FLUSH_SECS" flush_secs: f64 = "2", "Seconds after which rows are on disk at the latest, and others can read them.";
        "FLUSH_ROWS" flush_rows: usize = "2000", "Rows after which a table is written even sooner.";
        "PART_ROWS" part_rows: usize = "20000", "Rows of a part file before the next one begins.";
    }
}

/// The node.
#[derive(Debug)]
pub struct ReportWriter;

impl Node for ReportWriter {
    type Settings = ReportWriterSettings;

    fn spec() -> NodeSpec {
        NodeSpec {
            name: "report-writer",
            about: "writes the run's Parquet tables; returns a credit for every clip it has a row of",
            settings: ReportWriterSettings::specs(),
            inputs: vec![
                EdgeSpec::required("report", REPORT_TABLES, "rows of any table; one such input a reporting node")
                    .many(),
            ],
            outputs: vec![
                EdgeSpec::required(
                    "credits",
                    &[Schema::Credits],
                    "one row for every row of `samples`, as soon as it is here",
                )
                .feedback(),
            ],
            check: |env| {
                let settings = ReportWriterSettings::from_env(env)?;
                within("FLUSH_ROWS", settings.flush_rows, 1..=1_000_000_000)?;
                within("PART_ROWS", settings.part_rows, 1..=1_000_000_000)?;
                match settings.flush_secs {
                    s if s.is_finite() && s > 0.0 => Ok(()),
                    s => Err(("FLUSH_SECS".to_owned(), format!("{s} is no time: more than 0 seconds are needed"))),
                }
            },
        }
    }

    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError> {
        let every = Duration::from_secs_f64(settings.flush_secs);
        let mut checkpoints = Checkpoints::open(edges.place())?;
        let mut tables =
            Tables::open(&edges.place().run_dir, settings.part_rows, checkpoints.before()).map_err(disk)?;
        loop {
            let polled = edges.poll(tables.due_in(every))?;
            let end_of_pass = match &polled {
                Polled::Message(message) if message.header.kind == Kind::Checkpoint => {
                    checkpoints.add(message, &tables)?;
                    checkpoints.complete(&mut tables)?;
                    false
                }
                Polled::Message(message) => {
                    let end = take(edges, &mut tables, &mut checkpoints, message)?;
                    checkpoints.complete(&mut tables)?;
                    end
                }
                Polled::Idle => false,
                Polled::Closed => break,
            };
            edges.state("writing the report");
            if end_of_pass || tables.due_in(every).is_zero() {
                tables.flush().map_err(disk)?;
            } else {
                tables.flush_large(settings.flush_rows).map_err(disk)?;
            }
        }
        edges.state("joining the report's parts");
        tables.finish().map_err(disk)
    }
}

/// Takes a message: credits first, then its rows. Says whether it ends a pass.
fn take(
    edges: &mut Edges,
    tables: &mut Tables,
    checkpoints: &mut Checkpoints,
    message: &Message,
) -> Result<bool, NodeError> {
    let header = &message.header;
    // A quarantined clip may be reported by its tombstone: the same rows.
    let (Kind::Data | Kind::Tombstone, Some(schema)) = (header.kind, header.schema) else {
        return Ok(header.kind == Kind::Boundary);
    };
    if schema == Schema::Samples {
        let credits = credits(message).map_err(|e| NodeError::contract(&message.input, e))?;
        checkpoints.credited(&credits.1).map_err(|e| NodeError::contract(&message.input, e))?;
        edges.send("credits", header.with_kind(Kind::Data), credits)?;
    }
    let rows = convert::rows(schema, message).map_err(|e| NodeError::contract(&message.input, e))?;
    tables.append(&rows).map_err(|e| NodeError::contract(&message.input, e))?;
    // Nodes tell of their time when a pass is over.
    Ok(schema == Schema::Nodes)
}

fn credits(message: &Message) -> Result<(Schema, arrow::array::RecordBatch), String> {
    let batch = &message.batch;
    let (position, status) = (schema::int64(batch, "position")?, schema::utf8(batch, "status")?);
    let clips = schema::utf8(batch, "clip")?;
    BatchBuilder::new(Schema::Credits)
        .int64(position.values().iter().copied())
        .int64((0..batch.num_rows()).map(|i| i64::from(status.value(i) != "quarantined")))
        .utf8((0..batch.num_rows()).map(|i| clips.value(i)))
        .build()
}

#[cfg(test)]
mod tests;
