//! A harness that runs a node against recorded messages, without a daemon.
//!
//! The node runs as in a dataflow, with every check of [`Edges`]; what it sends is collected. A node in a loop (a model
//! waits for gradients) gets its answers from a responder that sees each message the node sends.
//!
//! ```no_run
//! # use copl_contract::{testing::Harness, Node};
//! # fn example<N: Node>() -> Result<(), Box<dyn std::error::Error>> {
//! let messages = copl_contract::recording::read("model.messages".as_ref())?;
//! let sent = Harness::new().setting("SIZE", "64").messages(messages).outputs(&["frames"]).run::<N>()?;
//! assert_eq!(sent.len(), 12);
//! # Ok(())
//! # }
//! ```

pub mod odd;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, NullArray, RecordBatch, StructArray};
use dora_node_api::MetadataParameters;

use crate::edges::{Edges, Place, Raw, Resume, Transport};
use crate::error::NodeError;
use crate::header::{Header, Kind, Split};
use crate::launch::Node;
use crate::message::Message;
use crate::schema::Schema;
use crate::settings::{Env, Settings};

/// A message a node sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The output.
    pub output: String,
    /// Its header.
    pub header: Header,
    /// Its rows, if it has any.
    pub batch: Option<RecordBatch>,
}

/// An answer to a message the node sent: what arrives on its inputs next.
pub type Answer = (String, Header, Option<(Schema, RecordBatch)>);
type Responder = Box<dyn FnMut(&Sent) -> Vec<Answer>>;

/// Runs one node without a daemon.
#[derive(Default)]
pub struct Harness {
    env: Env,
    script: Vec<Answer>,
    inputs: Vec<String>,
    outputs: Vec<String>,
    responder: Option<Responder>,
    run_dir: Option<PathBuf>,
    resume: Option<Resume>,
}

impl std::fmt::Debug for Harness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Harness").field("env", &self.env).field("outputs", &self.outputs).finish_non_exhaustive()
    }
}

impl Harness {
    /// A node with no settings, inputs or outputs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a setting.
    pub fn setting(mut self, key: &str, value: impl ToString) -> Self {
        self.env.insert(key.to_owned(), value.to_string());
        self
    }

    /// Declares outputs, as a dataflow does.
    pub fn outputs(mut self, names: &[&str]) -> Self {
        self.outputs.extend(names.iter().map(|n| (*n).to_owned()));
        self
    }

    /// Connects an input, though nothing may arrive on it.
    pub fn input(mut self, name: &str) -> Self {
        if !self.inputs.iter().any(|i| i == name) {
            self.inputs.push(name.to_owned());
        }
        self
    }

    /// Files of the run go here.
    pub fn run_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.run_dir = Some(folder.into());
        self
    }

    /// Goes on from a checkpoint.
    pub fn resume(mut self, checkpoint: impl Into<PathBuf>) -> Self {
        self.resume = Some(Resume { checkpoint: checkpoint.into(), data_fingerprint: None });
        self
    }

    /// A message that arrives on `input`.
    pub fn message(self, input: &str, header: Header, payload: (Schema, RecordBatch)) -> Self {
        self.arrive(input, header, Some(payload))
    }

    /// A boundary or END that arrives on `input`.
    pub fn control(self, input: &str, kind: Kind, epoch: u32, split: Split) -> Self {
        self.arrive(input, Header::new(kind, epoch, split), None)
    }

    /// What arrived on `input` last, once more, for the clip of `header`.
    pub fn again(self, input: &str, header: &Header) -> Self {
        self.arrive(input, header.with_kind(Kind::Repeat), None)
    }

    /// Recorded messages, in their order.
    pub fn messages(mut self, messages: Vec<Message>) -> Self {
        for m in messages {
            let payload = m.header.schema.map(|s| (s, m.batch));
            self = self.arrive(&m.input, m.header, payload);
        }
        self
    }

    fn arrive(mut self, input: &str, header: Header, payload: Option<(Schema, RecordBatch)>) -> Self {
        self = self.input(input);
        self.script.push((input.to_owned(), header, payload));
        self
    }

    /// Answers messages the node sends.
    pub fn respond(mut self, responder: impl FnMut(&Sent) -> Vec<Answer> + 'static) -> Self {
        self.responder = Some(Box::new(responder));
        self
    }

    /// Runs the node to its end; returns all it sent.
    ///
    /// # Errors
    /// The node's error.
    pub fn run<N: Node>(self) -> Result<Vec<Sent>, NodeError> {
        let sent = Rc::new(RefCell::new(Vec::new()));
        let transport = Recorded {
            queue: self.script.into(),
            numbers: BTreeMap::new(),
            sent: sent.clone(),
            responder: self.responder,
            inputs: self.inputs.clone(),
            closed: 0,
        };
        let run_dir = self.run_dir.unwrap_or_else(|| std::env::temp_dir().join("copl-harness"));
        let place = Place { node: N::spec().name.to_owned(), run: "harness".to_owned(), run_dir, resume: self.resume };
        let setting = |(key, problem)| NodeError::Setting { key, problem };
        let settings = N::Settings::from_env(&self.env).map_err(setting)?;
        (N::spec().check)(&self.env).map_err(setting)?;
        let spec = N::spec().settled(&self.env);
        let mut edges = Edges::new(Box::new(transport), place, &spec, &self.inputs, &self.outputs)?;
        N::run(settings, &mut edges)?;
        edges.finish()?;
        drop(edges);
        Ok(Rc::try_unwrap(sent).map_or_else(|s| s.borrow().clone(), RefCell::into_inner))
    }
}

struct Recorded {
    queue: VecDeque<Answer>,
    numbers: BTreeMap<String, u64>,
    sent: Rc<RefCell<Vec<Sent>>>,
    responder: Option<Responder>,
    inputs: Vec<String>,
    closed: usize,
}

impl Transport for Recorded {
    fn next(&mut self, timeout: Duration) -> Raw {
        let Some((input, header, payload)) = self.queue.pop_front() else {
            // A node whose work is still under way (worker threads) polls again.
            std::thread::sleep(timeout.min(Duration::from_millis(2)));
            if self.closed < self.inputs.len() {
                self.closed += 1;
                return Raw::Closed(self.inputs[self.closed - 1].clone());
            }
            return Raw::Idle;
        };
        let number = self.numbers.entry(input.clone()).or_insert(0);
        let schema = payload.as_ref().map(|(s, _)| *s);
        let header = Header { seq: *number, run: "harness".to_owned(), schema, ..header };
        *number += 1;
        let data: arrow::array::ArrayRef = match payload {
            Some((_, batch)) => std::sync::Arc::new(StructArray::from(batch)),
            None => std::sync::Arc::new(NullArray::new(0)),
        };
        Raw::Input { id: input, parameters: header.to_parameters(), data: arrow::array::make_array(data.to_data()) }
    }

    fn send_array(&mut self, output: &str, _: MetadataParameters, _: ArrayRef) -> Result<(), String> {
        Err(format!("the harness takes messages of the contract alone, and `{output}` sent another"))
    }

    fn send(&mut self, output: &str, header: &Header, batch: Option<&RecordBatch>) -> Result<(), String> {
        let sent = Sent { output: output.to_owned(), header: header.clone(), batch: batch.cloned() };
        if let Some(responder) = &mut self.responder {
            self.queue.extend(responder(&sent));
        }
        self.sent.borrow_mut().push(sent);
        Ok(())
    }
}
