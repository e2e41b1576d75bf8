//! A node's settings: typed, with default and meaning, read from the `env:` map the dataflow gives the node.
//!
//! A node declares them once with [`crate::settings!`]; parsing, `copl nodes describe`, `copl check` and the docs all come from
//! that declaration. Settings may be composed of groups ([`crate::setting_group`]), each declared where it belongs.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// For [`crate::choice!`].
#[doc(hidden)]
pub use serde;

/// The `env:` map of a node, as text.
pub type Env = BTreeMap<String, String>;

/// Environment variables any node may be given beside its settings; they speak to libraries, not to the node.
pub const PASSED_THROUGH: [&str; 9] = [
    "RUST_LOG",
    "RUST_BACKTRACE",
    "RAYON_NUM_THREADS",
    "CANDLE_NUM_THREADS",
    "MALLOC_MMAP_MAX_",
    "MALLOC_TRIM_THRESHOLD_",
    "DORA_FINISH_DRAIN_GRACE_SECS",
    "CUDA_VISIBLE_DEVICES",
    "PYTHONPATH",
];

/// A type a setting can have.
pub trait SettingValue: Sized {
    /// Name of the type, as users read it.
    const TYPE: &'static str;

    /// Reads a value.
    ///
    /// # Errors
    /// Says what was expected.
    fn parse(text: &str) -> Result<Self, String>;

    /// The value as text that [`SettingValue::parse`] reads.
    fn show(&self) -> String;

    /// The valid values where they can be listed.
    fn choices() -> Vec<&'static str> {
        Vec::new()
    }
}

macro_rules! number {
    ($($t:ty = $name:literal),*) => {$(
        impl SettingValue for $t {
            const TYPE: &'static str = $name;
            fn parse(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| format!("`{text}` is no {}", $name))
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
number!(usize = "whole number", u64 = "whole number", u32 = "whole number", f64 = "number", f32 = "number");

impl SettingValue for bool {
    const TYPE: &'static str = "true or false";
    fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(format!("`{text}` is neither true nor false")),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
    fn choices() -> Vec<&'static str> {
        vec!["true", "false"]
    }
}

impl SettingValue for String {
    const TYPE: &'static str = "text";
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
    fn show(&self) -> String {
        self.clone()
    }
}

impl SettingValue for PathBuf {
    const TYPE: &'static str = "path";
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("an empty path".to_owned()) } else { Ok(Self::from(text)) }
    }
    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl<T: SettingValue> SettingValue for Option<T> {
    const TYPE: &'static str = T::TYPE;
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::parse(text).map(Some) }
    }
    fn show(&self) -> String {
        self.as_ref().map_or_else(String::new, T::show)
    }
    fn choices() -> Vec<&'static str> {
        T::choices()
    }
}

/// What is known of a setting without a value.
#[derive(Clone, Debug)]
pub struct SettingSpec {
    /// Name in the `env:` map.
    pub key: &'static str,
    /// Name of its type.
    pub type_name: &'static str,
    /// Default as text; `None` where a value must be given.
    pub default: Option<String>,
    /// The default that other settings choose, where they do.
    pub default_with: Option<fn(&Env) -> Option<String>>,
    /// What it does, with unit and source.
    pub meaning: &'static str,
    /// Valid values where they can be listed.
    pub choices: Vec<&'static str>,
    /// Checks a value.
    pub check: fn(&str) -> Result<(), String>,
    /// A value as it is shown: what is written in several ways is shown in one.
    pub shown: fn(&str) -> Result<String, String>,
    /// The setting and the value (or values, with commas between) with which it applies, such as `METHOD copl`; several such
    /// with `and` between them. Empty: always.
    pub applies: &'static str,
}

impl SettingSpec {
    /// The value it has with an `env:` map that does not give it.
    pub fn default_in(&self, env: &Env) -> Option<String> {
        self.default_with.and_then(|chosen| chosen(env)).or_else(|| self.default.clone())
    }
}

/// A set of settings, as [`crate::settings!`] declares it.
pub trait Settings: Sized {
    /// All settings in the order of their declaration.
    fn specs() -> Vec<SettingSpec>;

    /// Reads all settings of a node; unset ones take their default.
    ///
    /// # Errors
    /// Key and problem of the first setting that is missing, unknown or of a wrong type.
    fn from_env(env: &Env) -> Result<Self, (String, String)> {
        check_keys(env, &Self::specs())?;
        Self::read(env)
    }

    /// Reads these settings out of a map that may hold others.
    ///
    /// # Errors
    /// Key and problem of the first setting that is missing or of a wrong type.
    fn read(env: &Env) -> Result<Self, (String, String)>;

