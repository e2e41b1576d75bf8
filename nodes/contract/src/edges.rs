//! A node's edges: receiving with every check the contract asks for, sending in numbered order, and a clean end.
//!
//! - Messages are taken in the order they were sent, whatever order they arrive in. One that is lost, comes twice, or is of
//!   another run, version or schema is an error ([`NodeError::Contract`]).
//! - An upstream node that fails or leaves without its END record is an error ([`NodeError::Upstream`]), found within
//!   seconds, so no node waits for a message that will never come.
//! - [`Edges::finish`] sends END and waits until the graph upstream has closed: dora may drop the tail of a stream whose
//!   producer exits at once, so a producer leaves only when everything has arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, NullArray, RecordBatch, StructArray};
use dora_node_api::MetadataParameters;

use crate::checkpoint::ReportPart;
use crate::error::NodeError;
use crate::events::{Heartbeat, ProgressMeter};
use crate::header::{Header, Kind, Split};
use crate::message::Message;
use crate::own_time::OwnTime;
use crate::payload;
use crate::recording::Recorder;
use crate::schema::Schema;
use crate::sequence::Sequence;
use crate::spec::{EdgeSpec, NodeSpec};
use crate::stats::Stats;

/// How long a closed input may take to deliver its END record.
const CLOSED_GRACE: Duration = Duration::from_secs(3);
/// How often a waiting node looks whether an input has closed without END.
const WAKE: Duration = Duration::from_millis(500);
/// How long a finished node waits for the graph upstream to close.
const FINISH_GRACE: Duration = Duration::from_secs(60);

/// What a transport delivers.
pub(crate) enum Raw {
    Input { id: String, parameters: MetadataParameters, data: ArrayRef },
    Closed(String),
    Failed { node: String, error: String },
    Interrupted,
    Idle,
    Ended,
    Error(String),
}

/// What carries messages: dora, or recorded messages in a test.
pub(crate) trait Transport {
    /// The next happening, or [`Raw::Idle`] after `timeout`.
    fn next(&mut self, timeout: Duration) -> Raw;
    /// Sends an array with these parameters.
    fn send_array(&mut self, output: &str, parameters: MetadataParameters, data: ArrayRef) -> Result<(), String>;
    /// Sends a message.
    fn send(&mut self, output: &str, header: &Header, batch: Option<&RecordBatch>) -> Result<(), String> {
        let data: ArrayRef = match batch {
            Some(batch) => Arc::new(StructArray::from(batch.clone())),
            None => Arc::new(NullArray::new(0)),
        };
        self.send_array(output, header.to_parameters(), data)
    }
}

/// What [`Edges::poll`] found.
#[derive(Debug)]
pub enum Polled {
    /// A message.
    Message(Message),
    /// Nothing within the time given.
    Idle,
    /// Every input has ended.
    Closed,
}

struct Input {
    spec: EdgeSpec,
    sequence: Sequence<ArrayRef>,
    /// Since its producer has gone.
    closed: Option<OwnTime>,
    /// Rows of its last data message, for one that repeats them.
    latest: Option<(Schema, RecordBatch)>,
}

/// What a node is called and where its run's files go.
#[derive(Clone, Debug)]
pub struct Place {
    /// Node id in the dataflow.
    pub node: String,
    /// Run id.
    pub run: String,
    /// Folder of the run's files.
    pub run_dir: PathBuf,
    /// Where the run goes on from, if it was cut before.
    pub resume: Option<Resume>,
}

/// What a run that was cut goes on from.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// The checkpoint's folder.
    pub checkpoint: PathBuf,
    /// Fingerprint of the dataset the run began with, where it is known.
    pub data_fingerprint: Option<String>,
}

/// The edges of a running node.
pub struct Edges {
    transport: Box<dyn Transport>,
    place: Place,
    inputs: BTreeMap<String, Input>,
    outputs: BTreeMap<String, u64>,
    declared: Vec<EdgeSpec>,
    ended_outputs: BTreeSet<String>,
    stats: Stats,
    heartbeat: Option<Heartbeat>,
    recorder: Option<Recorder>,
}

impl std::fmt::Debug for Edges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edges").field("place", &self.place).field("outputs", &self.outputs).finish_non_exhaustive()
    }
}

