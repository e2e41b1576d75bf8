//! The settings of `clip-source`.

use std::path::PathBuf;

use copl_datasets::Descriptor;

copl_contract::choice! {
    /// What to do when the annotations name a video that is not there.
    pub enum Missing { Quarantine = "quarantine", Refuse = "refuse" }
}

copl_contract::settings! {
    /// Settings of `clip-source`.
    pub struct ClipSourceSettings {
        "DATASET" dataset: String = required, "Name of a shipped dataset descriptor (ave, avs-s4, avs-ms3, music-avqa, their -mini twins, ...) or the path of one's own.";
        "ROOT" root: PathBuf = required, "Folder of the dataset; relative to the dataflow's folder.";
        "EPOCHS" epochs: u32 = "10", "Passes over the training split; with 0 the test split alone is read, as `copl eval` does.";
        "SEED" seed: u64 = "0", "Seed of the training order.";
        "LIMIT_CLIPS" limit_clips: Option<usize> = "", "At most this many clips of each split, picked by the seed; all if unset.";
        "WINDOW" window: usize = "8", "Clips under way at once; every queue of the graph must hold two messages more.";
        "MAX_BAD_FRACTION" max_bad_fraction: f64 = "0.02", "Share of a split's clips that may be quarantined before the run stops; each split has its own, so a small validation split allows few.";
        "MISSING_VIDEOS" missing_videos: Missing = "quarantine", "A video that is not there: quarantine it, or refuse the dataset.";
        "STALL_SECS" stall_secs: f64 = "900", "Seconds without any clip coming back after which the run is given up.";
    }
}

/// What the types alone do not say.
pub(crate) fn check(env: &copl_contract::settings::Env) -> Result<(), (String, String)> {
    use copl_contract::settings::{SECS, Settings, within};
    let settings = ClipSourceSettings::from_env(env)?;
    let bad = |key: &str, problem: String| Err((key.to_owned(), problem));
    if !(0.0..=1.0).contains(&settings.max_bad_fraction) {
        return bad("MAX_BAD_FRACTION", format!("{} is no share between 0 and 1", settings.max_bad_fraction));
    }
    within("WINDOW", settings.window, 1..=100_000)?;
    within("STALL_SECS", settings.stall_secs, SECS)?;
    Descriptor::load(&settings.dataset).map(|_| ()).or_else(|e| bad("DATASET", e.to_string()))
}
