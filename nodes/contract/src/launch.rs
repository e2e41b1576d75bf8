//! From a process started by the engine to a running node, and from its end to an exit code.

use crate::dora;
use crate::edges::Edges;
use crate::error::{ExitCode, NodeError};
use crate::events::{Event, Heartbeat};
use crate::memory;
use crate::recording::Recorder;
use crate::settings::Settings;
use crate::spec::NodeSpec;

/// Stack of a node's thread. Candle's gradient walk recurses over the graph, thousands of operations deep; pages that
/// are not touched cost nothing.
const STACK_BYTES: usize = 1 << 30;

/// A node: settings, a description, and what it does with its edges.
pub trait Node {
    /// Its settings.
    type Settings: Settings;

    /// Its description.
    fn spec() -> NodeSpec;

    /// Does the node's work until its inputs end. END records and the orderly exit are [`launch`]'s.
    ///
    /// # Errors
    /// Whatever stops the node before the end of its streams.
    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError>;
}

/// Runs the node in this process and exits with the code of [`ExitCode`].
pub fn launch<N: Node + 'static>() -> ! {
    memory::keep();
    let code = std::thread::Builder::new()
        .name(N::spec().name.to_owned())
        .stack_size(STACK_BYTES)
        .spawn(run::<N>)
        .map_err(|e| NodeError::failed(ExitCode::Internal, format!("cannot start the node's thread: {e}")))
        .and_then(|thread| {
            thread.join().unwrap_or_else(|_| {
                Err(NodeError::failed(ExitCode::Internal, "the node panicked; see the lines above"))
            })
        });
    let code = match code {
        Ok(()) => {
            Event::Finished.emit();
            ExitCode::Success
        }
        Err(error) => {
            let code = error.exit_code();
            Event::Failed { code: code.code(), message: error.to_string() }.emit();
            if code != ExitCode::Upstream {
                eprintln!("{}: {error}", N::spec().name);
            }
            code
        }
    };
    std::process::exit(code.code())
}

fn run<N: Node>() -> Result<(), NodeError> {
    let spec = N::spec();
    // The engine lets nobody begin before all are ready: who is silent until then is the one that keeps them waiting.
    Event::Started { pid: std::process::id() }.emit();
    let heartbeat = Heartbeat::start();
    heartbeat.state("waiting for the other nodes");
    // dora's error says nothing of its cause, which is a node that left.
    let unready = |e: NodeError| NodeError::Upstream(format!("not all nodes got ready ({e})"));
    let connection = dora::connect().map_err(unready)?;
    heartbeat.state("starting");
    let setting = |(key, problem)| NodeError::Setting { key, problem };
    let mut env = connection.env;
    let record = env.remove("COPL_RECORD");
    let settings = N::Settings::from_env(&env).map_err(setting)?;
    (spec.check)(&env).map_err(setting)?;
    let recorder = record
        .map(|folder| Recorder::create(std::path::Path::new(&folder), &connection.place.node))
        .transpose()
        .map_err(|e| NodeError::failed(ExitCode::Internal, e))?;
    let transport = Box::new(connection.transport);
    let spec = spec.settled(&env);
    let mut edges = Edges::new(transport, connection.place, &spec, &connection.inputs, &connection.outputs)?;
    edges.attach(heartbeat, recorder);
    N::run(settings, &mut edges)?;
    edges.finish()
}
