//! The macros by which settings are declared: [`crate::settings!`] and [`crate::choice!`].

/// Declares a node's settings: a struct whose fields are read from the `env:` map. A default is written as a user would
/// write it; `required` where there is none, `""` for an option that is unset. Groups of settings that are declared elsewhere
/// follow as `..field: Type;`, and are a [`Group`](crate::setting_group::Group) each.
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
    ($(#[$meta:meta])* pub struct $name:ident {
        $($key:literal $field:ident: $t:ty = $default:tt, $meaning:literal;)*
        $(..$group:ident: $of:ty;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $(#[doc = $meaning] pub $field: $t,)*
            $(#[doc = concat!("Settings of `", stringify!($group), "`.")] pub $group: $crate::setting_group::Group<$of>,)*
        }

        impl $crate::settings::Settings for $name {
            #[allow(unused_mut, reason = "most settings have no groups")]
            fn specs() -> Vec<$crate::settings::SettingSpec> {
                let mut specs = vec![$($crate::settings::SettingSpec {
                    key: $key,
                    type_name: <$t as $crate::settings::SettingValue>::TYPE,
                    default: $crate::settings!(@shown $t, $default),
                    default_with: None,
                    meaning: $meaning,
                    choices: <$t as $crate::settings::SettingValue>::choices(),
                    check: |text| <$t as $crate::settings::SettingValue>::parse(text).map(|_| ()),
                    shown: |text| {
                        let value = <$t as $crate::settings::SettingValue>::parse(text)?;
                        Ok($crate::settings::SettingValue::show(&value))
                    },
                    applies: "",
                },)*];
                $(specs.extend(<$of as $crate::settings::Settings>::specs());)*
                specs
            }

            #[allow(unused_variables, reason = "there may be no settings")]
            fn read(env: &$crate::settings::Env) -> Result<Self, (String, String)> {
                Ok(Self {
                    $($field: match env.get($key) {
                        Some(text) => <$t as $crate::settings::SettingValue>::parse(text)
                            .map_err(|p| ($key.to_owned(), p))?,
                        None => $crate::settings!(@value $t, $default, $key),
                    },)*
                    $($group: $crate::setting_group::Group::read(env)?,)*
                })
            }

            #[allow(unused_mut, reason = "most settings have no groups")]
            fn values(&self) -> Vec<(&'static str, String)> {
                let mut values = vec![$(($key, <$t as $crate::settings::SettingValue>::show(&self.$field)),)*];
                $(values.extend(self.$group.values());)*
                values
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
            #[allow(dead_code, reason = "not every enumeration is listed")]
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word of this value.
            #[allow(dead_code, reason = "some are read only")]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl $crate::settings::SettingValue for $name {
            const TYPE: &'static str = "choice";
            fn parse(text: &str) -> Result<Self, String> {
                match text.trim() {
                    $($word => Ok(Self::$variant),)*
                    other => Err($crate::settings::not_one_of(other, [$($word),*])),
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
