//! Errors of a dataset as bytes.

use std::fmt;

use crate::error_kind::ErrorKind;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate: one machine word, so that reading a field stays cheap. [`Error::fault`] has the facts.
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Fault>);

/// The facts of an [`Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Stored bytes are not what they must be.
    #[error("corrupt data: blob={blob} offset={offset} expected={expected} found={found}; fetch or publish it again")]
    Corrupt {
        /// Name of the blob, or what it is for.
        blob: String,
        /// Byte offset from the start of the blob.
        offset: u64,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Valid data or code that does not fit this schema or this version of Kapok.
    #[error("incompatible: {subject}: {detail}")]
    Incompatible {
        /// The type, field or file.
        subject: String,
        /// Old and new, and the way out.
        detail: String,
    },
    /// A value, name or setting that the caller gave cannot be used.
    #[error("{subject}: {detail}")]
    Invalid {
        /// The type, field or setting.
        subject: String,
        /// What is wrong with it and what would be right.
        detail: String,
    },
    /// Two records of one type have the same primary key.
    #[error("duplicate key: type={record_type} key={key} first={first} second={second}")]
    DuplicateKey {
        /// Name of the record type.
        record_type: String,
        /// The key, as JSON.
        key: String,
        /// Position of the record that came first.
        first: String,
        /// Position of the record that came second.
        second: String,
    },
    /// More than the encoding can hold.
    #[error("too large: {subject}: {limit} allows {allowed}, needed {needed}")]
    Limit {
        /// The field or record.
        subject: String,
        /// Name of the limit.
        limit: &'static str,
        /// Its value.
        allowed: u64,
        /// What was asked for.
        needed: u64,
    },
    /// A walk over a record took more steps than its budget allows.
    #[error(
        "record too large to walk: type={record_type} budget={budget} elements; raise the budget if the data is trusted"
    )]
    Budget {
        /// Name of the record type.
        record_type: String,
        /// Elements allowed for one record.
        budget: u64,
    },
    /// Nothing of that name or key.
    #[error("not found: {subject}: {detail}")]
    NotFound {
        /// What was looked for.
        subject: String,
        /// Where, and what there is instead.
        detail: String,
    },
}

impl Error {
    /// The facts.
    pub fn fault(&self) -> &Fault {
        &self.0
    }

    /// What to do next.
    pub fn kind(&self) -> ErrorKind {
        match *self.0 {
            Fault::Corrupt { .. } => ErrorKind::Corrupt,
            Fault::Incompatible { .. } => ErrorKind::Incompatible,
            Fault::NotFound { .. } => ErrorKind::NotFound,
            Fault::Invalid { .. } | Fault::DuplicateKey { .. } | Fault::Limit { .. } | Fault::Budget { .. } => {
                ErrorKind::Invalid
            }
        }
    }

    /// [`Fault::Invalid`].
    #[cold]
    pub fn invalid(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Fault::Invalid { subject: subject.into(), detail: detail.into() }.into()
    }

    /// [`Fault::Incompatible`].
    #[cold]
    pub fn incompatible(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Fault::Incompatible { subject: subject.into(), detail: detail.into() }.into()
    }

    /// [`Fault::NotFound`].
    #[cold]
    pub fn not_found(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Fault::NotFound { subject: subject.into(), detail: detail.into() }.into()
    }

    /// [`Fault::Corrupt`].
    #[cold]
    pub fn corrupt(
        blob: impl Into<String>,
        offset: u64,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Fault::Corrupt { blob: blob.into(), offset, expected: expected.into(), found: found.into() }.into()
    }
}

impl From<Fault> for Error {
    #[cold]
    fn from(fault: Fault) -> Self {
        Self(Box::new(fault))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