    /// Every setting with the value it has.
    fn values(&self) -> Vec<(&'static str, String)>;
}

/// The name nearest to `given`, if one is near enough to be a slip of the pen.
pub fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    names
        .into_iter()
        .map(|n| (strsim::damerau_levenshtein(&given, &n.to_lowercase()), n))
        .filter(|(distance, n)| *distance <= 2.max(n.len() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, n)| n)
}

/// What is wrong with a word that is none of `names`: which there are, and the one that may be meant.
pub fn not_one_of<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let hint = nearest(given, names.iter().copied()).map(|near| format!("; did you mean {near}?"));
    format!("`{given}` is not one of {}{}", names.join(", "), hint.unwrap_or_default())
}

/// Refuses a number outside its range; NaN is outside every range.
///
/// # Errors
/// The key, and which numbers are possible.
pub fn within<T>(key: &str, value: T, possible: std::ops::RangeInclusive<T>) -> Result<(), (String, String)>
where
    T: PartialOrd + std::fmt::Display,
{
    if possible.contains(&value) {
        return Ok(());
    }
    Err((key.to_owned(), format!("{value} is not possible: {} to {} are", possible.start(), possible.end())))
}

/// Seconds a node may be told to wait: more than nothing, less than ten days.
pub const SECS: std::ops::RangeInclusive<f64> = 1e-3..=864_000.0;

/// Checks that every key is a setting or passed through.
///
/// # Errors
/// The unknown key, with the nearest valid name.
pub fn check_keys(env: &Env, specs: &[SettingSpec]) -> Result<(), (String, String)> {
    for key in env.keys() {
        if specs.iter().any(|s| s.key == key) || PASSED_THROUGH.contains(&key.as_str()) {
            continue;
        }
        let hint = match nearest(key, specs.iter().map(|s| s.key)) {
            Some(name) => format!("no such setting; did you mean {name}?"),
            None => format!("no such setting; known: {}", specs.iter().map(|s| s.key).collect::<Vec<_>>().join(", ")),
        };
        return Err((key.clone(), hint));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::choice! {
        /// A rule.
        pub enum Rule { Centre = "centre", Linspace = "linspace" }
    }
    crate::settings! {
        /// Settings of nothing.
        pub struct Sample {
            "SIZE" size: usize = "192", "Size.";
            "RULE" rule: Rule = "linspace", "Rule.";
            "ROOT" root: PathBuf = required, "Root.";
            "LIMIT" limit: Option<usize> = "", "Limit.";
        }
    }

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn unset_settings_take_their_default() {
        let s = Sample::from_env(&env(&[("ROOT", "x")])).unwrap();
        assert_eq!((s.size, s.rule, s.limit), (192, Rule::Linspace, None));
        assert_eq!(Sample::specs()[1].default.as_deref(), Some("linspace"));
        assert_eq!(Sample::specs()[2].default, None);
    }

    #[test]
    fn errors_name_the_key_and_the_nearest_word() {
        let failed = |pairs: &[(&str, &str)]| Sample::from_env(&env(pairs)).unwrap_err();
        assert_eq!(failed(&[]), ("ROOT".into(), "must be given".into()));
        assert_eq!(failed(&[("SIZ", "1"), ("ROOT", "x")]).1, "no such setting; did you mean SIZE?");
        assert_eq!(failed(&[("SIZE", "big"), ("ROOT", "x")]).1, "`big` is no whole number");
        assert!(failed(&[("RULE", "center"), ("ROOT", "x")]).1.contains("did you mean centre?"));
    }

    #[test]
    fn a_number_out_of_its_range_is_refused_by_its_key() {
        assert_eq!(within("SIZE", 64, 1..=4096), Ok(()));
        assert_eq!(within("SIZE", 0, 1..=4096), Err(("SIZE".into(), "0 is not possible: 1 to 4096 are".into())));
        for secs in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(within("STALL_SECS", secs, SECS).is_err(), "{secs}");
        }
    }

    #[test]
    fn words_are_the_same_in_files() {
        assert_eq!(serde_json::to_string(Rule::ALL).unwrap(), r#"["centre","linspace"]"#);
        assert_eq!(serde_json::from_str::<Rule>(r#""linspace""#).unwrap(), Rule::Linspace);
        assert!(serde_json::from_str::<Rule>(r#""center""#).unwrap_err().to_string().contains("did you mean centre?"));
    }

    #[test]
    fn shown_values_are_read_back() {
        let s = Sample::from_env(&env(&[("ROOT", "x"), ("LIMIT", "3")])).unwrap();
        let again: Env = s.values().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let s = Sample::from_env(&again).unwrap();
        assert_eq!((s.limit, s.rule), (Some(3), Rule::Linspace));
    }
}
