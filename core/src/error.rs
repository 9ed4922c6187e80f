//! Errors of a dataset as bytes.

use std::fmt;

use crate::error_kind::ErrorKind;
use crate::fault::Fault;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate: one machine word, so that reading a field stays cheap. [`Error::fault`] has the facts.
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Fault>);

impl Error {
    /// Returns the facts.
    pub fn fault(&self) -> &Fault {
        &self.0
    }

    /// Returns what the caller does next.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind()
    }

    /// Puts a step before the path of the field, for errors about values that know only the end of their path yet.
    #[cold]
    #[must_use]
    pub fn within(mut self, step: &str) -> Self {
        if let Some(path) = self.0.path_mut() {
            path.insert_str(0, step);
        }
        self
    }

    /// Makes a [`Fault::Invalid`].
    #[cold]
    pub fn invalid(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Fault::Invalid { subject: subject.into(), detail: detail.into() }.into()
    }

    /// Makes a [`Fault::Schema`].
    #[cold]
    pub fn schema(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Fault::Schema { subject: subject.into(), detail: detail.into() }.into()
    }

    /// Makes a [`Fault::Incompatible`].
    #[cold]
    pub fn incompatible(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Fault::Incompatible { subject: subject.into(), detail: detail.into() }.into()
    }

    /// Makes a [`Fault::NotFound`].
    #[cold]
    pub fn not_found(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Fault::NotFound { subject: subject.into(), detail: detail.into() }.into()
    }

    /// Makes a [`Fault::Corrupt`].
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
