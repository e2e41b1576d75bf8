//! Where the files of a text encoder are: a folder, or a repository in the hub's cache.

use std::path::{Path, PathBuf};

use copl_hub::{HubFile, Settings, cached};

use crate::error::{Error, Result};

/// The three files of a text encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Sizes, as `transformers` writes them.
    pub config: PathBuf,
    /// The tokenizer, as `tokenizers` writes it.
    pub tokenizer: PathBuf,
    /// The weights.
    pub weights: PathBuf,
}

impl Folder {
    /// The files of `source`: a folder, or `hub:OWNER/NAME` (with `@REVISION` where it is not `main`) in the hub's cache.
    /// Nothing is fetched.
    ///
    /// # Errors
    /// If a file is not there; the message says how to get it.
    pub fn find(source: &str, settings: &Settings) -> Result<Self> {
        let find = |file| match source.strip_prefix("hub:") {
            Some(repo) => in_cache(repo, file, settings),
            None => in_folder(Path::new(source), file),
        };
        Ok(Self {
            config: find("config.json")?,
            tokenizer: find("tokenizer.json")?,
            weights: find("model.safetensors")?,
        })
    }
}

fn in_cache(repo: &str, file: &'static str, settings: &Settings) -> Result<PathBuf> {
    let wanted = HubFile::parse(&format!("{repo}/{file}")).ok_or_else(|| Error::Source(format!("hub:{repo}")))?;
    cached(settings, &wanted).ok_or_else(|| Error::Missing {
        file,
        place: settings.cache.display().to_string(),
        remedy: format!("`copl weights pull hub:{wanted}` gets it"),
    })
}

fn in_folder(folder: &Path, file: &'static str) -> Result<PathBuf> {
    let path = folder.join(file);
    if path.is_file() {
        return Ok(path);
    }
    let remedy = "WEIGHTS names a folder with config.json, tokenizer.json and model.safetensors, or hub:OWNER/NAME";
    Err(Error::Missing { file, place: folder.display().to_string(), remedy: remedy.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_command_that_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::from_vars(|_| None, None);
        settings.cache = folder.path().to_owned();
        let error = Folder::find("hub:owner/name@v2", &settings).unwrap_err().to_string();
        assert!(error.contains("`copl weights pull hub:owner/name@v2/config.json` gets it"), "{error}");
        let error = Folder::find(folder.path().to_str().unwrap(), &settings).unwrap_err().to_string();
        assert!(error.contains("has no config.json in"), "{error}");
        assert!(matches!(Folder::find("hub:name", &settings), Err(Error::Source(_))));
    }
}
