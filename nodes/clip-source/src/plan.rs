//! The order of a run: which clip comes when, as a function of the dataset and the settings alone.

use copl_contract::Split;
use copl_datasets::{Clip, Dataset, Task, VideoIndex, sampler};

use crate::settings::ClipSourceSettings;

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
    /// Which of them share a video, where such are to stay together.
    videos: Option<[VideoIndex; 3]>,
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
        let index = |split: &Vec<usize>| {
            let clips: Vec<Clip> = split.iter().map(|i| dataset.clips[*i].clone()).collect();
            VideoIndex::new(&clips)
        };
        let videos = (dataset.task == Task::MusicAvqa).then(|| splits.each_ref().map(index));
        Self { splits, videos, clips, epochs: settings.epochs, seed: settings.seed }
    }

    /// The clips of the run.
    pub(crate) fn of<'d>(&self, dataset: &'d Dataset) -> impl Iterator<Item = &'d Clip> {
        self.splits.iter().flatten().map(|index| &dataset.clips[*index])
    }

    /// The clips of an epoch's split by their place in it.
    fn order(&self, epoch: u32, split: usize) -> Vec<usize> {
        let order = |count: usize| match split {
            0 => sampler::epoch_order(self.seed, u64::from(epoch), count),
            _ => (0..count).collect(),
        };
        match &self.videos {
            Some(videos) => videos[split].together(&order(videos[split].videos())),
            None => order(self.splits[split].len()),
        }
    }

    /// All steps of the run. A split without clips has no pass.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        let passes = (1..=self.epochs).flat_map(|e| [(e, 0), (e, 1)]).chain([(self.epochs.max(1), 2)]);
        passes.filter(|(_, split)| !self.splits[*split].is_empty()).flat_map(move |(epoch, split)| {
            let clips = &self.splits[split];
            let name = SPLITS[split].0;
            self.order(epoch, split)
                .into_iter()
                .map(move |i| Step::Clip { epoch, split: name, index: clips[i] })
                .chain([Step::Boundary { epoch, split: name }])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use copl_contract::settings::Settings;
    use made::dataset;

    mod made {
        use copl_datasets::{Clip, Dataset, Media, Split, Target, Task};

        pub(super) fn dataset() -> Dataset {
            let clip = |row: usize, split| Clip {
                id: format!("v#{row}"),
                video_id: "v".to_owned(),
                media: Media::Video("v.mp4".into()),
                split,
                target: Target::Events { labels: vec![0; 10], category: 0, start_secs: 0, end_secs: 10 },
                row,
            };
            let splits = [Split::Train; 5].into_iter().chain([Split::Val; 2]).chain([Split::Test; 3]);
            Dataset {
                name: "made".to_owned(),
                task: Task::Ave,
                root: "/".into(),
                classes: vec!["Bell".to_owned()],
                background: Some(1),
                segments: 10,
                clips: splits.enumerate().map(|(row, split)| clip(row, split)).collect(),
                fingerprint: String::new(),
                unassigned: Vec::new(),
            }
        }
    }

    fn plan(more: &[(&str, &str)]) -> Vec<Step> {
        let env = [("DATASET", "ave-mini"), ("ROOT", "x"), ("EPOCHS", "2")].iter().chain(more);
        let env = env.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Plan::new(&dataset(), &ClipSourceSettings::from_env(&env).unwrap()).steps().collect()
    }

    #[test]
    fn train_and_val_every_epoch_then_test_once() {
        let boundaries: Vec<_> = plan(&[])
            .into_iter()
            .filter_map(|s| if let Step::Boundary { epoch, split } = s { Some((epoch, split)) } else { None })
            .collect();
        let expected = [(1, Split::Train), (1, Split::Val), (2, Split::Train), (2, Split::Val), (2, Split::Test)];
        assert_eq!(boundaries, expected);
        assert_eq!(plan(&[]).len(), 2 * (5 + 2) + 3 + 5);
    }

    #[test]
    fn no_epoch_is_the_test_split_alone() {
        let steps = plan(&[("EPOCHS", "0")]);
        assert_eq!(steps.len(), 4);
        assert_eq!(steps.last(), Some(&Step::Boundary { epoch: 1, split: Split::Test }));
    }

    #[test]
    fn the_order_is_a_function_of_seed_and_epoch() {
        assert_eq!(plan(&[("SEED", "3")]), plan(&[("SEED", "3")]));
        assert_ne!(plan(&[("SEED", "3")]), plan(&[("SEED", "4")]));
    }

    #[test]
    fn questions_about_a_video_stay_together_in_every_split() {
        let mut dataset = dataset();
        dataset.task = copl_datasets::Task::MusicAvqa;
        for (clip, video) in dataset.clips.iter_mut().zip(["a", "b", "a", "b", "a", "c", "c", "a", "d", "a"]) {
            clip.video_id = video.to_owned();
        }
        let env = [("DATASET", "music-avqa-mini"), ("ROOT", "x"), ("EPOCHS", "3")];
        let env = env.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect();
        let plan = Plan::new(&dataset, &ClipSourceSettings::from_env(&env).unwrap());
        let mut passes: Vec<Vec<usize>> = vec![Vec::new()];
        for step in plan.steps() {
            match step {
                Step::Clip { index, .. } => passes.last_mut().unwrap().push(index),
                Step::Boundary { .. } => passes.push(Vec::new()),
            }
        }
        for pass in &passes[..6] {
            assert!([vec![0, 2, 4, 1, 3], vec![1, 3, 0, 2, 4], vec![5, 6]].contains(pass), "{pass:?}");
        }
        assert_eq!(passes[6], [7, 9, 8]);
    }

    #[test]
    fn a_limit_holds_for_each_split() {
        assert_eq!(plan(&[("LIMIT_CLIPS", "2")]).len(), 2 * (2 + 2) + 2 + 5);
    }
}
