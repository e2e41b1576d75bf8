//! Where a run that was cut goes on in its plan.

use copl_contract::checkpoint::ReportPart;
use copl_contract::edges::Place;
use copl_contract::{ExitCode, NodeError};
use copl_datasets::Dataset;

use crate::plan::{Plan, Step};

/// What is done already.
#[derive(Debug, Default)]
pub(crate) struct Resumed {
    /// Clips and boundaries of the plan.
    pub(crate) items: usize,
    /// Place of the next clip in the run.
    pub(crate) position: u64,
    /// Clips that were quarantined.
    pub(crate) quarantined: Vec<String>,
}

impl Resumed {
    /// The beginning, or what the run's checkpoint says.
    pub(crate) fn find(place: &Place, dataset: &Dataset, plan: &Plan) -> Result<Self, NodeError> {
        let failed = |problem: String| NodeError::failed(ExitCode::Data, problem);
        let Some(resume) = &place.resume else { return Ok(Self::default()) };
        if let Some(began) = resume.data_fingerprint.as_ref().filter(|began| **began != dataset.fingerprint) {
            return Err(failed(format!(
                "the dataset has changed since the run began (SHA-256 of its annotations {began}, now {}): a run cannot \
                 go on with other clips",
                dataset.fingerprint
            )));
        }
        let part = ReportPart::read(&resume.checkpoint).map_err(|e| NodeError::failed(ExitCode::Missing, e))?;
        let items = usize::try_from(part.items).unwrap_or(usize::MAX);
        let mut found = Self { items, quarantined: part.quarantined, ..Self::default() };
        let mut steps = 0;
        for step in plan.steps().take(items) {
            steps += 1;
            found.position += u64::from(matches!(step, Step::Clip { .. }));
        }
        if steps < items {
            return Err(failed(format!(
                "the checkpoint stands behind {items} clips and boundaries, the run has {steps}"
            )));
        }
        Ok(found)
    }
}
