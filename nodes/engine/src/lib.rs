//! The dora engine, embedded: runs one dataflow in this process, without dora's command, a coordinator or an open port.
//!
//! A crate of its own, for its code takes minutes to compile. One dataflow a process: dora's Ctrl-C handling serves the
//! first only.
//!
//! Delivery is lossless in bounded memory only with credits and the zenoh settings of [`prepare_process`]; see
//! `docs/node-contract.md`, "Why nothing is lost".

use std::path::Path;

use dora_core::descriptor::DescriptorExt;
use dora_daemon::{Daemon, LogDestination, flume};
use dora_message::common::{LogLevelOrStdout, LogMessage, NodeErrorCause, NodeExitStatus};
use dora_message::descriptor::Descriptor;

pub mod shm;

/// Waits instead of dropping where a link is congested. dora's default drops after a millisecond, unreported.
///
/// No shared memory: zenoh gives up a buffer in it, and drops its message without a word, when a watchdog thread of the sender
/// was late by a tenth of a second, so a paused or starved run would lose messages (tests/delivery.rs).
///
/// A lease of ten minutes: after zenoh's own 10 s without a sign of life it closes the link, with the messages in it, and a
/// run that was stopped as a whole for longer would lose them (tests/pause.rs). That a process ended is seen by its socket.
const ZENOH_OVERLAY: &str = "{transport:{shared_memory:{enabled:false},link:{tx:{lease:600000,\
    queue:{size:{real_time:16},congestion_control:{drop:{wait_before_drop:3600000000,max_wait_before_drop_fragments:3600000000}}}}}}}";

/// Why the engine could not run a dataflow at all.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// dora does not accept the dataflow.
    #[error("dora refuses the dataflow: {0}")]
    Descriptor(String),
    /// The engine failed.
    #[error("the engine failed: {0}")]
    Engine(String),
    /// A file of the engine's could not be written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// A line a node wrote, or the engine wrote about it.
#[derive(Clone, Debug)]
pub struct Line {
    /// The node; empty for the engine's own lines.
    pub node: String,
    /// Whether the node wrote it to standard output or error; false for the engine's own words.
    pub from_node: bool,
    /// The text.
    pub text: String,
}

/// How a node ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEnd {
    /// With code 0.
    Success,
    /// With another code.
    Exit(i32),
    /// By a signal.
    Signal(i32),
    /// It was never started, or its end is unknown.
    Unknown(String),
}

/// A node and how it ended.
#[derive(Clone, Debug)]
pub struct NodeResult {
    /// Node id.
    pub node: String,
    /// How it ended.
    pub end: NodeEnd,
    /// When, in nanoseconds of the engine's clock; 0 for a success.
    pub time: u64,
    /// The last lines it wrote to standard error.
    pub stderr: String,
}

/// Settings of this process that dora and its nodes inherit: zenoh's queues, no shared memory, no drain watchdog, quiet logs.
///
/// # Errors
/// If the overlay file cannot be written to `folder`.
///
/// # Safety
/// Changes the process environment: call it before any thread is started.
pub unsafe fn prepare_process(folder: &Path) -> Result<(), EngineError> {
    let overlay = folder.join("zenoh.json5");
    #[allow(clippy::disallowed_methods, reason = "read by this process alone, which has just begun")]
    std::fs::write(&overlay, ZENOH_OVERLAY)?;
    let set = |key: &str, value: &std::ffi::OsStr| {
        if std::env::var_os(key).is_none() {
            // SAFETY: the caller promises that no other thread runs yet.
            unsafe { std::env::set_var(key, value) }
        }
    };
    set("DORA_ZENOH_CONFIG_OVERLAY", overlay.as_os_str());
    // Nor does dora put a payload into shared memory, from which zenoh would only copy it.
    set("DORA_ZERO_COPY_THRESHOLD", usize::MAX.to_string().as_ref());
    set("DORA_FINISH_DRAIN_GRACE_SECS", "off".as_ref());
    set("DORA_ZENOH_MULTICAST", "off".as_ref());
    set("RUST_LOG", "error".as_ref());
    // SAFETY: the caller's promise.
    unsafe { prepare_arithmetic() };
    Ok(())
}

