//! What keeps a query from reading a value.

use kapok_core::Error;
use kapok_core::words::Malformed;

/// Shorthand for results of reading values.
pub(super) type Read<T> = Result<T, Unreadable>;

/// What keeps a query from reading a value.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// A word of the segment that is being read.
    Here(Malformed),
    /// Something of another segment, which a reference leads to.
    Elsewhere(Box<Error>),
}

impl From<Malformed> for Unreadable {
    fn from(malformed: Malformed) -> Self {
        Self::Here(malformed)
    }
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        Self::Elsewhere(Box::new(error))
    }
}
