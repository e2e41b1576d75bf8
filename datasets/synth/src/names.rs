//! Names of what lies in a set or beside it while it is made.

/// The file that says how a set was made.
pub(crate) const MANIFEST: &str = "synth.json";
/// Prefix of a scratch folder's name; the process id follows.
pub(crate) const PARTIAL: &str = ".synth-partial-";
