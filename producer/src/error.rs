//! What can go wrong in a cycle, and what the caller does next.

use crate::validate::Finding;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What a populate closure may return: anything that can be shown.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Records, schemas or keys that cannot be published.
    #[error(transparent)]
    Data(#[from] kapok_core::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] kapok_blobstore::Error),
    /// The populate closure gave up.
    #[error("populating failed, nothing was published: {source}")]
    Populate {
        /// Its own error.
        source: BoxError,
    },
    /// Another producer committed this version first.
    #[error("version {version} was committed by another producer: writer={winner}; run the cycle again on top of it")]
    Conflict {
        /// The number that both wanted.
        version: u64,
        /// Who won, as its manifest says.
        winner: String,
    },
    /// Validators refused the version; nothing was committed.
    #[error("version {version} was refused, nothing was published: {}", describe(findings))]
    Refused {
        /// The number that it would have had.
        version: u64,
        /// Everything that was found.
        findings: Vec<Finding>,
    },
    /// Consumers were sent back to an older version, so it is not clear which one changes are meant for.
    #[error(
        "the dataset was rolled back from version {highest} to {announced}; say which version to build on: \
         run_incremental_cycle_on({announced}, …) drops what came after it"
    )]
    RolledBack {
        /// The version that consumers are on.
        announced: u64,
        /// The newest version that they were on.
        highest: u64,
    },
    /// A thread of the cycle died.
    #[error("a task of the cycle ended early: {source}; nothing was published")]
    Task {
        /// Why.
        source: tokio::task::JoinError,
    },
}

/// What the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Ask for something else.
    NotFound,
    /// Stored data is damaged: verify the store.
    Corrupt,
    /// Upgrade this program, or republish the record type.
    Incompatible,
    /// Run the cycle again on top of the winner.
    Conflict,
    /// Try again later.
    Unavailable,
    /// Correct the input.
    Invalid,
}

impl Error {
    /// What to do next.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Data(error) => match error.kind() {
                kapok_core::ErrorKind::NotFound => ErrorKind::NotFound,
                kapok_core::ErrorKind::Corrupt => ErrorKind::Corrupt,
                kapok_core::ErrorKind::Incompatible => ErrorKind::Incompatible,
                _ => ErrorKind::Invalid,
            },
            Self::Store(error) => match error.kind() {
                kapok_blobstore::ErrorKind::NotFound => ErrorKind::NotFound,
                kapok_blobstore::ErrorKind::Corrupt => ErrorKind::Corrupt,
                kapok_blobstore::ErrorKind::Incompatible => ErrorKind::Incompatible,
                kapok_blobstore::ErrorKind::Conflict => ErrorKind::Conflict,
                kapok_blobstore::ErrorKind::Unavailable => ErrorKind::Unavailable,
                _ => ErrorKind::Invalid,
            },
            Self::Populate { .. } | Self::Refused { .. } | Self::RolledBack { .. } => ErrorKind::Invalid,
            Self::Conflict { .. } => ErrorKind::Conflict,
            Self::Task { .. } => ErrorKind::Unavailable,
        }
    }

    /// Unwraps an error of this crate that came back from a populate closure.
    pub(crate) fn from_populate(source: BoxError) -> Self {
        let source = match source.downcast::<Self>() {
            Ok(own) => return *own,
            Err(other) => other,
        };
        match source.downcast::<kapok_core::Error>() {
            Ok(data) => Self::Data(*data),
            Err(source) => Self::Populate { source },
        }
    }
}

fn describe(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
