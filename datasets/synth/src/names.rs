//! Names of what lies in a set, or beside it while it is made.

/// The file that says how a set was made.
pub(crate) use copl_datasets::descriptor::MANIFEST;

/// Of the lock beside a set: `.<set>.synth-lock`.
pub(crate) const LOCK: &str = ".synth-lock";
/// Of a scratch folder beside a set: `.<set>.synth-partial-<drawn>`.
pub(crate) const PARTIAL: &str = ".synth-partial-";
