//! The short verbs: check, graph, nodes, doctor, exit codes, completions.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;
use copl_contract::ExitCode;
use copl_networks::weights::WeightSource;
use copl_reports::store::Store;

use crate::args::{Args, DoctorArgs, FileArgs, GraphArgs, GraphFormat, NodesArgs, NodesVerb};
use crate::dataflow::diagnostic::{self, Diagnostic};
use crate::dataflow::document::Document;
use crate::dataflow::{check, resolve};
use crate::outcome::{Failure, Outcome};
use crate::terminal::shown;
use crate::{catalog, doctor, graph, nodes, report};

/// The text of a dataflow.
pub(crate) fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|e| Failure::new(ExitCode::Usage, format!("{}: {e}", file.display())))
}

/// A failure that shows what is wrong with a dataflow.
pub(crate) fn rejected(found: &[Diagnostic]) -> Failure {
    use std::io::IsTerminal;
    let colour = std::io::stderr().is_terminal();
    let lines: Vec<String> = found.iter().map(|d| d.render(colour)).collect();
    Failure::coloured(ExitCode::InvalidDataflow, format!("the dataflow cannot be run\n{}", lines.join("\n")))
}

/// The nodes of a dataflow that this program holds: (id, kind).
pub(crate) fn our_nodes(document: &Document) -> Vec<(String, String)> {
    document.nodes().iter().filter_map(|n| Some((n.id_text()?.to_owned(), n.kind()?.to_owned()))).collect()
}

/// `copl check`.
pub(crate) fn check(args: &FileArgs) -> Outcome {
    let text = read(&args.file)?;
    let file = args.file.display().to_string();
    let mut found = check::check(&file, &text, &args.set, &catalog::specs());
    if !diagnostic::has_errors(&found) {
        // What only dora itself would refuse is refused now, not at the start of a run.
        let resolved = resolve::resolve(&file, &text, &args.set).map_err(|d| rejected(&d))?;
        copl_engine::validate(&resolved).map_err(|e| Failure::new(ExitCode::InvalidDataflow, e))?;
    }
    if diagnostic::has_errors(&found) {
        return Err(rejected(&found));
    }
    found.extend(crate::weights::absent(&args.file, &text, &args.set));
    found.iter().for_each(|d| println!("{}", d.render(false)));
    println!("{}: ok", shown(&file));
    Ok(ExitCode::Success)
}

/// `copl graph`.
pub(crate) fn graph(args: &GraphArgs) -> Outcome {
    let text = read(&args.flow.file)?;
    let file = args.flow.file.display().to_string();
    let resolved = resolve::resolve(&file, &text, &args.flow.set).map_err(|d| rejected(&d))?;
    let document = Document::parse(&file, &resolved).map_err(|d| rejected(&d))?;
    let by_name = args.output.as_ref().and_then(|o| o.extension()).and_then(|e| e.to_str());
    let format = match by_name {
        Some("svg") => GraphFormat::Svg,
        Some("mmd") => GraphFormat::Mermaid,
        _ => args.format,
    };
    let picture = match format {
        GraphFormat::Mermaid => graph::mermaid(&document),
        GraphFormat::Svg => graph::svg(&document, &catalog::specs()),
    };
    match &args.output {
        None => println!("{}", shown(&picture)),
        Some(path) => report::write(path, picture.as_bytes())?,
    }
    Ok(ExitCode::Success)
}

/// `copl nodes`.
pub(crate) fn nodes(args: &NodesArgs) -> Outcome {
    let specs = catalog::specs();
    match &args.verb {
        Some(NodesVerb::Describe { node }) => {
            let spec = nodes::find(&specs, node).map_err(|e| Failure::new(ExitCode::Usage, e))?;
            if args.json {
                println!("{}", nodes::json(std::slice::from_ref(spec)));
                return Ok(ExitCode::Success);
            }
            println!("{}", nodes::describe(spec));
            if spec.name == "copl-model" {
                println!("\n{}", encoders());
            }
        }
        Some(NodesVerb::Schema) => println!("{:#}", crate::schema::schema(&specs)),
        _ if args.json => println!("{}", nodes::json(&specs)),
        _ => println!("{}", nodes::list(&specs)),
    }
    Ok(ExitCode::Success)
}

fn encoders() -> String {
    let mut text = "Encoders:\n".to_owned();
    for p in copl_networks::encoders::presets() {
        let weights = if p.embedded { "weights inside the program" } else { "weights: `copl weights list`" };
        let aliases = if p.aliases.is_empty() { String::new() } else { format!(" (or {})", p.aliases.join(", ")) };
        let takes = [("frames", p.visual), ("spectrograms", p.audio)];
        let takes: Vec<String> = takes.iter().filter_map(|(what, s)| s.map(|s| format!("{what} {s}"))).collect();
        text += &format!(
            "  {}{aliases}: {}, width {}, {:.1} M parameters; {weights}\n",
            p.name,
            takes.join(", "),
            p.out_dim,
            p.parameters as f64 / 1e6
        );
    }
    text
}

/// `copl doctor`.
pub(crate) fn doctor(args: &DoctorArgs) -> Outcome {
    let found = copl_networks::encoders::presets().into_iter().filter_map(|p| {
        let path = match WeightSource::resolve(&p.name, None).ok()? {
            WeightSource::File(path) => Some(path),
            WeightSource::Embedded(_) | WeightSource::Random => None,
        };
        Some(doctor::Weights { name: p.name, path, needed: p.embedded })
    });
    let weights = found.collect();
    let options = doctor::Options {
        runs_dir: args.runs.clone(),
        ffmpeg: args.ffmpeg.clone(),
        weights,
        cuda_built: cfg!(feature = "cuda"),
    };
    let lines = doctor::run(&options);
    println!("{}", shown(&doctor::render(&lines)));
    Ok(if doctor::failed(&lines) { ExitCode::Missing } else { ExitCode::Success })
}

/// `copl exit-codes`.
pub(crate) fn exit_codes() -> Outcome {
    for code in ExitCode::ALL {
        println!("{:4}  {}", code.code(), code.meaning());
    }
    Ok(ExitCode::Success)
}

/// `copl completions`.
pub(crate) fn completions(shell: Shell) -> Outcome {
    clap_complete::generate(shell, &mut Args::command(), "copl", &mut std::io::stdout());
    Ok(ExitCode::Success)
}

/// The checkpoint of a path, or of a run: what validation picked in it.
pub(crate) fn checkpoint(named: &Path, runs: &Path) -> Result<PathBuf, Failure> {
    let path = match (named.exists(), named.to_str()) {
        (false, Some(run)) if named.components().count() == 1 => {
            let run = Store::new(runs.to_owned()).open(run).map_err(|e| Failure::new(ExitCode::Usage, e))?;
            run.path.join("checkpoints").join("best.safetensors")
        }
        _ => named.to_owned(),
    };
    path.canonicalize().map_err(|e| Failure::new(ExitCode::Usage, format!("{}: {e}", path.display())))
}
