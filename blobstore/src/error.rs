//! Errors of a store.

use std::path::PathBuf;
use std::time::Duration;

pub use kapok_core::ErrorKind;

use crate::action::Action;
use crate::cause::cause;

/// The result of an operation on a store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on a store failed. [`Error::kind`] says what to do next.
///
/// The text of an error includes that of its cause, so one line is enough.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is not there.
    #[error("file not found: name={name}")]
    NotFound {
        /// The file.
        name: String,
    },
    /// The place is not a store, or not yet.
    #[error("not a store: location={location} reason={reason}; open it for writing once, or check the location")]
    NotAStore {
        /// The location as given.
        location: String,
        /// What was found there.
        reason: String,
    },
    /// The location is a file, or leads through one.
    #[error(
        "not a store: operation={operation} location={location} reason={} is a file, not a folder; check the location",
        file.display()
    )]
    NotAFolder {
        /// What was tried.
        operation: &'static str,
        /// The location as given.
        location: String,
        /// The file.
        file: PathBuf,
    },
    /// The version was retired: its manifest is a stub, its blobs may be gone.
    #[error("version was retired: version={version} name={name}; use a newer version")]
    Retired {
        /// The version.
        version: u64,
        /// Name of its manifest file.
        name: String,
    },
    /// A file is not what its name, its length or its checksum says.
    #[error(
        "file is corrupt: name={name} offset={offset} expected={expected} found={found}; restore it from a copy, or publish a new version"
    )]
    Corrupt {
        /// The file.
        name: String,
        /// Offset in the file, in bytes.
        offset: u64,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A file was written by a newer release, in a format that this one does not know.
    #[error("file needs a newer release: name={name} {requirement}; upgrade to a release that knows it")]
    Incompatible {
        /// The file.
        name: String,
        /// `format_version=…` or `required_feature=…`.
        requirement: String,
    },
    /// Other writers were faster, again and again.
    #[error("lost every race for the next announcement: attempts={attempts} sequence={sequence}; try again")]
    Outrun {
        /// Number of creates that others won.
        attempts: u32,
        /// The sequence that was tried last.
        sequence: u64,
    },
    /// Files are numbered in 64 bits, and the last number is taken: by hand, for no writer gets there.
    #[error(
        "no number is left after the last one: name={name}; remove that file if it was made by hand, or copy the data to a new store"
    )]
    LastNumber {
        /// The file of the last number.
        name: String,
    },
    /// The store was reached, and a right is missing.
    #[error(
        "access denied: operation={operation} name={name} missing_right={right:?} cause={}; grant the right, or check the credentials",
        cause(source.as_ref())
    )]
    Denied {
        /// What was tried.
        operation: &'static str,
        /// The file.
        name: String,
        /// The right that it needs.
        right: &'static str,
        /// The backend's own error.
        source: Box<object_store::Error>,
    },
    /// The bucket or container of the store is not there.
    #[error(
        "bucket not found: operation={operation} name={name} cause={cause}; create it, or check its name, the endpoint and the region"
    )]
    NoBucket {
        /// What was tried.
        operation: &'static str,
        /// The file.
        name: String,
        /// What the server said.
        cause: String,
    },
    /// The store was reached, or is a cloud's, and the caller's credentials are not taken, or there are none.
    #[error(
        "credentials were not accepted: operation={operation} name={name} reason={reason:?} cause={cause}; set the environment's credentials anew (AWS_ACCESS_KEY_ID …, AZURE_STORAGE_ACCOUNT_KEY …, GOOGLE_APPLICATION_CREDENTIALS), or AWS_SKIP_SIGNATURE=true for a public bucket; for a web server, set a header"
    )]
    Credentials {
        /// What was tried.
        operation: &'static str,
        /// The file.
        name: String,
        /// What is wrong with them.
        reason: String,
        /// What the server said, or what was asked for them.
        cause: String,
    },
    /// The bucket is in another region than the one that was asked.
    #[error(
        "bucket is in another region: operation={operation} name={name} cause={cause}; set AWS_REGION, or the option region"
    )]
    WrongRegion {
        /// What was tried.
        operation: &'static str,
        /// The file.
        name: String,
        /// What the server said.
        cause: String,
    },
    /// No connection to the store's server was made, or it broke.
    #[error(
        "store cannot be reached: operation={operation} name={name} cause={cause}; check the network, the endpoint and the proxy, and try again"
    )]
    Unreachable {
        /// What was tried.
        operation: &'static str,
        /// The file.
        name: String,
        /// What kept the request from the server.
        cause: String,
    },
    /// The store's backend refused or failed.
    #[error("store failed: operation={operation} name={name} cause={}; {}", cause(source), advice(source))]
    Backend {
        /// What was tried.
        operation: &'static str,
        /// The file.
        name: String,
        /// The backend's own error.
        source: object_store::Error,
    },
    /// The store did not answer in time.
    #[error("store did not answer in time: operation={operation} name={name} waited_ms={}; try again, or allow more in the settings", waited.as_millis())]
    TimedOut {
        /// What was tried.
        operation: &'static str,
        /// The file.
        name: String,
        /// How long the store waited.
        waited: Duration,
    },
    /// A local folder or file could not be read, made, mapped or watched.
    #[error("store failed: operation={operation} name={} cause={source}; check that the folder exists, has room and may be written to", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The local folder cannot be watched.
    #[cfg(feature = "watch")]
    #[error("folder cannot be watched: name={} cause={source}; poll instead", path.display())]
    Watch {
        /// The folder.
        path: PathBuf,
        /// The watcher's error.
        source: notify::Error,
    },
    /// The location is not one that this release can open.
    #[error(
        "location is not understood: location={location} reason={reason}; give a folder, file:///path, memory://NAME, s3://bucket/prefix, az://container/prefix, gs://bucket/prefix or https://host/path"
    )]
    Location {
        /// The location as given.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder of the cache is not safe, or cannot be one.
    #[error(
        "folder cannot be used as a cache: folder={} reason={reason}; name another by KAPOK_CACHE, or `off` for none",
        folder.display()
    )]
    CacheFolder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The place holds files of somebody else, so no store is made in it.
    #[error("place is not empty and not a store: location={location} first_file={file}; choose an empty place")]
    NotEmpty {
        /// The location as given.
        location: String,
        /// One of the files found.
        file: String,
    },
    /// The backend breaks the one promise that a store needs.
    #[error(
        "concurrent creates of one name had winners={winners} instead of 1: location={location}; use a backend with conditional writes"
    )]
    NoConditionalWrites {
        /// The location as given.
        location: String,
        /// Number of creates, of eight, that succeeded.
        winners: usize,
    },
    /// An argument makes no sense.
    #[error("invalid argument: {argument}={found} expected={expected}")]
    Argument {
        /// Name of the argument.
        argument: &'static str,
        /// What it was.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A version was retired while it was being pinned or announced. The log says again what it said before.
    #[error(
        "version was retired meanwhile: version={version} action={action}; the entry was undone, choose a version that is there"
    )]
    RetiredMeanwhile {
        /// The version.
        version: u64,
        /// What was undone.
        action: Action,
    },
    /// Retention cannot tell which blobs are still needed. It has deleted none.
    #[error("gc stopped before it deleted any blob: cause={source}")]
    GcStopped {
        /// What it could not read.
        source: Box<Error>,
    },
    /// The numbers of versions have a gap, or end below a version that was announced. Retention has deleted nothing.
    #[error(
        "gc stopped before it changed anything: the manifest of a version is not there: version={version} name={name}; let a copy of the store that is under way finish, or restore the file; where it is lost for good, tell gc to retire that version"
    )]
    ManifestMissing {
        /// The version.
        version: u64,
        /// The file that should be there.
        name: String,
    },
    /// Retention was told to retire a version that consumers are sent to. It has deleted nothing.
    #[error(
        "gc stopped before it changed anything: the log sends consumers to the version: version={version}; roll back to, announce or pin another one first"
    )]
    StillNamed {
        /// The version.
        version: u64,
    },
    /// The log names a version that is retired: another gc is about to put it back, or somebody has pinned what was
    /// gone. Retention has deleted no blob.
    #[error(
        "gc stopped before it deleted any blob: the log names a retired version: version={version}; where no other gc is at work, pin or announce a version that is there, then try again"
    )]
    NamedButRetired {
        /// The version.
        version: u64,
    },
    /// A manifest is not one that this release can read or write.
    #[error(transparent)]
    Manifest(#[from] kapok_core::Error),
}

