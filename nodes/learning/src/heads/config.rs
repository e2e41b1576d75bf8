//! A task's head as a user chooses it: its name and settings, read through the registry.

use std::sync::Arc;

use copl_contract::setting_choice::{ChosenGroup, divided};
use copl_contract::settings::Env;
use copl_contract::task::Task;

use super::{FAMILIES, HeadSettings};

/// The heads of one task, or of several of one kind.
pub struct Family {
    /// The names of the tasks.
    pub tasks: &'static [&'static str],
    /// The settings of the task and of each of its heads, with those chosen that an `env:` map chooses. The first group is
    /// the task's own, and holds the setting that names the head.
    pub groups: fn(Task, &Env) -> Vec<ChosenGroup>,
    /// Reads the settings, divided as the groups are.
    pub read: Read,
}

/// Reads the settings of a task's head, divided as its groups are; else the setting that is wrong, and why.
pub type Read = fn(Task, &[Env]) -> Result<HeadConfig, (String, String)>;

/// A head with its settings.
#[derive(Debug, Clone)]
pub struct HeadConfig(Arc<dyn HeadSettings>);

fn family(task: Task) -> &'static Family {
    let of = FAMILIES.iter().find(|family| family.tasks.contains(&task.name));
    of.unwrap_or_else(|| unreachable!("the task {} has no head", task.name))
}

impl HeadConfig {
    /// The default head of a task.
    pub fn of(task: Task) -> Self {
        Self::read(task, &Env::new()).unwrap_or_else(|(key, problem)| unreachable!("default of {key}: {problem}"))
    }

    /// The head that an `env:` map names, with its settings.
    ///
    /// # Errors
    /// The setting that is wrong, and why.
    pub fn read(task: Task, env: &Env) -> Result<Self, (String, String)> {
        let family = family(task);
        (family.read)(task, &divided(env, &(family.groups)(task, env))?)
    }

    /// The settings of an `env:` map that the task's head has.
    pub(crate) fn applicable(task: Task, mut env: Env) -> Env {
        let groups = (family(task).groups)(task, &env);
        let chosen = || groups.iter().filter(|group| group.chosen).flat_map(|group| &group.specs);
        env.retain(|key, _| chosen().any(|spec| spec.key == key));
        env
    }
}

impl<H: HeadSettings + 'static> From<H> for HeadConfig {
    fn from(settings: H) -> Self {
        Self(Arc::new(settings))
    }
}

impl std::ops::Deref for HeadConfig {
    type Target = dyn HeadSettings;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for HeadConfig {
    fn eq(&self, other: &Self) -> bool {
        self.values() == other.values()
    }
}

/// The settings of every task's heads, those of `task` chosen as an `env:` map chooses them.
pub fn groups(task: Task, env: &Env) -> Vec<ChosenGroup> {
    let of = |family: &&Family| {
        let chosen = family.tasks.contains(&task.name);
        (family.groups)(task, env).into_iter().map(move |group| ChosenGroup { chosen: chosen && group.chosen, ..group })
    };
    FAMILIES.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use copl_contract::task;

    use super::*;

    #[test]
    fn every_task_has_a_head_and_its_settings_apply_with_it_alone() {
        for task in task::TASKS {
            let values = HeadConfig::of(task).values();
            assert!(!values.is_empty(), "{}", task.name);
            let env: Env = values.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            assert_eq!(HeadConfig::read(task, &env).unwrap(), HeadConfig::of(task));
        }
        let env = |key: &str, value: &str| Env::from([(key.to_owned(), value.to_owned())]);
        let (key, problem) = HeadConfig::read(task::AVS_S4, &env("HEAD_WIDTH", "8")).unwrap_err();
        assert!(key == "HEAD_WIDTH" && problem.contains("no such setting"), "{problem}");
        let linear: Env = [env("DECODER", "linear"), env("DECODER_WIDTH", "8")].into_iter().flatten().collect();
        let (key, problem) = HeadConfig::read(task::AVS_S4, &linear).unwrap_err();
        assert!(key == "DECODER_WIDTH" && problem.contains("DECODER avsbench"), "{problem}");
    }
}
