//! The sections of tables.

use copl_contract::names;

use super::figures;
use super::html::{Cell, number, section, shown, table, text, whole};
use crate::compare;
use crate::figure::escaped;
use crate::view::RunView;

/// Quarantined clips that are listed.
const LISTED: usize = 50;

/// What was run and how it ended.
pub(super) fn head(views: &[RunView]) -> String {
    let mut out = String::new();
    for view in views {
        let r = &view.record;
        let took = r.wall_secs().map_or_else(String::new, |s| format!(" in {}", duration(s)));
        let line = format!("{} – {} on {}, {}{took}. {}", r.id, view.method, view.encoders, view.status, r.started);
        out += &format!("<p class=\"soft\">{}</p>\n", escaped(&line));
        if let Some(message) = r.outcome.as_ref().and_then(|o| o.message.as_deref()) {
            out += &format!("<pre>{}</pre>\n", escaped(message));
        }
        for problem in &view.summary.mismatches {
            out += &format!("<p><strong>Does not add up: {}</strong></p>\n", escaped(problem));
        }
    }
    out
}

fn duration(secs: f64) -> String {
    match secs {
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// The numbers of the runs.
pub(super) fn results(views: &[RunView]) -> String {
    let mut body = String::new();
    if let [view] = views {
        let mut boxes = Vec::new();
        if let Some(r) = view.headline() {
            boxes.push((
                format!("{:.2} %", r.value),
                format!("{} on the {} split", figures::title_of(&r.metric), r.split),
            ));
        }
        if let (Some(epoch), Some(val)) = (view.summary.best_epoch, view.summary.val_accuracy) {
            boxes.push((format!("{val:.2} %"), format!("validation, epoch {epoch}: the model that was picked")));
        }
        if view.trainable > 0 {
            boxes.push((whole(view.trainable), format!("numbers learn, {} beside the head", whole(view.additional))));
        }
        if view.peak_memory_bytes > 0 {
            boxes.push((format!("{:.0} MB", view.peak_memory_bytes as f64 / 1e6), "most memory of a node".to_owned()));
        }
        if let Some(secs) = view.record.wall_secs() {
            boxes.push((duration(secs), format!("on {}", view.record.device)));
        }
        let boxes: String = boxes
            .iter()
            .map(|(n, what)| format!("<div class=\"number\"><b>{}</b>{}</div>\n", escaped(n), escaped(what)))
            .collect();
        body += &format!("<div class=\"numbers\">\n{boxes}</div>\n");
        body += &passes(view);
    } else {
        let mut head = vec![text("metric"), text("unit")];
        head.extend(views.iter().map(|v| Cell::Number(v.name())));
        let rows: Vec<_> = compare::results(views)
            .into_iter()
            .map(|result| {
                let digits = if matches!(result.unit.as_str(), "count" | "MB") { 0 } else { 2 };
                let best = result.best();
                let mut cells = vec![text(figures::title_of(&result.metric)), text(result.unit.clone())];
                cells.extend(result.values.iter().enumerate().map(|(i, value)| match best {
                    Some(b) if b == i => Cell::Best(shown(*value, digits)),
                    _ => number(*value, digits),
                }));
                (false, cells)
            })
            .collect();
        body += &table(&head, &rows);
        body += "<p class=\"soft\">A star marks the best value of a row.</p>\n";
    }
    section("Result", &body)
}

/// Clips, loss and accuracy by pass.
fn passes(view: &RunView) -> String {
    let head = ["epoch", "split", "read", "used", "quarantined", "loss", "score %"];
    let head: Vec<Cell> =
        head.iter().map(|h| if *h == "split" { text(*h) } else { Cell::Number((*h).to_owned()) }).collect();
    let rows: Vec<_> = view
        .summary
        .passes
        .iter()
        .map(|p| {
            let count = |n: i64| Cell::Number(whole(n));
            let used = p.trained + p.evaluated;
            let cells = vec![
                count(p.epoch),
                text(p.split.clone()),
                count(p.read),
                count(used),
                count(p.quarantined),
                number(p.loss, 4),
                number(p.accuracy, 2),
            ];
            (p.split == "test", cells)
        })
        .collect();
    format!("<details><summary>Passes</summary>{}</details>\n", table(&head, &rows))
}

/// What differs between the runs.
pub(super) fn differences(views: &[RunView]) -> String {
    if views.len() < 2 {
        return String::new();
    }
    let mut head = vec![text("setting")];
    head.extend(views.iter().map(|v| text(v.name())));
    let compared: Vec<_> = compare::settings(views).into_iter().filter(compare::Compared::differs).collect();
    let rows: Vec<_> = compared
        .iter()
        .map(|c| {
            let values = c.values.iter().map(|v| text(v.clone().unwrap_or_else(|| "–".to_owned())));
            (false, std::iter::once(text(c.name.clone())).chain(values).collect())
        })
        .collect();
    let body = if rows.is_empty() {
        "<p>Nothing: the same settings, versions and data.</p>\n".to_owned()
    } else {
        table(&head, &rows)
    };
    section("What differs", &body)
}

/// Results by class or kind, and the confusions.
pub(super) fn details(views: &[RunView]) -> String {
    let mut names: Vec<(&str, &str)> = Vec::new();
    for reading in views.iter().flat_map(|v| &v.details) {
        if !names.iter().any(|(m, _)| *m == reading.metric) {
            names.push((&reading.metric, &reading.unit));
        }
    }
    let mut body = String::new();
    if !names.is_empty() {
        let mut head = vec![text("metric"), text("unit")];
        head.extend(views.iter().map(|v| Cell::Number(v.name())));
        let rows: Vec<_> = names
            .iter()
            .map(|(metric, unit)| {
                let values = views.iter().map(|v| number(v.result(metric), 2));
                (false, [text(names::parts(metric).join("/")), text(*unit)].into_iter().chain(values).collect())
            })
            .collect();
        body += &table(&head, &rows);
    }
    if let [RunView { confusion: Some(confusion), .. }] = views {
        body += "<h3>Confusions</h3>\n<p class=\"soft\">True class or answer (row) by predicted one (column).</p>\n";
        body += "<div class=\"scroll\"><table class=\"confusion\">\n<tr><th></th>";
        body += &confusion.classes.iter().map(|c| format!("<th>{}</th>", escaped(c))).collect::<String>();
        body += "</tr>\n";
        for (class, counts) in confusion.classes.iter().zip(&confusion.counts) {
            let all: f64 = counts.iter().sum::<f64>().max(1.0);
            let cells = counts.iter().map(|n| {
                let shown = if *n == 0.0 { String::new() } else { format!("{n:.0}") };
                format!("<td style=\"--v:{:.3}\">{shown}</td>", n / all)
            });
            body += &format!("<tr><th>{}</th>{}</tr>\n", escaped(class), cells.collect::<String>());
        }
        body += "</table></div>\n";
    }
    if body.is_empty() { body } else { section("By class", &body) }
}

/// Parameters by group.
pub(super) fn parameters(views: &[RunView]) -> String {
    let mut body = String::new();
    for view in views.iter().filter(|v| !v.parameters.is_empty()) {
        if views.len() > 1 {
            body += &format!("<h3>{}</h3>\n", escaped(&view.name()));
        }
        let head = [text("group"), Cell::Number("tensors".into()), Cell::Number("numbers".into()), text("")];
        let mut rows: Vec<_> = view
            .parameters
            .iter()
            .map(|p| {
                let learns = if p.trainable { "learns" } else { "frozen" };
                let counts = [Cell::Number(whole(p.tensors)), Cell::Number(whole(p.count))];
                (false, [text(p.group.clone())].into_iter().chain(counts).chain([text(learns)]).collect())
            })
            .collect();
        for (what, count) in
            [("learn", view.trainable), ("learn, beside the head", view.additional), ("all", view.total)]
        {
            rows.push((true, vec![text(what), text(""), Cell::Number(whole(count)), text("")]));
        }
        body += &table(&head, &rows);
    }
    if body.is_empty() { body } else { section("Parameters", &body) }
}

/// Time by node.
pub(super) fn time(views: &[RunView]) -> String {
    let mut body = String::new();
    for view in views.iter().filter(|v| !v.summary.nodes.is_empty()) {
        if views.len() > 1 {
            body += &format!("<h3>{}</h3>\n", escaped(&view.name()));
        }
        body += &figures::time_figure(view);
        if let Some(share) = view.summary.not_compute {
            body += &format!("<p>{:.1} % of the time the model's arithmetic did not run.</p>\n", 100.0 * share);
        }
    }
    if body.is_empty() { body } else { section("Time by node", &body) }
}

/// Clips that were given up.
pub(super) fn quarantine(views: &[RunView]) -> String {
    let mut body = String::new();
    for view in views {
        let clips = &view.summary.quarantine;
        let run = if views.len() > 1 { format!("{}: ", view.name()) } else { String::new() };
        if clips.is_empty() {
            body += &format!("<p>{}no clip was given up.</p>\n", escaped(&run));
            continue;
        }
        body += &format!("<p>{}{} clips were given up.</p>\n", escaped(&run), clips.len());
        let head = ["clip", "file", "node", "reason", "detail"].map(text);
        let rows: Vec<_> = clips
            .iter()
            .take(LISTED)
            .map(|c| {
                let cells = [&c.clip, &c.path, &c.stage, &c.reason, &c.detail].map(|t| text(t.clone()));
                (false, cells.to_vec())
            })
            .collect();
        body += &table(&head, &rows);
        if clips.len() > LISTED {
            body += &format!("<p>{} more stand in quarantine.parquet.</p>\n", clips.len() - LISTED);
        }
    }
    section("Quarantine", &body)
}

/// Facts, settings and the dataflow.
pub(super) fn settings(views: &[RunView], dataflow: &str) -> String {
    let mut body = String::new();
    for view in views {
        let r = &view.record;
        let mut rows: Vec<(bool, Vec<Cell>)> = Vec::new();
        let mut fact = |what: &str, value: String| rows.push((false, vec![text(what), text(value), text("")]));
        fact("run", r.id.clone());
        fact("seed", r.seed.map_or_else(|| "the dataflow's".to_owned(), |s| s.to_string()));
        fact("device", r.device.clone());
        fact("data fingerprint", r.data_fingerprint.clone().unwrap_or_default());
        for resumption in &r.resumed {
            fact("resumed", format!("{} from {}", resumption.at, resumption.from));
        }
        if let Some(place) = &r.sweep {
            fact("sweep", format!("{}: {}", place.sweep, place.case));
        }
        r.versions.iter().for_each(|(what, version)| fact(&format!("version of {what}"), version.clone()));
        for node in &view.nodes {
            for s in &node.settings {
                let row = vec![text(format!("{}.{}", node.node, s.key)), text(s.value.clone()), text(s.from)];
                rows.push((s.from == "override", row));
            }
        }
        let title = if views.len() > 1 { format!("Settings of {}", view.name()) } else { "All settings".to_owned() };
        let table = table(&[text("setting"), text("value"), text("from")], &rows);
        body += &format!("<details><summary>{}</summary>\n{table}</details>\n", escaped(&title));
    }
    if !dataflow.is_empty() {
        body += &format!(
            "<details><summary>The dataflow as it ran</summary>\n<pre>{}</pre></details>\n",
            escaped(dataflow)
        );
    }
    section("Settings", &body)
}
