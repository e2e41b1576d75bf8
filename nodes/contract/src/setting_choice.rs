//! Settings that another setting chooses: a method's own apply with `METHOD` alone, a head's with its task. Each is declared with
//! what it belongs to, described with where it applies, and refused elsewhere by that name.

use crate::settings::{Env, PASSED_THROUGH, SettingSpec, check_keys};

impl SettingSpec {
    /// Whether it applies with what an `env:` map chooses among the settings `all`.
    pub fn applies_with(&self, all: &[SettingSpec], env: &Env) -> bool {
        self.applies.split(" and ").all(|condition| {
            let Some((key, values)) = condition.split_once(' ') else { return true };
            let Some(chooser) = all.iter().find(|spec| spec.key == key) else { return false };
            let given = env.get(key).or(chooser.default.as_ref()).and_then(|text| (chooser.shown)(text).ok());
            // A value nobody can read chooses nothing; that it is wrong is said elsewhere.
            given.is_none_or(|given| values.split(", ").any(|value| value == given)) && chooser.applies_with(all, env)
        })
    }
}

/// Keys of an `env:` map that are settings, but do not apply with what it chooses.
pub fn inapplicable<'e>(all: &[SettingSpec], env: &'e Env) -> Vec<&'e str> {
    let applies = |key: &str| all.iter().find(|spec| spec.key == key).is_none_or(|spec| spec.applies_with(all, env));
    env.keys().map(String::as_str).filter(|key| !applies(key)).collect()
}

/// Settings that apply together: those of a node, or of one of several things that a setting of the node chooses.
#[derive(Clone, Debug)]
pub struct ChosenGroup {
    /// The setting and the value that choose them, such as `METHOD copl`; empty: always chosen.
    pub applies: &'static str,
    /// Whether they are chosen here.
    pub chosen: bool,
    /// The settings.
    pub specs: Vec<SettingSpec>,
}

impl ChosenGroup {
    /// The settings, each saying where it applies.
    pub fn described(self) -> impl Iterator<Item = SettingSpec> {
        self.specs.into_iter().map(move |spec| SettingSpec { applies: self.applies, ..spec })
    }
}

/// The part of an `env:` map that belongs to each group, in their order; what is passed through belongs to none.
///
/// # Errors
/// A key that is no setting, with the nearest valid name; a key of a group that is not chosen, with where it applies.
pub fn divided(env: &Env, groups: &[ChosenGroup]) -> Result<Vec<Env>, (String, String)> {
    let mut parts = vec![Env::new(); groups.len()];
    for (key, value) in env.iter().filter(|(key, _)| !PASSED_THROUGH.contains(&key.as_str())) {
        let owners = || groups.iter().enumerate().filter(|(_, group)| group.specs.iter().any(|s| s.key == key));
        if owners().next().is_none() {
            let known: Vec<SettingSpec> = groups.iter().flat_map(|group| group.specs.clone()).collect();
            check_keys(&[(key.clone(), value.clone())].into(), &known)?;
        }
        match owners().find(|(_, group)| group.chosen) {
            Some((index, _)) => drop(parts[index].insert(key.clone(), value.clone())),
            None => {
                let places = owners().map(|(_, group)| group.applies).collect::<Vec<_>>().join(" or ");
                return Err((key.clone(), format!("applies with {places} alone: leave it out, or choose that")));
            }
        }
    }
    Ok(parts)
}

/// An `env:` map of the values in a JSON object whose keys are settings' keys in lower case, as files keep settings.
pub fn env_of_json(values: &serde_json::Map<String, serde_json::Value>) -> Env {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    values.iter().map(|(key, value)| (key.to_uppercase(), text(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    crate::choice! {
        /// A rule.
        pub enum Rule { Centre = "centre", Linspace = "linspace" }
    }
    crate::settings! {
        /// Settings of nothing.
        pub struct Sample {
            "SIZE" size: usize = "192", "Size.";
            "RULE" rule: Rule = "linspace", "Rule.";
            "ROOT" root: String = required, "Root.";
        }
    }

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_setting_that_does_not_apply_is_refused_with_the_place_where_it_does() {
        let groups = |chosen| {
            let specs = Sample::specs();
            let (own, others) = specs.split_at(2);
            [
                ChosenGroup { applies: "", chosen: true, specs: own.to_vec() },
                ChosenGroup { applies: "RULE centre", chosen, specs: others.to_vec() },
            ]
        };
        let given = env(&[("SIZE", "2"), ("ROOT", "x"), ("RUST_LOG", "info")]);
        let parts = divided(&given, &groups(true)).unwrap();
        assert_eq!(parts, [env(&[("SIZE", "2")]), env(&[("ROOT", "x")])]);
        let (key, problem) = divided(&given, &groups(false)).unwrap_err();
        assert!(key == "ROOT" && problem.starts_with("applies with RULE centre alone"), "{key}: {problem}");
        assert!(divided(&env(&[("ROOTS", "x")]), &groups(true)).unwrap_err().1.contains("did you mean ROOT?"));
        let described: Vec<SettingSpec> = groups(true).into_iter().flat_map(ChosenGroup::described).collect();
        assert!(described[2..].iter().all(|spec| spec.applies == "RULE centre"));
        assert_eq!(inapplicable(&described, &env(&[("ROOT", "x"), ("SIZE", "2")])), ["ROOT"]);
        assert!(inapplicable(&described, &env(&[("ROOT", "x"), ("RULE", " centre ")])).is_empty());
    }
}
