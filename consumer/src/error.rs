//! Tells why a consumer could not move on.

use std::sync::Arc;
use std::time::Duration;

pub use kapok_core::ErrorKind;

/// The result of an operation of a consumer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a consumer could not move on. The view in use stays. [`Error::kind`] says what to do next.
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
        "announcement log went back: location={location} seen={seen} found={found}; check that the store is there and is the one it was{}",
        if *is_remembered { ", or, if it was begun anew on purpose, tell this host by `kapok cache forget` with its URL, and restart" } else { "" }
    )]
    LogWentBack {
        /// Where the store is.
        location: String,
        /// The sequence of the last entry that was read.
        seen: u64,
        /// The sequence at which the log ends now; 0 if it is empty.
        found: u64,
        /// Whether the cache of this host remembers the entry, so that it outlives this process.
        is_remembered: bool,
    },
    /// The manifest or a blob of a version cannot be read from the store.
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
        /// The cause, which names the blob.
        source: Arc<kapok_core::Error>,
    },
    /// The changes between two views cannot be found.
    #[error("changes cannot be found: from={from} to={to} cause={source}")]
    Changes {
        /// The version of the view before.
        from: u64,
        /// The version of the view after.
        to: u64,
        /// The cause, which names the manifest or the segment.
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
        /// The longest time that the settings allow.
        max_staleness: Duration,
    },
    /// Opening a version hit a defect of this program.
    #[error("opening a version panicked: version={version} cause={message}; this is a defect, please report it")]
    Panicked {
        /// The version.
        version: u64,
        /// The text of the panic.
        message: String,
    },
}

impl Error {
    /// Returns the version that could not be loaded or opened; `None` if the error is about something else.
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
