//! The transport of a running dataflow: dora.

use std::path::PathBuf;
use std::time::Duration;

use arrow::array::ArrayRef;
use dora_node_api::{DoraArray, DoraNode, Event, EventStream, MetadataParameters, Parameter, StopCause};

use crate::edges::{Place, Raw, Resume, Transport};
use crate::error::NodeError;
use crate::settings::Env;

/// A message with this parameter carries its Arrow schema whole. Without it dora 1.1 sends the schema of a small message
/// once; a receiver remembers the last eight, shapes of tensors being part of a schema, and drops, without a word, a small
/// message whose schema it has forgotten.
const OWN_SCHEMA: &str = "request_id";

/// A node's connection, with what its dataflow says of it.
pub(crate) struct Connection {
    pub(crate) transport: DoraTransport,
    pub(crate) place: Place,
    pub(crate) env: Env,
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
}

pub(crate) struct DoraTransport {
    node: DoraNode,
    events: EventStream,
}

/// Connects to the engine that started this process.
///
/// Settings are read from the dataflow's own `env:` map, not from the process environment, so that a variable of the
/// user's shell never becomes a setting.
pub(crate) fn connect() -> Result<Connection, NodeError> {
    let engine = |e: dora_node_api::NodeError| NodeError::Engine(e.to_string());
    let (node, events) = DoraNode::init_from_env_force().map_err(engine)?;
    let id = node.id().to_string();
    let descriptor = node.dataflow_descriptor().map_err(engine)?;
    let own = descriptor
        .nodes
        .iter()
        .find(|n| n.id.to_string() == id)
        .ok_or_else(|| NodeError::Engine(format!("the dataflow does not hold node `{id}`")))?;
    let mut env: Env = own.env.iter().flatten().map(|(k, v)| (k.clone(), v.to_string())).collect();
    let config = node.node_config();
    let inputs = config.inputs.keys().map(ToString::to_string).collect();
    let outputs = config.outputs.iter().map(ToString::to_string).collect();
    let run = env.remove("COPL_RUN").unwrap_or_else(|| node.dataflow_id().to_string());
    let run_dir = env.remove("COPL_RUN_DIR").map_or_else(|| PathBuf::from("runs").join(&run), PathBuf::from);
    let data_fingerprint = env.remove("COPL_DATA");
    let resume = env.remove("COPL_RESUME").map(|folder| Resume { checkpoint: PathBuf::from(folder), data_fingerprint });
    let place = Place { node: id, run, run_dir, resume };
    Ok(Connection { transport: DoraTransport { node, events }, place, env, inputs, outputs })
}

impl Transport for DoraTransport {
    fn next(&mut self, timeout: Duration) -> Raw {
        match self.events.recv_timeout(timeout) {
            None => Raw::Ended,
            Some(Event::Input { id, metadata, data }) => {
                Raw::Input { id: id.to_string(), parameters: metadata.parameters, data: data.into_inner() }
            }
            Some(Event::InputClosed { id }) => Raw::Closed(id.to_string()),
            Some(Event::NodeFailed { source_node_id, error, .. }) => {
                Raw::Failed { node: source_node_id.to_string(), error }
            }
            Some(Event::Stop(StopCause::Manual)) => Raw::Interrupted,
            // dora reports a time-out as an error with this text.
            Some(Event::Error(e)) if e.contains("Receiver timed out") => Raw::Idle,
            Some(Event::Error(e)) => Raw::Error(e),
            Some(_) => Raw::Idle,
        }
    }

    fn send_array(&mut self, output: &str, mut parameters: MetadataParameters, data: ArrayRef) -> Result<(), String> {
        let data = DoraArray::from_array(data);
        parameters.entry(OWN_SCHEMA.to_owned()).or_insert_with(|| Parameter::String("schema".to_owned()));
        self.node.send_output(output.to_owned().into(), parameters, data).map_err(|e| e.to_string())
    }
}
