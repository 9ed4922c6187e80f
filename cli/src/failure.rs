//! Why did it not work, and which exit code says so?

use std::io;
use std::process::ExitCode;

use kapok_producer::Finding;
use serde::Serialize;

use crate::terminal::{joined_lines, visible};

/// Shorthand for results of this program.
pub type Result<T> = std::result::Result<T, Failure>;

/// Why a verb ended early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The answer is no, or the operation failed: exit code 1.
    #[error("{message}")]
    No {
        /// What kind of failure it is.
        kind: Kind,
        /// What to tell.
        message: String,
    },
    /// Usage, or input that cannot be used: exit code 2.
    #[error("{message}")]
    Input {
        /// What kind of failure it is.
        kind: Kind,
        /// What to tell.
        message: String,
    },
    /// A version that may not be published: exit code 2.
    #[error("{message}")]
    Refused {
        /// What to tell.
        message: String,
        /// What was found.
        findings: Vec<Finding>,
    },
    /// Standard output cannot be written to. Where its reader has gone away, that is no failure.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
}

/// What kind of failure it is, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Arguments that are not understood.
    Usage,
    /// Input that cannot be used.
    Invalid,
    /// A guard or a validator says no.
    Refused,
    /// The answer is no.
    No,
    /// It is not there.
    NotFound,
    /// Stored data is damaged.
    Corrupt,
    /// Another schema, or a format of a newer release.
    Incompatible,
    /// Somebody else was faster.
    Conflict,
    /// The store does not answer.
    Unavailable,
    /// A right is missing.
    Denied,
    /// Standard output cannot be written to.
    Output,
}

/// What scripts get on standard error.
#[derive(Serialize)]
struct Line<'f> {
    error: Error<'f>,
}

#[derive(Serialize)]
struct Error<'f> {
    kind: Kind,
    message: &'f str,
    exit_code: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<FindingLine<'f>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'f str>,
}

#[derive(Serialize)]
struct FindingLine<'f> {
    validator: &'f str,
    detail: &'f str,
}

impl Failure {
    /// The answer is no.
    pub fn no(message: impl Into<String>) -> Self {
        Self::No { kind: Kind::No, message: message.into() }
    }

    /// The input cannot be used.
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input { kind: Kind::Invalid, message: message.into() }
    }

    /// The arguments make no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Input { kind: Kind::Usage, message: message.into() }
    }

    /// Of a kind: those that the caller can correct exit with 2.
    pub fn of(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        match kind {
            Kind::Usage | Kind::Invalid | Kind::Refused => Self::Input { kind, message },
            _ => Self::No { kind, message },
        }
    }

    /// The same failure, with what it is about in front.
    #[must_use]
    pub fn about(mut self, subject: &str) -> Self {
        match &mut self {
            Self::No { message, .. } | Self::Input { message, .. } | Self::Refused { message, .. } => {
                *message = format!("{subject}: {message}");
            }
            Self::Output(_) => {}
        }
        self
    }

    /// What to print; `None` where there is nobody to tell.
    pub fn line(&self, json: bool) -> Option<String> {
        if matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return None;
        }
        let text = self.to_string();
        if !json {
            // One line, whatever a file's name or another tool's message holds.
            return Some(format!("kapok: error: {}", joined_lines(&text)));
        }
        let findings = match self {
            Self::Refused { findings, .. } => findings.as_slice(),
            _ => &[],
        };
        let findings = findings.iter().map(|found| FindingLine { validator: &found.validator, detail: &found.detail });
        Some(json_line(Error {
            kind: self.kind(),
            message: text.trim_end(),
            exit_code: self.code(),
            findings: findings.collect(),
            usage: None,
        }))
    }

    /// What to exit with.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    fn kind(&self) -> Kind {
        match self {
            Self::No { kind, .. } | Self::Input { kind, .. } => *kind,
            Self::Refused { .. } => Kind::Refused,
            Self::Output(_) => Kind::Output,
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::No { .. } | Self::Output(_) => 1,
            Self::Input { .. } | Self::Refused { .. } => 2,
        }
    }
}

/// Arguments that clap does not understand, told as all failures are.
pub fn usage_line(text: &str, json: bool) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text).trim_end();
    if !json {
        return format!("kapok: error: {}", visible(text));
    }
    let (message, usage) = text.split_once("\n\n").map_or((text, None), |(message, rest)| (message, Some(rest)));
    json_line(Error { kind: Kind::Usage, message, exit_code: 2, findings: Vec::new(), usage })
}

fn json_line(error: Error<'_>) -> String {
    // Of texts and numbers, which always have a JSON text.
    serde_json::to_string(&Line { error }).unwrap_or_default()
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

/// Kinds of the libraries' errors have the same names in each of them.
macro_rules! kind_of {
    ($kind:expr, $kinds:ident) => {
        match $kind {
            $kinds::ErrorKind::NotFound => Kind::NotFound,
            $kinds::ErrorKind::Corrupt => Kind::Corrupt,
            $kinds::ErrorKind::Incompatible => Kind::Incompatible,
            $kinds::ErrorKind::Invalid => Kind::Invalid,
            $kinds::ErrorKind::Conflict => Kind::Conflict,
            $kinds::ErrorKind::Unavailable => Kind::Unavailable,
            $kinds::ErrorKind::Denied => Kind::Denied,
            _ => Kind::No,
        }
    };
}

impl From<kapok_core::Error> for Failure {
    fn from(error: kapok_core::Error) -> Self {
        let kind = match error.kind() {
            kapok_core::ErrorKind::NotFound => Kind::NotFound,
            kapok_core::ErrorKind::Corrupt => Kind::Corrupt,
            kapok_core::ErrorKind::Incompatible => Kind::Incompatible,
            kapok_core::ErrorKind::Invalid => Kind::Invalid,
            _ => Kind::No,
        };
        Self::of(kind, error.to_string())
    }
}

impl From<kapok_blobstore::Error> for Failure {
    fn from(error: kapok_blobstore::Error) -> Self {
        Self::of(kind_of!(error.kind(), kapok_blobstore), error.to_string())
    }
}

impl From<kapok_producer::Error> for Failure {
    fn from(error: kapok_producer::Error) -> Self {
        let kind = kind_of!(error.kind(), kapok_producer);
        match error {
            // A populate closure of ours fails with a failure of ours.
            kapok_producer::Error::Populate { source } => match source.downcast::<Self>() {
                Ok(failure) => *failure,
                Err(source) => Self::of(kind, source.to_string()),
            },
            kapok_producer::Error::Refused { ref findings, .. } => {
                Self::Refused { message: error.to_string(), findings: findings.clone() }
            }
            other => Self::of(kind, other.to_string()),
        }
    }
}

impl From<kapok_consumer::Error> for Failure {
    fn from(error: kapok_consumer::Error) -> Self {
        Self::of(kind_of!(error.kind(), kapok_consumer), error.to_string())
    }
}
