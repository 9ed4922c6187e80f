//! Failures of a verb, as people and scripts read them, and their exit codes.

use std::io;
use std::process::ExitCode;

use kapok_core::{ErrorKind, Fault};
use kapok_producer::Finding;
use serde::Serialize;

use crate::terminal::{joined_lines, visible};

/// Shorthand for results of this program.
pub type Result<T> = std::result::Result<T, Failure>;

/// Why a verb ended early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The operation failed, or its answer is no.
    #[error("{message}")]
    Message {
        /// What kind of failure it is; it decides the exit code.
        kind: Kind,
        /// What to tell.
        message: String,
        /// The parts of it that a script may want.
        parts: Box<Parts>,
    },
    /// Validators refused a version.
    #[error("{message}")]
    Refused {
        /// What to tell.
        message: String,
        /// What was found.
        findings: Vec<Finding>,
    },
    /// Standard output cannot be written to. If its reader has closed it, that is no failure.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
}

/// Kinds of failures, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Arguments that are not understood.
    Usage,
    /// A guard or a validator says no.
    Refused,
    /// The answer is no.
    No,
    /// Standard output cannot be written to.
    Output,
    /// A kind of error of the libraries.
    Of(ErrorKind),
}

/// What a failure is about: members of its JSON, if they are known.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Parts {
    /// Line of the input, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Byte in the line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// Path of the field: `Movie.director.name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Who committed the version first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub winner: Option<String>,
}

impl From<&Fault> for Parts {
    fn from(fault: &Fault) -> Self {
        let (line, column) = match fault {
            Fault::Json { line, column, .. } | Fault::JsonInteger { line, column, .. } => (Some(*line), Some(*column)),
            Fault::Inference { line, .. } => (Some(*line), None),
            Fault::Query { column, .. } if *column > 0 => (None, Some(*column)),
            // Where records are lines, their positions are called so.
            Fault::DuplicateKey { second, .. } => {
                (second.strip_prefix("line ").and_then(|line| line.parse().ok()), None)
            }
            _ => (None, None),
        };
        Self { line, column, field: fault.field(), winner: None }
    }
}

impl From<&kapok_producer::Error> for Parts {
    fn from(error: &kapok_producer::Error) -> Self {
        match error {
            kapok_producer::Error::Data(data) => data.fault().into(),
            kapok_producer::Error::Conflict { winner, .. } => Self { winner: Some(winner.clone()), ..Self::default() },
            kapok_producer::Error::Committed { source, .. } | kapok_producer::Error::Unreadable { source, .. } => {
                source.as_ref().into()
            }
            _ => Self::default(),
        }
    }
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::No => "no",
            Self::Output => "output",
            Self::Of(kind) => kind.as_str(),
        }
    }

    /// Returns 2 for a failure that the caller can correct, else 1.
    fn exit_code(self) -> u8 {
        match self {
            Self::Usage | Self::Refused | Self::Of(ErrorKind::Invalid) => 2,
            Self::No | Self::Output | Self::Of(_) => 1,
        }
    }
}

impl From<ErrorKind> for Kind {
    fn from(kind: ErrorKind) -> Self {
        Self::Of(kind)
    }
}

/// JSON output on standard error.
#[derive(Serialize)]
struct Line<'f> {
    error: Error<'f>,
}

#[derive(Serialize)]
struct Error<'f> {
    kind: &'static str,
    message: &'f str,
    exit_code: u8,
    #[serde(flatten)]
    parts: Parts,
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
    /// Makes a failure whose answer is no.
    pub fn no(message: impl Into<String>) -> Self {
        Self::of(Kind::No, message)
    }

    /// Makes a failure about input that cannot be used.
    pub fn input(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Invalid, message)
    }

    /// Makes a failure about arguments that make no sense together.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::of(Kind::Usage, message)
    }

    /// Makes a failure of a kind.
    pub fn of(kind: impl Into<Kind>, message: impl Into<String>) -> Self {
        Self::Message { kind: kind.into(), message: message.into(), parts: Box::default() }
    }

    /// Adds the facts of the failure, for scripts.
    #[must_use]
    pub fn with_parts(mut self, known: impl Into<Parts>) -> Self {
        if let Self::Message { parts, .. } = &mut self {
            **parts = known.into();
        }
        self
    }

    /// Adds the line of the input that the failure is about.
    #[must_use]
    pub fn at_line(mut self, line: u64) -> Self {
        if let Self::Message { parts, .. } = &mut self {
            parts.line = Some(line);
        }
        self
    }

    /// Puts what the failure is about in front of its message.
    #[must_use]
    pub fn about(mut self, subject: &str) -> Self {
        match &mut self {
            Self::Message { message, .. } | Self::Refused { message, .. } => *message = format!("{subject}: {message}"),
            Self::Output(_) => {}
        }
        self
    }

    /// Returns the line to print; `None` if there is nobody to read it.
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
            kind: self.kind().as_str(),
            message: text.trim_end(),
            exit_code: self.code(),
            parts: match self {
                Self::Message { parts, .. } => (**parts).clone(),
                _ => Parts::default(),
            },
            findings: findings.collect(),
            usage: None,
        }))
    }

    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Message { kind, .. } => *kind,
            Self::Refused { .. } => Kind::Refused,
            Self::Output(_) => Kind::Output,
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            _ => self.kind().exit_code(),
        }
    }
}