impl Edges {
    pub(crate) fn new(
        transport: Box<dyn Transport>,
        place: Place,
        spec: &NodeSpec,
        inputs: &[String],
        outputs: &[String],
    ) -> Result<Self, NodeError> {
        let mut connected = BTreeMap::new();
        for name in inputs {
            let spec = spec
                .input(name)
                .ok_or_else(|| NodeError::contract(name, format!("{} has no such input", spec.name)))?;
            connected.insert(
                name.clone(),
                Input { spec: spec.clone(), sequence: Sequence::default(), closed: None, latest: None },
            );
        }
        for edge in spec.inputs.iter().filter(|e| !e.optional) {
            if !inputs.iter().any(|n| edge.answers_to(n)) {
                return Err(NodeError::contract(edge.name, format!("this input of {} is not connected", spec.name)));
            }
        }
        for name in outputs {
            spec.output(name).ok_or_else(|| NodeError::contract(name, format!("{} has no such output", spec.name)))?;
        }
        Ok(Self {
            transport,
            place,
            inputs: connected,
            outputs: outputs.iter().map(|o| (o.clone(), 0)).collect(),
            declared: spec.outputs.clone(),
            ended_outputs: BTreeSet::new(),
            stats: Stats::default(),
            heartbeat: None,
            recorder: None,
        })
    }

    pub(crate) fn attach(&mut self, heartbeat: Heartbeat, recorder: Option<Recorder>) {
        self.heartbeat = Some(heartbeat);
        self.recorder = recorder;
    }

    /// What the node is called and where the run's files go.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// A meter of this node's progress; of a run that goes on it begins where that stands.
    pub fn progress(&self) -> ProgressMeter {
        let part = self.place.resume.as_ref().map(|resume| ReportPart::read(&resume.checkpoint));
        // A checkpoint that cannot be read is an error of the nodes that need more of it.
        part.and_then(Result::ok).map_or_else(ProgressMeter::default, |part| part.progress())
    }

    /// Whether the dataflow declares this output.
    pub fn has_output(&self, name: &str) -> bool {
        self.outputs.contains_key(name)
    }

    /// Names of the connected inputs.
    pub fn input_names(&self) -> impl Iterator<Item = &str> {
        self.inputs.keys().map(String::as_str)
    }

    /// Time and items of this node; the node adds its arithmetic with [`Stats::compute`].
    pub fn stats(&mut self) -> &mut Stats {
        &mut self.stats
    }

    /// Tells the heartbeat what the node does now.
    pub fn state(&self, what: &'static str) {
        if let Some(h) = &self.heartbeat {
            h.state(what);
        }
    }

    /// Whether every input has delivered its END record.
    pub fn all_ended(&self) -> bool {
        self.inputs.values().all(|i| i.sequence.ended())
    }

    /// Whether every input that is no feedback has delivered its END record. A node in a cycle ends its work here: the
    /// feedback ends only after the node's own outputs have.
    pub fn forward_ended(&self) -> bool {
        self.inputs.values().filter(|i| !i.spec.feedback).all(|i| i.sequence.ended())
    }

    /// Waits for the next message; `None` when every input has ended.
    ///
    /// # Errors
    /// A broken contract, a failed upstream node, or an interruption.
    pub fn recv(&mut self) -> Result<Option<Message>, NodeError> {
        loop {
            match self.poll(WAKE)? {
                Polled::Message(m) => return Ok(Some(m)),
                Polled::Closed => return Ok(None),
                Polled::Idle => {}
            }
        }
    }

    /// Waits for the next message, at most `timeout`.
    ///
    /// # Errors
    /// As [`Edges::recv`].
    pub fn poll(&mut self, timeout: Duration) -> Result<Polled, NodeError> {
        if self.all_ended() {
            return Ok(Polled::Closed);
        }
        if let Some(message) = self.turn()? {
            return Ok(Polled::Message(message));
        }
        self.state("waiting for messages");
        let start = Instant::now();
        let raw = self.transport.next(timeout.min(WAKE));
        self.stats.waited(start.elapsed());
        self.state("working");
        if self.happened(raw)? {
            return match self.inputs.iter().find(|(_, i)| !i.sequence.ended()) {
                Some((name, _)) => Err(closed_early(name)),
                None => Ok(Polled::Closed),
            };
        }
        Ok(self.turn()?.map_or(Polled::Idle, Polled::Message))
    }

