//! A serde error that collects the path of the field that it is about.
//!
//! serde's own errors say what is wrong and not where. On the way up each level puts its step before the path.

use std::fmt;

use crate::error::Error;
use crate::fault::Fault;

/// A serde error that collects the path of its field on its way up.
#[derive(Debug)]
pub struct PathError {
    /// `.field`, `[3]` and so on.
    path: String,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Message(String),
    Error(Error),
}

/// Shorthand for results of this module.
pub type PathResult<T> = Result<T, PathError>;

impl PathError {
    /// Makes an error at the place where it arose.
    #[cold]
    pub fn message(message: impl Into<String>) -> Self {
        Self { path: String::new(), cause: Cause::Message(message.into()) }
    }

    /// Puts a field name in front of the path.
    #[cold]
    #[must_use]
    pub fn within_field(mut self, name: &str) -> Self {
        self.path.insert_str(0, name);
        self.path.insert(0, '.');
        self
    }

    /// Puts a list index in front of the path.
    #[cold]
    #[must_use]
    pub fn within_item(mut self, index: usize) -> Self {
        self.path.insert_str(0, &format!("[{index}]"));
        self
    }

    /// Makes the error of this crate, about a path below `root`. Errors that already name their place stay as they are.
    #[cold]
    pub fn into_error(self, root: &str) -> Error {
        match self.cause {
            Cause::Message(message) => {
                Fault::Deserialize { path: format!("{root}{}", self.path), problem: message }.into()
            }
            Cause::Error(error) => error,
        }
    }
}

impl From<Error> for PathError {
    #[cold]
    fn from(error: Error) -> Self {
        Self { path: String::new(), cause: Cause::Error(error) }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Message(message) => write!(f, "{}: {message}", self.path),
            Cause::Error(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PathError {}

impl serde::de::Error for PathError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::message(message.to_string())
    }
}

impl serde::ser::Error for PathError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::message(message.to_string())
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::invalid("record", message.to_string())
    }
}
