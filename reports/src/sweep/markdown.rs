//! The table of a sweep as Markdown.

use super::file::Column;
use super::table::Table;
use crate::paper::PaperRow;
use crate::quote;

/// The page of a sweep: its table with title, note and warnings, and its figure's file. The note is Markdown of the sweep's author.
pub fn page(table: &Table, figure: &str) -> String {
    let title = quote::text(&table.title);
    let note = if table.note.is_empty() { String::new() } else { format!("{}\n\n", table.note) };
    let warnings: String = table.warnings().iter().map(|w| format!("\n{}.\n", quote::text(w))).collect();
    format!("# {title}\n\n{note}{}{warnings}\n![{title}]({figure})\n", markdown(table))
}

/// The table as Markdown.
pub fn markdown(table: &Table) -> String {
    let number = |v: Option<f64>, digits: usize| v.map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"));
    let with_paper = table.cases.iter().any(|c| c.paper.is_some());
    let mut head = vec!["case".to_owned(), format!("{} % (mean ± deviation)", table.metric), "by seed".to_owned()];
    head.extend(table.also.iter().map(|m| format!("{m} %")));
    head.extend(table.columns.iter().map(|c| c.heading().to_owned()));
    if with_paper {
        head.extend(["paper: additional M", "paper: result %", "paper: memory GB"].map(str::to_owned));
    }
    let line =
        |cells: &[String]| format!("| {} |\n", cells.iter().map(|c| quote::text(c)).collect::<Vec<_>>().join(" | "));
    let mut out = line(&head);
    out += &format!("|---|{}\n", "---:|".repeat(head.len() - 1));
    for case in &table.cases {
        let mean = match (case.mean, case.deviation) {
            (Some(mean), Some(d)) => format!("{mean:.1} ± {d:.1}"),
            (mean, _) => number(mean, 1),
        };
        let seeds: Vec<String> = case.runs.iter().map(|r| number(r.value, 1)).collect();
        let mut cells = vec![case.case.clone(), mean, seeds.join(", ")];
        cells.extend(case.also.iter().map(|value| number(*value, 1)));
        cells.extend(table.columns.iter().zip(&case.columns).map(|(column, value)| match column {
            Column::Additional | Column::Trainable | Column::Total => number(*value, 3),
            Column::Memory | Column::Time => number(*value, 0),
            Column::Validation => number(*value, 1),
        }));
        if with_paper {
            let of = |get: &dyn Fn(&PaperRow) -> Option<f64>| number(case.paper.as_ref().and_then(get), 1);
            cells.push(of(&|p| p.additional));
            cells.push(of(&|p| p.result(&table.metric)));
            cells.push(of(&|p| p.memory_gb));
        }
        out += &line(&cells);
    }
    out
}