/// Formats an error of clap as all failures are.
pub fn usage_line(text: &str, json: bool) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text).trim_end();
    if !json {
        return format!("kapok: error: {}", visible(text));
    }
    let (message, usage) = text.split_once("\n\n").map_or((text, None), |(message, rest)| (message, Some(rest)));
    json_line(Error {
        kind: Kind::Usage.as_str(),
        message,
        exit_code: 2,
        parts: Parts::default(),
        findings: Vec::new(),
        usage,
    })
}

fn json_line(error: Error<'_>) -> String {
    // Of texts and numbers, which always have a JSON text.
    serde_json::to_string(&Line { error }).unwrap_or_default()
}

/// An I/O error without context is one of standard output.
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
        Self::of(error.kind(), error.to_string()).with_parts(error.fault())
    }
}

impl From<kapok_blobstore::Error> for Failure {
    fn from(error: kapok_blobstore::Error) -> Self {
        Self::of(error.kind(), error.to_string())
    }
}

impl From<kapok_producer::Error> for Failure {
    fn from(error: kapok_producer::Error) -> Self {
        let kind = error.kind();
        match error {
            // Populate closures of this program return failures of this program.
            kapok_producer::Error::Populate { source } => match source.downcast::<Self>() {
                Ok(failure) => *failure,
                Err(source) => Self::of(kind, source.to_string()),
            },
            kapok_producer::Error::Refused { ref findings, .. } => {
                Self::Refused { message: error.to_string(), findings: findings.clone() }
            }
            other => Self::of(kind, other.to_string()).with_parts(&other),
        }
    }
}

impl From<kapok_consumer::Error> for Failure {
    fn from(error: kapok_consumer::Error) -> Self {
        Self::of(error.kind(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use kapok_blobstore::Store;
    use kapok_producer::{Cycle, Declaration, Producer, ProducerSettings};
    use serde::Deserialize;

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Hut {
        id: u32,
    }

    async fn producer(store: &Store, writer: &str) -> kapok_producer::Result<Producer> {
        let mut settings = ProducerSettings::default();
        settings.writer = writer.to_owned();
        Producer::builder(store.clone()).settings(settings).open().await
    }

    fn add(cycle: &Cycle, id: u32) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
        cycle.declare(&Declaration::of_rust_type::<Hut>("Hut", &["id"])?)?;
        cycle.values("Hut")?.add_serde(&Hut { id })?;
        Ok(())
    }

    /// Bob's cycle, in the course of which Ann publishes the version.
    async fn lose() -> kapok_producer::Result<kapok_producer::CycleReport> {
        let store = Store::options().writable().open("memory://lost-to-ann").await?;
        let (ann, bob) = (producer(&store, "ann").await?, producer(&store, "bob").await?);
        bob.run_cycle_async(async |cycle| {
            ann.run_cycle(|cycle| add(cycle, 1)).await?;
            add(cycle, 2)
        })
        .await
    }

    #[test]
    fn a_conflict_names_the_producer_that_won_in_a_field_of_its_json() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let error = runtime.block_on(lose()).expect_err("Ann was first");
        let line = Failure::from(error).line(true).expect("something to tell");
        let told: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let error = &told["error"];
        assert_eq!((error["kind"].as_str(), error["winner"].as_str()), (Some("conflict"), Some("ann")), "{line}");
        assert_eq!((error["exit_code"].as_u64(), error.get("line")), (Some(1), None), "{line}");
    }
}
