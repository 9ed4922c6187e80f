//! Errors: what went wrong and, by [`ErrorKind`], what to do next.
//!
//! Each part of Kapok has an error of its own: [`DataError`] (schemas, records, bytes), [`StoreError`] (the store),
//! [`PublishError`] (cycles) and [`ReadError`] (refreshes). [`Error`] is any of them, so that a function which
//! publishes and reads returns [`Result`] and uses `?` throughout. All of them have a `kind`.

#[doc(inline)]
pub use kapok_blobstore::Error as StoreError;
#[doc(inline)]
pub use kapok_consumer::Error as ReadError;
#[doc(inline)]
pub use kapok_core::{Error as DataError, ErrorKind, Fault};
#[doc(inline)]
pub use kapok_producer::{BoxError, Error as PublishError};

/// The result of a function that uses several parts of Kapok.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of Kapok.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Schemas, records or stored bytes are not what they must be.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The store failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A cycle failed.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A refresh failed; the view in use stays.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A call of [`kapok::blocking`](crate::blocking) was made in async code.
    #[error("a blocking call inside of a Tokio runtime; await the async call of the same name instead")]
    InsideRuntime,
    /// The runtime of [`kapok::blocking`](crate::blocking) could not be started.
    #[error("the runtime of kapok::blocking cannot be started: {source}")]
    Runtime {
        /// The system's error.
        source: std::io::Error,
    },
}

impl Error {
    /// Returns what the caller does next.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Data(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Publish(error) => error.kind(),
            Self::Read(error) => error.kind(),
            Self::InsideRuntime => ErrorKind::Invalid,
            Self::Runtime { .. } => ErrorKind::Unavailable,
        }
    }
}