/// The part of it that concerns arithmetic: candle's own threads, for a few elementwise operations, spin and take the cores
/// from those of the kernels; it gets one.
///
/// # Safety
/// Changes the process environment: call it before any thread is started.
pub unsafe fn prepare_arithmetic() {
    const KEY: &str = "CANDLE_NUM_THREADS";
    if std::env::var_os(KEY).is_none() {
        // SAFETY: the caller promises that no other thread runs yet.
        unsafe { std::env::set_var(KEY, "1") }
    }
}

/// Checks that dora itself accepts a dataflow, paths of nodes aside.
///
/// # Errors
/// dora's words.
pub fn validate(yaml: &str) -> Result<(), EngineError> {
    Descriptor::parse(yaml.as_bytes().to_vec()).map(|_| ()).map_err(|e| EngineError::Descriptor(format!("{e:#}")))
}

/// Runs a dataflow to its end. `path: copl` stands for this executable; relative paths start at `folder`. dora's own log
/// files of the nodes are moved to `logs`.
///
/// # Errors
/// If dora refuses the dataflow or fails; a node's failure is in its result.
pub fn run(
    yaml: &str,
    folder: &Path,
    logs: &Path,
    mut on_line: impl FnMut(Line) + Send + 'static,
) -> Result<Vec<NodeResult>, EngineError> {
    let mut descriptor =
        Descriptor::parse(yaml.as_bytes().to_vec()).map_err(|e| EngineError::Descriptor(format!("{e:#}")))?;
    let this = std::env::current_exe()?.display().to_string();
    for node in &mut descriptor.nodes {
        if node.path.as_deref() == Some("copl") {
            node.path = Some(this.clone());
        }
    }
    let (sender, receiver) = flume::unbounded::<LogMessage>();
    let lines = std::thread::spawn(move || {
        for message in receiver {
            on_line(Line {
                node: message.node_id.map(|n| n.to_string()).unwrap_or_default(),
                from_node: matches!(message.level, LogLevelOrStdout::Stdout),
                text: message.message,
            });
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(Daemon::run_dataflow_with(
        None,
        &folder.join("dataflow.yml"),
        None,
        None,
        dora_message::SessionId::generate(),
        false,
        LogDestination::Channel { sender },
        None,
        None,
        false,
        Some(folder.to_owned()),
        Some(descriptor),
        dora_daemon::RunDataflowOptions::default(),
    ));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    // The engine's senders are gone with the runtime; a panic in the line handler was printed by its thread.
    let _ = lines.join();
    let result = result.map_err(|e| EngineError::Engine(format!("{e:#}")))?;
    move_logs(&folder.join("out"), &result.uuid.to_string(), logs);
    Ok(result.node_results.into_iter().map(|(node, end)| node_result(node.to_string(), end)).collect())
}

/// dora writes a folder of logs beside the dataflow. What cannot be moved stays there: it is no part of the result.
fn move_logs(out: &Path, id: &str, logs: &Path) {
    if std::fs::rename(out.join(id), logs).is_ok() {
        let _ = std::fs::remove_dir(out);
    }
}

fn node_result(node: String, end: Result<(), dora_message::common::NodeError>) -> NodeResult {
    let Err(error) = end else {
        return NodeResult { node, end: NodeEnd::Success, time: 0, stderr: String::new() };
    };
    let stderr = match &error.cause {
        NodeErrorCause::Other { stderr } => stderr.clone(),
        _ => String::new(),
    };
    let end = match (&error.cause, &error.exit_status) {
        (NodeErrorCause::FailedToSpawn(why), _) => NodeEnd::Unknown(format!("could not be started: {why}")),
        (_, NodeExitStatus::Success) => NodeEnd::Unknown("left before it had its edges".to_owned()),
        (_, NodeExitStatus::ExitCode(code)) => NodeEnd::Exit(*code),
        (_, NodeExitStatus::Signal(signal)) => NodeEnd::Signal(*signal),
        (_, other) => NodeEnd::Unknown(format!("{other:?}")),
    };
    NodeResult { node, end, time: error.timestamp.get_time().as_u64(), stderr }
}
