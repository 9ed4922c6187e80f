//! Errors of a consumer.

use std::sync::Arc;
use std::time::Duration;

pub use kapok_core::ErrorKind;

/// The result of an operation of a consumer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a consumer could not move on. Whatever it is, the view in use stays. [`Error::kind`] says what to do next.
///
/// The text of an error includes that of its cause, so one line tells all. Clones share the cause.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store cannot be opened, or its announcement log cannot be read.
    #[error(transparent)]
    Store {
        /// The store's error.
        source: Arc<kapok_blobstore::Error>,
    },
    /// The announcement log ends before an entry that was read earlier: the store is gone, or another one.
    #[error(
        "announcement log went back: location={location} seen={seen} found={found}; check that the store is there and is the one it was"
    )]
    LogWentBack {
        /// Where the store is.
        location: String,
        /// The sequence of the last entry that was read.
        seen: u64,
        /// The sequence at which the log ends now; 0 where it is empty.
        found: u64,
    },
    /// The manifest or a blob of a version cannot be had.
    #[error("version cannot be loaded: version={version} cause={source}")]
    Load {
        /// The version.
        version: u64,
        /// The store's error.
        source: Arc<kapok_blobstore::Error>,
    },
    /// The blobs of a version are not what its manifest says.
    #[error("version cannot be opened: version={version} cause={source}")]
    Open {
        /// The version.
        version: u64,
        /// What is wrong with them.
        source: Arc<kapok_core::Error>,
    },
    /// What changed between two views cannot be told.
    #[error("changes cannot be told: from={from} to={to} cause={source}")]
    Changes {
        /// The version of the view before.
        from: u64,
        /// The version of the view after.
        to: u64,
        /// What is wrong with a manifest or a segment.
        source: Arc<kapok_core::Error>,
    },
    /// The announcement log has not answered for longer than the settings allow.
    #[error(
        "view may be stale: version={version} log_silent_ms={} max_staleness_ms={}; check that the store can be reached and that the consumer follows it, or take the view as it is",
        staleness.as_millis(), max_staleness.as_millis()
    )]
    Stale {
        /// The version of the view.
        version: u64,
        /// Time since the log last answered.
        staleness: Duration,
        /// What the settings allow.
        max_staleness: Duration,
    },
    /// Opening a version hit a defect of this program.
    #[error("opening a version panicked: version={version} cause={message}; this is a defect, please report it")]
    Panicked {
        /// The version.
        version: u64,
        /// What the panic said.
        message: String,
    },
}

impl Error {
    /// The version that could not be loaded or opened; `None` where the trouble is another.
    pub fn version(&self) -> Option<u64> {
        match self {
            Self::Load { version, .. } | Self::Open { version, .. } | Self::Panicked { version, .. } => Some(*version),
            _ => None,
        }
    }

    /// Returns what the caller does next.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store { source } | Self::Load { source, .. } => source.kind(),
            Self::LogWentBack { .. } | Self::Stale { .. } => ErrorKind::Unavailable,
            Self::Open { source, .. } | Self::Changes { source, .. } => source.kind(),
            Self::Panicked { .. } => ErrorKind::Corrupt,
        }
    }
}

impl From<kapok_blobstore::Error> for Error {
    fn from(source: kapok_blobstore::Error) -> Self {
        Self::Store { source: Arc::new(source) }
    }
}
