//! Where the hub and its cache are, by the variables that huggingface_hub documents.

use std::path::{Path, PathBuf};
use std::time::Duration;

const ENDPOINT: &str = "https://huggingface.co";

/// Where the hub and its cache are, and how patient to be.
#[derive(Clone)]
pub struct Settings {
    /// Address of the hub, without a slash at its end (`HF_ENDPOINT`).
    pub endpoint: String,
    /// Folder of the cache (`HF_HUB_CACHE`; `HF_HOME`/hub; `~/.cache/huggingface/hub`).
    pub cache: PathBuf,
    /// Whether the network is not to be used (`HF_HUB_OFFLINE`).
    pub offline: bool,
    /// Proof of identity (`HF_TOKEN`, or the file `token` in `HF_HOME`).
    pub token: Option<String>,
    /// Attempts in a row that may bring nothing.
    pub attempts: u32,
    /// Pause after the first of them; it doubles.
    pub pause: Duration,
    /// Silence after which a connection counts as lost.
    pub silence: Duration,
}

impl Settings {
    /// As this process's environment says.
    pub fn from_env() -> Self {
        Self::from_vars(|name| std::env::var(name).ok(), std::env::home_dir())
    }

    /// As variables say; empty ones count as unset.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>, home: Option<PathBuf>) -> Self {
        let var = |name: &str| var(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let path = |name: &str| var(name).map(|value| expand(&value, home.as_deref()));
        let root = path("HF_HOME").unwrap_or_else(|| {
            let caches = path("XDG_CACHE_HOME").or_else(|| Some(home.as_ref()?.join(".cache")));
            caches.unwrap_or_else(|| PathBuf::from(".cache")).join("huggingface")
        });
        let cache = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
        let word = |name: &str| var(name).map(|value| value.to_uppercase());
        Self {
            endpoint: var("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned()).trim_end_matches('/').to_owned(),
            cache: cache.unwrap_or_else(|| root.join("hub")),
            offline: word("HF_HUB_OFFLINE").is_some_and(|word| matches!(word.as_str(), "1" | "ON" | "YES" | "TRUE")),
            token: var("HF_TOKEN").or_else(|| {
                let text = std::fs::read_to_string(root.join("token")).ok()?;
                Some(text.trim().to_owned()).filter(|token| !token.is_empty())
            }),
            attempts: 5,
            pause: Duration::from_millis(500),
            silence: Duration::from_secs(30),
        }
    }
}

/// The token is nobody's to read.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("cache", &self.cache)
            .field("offline", &self.offline)
            .field("token", &self.token.as_ref().map(|_| "..."))
            .finish_non_exhaustive()
    }
}

fn expand(text: &str, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(vars: &[(&str, &str)]) -> Settings {
        let find = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Settings::from_vars(find, Some(PathBuf::from("/home/u")))
    }

    #[test]
    fn the_cache_is_where_huggingface_hub_has_it() {
        let cache = |vars: &[(&str, &str)]| settings(vars).cache.display().to_string();
        assert_eq!(cache(&[]), "/home/u/.cache/huggingface/hub");
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/c")]), "/c/huggingface/hub");
        assert_eq!(cache(&[("HF_HOME", "~/hf"), ("XDG_CACHE_HOME", "/c")]), "/home/u/hf/hub");
        assert_eq!(cache(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/w")]), "/w");
        assert_eq!(cache(&[("HF_HUB_CACHE", "")]), "/home/u/.cache/huggingface/hub");
    }

    #[test]
    fn endpoint_and_offline_are_heard() {
        assert_eq!(settings(&[]).endpoint, "https://huggingface.co");
        assert_eq!(settings(&[("HF_ENDPOINT", "http://mirror:80/")]).endpoint, "http://mirror:80");
        for (value, offline) in [("1", true), ("true", true), ("Yes", true), ("0", false), ("", false)] {
            assert_eq!(settings(&[("HF_HUB_OFFLINE", value)]).offline, offline, "{value}");
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let settings = settings(&[("HF_TOKEN", "hf_secret")]);
        assert_eq!(settings.token.as_deref(), Some("hf_secret"));
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
