//! `copl weights`: list, pull and verify the weights of encoders; and what `copl check` says of weights that are absent.

mod absent;
mod list;
mod meter;
mod names;
mod pull;
mod verify;
mod which;

pub(crate) use absent::absent;

use crate::args::{WeightsArgs, WeightsVerb};
use crate::outcome::Outcome;

/// The `weights` verbs.
pub(crate) fn weights(args: &WeightsArgs) -> Outcome {
    match &args.verb {
        WeightsVerb::List { json } => list::list(*json),
        WeightsVerb::Pull { names, quiet } => pull::pull(names, *quiet),
        WeightsVerb::Verify { what, preset, json } => verify::verify(what, preset.as_deref(), *json),
    }
}
