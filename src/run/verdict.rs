//! Which node failed first, how the command exits, and what it says.

use copl_contract::ExitCode;
use copl_engine::{NodeEnd, NodeResult};
use nix::sys::signal::Signal;

use super::watch::Watch;

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) code: ExitCode,
    pub(crate) message: String,
}

/// Finds the node that failed first: those that only stopped with it say so by their exit code, those we killed we know.
pub(crate) fn verdict(results: &[NodeResult], watch: &Watch) -> Verdict {
    if let Some((node, how)) = watch.stalled() {
        return Verdict { code: ExitCode::Stalled, message: with_lines(format!("node `{node}` {how}"), node, watch) };
    }
    let mut failed: Vec<&NodeResult> = results.iter().filter(|r| r.end != NodeEnd::Success).collect();
    failed.sort_by_key(|r| (watch.killed(&r.node), rank(&r.end), r.time));
    // A node that leaves in good order too soon fails nobody but those that still wait for its messages.
    let only_shared = failed.iter().all(|r| r.end == NodeEnd::Exit(ExitCode::Upstream.code()) || watch.killed(&r.node));
    let early = results.iter().find(|r| r.end == NodeEnd::Success && !watch.finished(&r.node));
    if let (true, false, Some(NodeResult { node, .. })) = (only_shared, failed.is_empty(), early) {
        let message = format!("node `{node}` left with exit code 0 before the end of its streams");
        return Verdict { code: ExitCode::NodeFailed, message: with_lines(message, node, watch) };
    }
    let Some(first) = failed.first() else { return Verdict { code: ExitCode::Success, message: String::new() } };
    let node = &first.node;
    match &first.end {
        NodeEnd::Signal(_) if is_wish(&first.end) => interrupted(),
        NodeEnd::Signal(number) => {
            let message = format!("node `{node}` was killed by {}", signal_name(*number));
            Verdict { code: ExitCode::NodeKilled, message: with_lines(message, node, watch) }
        }
        NodeEnd::Exit(code) => match ExitCode::from_code(*code) {
            Some(ExitCode::Interrupted) => interrupted(),
            code => {
                let said = watch.failure(node).map_or_else(|| first.stderr.trim().to_owned(), |(_, m)| m.clone());
                let message = format!("node `{node}` failed: {said}");
                let known = watch.failure(node).is_some();
                // The codes are ours: a program that is no node of ours means something else by its own.
                let code = match code {
                    Some(code) if known && code != ExitCode::Internal => code,
                    _ => ExitCode::NodeFailed,
                };
                Verdict { code, message: if known { message } else { with_lines(message, node, watch) } }
            }
        },
        NodeEnd::Unknown(why) => {
            Verdict { code: ExitCode::NodeFailed, message: with_lines(format!("node `{node}` {why}"), node, watch) }
        }
        NodeEnd::Success => Verdict { code: ExitCode::Success, message: String::new() },
    }
}

/// The user stopped it.
pub(crate) fn interrupted() -> Verdict {
    Verdict { code: ExitCode::Interrupted, message: "interrupted".to_owned() }
}

/// A node's own failure comes before one that it only shares.
fn rank(end: &NodeEnd) -> u8 {
    match end {
        NodeEnd::Signal(_) if !is_wish(end) => 0,
        NodeEnd::Exit(code) if *code == ExitCode::Interrupted.code() => 1,
        NodeEnd::Exit(code) if *code != ExitCode::Upstream.code() => 1,
        NodeEnd::Signal(_) => 2,
        NodeEnd::Unknown(_) => 3,
        NodeEnd::Exit(_) => 4,
        NodeEnd::Success => 5,
    }
}

/// The signal that ended a node, if one did that this system knows.
pub(super) fn signal(end: &NodeEnd) -> Option<Signal> {
    match end {
        NodeEnd::Signal(number) => Signal::try_from(*number).ok(),
        _ => None,
    }
}

/// Whether a node was ended by a signal that asks it to stop.
fn is_wish(end: &NodeEnd) -> bool {
    matches!(signal(end), Some(Signal::SIGINT | Signal::SIGTERM))
}

fn signal_name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(Signal::SIGKILL) => "SIGKILL (by hand, or because memory ran out)".to_owned(),
        Ok(Signal::SIGSEGV) => "SIGSEGV".to_owned(),
        Ok(Signal::SIGABRT) => "SIGABRT".to_owned(),
        Ok(Signal::SIGBUS) => "SIGBUS (shared memory or disk full)".to_owned(),
        _ => format!("signal {number}"),
    }
}

fn with_lines(message: String, node: &str, watch: &Watch) -> String {
    let lines = watch.last_lines(node);
    if lines.is_empty() { message } else { format!("{message}; its last lines:\n  {}", lines.join("\n  ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use copl_contract::events::Event;

    fn ended(node: &str, end: NodeEnd, time: u64) -> NodeResult {
        NodeResult { node: node.to_owned(), end, time, stderr: String::new() }
    }

    #[test]
    fn the_first_cause_is_named_not_those_that_fell_with_it() {
        let results = [
            ended("loss", NodeEnd::Exit(75), 5),
            ended("model", NodeEnd::Signal(Signal::SIGKILL as i32), 9),
            ended("source", NodeEnd::Exit(75), 4),
            ended("report", NodeEnd::Success, 0),
        ];
        let v = verdict(&results, &Watch::of_nothing());
        assert_eq!(v.code, ExitCode::NodeKilled);
        assert!(v.message.starts_with("node `model` was killed by SIGKILL"), "{}", v.message);
    }

    #[test]
    fn a_nodes_own_words_and_code_are_the_commands() {
        let mut watch = Watch::of_nothing();
        let failed = Event::Failed { code: 9, message: "3 of 100 clips".into() };
        watch.event("source", &failed, std::time::Duration::ZERO);
        let v = verdict(&[ended("source", NodeEnd::Exit(9), 7), ended("model", NodeEnd::Exit(75), 6)], &watch);
        assert_eq!((v.code, v.message.as_str()), (ExitCode::TooManyBadClips, "node `source` failed: 3 of 100 clips"));
    }

    #[test]
    fn success_and_interruption() {
        assert_eq!(verdict(&[ended("a", NodeEnd::Success, 0)], &Watch::of_nothing()).code, ExitCode::Success);
        assert_eq!(verdict(&[ended("a", NodeEnd::Exit(130), 1)], &Watch::of_nothing()).code, ExitCode::Interrupted);
    }
}
