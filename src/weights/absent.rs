//! Weights a dataflow needs that are not on this machine: a warning, as it may run on another.

use std::path::{Path, PathBuf};

use copl_contract::settings::Settings;
use copl_model::CoplModelSettings;
use copl_networks::encoders::preset;
use copl_networks::weights::WeightSource;

use crate::dataflow::diagnostic::Diagnostic;
use crate::dataflow::document::{Document, Node};
use crate::dataflow::{overrides, resolve};

/// Warnings for a dataflow that is otherwise right.
pub(crate) fn absent(file: &Path, text: &str, set: &[String]) -> Vec<Diagnostic> {
    let name = file.display().to_string();
    // Places are those of the file; values that `--set` changes stand in the document after it.
    let Ok(mut document) = Document::parse(&name, text) else { return Vec::new() };
    if resolve::resolve(&name, text, set).is_err() {
        return Vec::new();
    }
    if let Ok(changes) = overrides::parse_all(set) {
        overrides::apply(&mut document, &changes);
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let models = document.nodes().into_iter().filter(|node| node.kind() == Some("copl-model"));
    models.flat_map(|node| of_node(&node, folder)).collect()
}

fn of_node(node: &Node<'_>, folder: &Path) -> Vec<Diagnostic> {
    let variables: Vec<_> = node.env().iter().filter_map(|(k, v)| Some((k.text()?, v, v.text()?))).collect();
    let Ok(CoplModelSettings { own: settings, .. }) = CoplModelSettings::from_env(&node.settings()) else {
        return Vec::new();
    };
    let sides = [
        ("VISUAL", &settings.visual_encoder.0, settings.visual_weights.as_deref()),
        ("AUDIO", &settings.audio_encoder.0, settings.audio_weights.as_deref()),
    ];
    let mut found = Vec::new();
    for (side, encoder, weights) in sides {
        // A shared encoder has no preset of its own; a variable of the shell is known at the start only.
        let Ok(architecture) = preset(encoder) else { continue };
        if weights.is_some_and(|text| text.contains('$')) {
            continue;
        }
        let Some(problem) = problem(architecture.name(), weights, folder) else { continue };
        let at = |key: String| variables.iter().find(|(name, ..)| *name == key).map(|(_, value, _)| &value.place);
        let place = at(format!("{side}_WEIGHTS")).or_else(|| at(format!("{side}_ENCODER")));
        found.push(Diagnostic::warning(place.unwrap_or(node.place()), problem));
    }
    found
}

fn problem(preset: &str, weights: Option<&str>, folder: &Path) -> Option<String> {
    match WeightSource::resolve(preset, weights) {
        Err(error) => Some(error.to_string()),
        Ok(WeightSource::File(path)) => {
            // Nodes run in the dataflow's folder.
            let path: PathBuf = folder.join(path);
            (!path.is_file()).then(|| format!("weights of `{preset}`: there is no file {}", path.display()))
        }
        Ok(_) => None,
    }
}
