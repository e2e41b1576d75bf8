//! Tensors: what a node gives has the shape its reader takes, so that a wrong image size is found before the first clip.

use copl_contract::spec::{Axis, EdgeSpec};

use super::flow::{Flow, Link, Seen};
use crate::dataflow::diagnostic::{Diagnostic, Place};

pub(super) fn check(flow: &Flow<'_>) -> Vec<Diagnostic> {
    flow.links().iter().filter_map(|link| compare(flow, link)).collect()
}

fn compare(flow: &Flow<'_>, link: &Link<'_>) -> Option<Diagnostic> {
    let (from, to) = (flow.nodes.get(link.from)?, flow.nodes.get(link.to)?);
    let given = shape(from, from.spec?.output(link.output)?)?;
    let taken = shape(to, to.spec?.input(link.name())?)?;
    if lengths(&given) == lengths(&taken) {
        return None;
    }
    // The settings of the first axis that differs: those are what a user changes.
    let differ = given.iter().zip(&taken).find(|(g, t)| g.0 != t.0);
    let (ours, theirs) = differ.map_or(("", ""), |(g, t)| (g.1, t.1));
    let message = format!(
        "`{}` gives `{}` of the shape {:?}, `{}` takes {:?}",
        from.label(),
        link.output,
        lengths(&given),
        to.label(),
        lengths(&taken)
    );
    let wanted = differ.map(|(g, t)| (t.0, g.0)).unwrap_or_default();
    let found = Diagnostic::error(place(from, ours).or_else(|| place(to, theirs)).unwrap_or(link.place()), message);
    Some(match (ours, theirs) {
        ("", "") => found,
        (ours, "") => found.help(format!("{ours} of `{}` decides it: {} fits", from.label(), wanted.0)),
        ("", theirs) => found.help(format!("{theirs} of `{}` decides it", to.label())),
        (ours, theirs) => found.help(format!(
            "{ours} of `{}` and {theirs} of `{}` decide it: {} and {} here",
            from.label(),
            to.label(),
            wanted.1,
            wanted.0
        )),
    })
}

fn shape(seen: &Seen<'_>, edge: &EdgeSpec) -> Option<Vec<Axis>> {
    edge.shape?(&seen.node.settings())
}

fn lengths(axes: &[Axis]) -> Vec<usize> {
    axes.iter().map(|axis| axis.0).collect()
}

/// Where a setting stands, if it is given.
fn place<'a>(seen: &Seen<'a>, setting: &str) -> Option<&'a Place> {
    seen.variable(setting).map(|(value, _)| &value.place)
}
