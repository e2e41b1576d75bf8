//! The page as Markdown: its tables and numbers, for a commit, an issue or a notebook.

use super::html::{Cell, number, shown, text, whole};
use super::whole::Page;
use super::{beside, figures};
use crate::compare;
use crate::quote;
use crate::view::RunView;

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(t) | Cell::Number(t) => quote::text(t),
        Cell::Best(t) => format!("**{}**", quote::text(t)),
    }
}

/// A Markdown table; numbers stand on the right.
pub(crate) fn table(head: &[Cell], rows: &[(bool, Vec<Cell>)]) -> String {
    let line = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let mut out = line(&mut head.iter().map(cell));
    let rule = head.iter().map(|c| if matches!(c, Cell::Text(_)) { "---" } else { "---:" });
    out += &format!("|{}|\n", rule.collect::<Vec<_>>().join("|"));
    for (ours, cells) in rows {
        let bold = |c: &Cell| match cell(c) {
            t if *ours && !t.is_empty() && !matches!(c, Cell::Best(_)) => format!("**{t}**"),
            t => t,
        };
        out += &line(&mut cells.iter().map(bold));
    }
    out
}

/// The page as Markdown. `figures` is the folder of their files, if they were written.
pub fn markdown(page: &Page<'_>, folder: Option<&str>) -> String {
    let views = page.views;
    let names: Vec<&str> = views.iter().map(|v| v.letters.as_str()).collect();
    let mut out = format!(
        "# {}\n\n",
        quote::text(&if views.len() == 1 { format!("Run {}", names[0]) } else { names.join(", ") })
    );
    for view in views {
        let r = &view.record;
        let took = r.wall_secs().map_or_else(String::new, |s| format!(", {s:.1} s"));
        out += &format!(
            "- {}: {} on {}, {}{took}; seed {}; {}\n",
            quote::code(&r.id),
            quote::text(&view.method),
            quote::text(&view.encoders),
            view.status,
            r.seed.map_or_else(|| "of the dataflow".to_owned(), |s| s.to_string()),
            quote::text(&r.dataflow)
        );
    }
    out += "\n## Result\n\n";
    out += &results(views);
    if let Some((published, head, rows)) = beside::rows(views) {
        out += &format!("\n## Beside the paper: {}\n\n", published.title);
        if let Some(caution) = views.first().and_then(beside::caution) {
            out += &format!("{}\n\n", quote::text(&caution));
        }
        out += &table(&head, &rows);
    }
    if views.len() > 1 {
        out += "\n## What differs\n\n";
        out += &differences(views);
    }
    if let Some(folder) = folder {
        out += "\n## Figures\n\n";
        for figure in figures::figures(views) {
            out += &format!("![{0}]({folder}/{0}.svg)\n", figure.file);
        }
    }
    if let [view] = views {
        out += "\n## Parameters\n\n";
        let head = [text("group"), Cell::Number("numbers".into()), text("")];
        let row =
            |group: &str, count: i64, what: &str| (false, vec![text(group), Cell::Number(whole(count)), text(what)]);
        let mut rows: Vec<_> = view
            .parameters
            .iter()
            .map(|p| row(&p.group, p.count, if p.trainable { "learns" } else { "frozen" }))
            .collect();
        rows.push(row("learn, beside the head", view.additional, ""));
        out += &table(&head, &rows);
        out += &format!("\n## Quarantine\n\n{} clips were given up.\n", view.summary.quarantine.len());
        for clip in &view.summary.quarantine {
            let words = [&clip.stage, &clip.reason, &clip.detail].map(|said| quote::text(said));
            let [stage, reason, detail] = words;
            out += &format!("- {} ({stage}, {reason}): {detail}\n", quote::code(&clip.path));
        }
    }
    out
}

fn results(views: &[RunView]) -> String {
    let mut head = vec![text("metric"), text("unit")];
    head.extend(views.iter().map(|v| Cell::Number(v.name())));
    let rows: Vec<_> = compare::results(views)
        .into_iter()
        .map(|r| {
            let digits = if matches!(r.unit.as_str(), "count" | "MB") { 0 } else { 2 };
            let best = r.best();
            let values = r.values.iter().enumerate().map(|(i, v)| match best {
                Some(b) if b == i => Cell::Best(shown(*v, digits)),
                _ => number(*v, digits),
            });
            (false, [text(figures::title_of(&r.metric)), text(r.unit.clone())].into_iter().chain(values).collect())
        })
        .collect();
    table(&head, &rows)
}

/// The settings in which runs differ.
pub(crate) fn differences(views: &[RunView]) -> String {
    let mut head = vec![text("setting")];
    head.extend(views.iter().map(|v| text(v.name())));
    let rows: Vec<_> = compare::settings(views)
        .into_iter()
        .filter(compare::Compared::differs)
        .map(|c| {
            let values = c.values.iter().map(|v| text(v.clone().unwrap_or_else(|| "–".to_owned())));
            (false, std::iter::once(text(c.name.clone())).chain(values).collect())
        })
        .collect();
    if rows.is_empty() { "Nothing: the same settings, versions and data.\n".to_owned() } else { table(&head, &rows) }
}
