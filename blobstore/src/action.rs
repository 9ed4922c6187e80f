//! What an entry of the announcement log did.

use std::fmt;

/// What an entry did.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// A newer version was announced.
    Announce,
    /// Consumers are held on a version.
    Pin,
    /// Consumers follow the announced version again.
    Unpin,
    /// An older version was announced.
    Rollback,
    /// A word of a newer release. What to do stands in the entry's versions, so it stops nobody.
    Other(String),
}

impl Action {
    pub(crate) fn from_text(text: &str) -> Self {
        match text {
            "announce" => Self::Announce,
            "pin" => Self::Pin,
            "unpin" => Self::Unpin,
            "rollback" => Self::Rollback,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Returns the word in the file.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Announce => "announce",
            Self::Pin => "pin",
            Self::Unpin => "unpin",
            Self::Rollback => "rollback",
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
