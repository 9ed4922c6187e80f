//! Ends a run of a deserialization early.

use std::fmt;

/// The reason why a run ended early.
#[derive(Debug)]
pub(super) enum Halt {
    /// Nothing more to learn here in this run.
    Stop,
    /// The type met a field twice, this one by its own name.
    Duplicate(&'static str),
    /// The type refused a value.
    Message(String),
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop => f.write_str("nothing more to learn"),
            Self::Duplicate(name) => write!(f, "duplicate field {name:?}"),
            Self::Message(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Halt {}

impl serde::de::Error for Halt {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Message(message.to_string())
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::Duplicate(field)
    }
}
