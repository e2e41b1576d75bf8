//! Node `clip-source`: reads a dataset and streams its clips, split by split and epoch by epoch.
//!
//! The task of the dataset decides the schema of a clip's row. For every epoch: the training clips in a permutation that
//! is a function of (seed, epoch), the questions about one video together, then the validation clips;
//! after the last epoch the test clips once, with the model the validation split picked. At most `WINDOW` clips are under
//! way ([`copl_contract::credits`]). A clip counts as read until its row is in the report: trained, evaluated or
//! quarantined. More than `MAX_BAD_FRACTION` of the clips of a split quarantined stops the run.

mod bad_clips;
mod plan;
mod resumed;
mod rows;
mod settings;

use std::path::Path;
use std::time::Duration;

use copl_contract::credits::Credits;
use copl_contract::events::Event;
use copl_contract::schema::{self, Schema};
use copl_contract::{EdgeSpec, Edges, ExitCode, Header, Kind, Message, Node, NodeError, NodeSpec, Polled};
use copl_datasets::{Clip, Dataset, Descriptor, MissingVideos, ReadOptions};
use copl_synth::Progress;

use bad_clips::{BadClips, BadClipsError};
use plan::{Plan, Step};
use resumed::Resumed;
pub use settings::{ClipSourceSettings, Missing};

/// The node.
#[derive(Debug)]
pub struct ClipSource;

impl Node for ClipSource {
    type Settings = ClipSourceSettings;

    fn spec() -> NodeSpec {
        use copl_contract::settings::Settings;
        NodeSpec {
            name: "clip-source",
            about: "reads a dataset and streams its clips, at most WINDOW under way",
            settings: ClipSourceSettings::specs(),
            inputs: vec![
                EdgeSpec::required("credits", &[Schema::Credits], "one row for every clip whose row is in the report")
                    .feedback(),
            ],
            outputs: vec![
                EdgeSpec::required(
                    "clips",
                    copl_contract::spec::CLIPS,
                    "the clips, in order; a tombstone for one whose masks cannot be read",
                ),
                EdgeSpec::optional("report", copl_contract::spec::REPORT_TABLES, "rows of the `nodes` table"),
            ],
            check: settings::check,
        }
    }

    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError> {
        let (dataset, description) = open(&settings)?;
        let plan = Plan::new(&dataset, &settings);
        if plan.clips.iter().sum::<u64>() == 0 {
            return Err(NodeError::failed(ExitCode::Data, "the dataset holds no clips"));
        }
        Event::Plan {
            dataset: dataset.name.clone(),
            epochs: settings.epochs,
            clips: plan.clips,
            fingerprint: dataset.fingerprint.clone(),
            description: Some(description),
        }
        .emit();
        let resumed = Resumed::find(edges.place(), &dataset, &plan)?;
        let mut progress = edges.progress();
        let mut source = Source {
            credits: Credits::new(settings.window),
            bad: BadClips::new(plan.of(&dataset), settings.max_bad_fraction)
                .known(&resumed.quarantined)
                .map_err(|e| NodeError::failed(ExitCode::Data, format!("the checkpoint does not fit: {e}")))?,
            stall: Duration::from_secs_f64(settings.stall_secs),
            position: resumed.position,
            classes: &dataset.classes,
            edges,
        };
        for step in plan.steps().skip(resumed.items) {
            match step {
                Step::Clip { epoch, split, index } => {
                    source.send(&dataset.clips[index], epoch, split)?;
                    progress.clip(epoch, split);
                }
                Step::Boundary { epoch, split } => {
                    progress.flush();
                    source.send_boundary(epoch, split)?;
                }
            }
        }
        source.drain()
    }
}

/// The dataset, and the fingerprint of its descriptor there.
fn open(settings: &ClipSourceSettings) -> Result<(Dataset, String), NodeError> {
    let failed = |e: &dyn std::fmt::Display| NodeError::failed(ExitCode::Data, e);
    let missing = match settings.missing_videos {
        Missing::Quarantine => MissingVideos::Keep,
        Missing::Refuse => MissingVideos::Refuse,
    };
    let descriptor = Descriptor::load(&settings.dataset).map_err(|e| failed(&e))?;
    if !settings.root.exists() {
        generate(&descriptor, &settings.root)?;
    }
    let dataset = descriptor.open(&settings.root, &ReadOptions { missing }).map_err(|e| failed(&e))?;
    let description = descriptor.fingerprint(&dataset.root).map_err(|e| failed(&e))?;
    Ok((dataset, description))
}

