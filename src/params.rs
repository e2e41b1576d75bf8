//! `copl params`: the parameter table of every model in a dataflow, without reading a weight.

use copl_contract::ExitCode;
use copl_contract::settings::{Env, Settings};
use copl_model::config::NODE;
use copl_model::node::CoplModelSettings;
use copl_model::params::{ParameterTable, paper_rows};

use crate::args::ParamsArgs;
use crate::dataflow::document::{Document, Node};
use crate::dataflow::{check, diagnostic, resolve};
use crate::verbs::{read, rejected};
use crate::{Failure, Outcome, catalog};

/// The encoder that the node behind an input of a model has.
fn encoder_behind(document: &Document, model: Node<'_>, edge: &str) -> Result<String, Failure> {
    let inputs = model.inputs();
    let from = inputs.iter().find(|input| input.name.text() == Some(edge)).and_then(|input| input.from());
    let (id, _) = from.unwrap_or((edge, ""));
    let node = document.nodes().into_iter().find(|node| node.id_text() == Some(id) && node.kind() == Some("encoder"));
    let arch = node.and_then(|node| node.env().iter().find(|(key, _)| key.text() == Some("ARCH"))?.1.text());
    arch.map(str::to_owned).ok_or_else(|| {
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
        let env: Env =
            node.env().iter().filter_map(|(k, v)| Some((k.text()?.to_owned(), v.text()?.to_owned()))).collect();
        let settings = CoplModelSettings::from_env(&env)
            .map_err(|(key, why)| Failure::new(ExitCode::InvalidDataflow, format!("{key}: {why}")))?;
        let mut config = settings.model();
        for (name, edge) in [(&mut config.visual_encoder, "visual"), (&mut config.audio_encoder, "audio")] {
            if name == NODE {
                *name = encoder_behind(&document, *node, edge)?;
            }
        }
        let table = ParameterTable::of(&config).map_err(|e| Failure::new(ExitCode::InvalidDataflow, e))?;
        tables.push((node.id_text().unwrap_or("model").to_owned(), settings.task, table));
    }
    if tables.is_empty() {
        return Err(Failure::new(ExitCode::Usage, format!("{file} has no node copl-model to count")));
    }
    for (id, task, table) in &tables {
        if args.json {
            let line = serde_json::json!({ "node": id, "table": table, "paper": paper_rows(*task) });
            println!("{line}");
            continue;
        }
        println!("{id}\n{}", table.text());
        println!("The paper's table prints, in millions:");
        for row in paper_rows(*task) {
            println!(
                "  {:8} {:18} additional {:6.1}   total {:6.1}",
                row.method, row.encoders, row.additional, row.total
            );
        }
        println!(
            "Its totals include the encoders' classifier heads of 21 thousand classes. No reading of the paper gives all"
        );
        println!("of its counts; ours are counted from the tensors.");
    }
    Ok(ExitCode::Success)
}
