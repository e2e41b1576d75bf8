//! A method as a user chooses it: its name and its settings, read through the registry.

use std::sync::Arc;

use copl_contract::setting_choice::ChosenGroup;
use copl_contract::settings::{Env, SettingSpec, not_one_of};
use copl_contract::task::{SampleLabels, Task};

use super::{FAMILIES, MethodSettings};
use crate::train::Schedule;

/// A method of the registry.
pub struct Family {
    /// Its name: the value of the setting `METHOD`.
    pub word: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Its settings. Methods may share a group.
    pub settings: &'static [SettingGroup],
    /// Reads its settings; those that are unset are the task's.
    pub read: Read,
    /// How a model is trained for a task with it, unless a user says otherwise.
    pub training: fn(Task) -> Training,
}

/// Reads a method's settings for a task; else the setting that is wrong, and why.
pub type Read = fn(Task, &Env) -> Result<MethodConfig, (String, String)>;

/// Settings of a method, or of several.
#[derive(Debug)]
pub struct SettingGroup {
    /// Where they apply: `METHOD` and the names of the methods.
    pub applies: &'static str,
    /// The settings.
    pub specs: fn() -> Vec<SettingSpec>,
}

/// How a model is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Training {
    /// Clips a step; of question answering, questions.
    pub batch: usize,
    /// Learning rate of all that is not the head.
    pub lr_prompts: f64,
    /// Learning rate of the head.
    pub lr_head: f64,
    /// How both rates change.
    pub schedule: Schedule,
}

impl Training {
    /// The CoPL paper's rates for a task; batch and schedule, which it does not state, are those of the codebases it
    /// compares with.
    pub fn of_paper(task: Task) -> Self {
        let ave = Self { batch: 2, lr_prompts: 1e-3, lr_head: 1e-5, schedule: Schedule::Constant };
        match task.samples {
            SampleLabels::Masks => Self { batch: 4, lr_head: 5e-5, ..ave },
            SampleLabels::Answer => {
                Self { batch: 8, lr_head: 1e-4, schedule: Schedule::Step { size: 8, gamma: 0.1 }, ..ave }
            }
            SampleLabels::Segments => ave,
        }
    }
}

/// A method with its settings.
#[derive(Debug, Clone)]
pub struct MethodConfig(Arc<dyn MethodSettings>);

impl MethodConfig {
    /// The method `word` for a task, with the settings of an `env:` map.
    ///
    /// # Errors
    /// The setting that is wrong, and why; `METHOD` if there is no such method.
    pub fn read(word: &str, task: Task, env: &Env) -> Result<Self, (String, String)> {
        match FAMILIES.iter().find(|family| family.word == word) {
            Some(family) => (family.read)(task, env),
            None => Err(("METHOD".to_string(), not_one_of(word, FAMILIES.iter().map(|family| family.word)))),
        }
    }

    /// Its name.
    pub fn word(&self) -> &'static str {
        self.0.family().word
    }
}

impl<M: MethodSettings + 'static> From<M> for MethodConfig {
    fn from(settings: M) -> Self {
        Self(Arc::new(settings))
    }
}

impl std::ops::Deref for MethodConfig {
    type Target = dyn MethodSettings;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for MethodConfig {
    fn eq(&self, other: &Self) -> bool {
        self.word() == other.word() && self.values() == other.values()
    }
}

/// The settings of every method, those of `word` chosen; a group that several share is there once.
pub fn groups(word: &str) -> Vec<ChosenGroup> {
    let mut groups: Vec<ChosenGroup> = Vec::new();
    for family in FAMILIES {
        for SettingGroup { applies, specs } in family.settings {
            let chosen = family.word == word;
            match groups.iter_mut().find(|group| group.applies == *applies) {
                Some(group) => group.chosen |= chosen,
                None => groups.push(ChosenGroup { applies, chosen, specs: specs() }),
            }
        }
    }
    groups
}
