//! The tasks: what is asked of a clip, and what crosses the edges for it. A new task is an entry of [`TASKS`]; readers of
//! datasets, heads, losses and views hang on its name.

use crate::schema::Schema;
use crate::settings::{SettingValue, not_one_of};

/// A task.
#[derive(Debug, PartialEq, Eq)]
pub struct TaskSpec {
    /// The name everywhere: the setting `TASK`, datasets' descriptors, reports.
    pub name: &'static str,
    /// Names that older dataflows and runs have for it.
    pub older: &'static [&'static str],
    /// What it is.
    pub about: &'static str,
    /// Schema of the clips a source streams.
    pub clips: Schema,
    /// Schema of what a model says of them.
    pub predictions: Schema,
    /// Schema of the gradients a loss answers with.
    pub gradients: Schema,
    /// The metric by which the model is picked on the validation split, unless the loss says otherwise; higher is better.
    pub judged_by: &'static str,
    /// What the numbers of the `samples` columns `prediction` and `target` are.
    pub samples: SampleLabels,
}

/// What the lists of numbers in a `samples` row are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleLabels {
    /// The class of every segment.
    Segments,
    /// Pixels of the mask of every frame.
    Masks,
    /// One answer.
    Answer,
}

/// A task by reference to its entry.
pub type Task = &'static TaskSpec;

/// Audio-visual event localisation.
pub const AVE: Task = &TaskSpec {
    name: "ave",
    older: &[],
    about: "event localisation: a class for every segment",
    clips: Schema::Clips,
    predictions: Schema::Predictions,
    gradients: Schema::Gradients,
    judged_by: "accuracy",
    samples: SampleLabels::Segments,
};

/// Segmentation of a single sounding object.
pub const AVS_S4: Task = &TaskSpec {
    name: "avs-s4",
    older: &["avs"],
    about: "segmentation: the mask of the sounding object in every frame; in training the first frame alone has one",
    clips: Schema::MaskClips,
    predictions: Schema::MaskPredictions,
    gradients: Schema::MaskGradients,
    judged_by: "miou",
    samples: SampleLabels::Masks,
};

/// Segmentation of several sounding objects.
pub const AVS_MS3: Task = &TaskSpec {
    name: "avs-ms3",
    older: &[],
    about: "segmentation: the mask of all sounding objects in every frame; in training every frame has one",
    clips: Schema::MaskClips,
    predictions: Schema::MaskPredictions,
    gradients: Schema::MaskGradients,
    judged_by: "miou",
    samples: SampleLabels::Masks,
};

/// Question answering.
pub const MUSIC_AVQA: Task = &TaskSpec {
    name: "music-avqa",
    older: &["avqa"],
    about: "question answering: one of the answers",
    clips: Schema::QuestionClips,
    predictions: Schema::AnswerPredictions,
    gradients: Schema::AnswerGradients,
    judged_by: "accuracy",
    samples: SampleLabels::Answer,
};

/// Every task.
pub const TASKS: &[Task] = &[AVE, AVS_S4, AVS_MS3, MUSIC_AVQA];

/// The task of a name, today's or an older one.
pub fn by_name(name: &str) -> Option<Task> {
    TASKS.iter().copied().find(|task| task.name == name || task.older.contains(&name))
}

impl SettingValue for Task {
    const TYPE: &'static str = "choice";
    fn parse(text: &str) -> Result<Self, String> {
        by_name(text.trim()).ok_or_else(|| not_one_of(text, TASKS.iter().map(|task| task.name)))
    }
    fn show(&self) -> String {
        self.name.to_owned()
    }
    fn choices() -> Vec<&'static str> {
        TASKS.iter().map(|task| task.name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_today_and_before_are_read_and_are_unique() {
        for task in TASKS {
            assert_eq!(Task::parse(task.name), Ok(*task));
            assert!(task.older.iter().all(|older| by_name(older) == Some(task)));
        }
        let mut names: Vec<&str> = TASKS.iter().flat_map(|t| t.older.iter().chain([&t.name])).copied().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(Task::parse("avs-s5").is_err_and(|e| e.contains("did you mean avs-s4?")));
    }
}
