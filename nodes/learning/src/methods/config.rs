//! A method as a user chooses it: its name and its settings, read through the registry.

use std::sync::Arc;

use copl_contract::setting_choice::ChosenGroup;
use copl_contract::settings::{Env, SettingSpec, not_one_of};

use super::{FAMILIES, MethodSettings};

/// A method of the registry.
pub struct Family {
    /// Its name: the value of the setting `METHOD`.
    pub word: &'static str,
    /// Where its settings apply: `METHOD` and the name.
    pub applies: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Its settings.
    pub settings: fn() -> Vec<SettingSpec>,
    /// Reads its settings.
    pub read: fn(&Env) -> Result<MethodConfig, (String, String)>,
}

/// A method with its settings.
#[derive(Debug, Clone)]
pub struct MethodConfig(Arc<dyn MethodSettings>);

impl MethodConfig {
    /// The method `word` with the settings of an `env:` map.
    ///
    /// # Errors
    /// The setting that is wrong, and why; `METHOD` if there is no such method.
    pub fn read(word: &str, env: &Env) -> Result<Self, (String, String)> {
        match FAMILIES.iter().find(|family| family.word == word) {
            Some(family) => (family.read)(env),
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

/// The settings of every method, those of `word` chosen.
pub fn groups(word: &str) -> Vec<ChosenGroup> {
    let group = |family: &&Family| ChosenGroup {
        applies: family.applies,
        chosen: family.word == word,
        specs: (family.settings)(),
    };
    FAMILIES.iter().map(group).collect()
}
