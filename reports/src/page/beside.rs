//! The result beside the paper's rows of the same table.

use super::html::{Cell, number, section as section_of, table, text};
use crate::paper::{self, PaperRow, PaperTable};
use crate::view::RunView;

/// What a reader must know before comparing.
pub(super) fn caution(view: &RunView) -> Option<String> {
    let data = view.nodes.iter().find_map(|n| n.value("DATASET"))?;
    let official = ["ave", "avs-s4", "music-avqa", "music-avqa-updated"];
    (!official.contains(&data)).then(|| {
        format!("This run is of {data}, not of the paper's data: its results do not compare with the paper's, only its counts do.")
    })
}

/// The cells of a row, and whether it is one of ours.
pub(super) type Row = (bool, Vec<Cell>);

/// The paper's table, heading cells and rows.
pub(super) fn rows(views: &[RunView]) -> Option<(&'static PaperTable, Vec<Cell>, Vec<Row>)> {
    let published = paper::of_task(&views.first()?.task)?;
    let metrics = published.metrics;
    let mut head = vec![text("method"), text("encoders")];
    head.extend(["additional M", "total M", "total less additional M"].map(|h| Cell::Number(h.to_owned())));
    head.extend(metrics.iter().map(|(_, h)| Cell::Number((*h).to_owned())));
    let theirs = published.rows.iter().map(|row: &PaperRow| {
        let mut cells = vec![
            text(row.method),
            text(row.encoders),
            number(row.additional, 1),
            number(row.total, 1),
            number(row.rest(), 1),
        ];
        cells.extend(metrics.iter().map(|(metric, _)| number(row.result(metric), 1)));
        (false, cells)
    });
    let millions = |count: i64| (count > 0).then_some(count as f64 / 1e6);
    let ours = views.iter().map(|view| {
        let mut cells = vec![
            text(format!("this run, {}: {}", view.letters, view.method)),
            text(view.encoders.clone()),
            number(millions(view.additional), 3),
            number(millions(view.total), 3),
            number(millions(view.total - view.additional), 3),
        ];
        cells.extend(metrics.iter().map(|(metric, _)| number(view.result(metric), 1)));
        (true, cells)
    });
    Some((published, head, theirs.chain(ours).collect()))
}

/// The section.
pub(super) fn section(views: &[RunView]) -> String {
    let Some((published, head, rows)) = rows(views) else { return String::new() };
    let mut body = String::new();
    if let Some(caution) = views.first().and_then(caution) {
        body += &format!("<p><strong>{}</strong></p>\n", crate::figure::escaped(&caution));
    }
    body += &table(&head, &rows);
    body += "<p class=\"soft\">A dash stands where the paper prints no number. The paper's totals include \
             the encoders' own classifier heads of 21 thousand classes; ours do not.</p>\n";
    section_of(&format!("Beside the paper: {}", published.title), &body)
}
