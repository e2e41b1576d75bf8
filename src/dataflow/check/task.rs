//! Tasks: the model is made for what the dataset asks, takes clips of as many segments as the dataset has, and questions
//! where and as they are asked.

use copl_contract::schema::Schema;
use copl_contract::task;
use copl_datasets::{Descriptor, Task};

use super::flow::{Flow, Seen};
use crate::dataflow::diagnostic::{Diagnostic, Place};

/// A dataset that the dataflow streams.
struct Source<'a> {
    label: &'a str,
    dataset: &'a str,
    task: Task,
    /// What a segment or question is sorted into, background included; none where nothing is, or nobody says.
    classes: Option<usize>,
}

pub(super) fn check(flow: &Flow<'_>) -> Vec<Diagnostic> {
    let sources = flow.nodes.iter().filter_map(|seen| {
        let (_, dataset) = seen.variable("DATASET")?;
        // A dataset that is not known is told elsewhere.
        let descriptor = Descriptor::load(dataset).ok()?;
        let listed = Some(descriptor.classes.len()).filter(|classes| *classes > 0);
        let classes = match descriptor.task {
            Task::Ave => listed.map(|classes| classes + 1),
            Task::MusicAvqa => listed,
            Task::AvsS4 | Task::AvsMs3 => None,
        };
        Some(Source { label: seen.label(), dataset, task: descriptor.task, classes })
    });
    let sources: Vec<Source<'_>> = sources.collect();
    let pairs = sources.iter().flat_map(|source| flow.nodes.iter().map(move |seen| (source, seen)));
    let of_datasets =
        pairs.flat_map(|(source, seen)| [task(source, seen), segments(source, seen), classes(source, seen)]).flatten();
    of_datasets.chain(flow.nodes.iter().filter_map(|seen| questions(flow, seen))).collect()
}

fn task(source: &Source<'_>, seen: &Seen<'_>) -> Option<Diagnostic> {
    let setting = seen.spec?.settings.iter().find(|s| s.key == "TASK")?;
    let (place, given): (&Place, &str) = match seen.variable("TASK") {
        Some((item, text)) => (&item.place, text),
        None => (seen.node.place(), setting.default.as_deref()?),
    };
    let Source { label, dataset, task, .. } = source;
    let wanted = task.as_str();
    let named = task::by_name(given).filter(|named| named.name != wanted)?;
    let message =
        format!("TASK {} of `{}` is not that of the dataset {dataset} of `{label}`", named.name, seen.label());
    Some(Diagnostic::error(place, message).help(format!("set TASK to {wanted}")))
}

/// Of tasks whose targets are one a segment.
fn segments(source: &Source<'_>, seen: &Seen<'_>) -> Option<Diagnostic> {
    let wanted = match source.task {
        Task::Ave => copl_datasets::ave::SEGMENTS,
        Task::AvsS4 | Task::AvsMs3 => copl_datasets::avsbench::SEGMENTS,
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

/// The model has a logit for every class. More of them do no harm, but are seldom meant where they are written.
fn classes(source: &Source<'_>, seen: &Seen<'_>) -> Option<Diagnostic> {
    let wanted = source.classes?;
    let (given, place) = seen.whole_number("CLASSES")?;
    let is_written = seen.variable("CLASSES").is_some();
    let (label, dataset) = (source.label, source.dataset);
    let say = |comparison: &str| {
        let what = if source.task == Task::Ave { "classes, background included" } else { "answers" };
        format!(
            "CLASSES {given} of `{}` {comparison} {wanted} {what} of the dataset {dataset} of `{label}`",
            seen.label()
        )
    };
    let found = match given.cmp(&wanted) {
        std::cmp::Ordering::Less => Diagnostic::error(place, say("is less than the")),
        std::cmp::Ordering::Greater if is_written => Diagnostic::warning(place, say("is more than the")),
        _ => return None,
    };
    Some(found.help(format!("set CLASSES to {wanted}")))
}

/// The model's input for questions is there where its task asks some, and they come as its head takes them.
fn questions(flow: &Flow<'_>, seen: &Seen<'_>) -> Option<Diagnostic> {
    const INPUT: &str = "questions";
    let spec = seen.spec?;
    spec.input(INPUT)?;
    let setting = spec.settings.iter().find(|s| s.key == "TASK")?;
    let task = seen.variable("TASK").map(|(_, text)| text).or(setting.default.as_deref())?;
    let task = task::by_name(task)?;
    let inputs = seen.node.inputs();
    let input = inputs.iter().find(|input| input.name.text() == Some(INPUT));
    let label = seen.label();
    let link = match (task.clips == Schema::QuestionClips, input) {
        (false, None) => return None,
        (false, Some(input)) => {
            let message = format!("`{label}` has TASK {}, which asks no questions", task.name);
            return Some(Diagnostic::error(&input.name.place, message).help("take the input `questions` away"));
        }
        (true, None) => {
            let message = format!("`{label}` has TASK {} and no input `questions`", task.name);
            let help = "connect it to the output `questions` of a text-encoder";
            return Some(Diagnostic::error(seen.at_key("inputs"), message).help(help));
        }
        (true, Some(input)) => input,
    };
    let (from, _) = link.from()?;
    let encoder = &flow.nodes[flow.index(from)?];
    encoder.spec?.settings.iter().find(|s| s.key == "ENCODER")?;
    let kind = encoder.variable("ENCODER").map_or("tokens", |(_, text)| text);
    let width = seen.variable("QUESTION_WIDTH").filter(|(_, text)| !text.is_empty());
    match (kind == "tokens", width) {
        (true, Some((item, _))) => {
            let message = format!("QUESTION_WIDTH of `{label}`, but `{from}` sends word ids (ENCODER tokens)");
            Some(Diagnostic::error(&item.place, message).help("leave QUESTION_WIDTH out, or name an encoder"))
        }
        (false, None) => {
            let message =
                format!("`{from}` sends vectors of whole questions (ENCODER {kind}), `{label}` takes word ids");
            let help = "set QUESTION_WIDTH: 512 for CLIP ViT-B/32, 768 for BERT base, 384 for MiniLM-L6";
            Some(Diagnostic::error(seen.at_key("env"), message).help(help))
        }
        _ => None,
    }
}
