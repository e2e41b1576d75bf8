//! A node's settings: typed, with default and meaning, read from the `env:` map the dataflow gives the node.
//!
//! A node declares them once with [`crate::settings!`]; parsing, `copl nodes describe`, `copl check` and the docs all come from
//! that declaration.

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
pub struct Group {
    /// The setting and the value that choose them, such as `METHOD copl`; empty: always chosen.
    pub applies: &'static str,
    /// Whether they are chosen here.
    pub chosen: bool,
    /// The settings.
    pub specs: Vec<SettingSpec>,
}

impl Group {
    /// The settings, each saying where it applies.
    pub fn described(self) -> impl Iterator<Item = SettingSpec> {
        self.specs.into_iter().map(move |spec| SettingSpec { applies: self.applies, ..spec })
    }
}

/// The part of an `env:` map that belongs to each group, in their order; what is passed through belongs to none.
///
/// # Errors
/// A key that is no setting, with the nearest valid name; a key of a group that is not chosen, with where it applies.
pub fn divided(env: &Env, groups: &[Group]) -> Result<Vec<Env>, (String, String)> {
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

/// A set of settings, as [`crate::settings!`] declares it.
pub trait Settings: Sized {
    /// All settings in the order of their declaration.
    fn specs() -> Vec<SettingSpec>;

    /// Reads all settings of a node; unset ones take their default.
    ///
    /// # Errors
    /// Key and problem of the first setting that is missing, unknown or of a wrong type.
    fn from_env(env: &Env) -> Result<Self, (String, String)>;

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

/// Declares a node's settings: a struct whose fields are read from the `env:` map. A default is written as a user would
/// write it; `required` where there is none, `""` for an option that is unset.
///
/// ```
/// copl_contract::settings! {
///     /// Settings of a node.
///     pub struct Example {
///         "SIZE" size: usize = "192", "Edge of the square frames in pixels.";
///         "ROOT" root: std::path::PathBuf = required, "Folder of the dataset.";
///     }
/// }
/// use copl_contract::settings::Settings;
/// let env = [("ROOT".to_owned(), "data".to_owned())].into();
/// assert_eq!(Example::from_env(&env).map(|e| e.size), Ok(192));
/// ```
#[macro_export]
macro_rules! settings {
    ($(#[$meta:meta])* pub struct $name:ident { $($key:literal $field:ident: $t:ty = $default:tt, $meaning:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name { $(#[doc = $meaning] pub $field: $t,)* }

        impl $crate::settings::Settings for $name {
            fn specs() -> Vec<$crate::settings::SettingSpec> {
                use $crate::settings::SettingValue;
                vec![$($crate::settings::SettingSpec {
                    key: $key,
                    type_name: <$t as SettingValue>::TYPE,
                    default: $crate::settings!(@shown $t, $default),
                    meaning: $meaning,
                    choices: <$t as SettingValue>::choices(),
                    check: |text| <$t as SettingValue>::parse(text).map(|_| ()),
                    shown: |text| <$t as SettingValue>::parse(text).map(|value| value.show()),
                    applies: "",
                },)*]
            }

            fn from_env(env: &$crate::settings::Env) -> Result<Self, (String, String)> {
                use $crate::settings::SettingValue;
                $crate::settings::check_keys(env, &<Self as $crate::settings::Settings>::specs())?;
                Ok(Self { $($field: match env.get($key) {
                    Some(text) => <$t as SettingValue>::parse(text).map_err(|p| ($key.to_owned(), p))?,
                    None => $crate::settings!(@value $t, $default, $key),
                },)* })
            }

            fn values(&self) -> Vec<(&'static str, String)> {
                use $crate::settings::SettingValue;
                vec![$(($key, <$t as SettingValue>::show(&self.$field)),)*]
            }
        }
    };
    (@shown $t:ty, required) => { None };
    (@shown $t:ty, $default:tt) => { Some($default.to_owned()) };
    (@value $t:ty, required, $key:literal) => { return Err(($key.to_owned(), "must be given".to_owned())) };
    (@value $t:ty, $default:tt, $key:literal) => {
        <$t as $crate::settings::SettingValue>::parse($default).map_err(|p| ($key.to_owned(), p))?
    };
}

/// Declares an enumeration of words: a setting that is one of several, in `env:` maps, files (serde) and columns alike.
///
/// ```
/// copl_contract::choice! {
///     /// How it goes.
///     pub enum Speed { Slow = "slow", Fast = "fast" }
/// }
/// assert_eq!(Speed::Fast.word(), "fast");
/// ```
#[macro_export]
macro_rules! choice {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $(#[doc = concat!("`", $word, "`. ")] $(#[$vmeta])* $variant,)* }

        impl $name {
            /// Every value, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word of this value.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl $crate::settings::SettingValue for $name {
            const TYPE: &'static str = "choice";
            fn parse(text: &str) -> Result<Self, String> {
                match text.trim() {
                    $($word => Ok(Self::$variant),)*
                    other => {
                        let words = [$($word),*];
                        Err(match $crate::settings::nearest(other, words) {
                            Some(near) => format!("`{other}` is not one of {}; did you mean {near}?", words.join(", ")),
                            None => format!("`{other}` is not one of {}", words.join(", ")),
                        })
                    }
                }
            }
            fn show(&self) -> String {
                self.word().to_owned()
            }
            fn choices() -> Vec<&'static str> {
                vec![$($word),*]
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl $crate::settings::serde::Serialize for $name {
            fn serialize<S: $crate::settings::serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.word())
            }
        }

        impl<'de> $crate::settings::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::settings::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let word = <String as $crate::settings::serde::Deserialize>::deserialize(from)?;
                <Self as $crate::settings::SettingValue>::parse(&word)
                    .map_err(<D::Error as $crate::settings::serde::de::Error>::custom)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    choice! {
        /// A rule.
        pub enum Rule { Centre = "centre", Linspace = "linspace" }
    }
    settings! {
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
    fn a_setting_that_does_not_apply_is_refused_with_the_place_where_it_does() {
        let groups = |chosen| {
            let specs = Sample::specs();
            let (own, others) = specs.split_at(2);
            [
                Group { applies: "", chosen: true, specs: own.to_vec() },
                Group { applies: "RULE centre", chosen, specs: others.to_vec() },
            ]
        };
        let given = env(&[("SIZE", "2"), ("ROOT", "x"), ("RUST_LOG", "info")]);
        let parts = divided(&given, &groups(true)).unwrap();
        assert_eq!(parts, [env(&[("SIZE", "2")]), env(&[("ROOT", "x")])]);
        let (key, problem) = divided(&given, &groups(false)).unwrap_err();
        assert!(key == "ROOT" && problem.starts_with("applies with RULE centre alone"), "{key}: {problem}");
        assert!(divided(&env(&[("ROOTS", "x")]), &groups(true)).unwrap_err().1.contains("did you mean ROOT?"));
        let described: Vec<SettingSpec> = groups(true).into_iter().flat_map(Group::described).collect();
        assert!(described[2..].iter().all(|spec| spec.applies == "RULE centre"));
        assert_eq!(inapplicable(&described, &env(&[("ROOT", "x"), ("SIZE", "2")])), ["ROOT"]);
        assert!(inapplicable(&described, &env(&[("ROOT", "x"), ("RULE", " centre ")])).is_empty());
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
