//! What the caller of a failed operation does next: the kinds that all crates share.

use std::fmt;

/// What the caller of a failed operation does next. The errors of all Kapok crates share these kinds.
///
/// An error that wraps another has the kind of its source, unless its variant says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Something is not there (any more): read the announcement log again, check the location, or ask for something
    /// else.
    NotFound,
    /// Stored bytes are wrong: keep the version in use, and verify and repair the store; trying again does not help.
    Corrupt,
    /// Data, schema or format does not fit this program: keep the version in use, then upgrade the program or publish
    /// the record type anew.
    Incompatible,
    /// Somebody else was first: read the present state, and decide again on top of it.
    Conflict,
    /// The store cannot do it now: keep what you have, try again later, look at the cause.
    Unavailable,
    /// A right is missing: grant it, or check the credentials; trying again does not help.
    Denied,
    /// The request or its input is wrong: correct it; trying again does not help.
    Invalid,
}

impl ErrorKind {
    /// Returns the name of the kind for logs and scripts, in snake case: `not_found`, `corrupt`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Corrupt => "corrupt",
            Self::Incompatible => "incompatible",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
