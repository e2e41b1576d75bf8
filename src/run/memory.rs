//! Memory that ran out: how it is known, and what to lower.
//!
//! Rust aborts a process whose allocation is refused, with a line that says so. The kernel, out of memory, kills one in
//! silence and counts it. CUDA says it in its error. In each case the user is told which settings take less.

use copl_contract::NodeSpec;
use copl_engine::{NodeEnd, NodeResult};
use nix::sys::signal::Signal;

use super::verdict::{Verdict, signal};
use super::watch::Watch;
use crate::dataflow::document::{Document, Node};

/// What Rust's allocator says before it aborts: `memory allocation of 1024 bytes failed`.
const REFUSED: [&str; 2] = ["memory allocation of ", " bytes failed"];
/// What libraries say of a device that is full: candle passes CUDA's words on.
const DEVICE: [&str; 2] = ["OUT_OF_MEMORY", "out of memory"];

/// Processes that the kernel has killed for want of memory, since it was started; none where it does not say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kills(Option<u64>);

impl Kills {
    /// So many so far.
    pub(crate) fn so_far() -> Self {
        // Those of control groups are counted here too.
        Self(std::fs::read_to_string("/proc/vmstat").ok().as_deref().and_then(count))
    }
}

fn count(vmstat: &str) -> Option<u64> {
    vmstat.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

/// The verdict, with what to lower if a node of the run ended for want of memory. `before` was counted when the run began.
pub(crate) fn explained(verdict: Verdict, results: &[NodeResult], watch: &Watch, before: Kills, yaml: &str) -> Verdict {
    match explanation(results, watch, before, yaml) {
        Some(why) => Verdict { message: format!("{}\n{why}", verdict.message), ..verdict },
        None => verdict,
    }
}

fn explanation(results: &[NodeResult], watch: &Watch, before: Kills, yaml: &str) -> Option<String> {
    let mut failed = results.iter().filter(|r| r.end != NodeEnd::Success && !watch.killed(&r.node));
    let (node, how) = failed.find_map(|r| Some((r.node.as_str(), ran_out(r, watch, before, Kills::so_far())?)))?;
    let document = Document::parse("", yaml).ok()?;
    let advice = advice(&document, &crate::catalog::specs(), node);
    Some(format!("memory ran out in `{node}`: {how}; {}", advice.join(", or ")))
}

/// How it is known that a node ended for want of memory; none if it did not.
fn ran_out(result: &NodeResult, watch: &Watch, before: Kills, after: Kills) -> Option<String> {
    let lines = watch.last_lines(&result.node);
    let mut said = lines.iter().copied().chain(result.stderr.lines());
    let own = watch.failure(&result.node).map(|(_, message)| message.as_str());
    let [begin, end] = REFUSED;
    match (&result.end, signal(&result.end)) {
        (_, Some(Signal::SIGABRT)) => {
            let refused = said.find_map(|line| line.split_once(begin)?.1.split_once(end));
            refused.map(|(bytes, _)| format!("the system refused {bytes} bytes more"))
        }
        (_, Some(Signal::SIGKILL)) => match (before.0, after.0) {
            (Some(before), Some(after)) if after > before => Some("the kernel killed it to free memory".to_owned()),
            _ => None,
        },
        (NodeEnd::Exit(_), _) => {
            let full = said.chain(own).find(|line| DEVICE.iter().any(|words| line.contains(words)));
            full.map(|_| "its device is full".to_owned())
        }
        _ => None,
    }
}

/// What takes less memory, the most useful first.
fn advice(document: &Document, specs: &[NodeSpec], node: &str) -> Vec<String> {
    let nodes = document.nodes();
    let value = |node: Node<'_>, key: &str| -> Option<String> {
        let spec = specs.iter().find(|spec| Some(spec.name) == node.kind())?;
        let setting = spec.settings.iter().find(|setting| setting.key == key)?;
        let given = node.variables().find(|(name, _)| *name == key).map(|(_, value)| value.to_owned());
        given.or_else(|| setting.default_in(&node.settings()))
    };
    let mut advice = Vec::new();
    // Its own settings; what an encoder node holds grows with the batch of the model.
    let own = nodes.iter().filter(|n| n.id_text() == Some(node));
    let is_encoder = own.clone().any(|n| n.kind() == Some("encoder"));
    let others = nodes.iter().filter(|n| n.id_text() != Some(node) && is_encoder);
    for (of, label) in own.chain(others).filter_map(|n| Some((*n, n.id_text()?))) {
        if let Some(batch) = value(of, "BATCH").filter(|batch| batch != "1") {
            advice.push(format!("lower BATCH ({batch}) of `{label}`"));
        }
        if label != node {
            continue;
        }
        if value(of, "CHECKPOINT_STAGES").is_some_and(|stages| stages != "all") {
            advice.push(format!("set CHECKPOINT_STAGES of `{label}` to all (the same numbers, in more time)"));
        }
        for key in ["VISUAL_ENCODER", "AUDIO_ENCODER", "ARCH"] {
            if let Some(encoder) = value(of, key).filter(|name| !["shared", "node"].contains(&name.as_str())) {
                advice
                    .push(format!("name a smaller encoder or one of smaller images as {key} ({encoder}) of `{label}`"));
            }
        }
        if let Some(workers) = value(of, "WORKERS").filter(|workers| workers != "1") {
            advice.push(format!("lower WORKERS ({workers}) of `{label}`"));
        }
        if let Some(size) = value(of, "SIZE") {
            advice.push(format!("lower SIZE ({size}) of `{label}`, with an encoder of smaller images"));
        }
    }
    for (source, label) in nodes.iter().filter_map(|n| Some((*n, n.id_text()?))) {
        if let Some(window) = value(source, "WINDOW") {
            advice.push(format!("lower WINDOW ({window}) of `{label}`, the clips under way"));
        }
    }
    if advice.is_empty() {
        advice.push("run it where there is more memory".to_owned());
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use copl_contract::events::Event;

    fn ended(end: NodeEnd) -> NodeResult {
        NodeResult { node: "model".to_owned(), end, time: 1, stderr: String::new() }
    }

    fn known(end: NodeEnd, watch: &Watch, before: u64, after: u64) -> Option<String> {
        ran_out(&ended(end), watch, Kills(Some(before)), Kills(Some(after)))
    }

    #[test]
    fn a_refused_allocation_is_known_by_its_line() {
        let mut watch = Watch::of_nothing();
        assert_eq!(known(NodeEnd::Signal(Signal::SIGABRT as i32), &watch, 0, 0), None, "an abort may have any cause");
        watch.line("model", "memory allocation of 67108864 bytes failed");
        let how = known(NodeEnd::Signal(Signal::SIGABRT as i32), &watch, 0, 0);
        assert_eq!(how.as_deref(), Some("the system refused 67108864 bytes more"));
    }

    #[test]
    fn a_kill_of_the_kernels_is_known_by_its_count() {
        let watch = Watch::of_nothing();
        assert_eq!(known(NodeEnd::Signal(Signal::SIGKILL as i32), &watch, 3, 3), None, "killed by hand");
        assert!(known(NodeEnd::Signal(Signal::SIGKILL as i32), &watch, 3, 4).is_some_and(|how| how.contains("kernel")));
        assert_eq!(known(NodeEnd::Exit(5), &watch, 3, 4), None, "another process was killed");
        assert_eq!(count("nr_free_pages 7\noom_kill 12\n"), Some(12));
        assert_eq!(count("nr_free_pages 7\n"), None);
    }

    #[test]
    fn a_full_device_is_known_by_its_words() {
        let mut watch = Watch::of_nothing();
        let message = "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")".to_owned();
        watch.event("model", &Event::Failed { code: 5, message }, std::time::Duration::ZERO);
        assert_eq!(known(NodeEnd::Exit(5), &watch, 0, 0).as_deref(), Some("its device is full"));
    }

    #[test]
    fn the_settings_that_take_less_are_named_with_the_values_they_have() {
        let text = include_str!("../../dataflows/ave-split.yml");
        let document = Document::parse("ave-split.yml", text).unwrap();
        let advice = |node: &str| super::advice(&document, &crate::catalog::specs(), node);
        let model = [
            "lower BATCH (2) of `model`",
            "set CHECKPOINT_STAGES of `model` to all (the same numbers, in more time)",
            "lower WINDOW (8) of `source`, the clips under way",
        ];
        assert_eq!(advice("model"), model);
        let encoder = advice("visual");
        assert!(encoder[0].contains("CHECKPOINT_STAGES of `visual`"), "{encoder:?}");
        assert!(encoder.contains(&"lower BATCH (2) of `model`".to_owned()), "{encoder:?}");
        assert!(encoder.iter().any(|line| line.contains("ARCH (swin-v2-large-192) of `visual`")), "{encoder:?}");
        let video = advice("video");
        assert!(video.contains(&"lower WORKERS (2) of `video`".to_owned()), "{video:?}");
        assert!(video.iter().any(|line| line.contains("SIZE (192) of `video`")), "{video:?}");
    }
}
