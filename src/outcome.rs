//! What a verb comes to: an exit code, or an error to show.

use std::fmt::Display;

use copl_contract::ExitCode;

use crate::terminal::shown;

/// What a verb comes to.
pub(crate) type Outcome = Result<ExitCode, Failure>;

/// An error as the user sees it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the process exits.
    pub(crate) code: ExitCode,
    /// What happened and what to do, fit for a terminal.
    message: String,
}

impl Failure {
    /// A failure with its exit code. The message may hold the words of others.
    pub(crate) fn new(code: ExitCode, message: impl Display) -> Self {
        Self { code, message: shown(&message.to_string()).into_owned() }
    }

    /// A failure whose message is coloured: all that is not ours in it was [`shown`] before.
    pub(crate) fn coloured(code: ExitCode, message: String) -> Self {
        Self { code, message }
    }

    /// What happened and what to do.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}
