//! What dora-core calls of the crate git2, for a program that fetches no nodes from git repositories.
//!
//! dora's `build` feature, without which there is no daemon, can clone the repositories that a dataflow names under `git:`.
//! The dataflows that run here name programs: what they would need, libgit2, libssh2 and OpenSSL, is a ninth of all that a first
//! build compiles. So every way to a repository ends in an [`Error`] that says so, and what could only be had of an open one is a type
//! without values.

use std::fmt;
use std::path::Path;

/// Nothing is fetched from git.
#[derive(Debug)]
pub struct Error;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "copl fetches no nodes from git repositories: clone and build it yourself, and name the program in `path:`",
        )
    }
}

impl std::error::Error for Error {}

/// An open repository: there is none.
#[derive(Debug)]
pub enum Repository {}

impl Repository {
    /// # Errors
    /// Always.
    pub fn open(_path: impl AsRef<Path>) -> Result<Self, Error> {
        Err(Error)
    }

    pub fn find_remote(&self, _name: &str) -> Result<Remote, Error> {
        match *self {}
    }

    pub fn head(&self) -> Result<Reference, Error> {
        match *self {}
    }

    pub fn revparse_ext(&self, _spec: &str) -> Result<(Object, Option<Reference>), Error> {
        match *self {}
    }

    pub fn checkout_tree(&self, _tree: &Object, _options: Option<&mut CheckoutOptions>) -> Result<(), Error> {
        match *self {}
    }

    pub fn set_head(&self, _name: &str) -> Result<(), Error> {
        match *self {}
    }

    pub fn set_head_detached(&self, _commit: Oid) -> Result<(), Error> {
        match *self {}
    }
}

/// Another repository, as one knows it.
#[derive(Debug)]
pub enum Remote {}

impl Remote {
    pub fn connect(&mut self, _direction: Direction) -> Result<(), Error> {
        match *self {}
    }

    pub fn default_branch(&self) -> Result<Buf, Error> {
        match *self {}
    }

    pub fn fetch<S>(
        &mut self,
        _names: &[S],
        _options: Option<&mut FetchOptions>,
        _message: Option<&str>,
    ) -> Result<(), Error> {
        match *self {}
    }
}

/// A name that a remote gave.
#[derive(Debug)]
pub enum Buf {}

impl Buf {
    pub fn as_str(&self) -> Result<&str, Error> {
        match *self {}
    }
}

/// A branch or tag.
#[derive(Debug)]
pub enum Reference {}

impl Reference {
    pub fn name(&self) -> Result<&str, Error> {
        match *self {}
    }

    pub fn peel_to_commit(&self) -> Result<Object, Error> {
        match *self {}
    }
}

/// A commit or tree.
#[derive(Debug)]
pub enum Object {}

impl Object {
    pub fn id(&self) -> Oid {
        match *self {}
    }
}

/// The name of an object.
#[derive(Debug)]
pub enum Oid {}

impl fmt::Display for Oid {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

#[derive(Debug)]
pub enum CheckoutOptions {}

#[derive(Debug)]
pub enum Direction {
    Fetch,
}

#[derive(Debug)]
pub enum AutotagOption {
    All,
}

#[derive(Debug, Default)]
pub struct FetchOptions;

impl FetchOptions {
    pub fn new() -> Self {
        Self
    }

    pub fn download_tags(&mut self, _tags: AutotagOption) -> &mut Self {
        self
    }
}

pub mod build {
    use std::path::Path;

    use super::{Error, FetchOptions, Repository};

    #[derive(Debug, Default)]
    pub struct RepoBuilder;

    impl RepoBuilder {
        pub fn new() -> Self {
            Self
        }

        pub fn fetch_options(&mut self, _options: FetchOptions) -> &mut Self {
            self
        }

        /// # Errors
        /// Always.
        pub fn clone(&mut self, _url: &str, _into: &Path) -> Result<Repository, Error> {
            Err(Error)
        }
    }
}
