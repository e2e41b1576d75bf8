//! The order of a run: which clip comes when, as a function of the dataset and the settings alone.

use copl_contract::Split;
use copl_datasets::{Dataset, sampler};

use crate::ClipSourceSettings;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A clip, by its index in the dataset.
    Clip { epoch: u32, split: Split, index: usize },
    /// All clips of this epoch's split have been sent.
    Boundary { epoch: u32, split: Split },
}

/// The whole run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Indices of the clips of train, val and test.
    splits: [Vec<usize>; 3],
    /// Their numbers.
    pub(crate) clips: [u64; 3],
    epochs: u32,
    seed: u64,
}

const SPLITS: [(Split, copl_datasets::Split); 3] = [
    (Split::Train, copl_datasets::Split::Train),
    (Split::Val, copl_datasets::Split::Val),
    (Split::Test, copl_datasets::Split::Test),
];

impl Plan {
    pub(crate) fn new(dataset: &Dataset, settings: &ClipSourceSettings) -> Self {
        let splits = SPLITS.map(|(_, split)| {
            let all: Vec<usize> = (0..dataset.clips.len()).filter(|i| dataset.clips[*i].split == split).collect();
            let chosen = sampler::limited(settings.seed, settings.limit_clips, all.len());
            chosen.into_iter().map(|i| all[i]).collect::<Vec<_>>()
        });
        let clips = [0, 1, 2].map(|i| splits[i].len() as u64);
        Self { splits, clips, epochs: settings.epochs, seed: settings.seed }
    }

    /// All steps of the run. A split without clips has no pass.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        let passes = (1..=self.epochs).flat_map(|e| [(e, 0), (e, 1)]).chain([(self.epochs, 2)]);
        passes.filter(|(_, split)| !self.splits[*split].is_empty()).flat_map(move |(epoch, split)| {
            let clips = &self.splits[split];
            let order = match split {
                0 => sampler::epoch_order(self.seed, u64::from(epoch), clips.len()),
                _ => (0..clips.len()).collect(),
            };
            let name = SPLITS[split].0;
            order
                .into_iter()
                .map(move |i| Step::Clip { epoch, split: name, index: clips[i] })
                .chain([Step::Boundary { epoch, split: name }])
        })
    }
}