    /// Takes what the transport delivers; true if nothing more will come.
    fn happened(&mut self, raw: Raw) -> Result<bool, NodeError> {
        match raw {
            Raw::Input { id, parameters, data } => self.arrive(&id, &parameters, data)?,
            Raw::Closed(id) => {
                if let Some(input) = self.inputs.get_mut(&id) {
                    input.closed = Some(OwnTime::start());
                }
            }
            Raw::Failed { node, error } => return Err(NodeError::Upstream(format!("node `{node}` failed: {error}"))),
            Raw::Interrupted => return Err(NodeError::Interrupted),
            Raw::Error(e) => return Err(NodeError::Engine(e)),
            Raw::Idle => self.check_closed()?,
            Raw::Ended => return Ok(true),
        }
        Ok(false)
    }

    fn check_closed(&mut self) -> Result<(), NodeError> {
        let late =
            |i: &mut Input| !i.sequence.ended() && i.closed.as_mut().is_some_and(|time| time.tick() > CLOSED_GRACE);
        let Some((name, input)) = self.inputs.iter_mut().find_map(|(name, i)| late(i).then_some((name, i))) else {
            return Ok(());
        };
        Err(input.sequence.lost().map_or_else(|| closed_early(name), |problem| NodeError::contract(name, problem)))
    }

    /// Takes a message as it arrives.
    fn arrive(&mut self, id: &str, parameters: &MetadataParameters, data: ArrayRef) -> Result<(), NodeError> {
        let broken = |problem: String| NodeError::contract(id, problem);
        let header = Header::from_parameters(parameters).map_err(broken)?;
        if header.run != self.place.run {
            return Err(broken(format!("a message of run {}, this is run {}", header.run, self.place.run)));
        }
        let input =
            self.inputs.get_mut(id).ok_or_else(|| broken("a message on an input that is not declared".to_owned()))?;
        input.sequence.add(header, data).map_err(broken)
    }

    /// The next message of any input whose turn has come, checked.
    fn turn(&mut self) -> Result<Option<Message>, NodeError> {
        for (id, input) in &mut self.inputs {
            input.sequence.check().map_err(|problem| NodeError::contract(id, problem))?;
            if let Some((header, data)) = input.sequence.turn() {
                let id = id.clone();
                return self.accept(id, header, &data).map(Some);
            }
        }
        Ok(None)
    }