/// Says what to do about a failure of the backend.
fn advice(source: &object_store::Error) -> &'static str {
    use object_store::Error as Backend;
    match source {
        Backend::NotSupported { .. } | Backend::NotImplemented { .. } => "to try again does not help",
        _ => "check that the store can be reached, has room and may be written to, and try again",
    }
}

impl Error {
    /// Returns what the caller does next.
    pub fn kind(&self) -> ErrorKind {
        use object_store::Error as Backend;
        match self {
            Self::NotFound { .. }
            | Self::NotAStore { .. }
            | Self::NotAFolder { .. }
            | Self::NoBucket { .. }
            | Self::Retired { .. } => ErrorKind::NotFound,
            Self::Corrupt { .. } | Self::LastNumber { .. } | Self::ManifestMissing { .. } => ErrorKind::Corrupt,
            Self::Incompatible { .. } => ErrorKind::Incompatible,
            Self::Outrun { .. }
            | Self::RetiredMeanwhile { .. }
            | Self::NamedButRetired { .. }
            | Self::StillNamed { .. } => ErrorKind::Conflict,
            Self::GcStopped { source } => source.kind(),
            Self::Backend { source, .. } => match source {
                Backend::NotFound { .. } => ErrorKind::NotFound,
                Backend::InvalidPath { .. }
                | Backend::NotSupported { .. }
                | Backend::NotImplemented { .. }
                | Backend::UnknownConfigurationKey { .. } => ErrorKind::Invalid,
                _ => ErrorKind::Unavailable,
            },
            Self::Denied { .. } | Self::Credentials { .. } => ErrorKind::Denied,
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            Self::TimedOut { .. } | Self::Unreachable { .. } | Self::Io { .. } => ErrorKind::Unavailable,
            #[cfg(feature = "watch")]
            Self::Watch { .. } => ErrorKind::Unavailable,
            Self::Location { .. }
            | Self::WrongRegion { .. }
            | Self::CacheFolder { .. }
            | Self::NotEmpty { .. }
            | Self::NoConditionalWrites { .. }
            | Self::Argument { .. } => ErrorKind::Invalid,
            Self::Manifest(source) => source.kind(),
        }
    }

    pub(crate) fn corrupt(name: &str, offset: u64, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Corrupt { name: name.to_owned(), offset, expected: expected.into(), found: found.into() }
    }
}
