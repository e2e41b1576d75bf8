//! Which file of the hub is meant.

use std::path::{Component, Path};

use hf_hub::{Repo, RepoType};

/// A file in a model repository of the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFile {
    /// `OWNER/NAME`.
    pub repo: String,
    /// Its path in the repository.
    pub file: String,
    /// Branch, tag or commit.
    pub revision: String,
}

impl HubFile {
    /// A file of the branch `main`.
    pub fn new(repo: &str, file: &str) -> Self {
        Self { repo: repo.to_owned(), file: file.to_owned(), revision: "main".to_owned() }
    }

    /// Reads `OWNER/NAME/FILE`, with `@REVISION` after the name where it is not `main`. None if it is not of that form, or
    /// leads out of the repository.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        let (owner, name, file) = (parts.next()?, parts.next()?, parts.next()?);
        let (name, revision) = name.split_once('@').unwrap_or((name, "main"));
        let plain = |word: &str| {
            !word.is_empty()
                && !word.starts_with('.')
                && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let inside = Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
        let safe = file.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=+".contains(c)) && !file.ends_with('/');
        (plain(owner) && plain(name) && plain(revision) && inside && safe && !file.is_empty()).then(|| Self {
            repo: format!("{owner}/{name}"),
            file: file.to_owned(),
            revision: revision.to_owned(),
        })
    }

    pub(crate) fn repo(&self) -> Repo {
        Repo::with_revision(self.repo.clone(), RepoType::Model, self.revision.clone())
    }

    /// Its address at a commit or branch.
    pub(crate) fn url(&self, endpoint: &str, revision: &str) -> String {
        let repo = Repo::with_revision(self.repo.clone(), RepoType::Model, revision.to_owned());
        format!("{endpoint}/{}/resolve/{}/{}", repo.url(), repo.url_revision(), self.file)
    }
}

impl std::fmt::Display for HubFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let revision = if self.revision == "main" { String::new() } else { format!("@{}", self.revision) };
        write!(f, "{}{revision}/{}", self.repo, self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_repository_and_path() {
        let file = HubFile::parse("timm/swinv2_tiny_window8_256.ms_in1k/model.safetensors").unwrap();
        assert_eq!(file, HubFile::new("timm/swinv2_tiny_window8_256.ms_in1k", "model.safetensors"));
        let pinned = HubFile::parse("a/b@v1.0/sub/c.ckpt").unwrap();
        assert_eq!((pinned.revision.as_str(), pinned.file.as_str()), ("v1.0", "sub/c.ckpt"));
        assert_eq!(pinned.to_string(), "a/b@v1.0/sub/c.ckpt");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for text in ["a/b", "a/b/", "a/b/../c", "a/b//etc/passwd", "../b/c", "a/b@/c", "a/b/c?x=1", "a/b/c d", "//c"] {
            assert_eq!(HubFile::parse(text), None, "{text}");
        }
    }
}
