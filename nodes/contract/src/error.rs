//! Why a node stops, and the exit codes a user's script can rely on.

use std::fmt;

/// Exit code of the `copl` command and of every node. Part of the public interface: numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// All went well.
    Success = 0,
    /// An error no other code describes.
    Internal = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A dataflow or a node's settings are wrong; nothing was started.
    InvalidDataflow = 3,
    /// The dataset cannot be used: annotations, paths, or no usable clip.
    Data = 4,
    /// A node failed, with the cause in its message.
    NodeFailed = 5,
    /// A node was killed by a signal.
    NodeKilled = 6,
    /// A node gave no sign of life, or waited too long for a message.
    Stalled = 7,
    /// A message was lost, repeated, or of a wrong schema.
    Contract = 8,
    /// More clips than `MAX_BAD_FRACTION` allows could not be decoded.
    TooManyBadClips = 9,
    /// Results differ from the golden numbers by more than the tolerance.
    ParityFailed = 10,
    /// Something the run needs is not on this machine (ffmpeg, weights, device, disk space).
    Missing = 11,
    /// A loss or gradient was not finite.
    NotFinite = 12,
    /// Another node failed first; this one only stopped with it.
    Upstream = 75,
    /// Interrupted by the user (Ctrl-C or SIGTERM).
    Interrupted = 130,
}

impl ExitCode {
    /// Every code, in order of number.
    pub const ALL: [ExitCode; 15] = [
        Self::Success,
        Self::Internal,
        Self::Usage,
        Self::InvalidDataflow,
        Self::Data,
        Self::NodeFailed,
        Self::NodeKilled,
        Self::Stalled,
        Self::Contract,
        Self::TooManyBadClips,
        Self::ParityFailed,
        Self::Missing,
        Self::NotFinite,
        Self::Upstream,
        Self::Interrupted,
    ];

    /// The number the process exits with.
    pub fn code(self) -> i32 {
        i32::from(self as u8)
    }

    /// The code with this number, if there is one.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.code() == code)
    }

    /// One line on what the code means, as `copl help exit-codes` prints it.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "all went well",
            Self::Internal => "an error no other code describes",
            Self::Usage => "the command line is wrong",
            Self::InvalidDataflow => "the dataflow or a setting is wrong; nothing was started",
            Self::Data => "the dataset cannot be used",
            Self::NodeFailed => "a node failed",
            Self::NodeKilled => "a node was killed by a signal",
            Self::Stalled => "a node gave no sign of life, or waited too long for a message",
            Self::Contract => "a message was lost, repeated or malformed",
            Self::TooManyBadClips => "more clips than MAX_BAD_FRACTION allows could not be decoded",
            Self::ParityFailed => "results differ from the golden numbers",
            Self::Missing => "something the run needs is not on this machine",
            Self::NotFinite => "a loss or gradient was not finite",
            Self::Upstream => "another node failed first",
            Self::Interrupted => "interrupted by the user",
        }
    }
}

/// Why a node stops before the end of its streams.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A setting is missing, unknown, or has a wrong value.
    #[error("setting {key}: {problem}")]
    Setting {
        /// Name of the setting.
        key: String,
        /// What is wrong, with the valid choices.
        problem: String,
    },
    /// A message breaks the contract.
    #[error("edge {edge}: {problem}")]
    Contract {
        /// The input or output.
        edge: String,
        /// What is wrong.
        problem: String,
    },
    /// Another node failed or left without its END record.
    #[error("stopped because {0}")]
    Upstream(String),
    /// The user stopped the run.
    #[error("interrupted")]
    Interrupted,
    /// Nothing arrived for too long although messages are due.
    #[error("{0}")]
    Stalled(String),
    /// The engine refused a call.
    #[error("dora: {0}")]
    Engine(String),
    /// The node's own failure, with its exit code.
    #[error("{message}")]
    Failed {
        /// How the process exits.
        code: ExitCode,
        /// What happened and what to do.
        message: String,
    },
}

impl NodeError {
    /// A failure with its exit code.
    pub fn failed(code: ExitCode, message: impl fmt::Display) -> Self {
        Self::Failed { code, message: message.to_string() }
    }

    /// A message on `edge` that breaks the contract.
    pub fn contract(edge: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self::Contract { edge: edge.into(), problem: problem.to_string() }
    }

    /// How the process exits.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Setting { .. } => ExitCode::InvalidDataflow,
            Self::Contract { .. } => ExitCode::Contract,
            Self::Upstream(_) => ExitCode::Upstream,
            Self::Interrupted => ExitCode::Interrupted,
            Self::Stalled(_) => ExitCode::Stalled,
            Self::Engine(_) => ExitCode::NodeFailed,
            Self::Failed { code, .. } => *code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_number() {
        for code in ExitCode::ALL {
            assert_eq!(ExitCode::from_code(code.code()), Some(code));
        }
        assert_eq!(ExitCode::from_code(99), None);
    }
}
