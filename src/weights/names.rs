//! Names of weights, and their size as people read it.

use copl_contract::ExitCode;
use copl_networks::weights::hub::{self, Entry};

use super::which::{Which, presets};
use crate::outcome::Failure;

/// The table's entry of a preset, alias, or name of the table itself.
pub(super) fn entry(name: &str) -> Option<&'static Entry> {
    let by_preset = Which::of(name).and_then(|preset| hub::entry(preset.name()));
    by_preset.or_else(|| hub::entry(name))
}

/// Nobody knows this name.
pub(super) fn unknown(name: &str) -> Failure {
    let presets = presets();
    let names =
        presets.iter().flat_map(|p| std::iter::once(p.name.as_str()).chain(p.aliases.iter().map(String::as_str)));
    let help = match copl_contract::settings::nearest(name, names) {
        Some(near) => format!("did you mean {near}?"),
        None => "`copl weights list` lists them".to_owned(),
    };
    Failure::new(ExitCode::Usage, format!("there are no weights `{name}`; {help}"))
}

/// Bytes in millions, as the hub counts them.
pub(super) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
