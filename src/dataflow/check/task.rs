//! Tasks: the model is made for what the dataset asks, and takes clips of as many segments as the dataset has.

use copl_datasets::{Descriptor, Task};

use super::{Flow, Seen};
use crate::dataflow::diagnostic::{Diagnostic, Place};

/// A dataset that the dataflow streams.
struct Source<'a> {
    label: &'a str,
    dataset: &'a str,
    task: Task,
}

pub(super) fn check(flow: &Flow<'_>) -> Vec<Diagnostic> {
    let sources = flow.nodes.iter().filter_map(|seen| {
        let (_, dataset) = seen.variable("DATASET")?;
        // A dataset that is not known is told elsewhere.
        let task = Descriptor::load(dataset).ok()?.task;
        Some(Source { label: seen.label(), dataset, task })
    });
    let sources: Vec<Source<'_>> = sources.collect();
    let pairs = sources.iter().flat_map(|source| flow.nodes.iter().map(move |seen| (source, seen)));
    pairs.flat_map(|(source, seen)| [task(source, seen), segments(source, seen)]).flatten().collect()
}

/// The word for a dataset's task in the settings of a model.
fn word(task: Task) -> &'static str {
    match task {
        Task::Ave => "ave",
        Task::AvsS4 => "avs",
        Task::MusicAvqa => "avqa",
    }
}

fn task(source: &Source<'_>, seen: &Seen<'_>) -> Option<Diagnostic> {
    let setting = seen.spec?.settings.iter().find(|s| s.key == "TASK")?;
    let (place, given): (&Place, &str) = match seen.variable("TASK") {
        Some((item, text)) => (&item.place, text),
        None => (seen.node.place(), setting.default.as_deref()?),
    };
    let Source { label, dataset, task } = source;
    let wanted = word(*task);
    if given == wanted || (setting.check)(given).is_err() {
        return None;
    }
    let message = format!("TASK {given} of `{}` is not that of the dataset {dataset} of `{label}`", seen.label());
    Some(Diagnostic::error(place, message).help(format!("set TASK to {wanted}")))
}

/// Of tasks whose targets are one a segment.
fn segments(source: &Source<'_>, seen: &Seen<'_>) -> Option<Diagnostic> {
    let wanted = match source.task {
        Task::Ave => copl_datasets::ave::SEGMENTS,
        Task::AvsS4 => copl_datasets::avs_s4::SEGMENTS,
        Task::MusicAvqa => return None,
    };
    let (given, place) = seen.whole_number("SEGMENTS")?;
    if given == wanted {
        return None;
    }
    let Source { label, dataset, .. } = source;
    let message = format!(
        "SEGMENTS {given} of `{}`, but clips of the dataset {dataset} of `{label}` have {wanted}",
        seen.label()
    );
    Some(Diagnostic::error(place, message).help(format!("set SEGMENTS to {wanted}")))
}
