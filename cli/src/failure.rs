//! Why did it not work, and which exit code says so?

use std::io;
use std::process::ExitCode;

/// Shorthand for results of this program.
pub type Result<T> = std::result::Result<T, Failure>;

/// Why a verb ended early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The answer is no, or the operation failed: exit code 1.
    #[error("{0}")]
    No(String),
    /// Usage, or input that cannot be used: exit code 2.
    #[error("{0}")]
    Input(String),
    /// Standard output cannot be written to. Where its reader has gone away, that is no failure.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
}

impl Failure {
    /// The answer is no.
    pub fn no(message: impl Into<String>) -> Self {
        Self::No(message.into())
    }

    /// The input cannot be used.
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// The same failure, with what it is about in front.
    #[must_use]
    pub fn about(self, subject: &str) -> Self {
        match self {
            Self::No(message) => Self::No(format!("{subject}: {message}")),
            Self::Input(message) => Self::Input(format!("{subject}: {message}")),
            Self::Output(_) => self,
        }
    }

    /// What to print; `None` where there is nobody to tell.
    pub fn line(&self) -> Option<String> {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
            // One line, whatever a file's name or another tool's message holds.
            _ => Some(self.to_string().trim_end().replace('\n', " | ")),
        }
    }

    /// What to exit with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Self::No(_) | Self::Output(_) => ExitCode::FAILURE,
            Self::Input(_) => ExitCode::from(2),
        }
    }
}

/// Only standard output is written to without more words.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}

impl From<kapok_core::Error> for Failure {
    fn from(error: kapok_core::Error) -> Self {
        match error.kind() {
            kapok_core::ErrorKind::Invalid => Self::Input(error.to_string()),
            _ => Self::No(error.to_string()),
        }
    }
}

impl From<kapok_blobstore::Error> for Failure {
    fn from(error: kapok_blobstore::Error) -> Self {
        match error.kind() {
            kapok_blobstore::ErrorKind::Invalid => Self::Input(error.to_string()),
            _ => Self::No(error.to_string()),
        }
    }
}

impl From<kapok_producer::Error> for Failure {
    fn from(error: kapok_producer::Error) -> Self {
        let kind = error.kind();
        let text = match error {
            // A populate closure of ours fails with a failure of ours.
            kapok_producer::Error::Populate { source } => match source.downcast::<Self>() {
                Ok(failure) => return *failure,
                Err(source) => source.to_string(),
            },
            other => other.to_string(),
        };
        if kind == kapok_producer::ErrorKind::Invalid { Self::Input(text) } else { Self::No(text) }
    }
}

impl From<kapok_consumer::Error> for Failure {
    fn from(error: kapok_consumer::Error) -> Self {
        match error.kind() {
            kapok_consumer::ErrorKind::Invalid => Self::Input(error.to_string()),
            _ => Self::No(error.to_string()),
        }
    }
}
