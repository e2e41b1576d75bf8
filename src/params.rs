//! `copl params`: the parameter table of every model in a dataflow, without reading a weight.

use std::collections::BTreeMap;

use copl_contract::ExitCode;
use copl_contract::settings::Settings;
use copl_learning::config::{ModelConfig, NODE};
use copl_learning::params::ParameterTable;
use copl_model::CoplModelSettings;
use copl_reports::paper;

use crate::args::ParamsArgs;
use crate::catalog;
use crate::dataflow::document::{Document, Node};
use crate::dataflow::{check, diagnostic, resolve};
use crate::outcome::{Failure, Outcome};
use crate::verbs::{read, rejected};

/// The encoder that the node behind an input of a model has.
fn encoder_behind(document: &Document, model: Node<'_>, edge: &str) -> Result<String, Failure> {
    let inputs = model.inputs();
    let from = inputs.iter().find(|input| input.name.text() == Some(edge)).and_then(|input| input.from());
    let (id, _) = from.unwrap_or((edge, ""));
    let node = document.nodes().into_iter().find(|node| node.id_text() == Some(id) && node.kind() == Some("encoder"));
    let arch = node.and_then(|node| node.variables().find(|(key, _)| *key == "ARCH"));
    arch.map(|(_, arch)| arch.to_owned()).ok_or_else(|| {
        Failure::new(ExitCode::Usage, format!("`{id}` is an encoder of another program: its sizes are not known here"))
    })
}

/// The verb.
pub(crate) fn params(args: &ParamsArgs) -> Outcome {
    let text = read(&args.flow.file)?;
    let file = args.flow.file.display().to_string();
    let found = check::check(&file, &text, &args.flow.set, &catalog::specs());
    if diagnostic::has_errors(&found) {
        return Err(rejected(&found));
    }
    let resolved = resolve::resolve(&file, &text, &args.flow.set).map_err(|d| rejected(&d))?;
    let document = Document::parse(&file, &resolved).map_err(|d| rejected(&d))?;
    let mut tables = Vec::new();
    for node in document.nodes().iter().filter(|node| node.kind() == Some("copl-model")) {
        let settings = CoplModelSettings::from_env(&node.settings())
            .map_err(|(key, why)| Failure::new(ExitCode::InvalidDataflow, format!("{key}: {why}")))?;
        let mut config = settings.model();
        for (name, edge) in [(&mut config.visual_encoder, "visual"), (&mut config.audio_encoder, "audio")] {
            if name == NODE {
                *name = encoder_behind(&document, *node, edge)?;
            }
        }
        let counted =
            |config: &ModelConfig| ParameterTable::of(config).map_err(|e| Failure::new(ExitCode::InvalidDataflow, e));
        let table = counted(&config)?;
        let mut presets = Vec::new();
        for (name, method) in config.method.variants() {
            presets.push((name, counted(&ModelConfig { method, ..config.clone() })?.additional));
        }
        tables.push((node.id_text().unwrap_or("model").to_owned(), settings.own.task, table, presets));
    }
    if tables.is_empty() {
        return Err(Failure::new(ExitCode::Usage, format!("{file} has no node copl-model to count")));
    }
    for (id, task, table, presets) in &tables {
        let published = paper::of_task(task.name);
        if args.json {
            let presets: BTreeMap<_, _> = presets.iter().cloned().collect();
            let line =
                serde_json::json!({ "node": id, "table": table, "additional_by_preset": presets, "paper": published });
            println!("{line}");
            continue;
        }
        println!("{id}\n{}", table.text());
        if !presets.is_empty() {
            println!(
                "Learn, beside the head, by preset (GRANULARITY: prompts of a stage, or of every block), in millions:"
            );
            let counts = presets.iter().map(|(name, count)| format!("{name} {:.2}", *count as f64 / 1e6));
            println!("  {}\n", counts.collect::<Vec<_>>().join("   "));
        }
        let Some(published) = published else { continue };
        println!("The paper's {} prints, in millions (total less additional is without the method):", published.name);
        for row in published.rows {
            println!(
                "  {:8} {:18} additional {:>6}   total {:>6}   less additional {:>6}",
                row.method,
                row.encoders,
                millions(row.additional),
                millions(row.total),
                millions(row.rest())
            );
        }
        println!(
            "Its totals include the encoders' classifier heads of 21 thousand classes. No reading of the paper gives all"
        );
        println!("of its counts; ours are counted from the tensors. A dash: the paper prints none.");
    }
    Ok(ExitCode::Success)
}

fn millions(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |n| format!("{n:.1}"))
}