    fn accept(&mut self, id: String, mut header: Header, data: &ArrayRef) -> Result<Message, NodeError> {
        let broken = |problem: String| NodeError::Contract { edge: id.clone(), problem };
        let input = self.inputs.get_mut(&id).ok_or_else(|| broken("no such input".to_owned()))?;
        let batch = match header.kind {
            Kind::Boundary | Kind::End => RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty())),
            Kind::Repeat => {
                let Some((schema, batch)) = input.latest.clone() else {
                    return Err(broken("a message that repeats another, and none before it".to_owned()));
                };
                header = Header { kind: Kind::Data, schema: Some(schema), ..header };
                self.stats.item();
                batch
            }
            Kind::Data | Kind::Tombstone | Kind::Checkpoint => {
                let schema = header.schema.ok_or_else(|| broken("a payload without a schema".to_owned()))?;
                let accepted = match header.kind {
                    Kind::Tombstone => schema == Schema::Quarantine,
                    Kind::Checkpoint => schema == Schema::Checkpoint && input.spec.carries_checkpoints(),
                    _ => input.spec.schemas.contains(&schema),
                };
                if !accepted {
                    return Err(broken(format!("a `{}` message does not belong here", schema.name())));
                }
                let batch = payload::rows(schema, data).map_err(&broken)?;
                if header.kind == Kind::Data {
                    input.latest = Some((schema, batch.clone()));
                }
                if !input.spec.feedback {
                    self.stats.item();
                }
                batch
            }
        };
        let message = Message { input: id, header, batch };
        if let Some(recorder) = &mut self.recorder {
            recorder.record(&message).map_err(|e| NodeError::failed(crate::ExitCode::Internal, e))?;
        }
        Ok(message)
    }

    /// Sends rows on an output; an output the dataflow does not declare swallows them.
    ///
    /// # Errors
    /// If the schema does not belong on this output, or the engine refuses.
    pub fn send(
        &mut self,
        output: &str,
        header: Header,
        (schema, batch): (Schema, RecordBatch),
    ) -> Result<(), NodeError> {
        let belongs = matches!(header.kind, Kind::Tombstone | Kind::Checkpoint)
            || self.declared.iter().any(|e| e.answers_to(output) && e.schemas.contains(&schema));
        if !belongs {
            return Err(NodeError::contract(output, format!("a `{}` message does not belong here", schema.name())));
        }
        self.send_raw(output, Header { schema: Some(schema), ..header }, Some(&batch))
    }

    /// Sends what the last [`Kind::Data`] message of an output carried once more, for the clip of `header`, without
    /// sending its rows again.
    ///
    /// # Errors
    /// If the engine refuses.
    pub fn send_again(&mut self, output: &str, header: &Header) -> Result<(), NodeError> {
        self.send_raw(output, header.with_kind(Kind::Repeat), None)
    }

    /// Sends a boundary.
    ///
    /// # Errors
    /// If the engine refuses.
    pub fn send_boundary(&mut self, output: &str, epoch: u32, split: Split) -> Result<(), NodeError> {
        self.send_raw(output, Header::new(Kind::Boundary, epoch, split), None)
    }

    /// Ends an output's stream; nothing may follow.
    ///
    /// # Errors
    /// If the engine refuses.
    pub fn send_end(&mut self, output: &str) -> Result<(), NodeError> {
        if !self.outputs.contains_key(output) || !self.ended_outputs.insert(output.to_owned()) {
            return Ok(());
        }
        self.send_raw(output, Header::new(Kind::End, 0, Split::Train), None)
    }

    fn send_raw(&mut self, output: &str, header: Header, batch: Option<&RecordBatch>) -> Result<(), NodeError> {
        let Some(next) = self.outputs.get_mut(output) else { return Ok(()) };
        let header = Header { seq: *next, run: self.place.run.clone(), ..header };
        *next += 1;
        self.transport.send(output, &header, batch).map_err(NodeError::Engine)
    }

    /// Number of the next message of an output.
    pub fn next_number(&self, output: &str) -> u64 {
        self.outputs.get(output).copied().unwrap_or_default()
    }

    /// Passes over the next number of an output, as if a message were lost on its way; for the same tests as
    /// [`Edges::send_unchecked`].
    pub fn skip_number(&mut self, output: &str) {
        if let Some(next) = self.outputs.get_mut(output) {
            *next += 1;
        }
    }

    /// Sends an array as it is: without a check, without counting it, without a header where none is given. It is what a
    /// broken node does, for tests of what becomes of a run then.
    ///
    /// # Errors
    /// If the engine refuses.
    pub fn send_unchecked(&mut self, output: &str, header: Option<Header>, data: ArrayRef) -> Result<(), NodeError> {
        let run = self.place.run.clone();
        let parameters = header.map(|header| Header { run, ..header }.to_parameters()).unwrap_or_default();
        self.transport.send_array(output, parameters, data).map_err(NodeError::Engine)
    }

    /// Sends one row on how this node spent the pass, if it has a `report` output.
    ///
    /// # Errors
    /// If the engine refuses.
    pub fn report_pass(&mut self, epoch: u32, split: Split) -> Result<(), NodeError> {
        let row = self.stats.take_row(&self.place.node).map_err(|e| NodeError::contract("report", e))?;
        if self.has_output("report") { self.send("report", Header::new(Kind::Data, epoch, split), row) } else { Ok(()) }
    }

    /// Sends END on every output that has not ended, and waits until all of it has arrived.
    ///
    /// # Errors
    /// A broken contract or a failed node.
    pub fn finish(&mut self) -> Result<(), NodeError> {
        for output in self.outputs.keys().cloned().collect::<Vec<_>>() {
            self.send_end(&output)?;
        }
        let mut time = OwnTime::start();
        let settled = |i: &Input| i.sequence.ended() && (i.spec.feedback || i.closed.is_some());
        while !self.inputs.values().all(settled) {
            if time.tick() > FINISH_GRACE {
                return Err(NodeError::Stalled(
                    "the graph upstream did not close after the end of the streams".to_owned(),
                ));
            }
            self.state("finishing");
            let raw = self.transport.next(WAKE);
            if self.happened(raw)? {
                return Ok(());
            }
            while self.turn()?.is_some() {}
        }
        Ok(())
    }
}

fn closed_early(input: &str) -> NodeError {
    NodeError::Upstream(format!("input `{input}` closed without its END record"))
}