/// A set that is made, not downloaded, is made where it is not there: by one run, while others that start meanwhile wait for it.
fn generate(descriptor: &Descriptor, root: &Path) -> Result<(), NodeError> {
    let Some(generator) = descriptor.generator else { return Ok(()) };
    let mut tenths = 0;
    let mut tell = |told: Progress| match told {
        Progress::Waiting => {
            Event::info(format!("another process is making {}: waiting until it is done", root.display())).emit();
        }
        Progress::Clips { done: 0, .. } => {
            Event::info(format!("making the dataset {} in {}", descriptor.name, root.display())).emit();
        }
        Progress::Clips { done, total } => {
            let now = done * 10 / total.max(1);
            if now > tenths {
                tenths = now;
                Event::info(format!("{done} of {total} clips made")).emit();
            }
        }
    };
    let made = copl_synth::make(generator, root, &mut tell);
    made.map(|_| ()).map_err(|e| NodeError::failed(ExitCode::Data, e))
}

struct Source<'a> {
    edges: &'a mut Edges,
    credits: Credits,
    bad: BadClips,
    stall: Duration,
    position: u64,
    classes: &'a [String],
}

impl Source<'_> {
    fn send(&mut self, clip: &Clip, epoch: u32, split: copl_contract::Split) -> Result<(), NodeError> {
        while !self.credits.available() {
            self.take_credits()?;
        }
        self.credits.take(self.position).map_err(|e| NodeError::contract("clips", e))?;
        let header = Header { position: self.position, clip: clip.id.clone(), ..Header::new(Kind::Data, epoch, split) };
        self.position += 1;
        let (kind, row) = match rows::row(clip, self.classes) {
            Ok(row) => (Kind::Data, row),
            Err(rows::NoRow::Bad(bad)) => (Kind::Tombstone, rows::tombstone(clip, &self.edges.place().node, &bad)),
            Err(rows::NoRow::Data(problem)) => return Err(NodeError::failed(ExitCode::Data, problem)),
        };
        self.edges.send("clips", header.with_kind(kind), row.map_err(|e| NodeError::contract("clips", e))?)
    }

    fn send_boundary(&mut self, epoch: u32, split: copl_contract::Split) -> Result<(), NodeError> {
        while !self.credits.boundary_available() {
            self.take_credits()?;
        }
        self.credits.take_boundary(self.position).map_err(|e| NodeError::contract("clips", e))?;
        self.edges.send_boundary("clips", epoch, split)?;
        self.edges.report_pass(epoch, split)
    }

    fn take_credits(&mut self) -> Result<(), NodeError> {
        match self.edges.poll(Duration::from_millis(500))? {
            Polled::Message(message) => self.credit(&message),
            Polled::Closed => Err(NodeError::contract("credits", "the credits ended before the clips")),
            Polled::Idle if self.credits.unchanged_for() > self.stall => Err(NodeError::Stalled(format!(
                "{} clips are under way and none came back for {:.0} s: a message was lost or a node hangs",
                self.credits.in_flight(),
                self.stall.as_secs_f64()
            ))),
            Polled::Idle => Ok(()),
        }
    }

    fn credit(&mut self, message: &Message) -> Result<(), NodeError> {
        let broken = |e: String| NodeError::contract("credits", e);
        let positions = schema::int64(&message.batch, "position").map_err(broken)?;
        let usable = schema::int64(&message.batch, "usable").map_err(broken)?;
        let clips = schema::utf8(&message.batch, "clip").map_err(broken)?;
        for row in 0..message.batch.num_rows() {
            let position = u64::try_from(positions.value(row)).map_err(|e| broken(e.to_string()))?;
            self.credits.give_back(position).map_err(broken)?;
            if usable.value(row) == 0 {
                self.bad.add(clips.value(row)).map_err(|e| match e {
                    BadClipsError::TooMany { .. } => NodeError::failed(ExitCode::TooManyBadClips, e),
                    BadClipsError::Unknown(_) => broken(e.to_string()),
                })?;
            }
        }
        Ok(())
    }

    /// Waits until every clip's row is in the report.
    fn drain(&mut self) -> Result<(), NodeError> {
        while !self.credits.all_returned() {
            self.take_credits()?;
        }
        Ok(())
    }
}
