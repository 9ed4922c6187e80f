//! Errors of a cycle.

pub use kapok_core::ErrorKind;

use crate::validate::Finding;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Any error that a populate closure may return.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error of a cycle. [`Error::kind`] says what to do next:
///
/// | kind | variants |
/// |---|---|
/// | that of the source | `Data`, `Store`, `Committed`, `Unreadable` |
/// | [`Conflict`](ErrorKind::Conflict) | `Conflict`: run the cycle again on top of the winner. `RolledBackMeanwhile`: look at why consumers were sent back |
/// | [`Corrupt`](ErrorKind::Corrupt) | `Damaged` |
/// | [`Unavailable`](ErrorKind::Unavailable) | `MaybeCommitted`, `Task` |
/// | [`NotFound`](ErrorKind::NotFound) | `NotDeclared` |
/// | [`Incompatible`](ErrorKind::Incompatible) | `KeyChange`, `TypeIdChange` |
/// | [`Invalid`](ErrorKind::Invalid) | `RolledBack`, `UnannouncedHead`: say which version to build on. All others: correct the records, the declaration or the closure |
///
/// After `Committed` and `MaybeCommitted` run an incremental cycle again only if it
/// [applies its changes once](crate::IncrementalCycle::once).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Records, schemas or keys that cannot be published.
    #[error(transparent)]
    Data(#[from] kapok_core::Error),
    /// The store failed, or is damaged.
    #[error(transparent)]
    Store(#[from] kapok_blobstore::Error),
    /// The populate closure returned an error.
    #[error("populating failed, nothing was published: {source}")]
    Populate {
        /// The error of the closure.
        source: BoxError,
    },
    /// Another producer committed this version first.
    #[error("version {version} was committed by another producer: writer={winner}; run the cycle again on top of it")]
    Conflict {
        /// The number that both wanted.
        version: u64,
        /// Who won, as its manifest says.
        winner: String,
    },
    /// Validators refused the version; nothing was committed.
    #[error("version {version} was refused, nothing was published: {}", describe(findings))]
    Refused {
        /// The number that it would have had.
        version: u64,
        /// Everything that was found.
        findings: Vec<Finding>,
    },
    /// A rollback sent consumers to an older version, so it is not clear which version the changes are meant for.
    #[error(
        "the dataset was rolled back from version {highest} to {announced}; say which version to build on: \
         run_incremental_cycle_on({announced}, …) drops what came after it"
    )]
    RolledBack {
        /// The version that consumers are on.
        announced: u64,
        /// The newest version that they were on.
        highest: u64,
    },
    /// The newest version is unannounced because of a rollback, so it is not clear whether the changes are meant for it
    /// or for the announced version.
    #[error(
        "version {version} is committed and was left unannounced, since consumers were sent back meanwhile, by entry \
         {sequence} of the log; say which version to build on: run_incremental_cycle_on({announced}, …) leaves it out, \
         and kapok announce {version} announces it all the same"
    )]
    UnannouncedHead {
        /// The newest version.
        version: u64,
        /// The version that consumers are on.
        announced: u64,
        /// The rollback's entry of the log.
        sequence: u64,
    },
    /// A rollback was made while the version was made, so it is not announced.
    #[error(
        "it stays unannounced: entry {sequence} of the log, by {by}, sent consumers back to version {announced} \
         meanwhile; look at why, then kapok announce {version} announces it all the same, and a full cycle replaces it"
    )]
    RolledBackMeanwhile {
        /// The version that was made.
        version: u64,
        /// The version that consumers were sent back to.
        announced: u64,
        /// The rollback's entry of the log.
        sequence: u64,
        /// Who made that entry.
        by: String,
    },
    /// The version is committed, but may not be announced.
    ///
    /// The kind is that of the cause: `Conflict` for a rollback made meanwhile; in all other cases the next cycle, or
    /// [`Producer::announce_left_over`](crate::Producer::announce_left_over), announces the version. To run an
    /// incremental cycle again would apply its changes twice: see
    /// [`IncrementalCycle::once`](crate::IncrementalCycle::once).
    #[error("version {version} is committed, so its changes are not to be applied again; {source}")]
    Committed {
        /// The version that was made.
        version: u64,
        /// What failed behind the commit.
        source: Box<Error>,
    },
    /// It is not known whether the version is committed: the request was not answered, and could not be read back.
    ///
    /// To run an incremental cycle again may apply its changes twice: see
    /// [`IncrementalCycle::once`](crate::IncrementalCycle::once).
    #[error(
        "it is not known whether version {version} was committed: {source}; when the store answers again, look before \
         changes are applied again (kapok versions), or run cycles that apply them once (IncrementalCycle::once)"
    )]
    MaybeCommitted {
        /// The version that should be made.
        version: u64,
        /// How the commit failed.
        source: kapok_blobstore::Error,
    },
    /// The version that consumers should be on cannot be read, so nothing can be built on it.
    #[error(
        "entry {sequence} of the log announces version {version}, which cannot be read: {source}; restore it, or send \
         consumers to a version that is there (kapok rollback), then publish again"
    )]
    Unreadable {
        /// The entry.
        sequence: u64,
        /// The version that it announces.
        version: u64,
        /// Why it cannot be read.
        source: Box<Error>,
    },
    /// Changes were made to a record type whose stored records cannot be read.
    #[error(
        "record type {record_type} of version {version} cannot be read: {reason}; publish all of its records by a full \
         cycle (kapok publish without --upsert), or restore the blob (kapok repair)"
    )]
    Damaged {
        /// The record type.
        record_type: String,
        /// The version that the cycle builds on.
        version: u64,
        /// Why, with the blob's name.
        reason: String,
    },
    /// A record type was not declared in the cycle.
    #[error("not found: record type {record_type}: not declared in this cycle; declare it first")]
    NotDeclared {
        /// Name of the record type.
        record_type: String,
    },
    /// Two declarations of one record type differ.
    #[error(
        "record type {record_type}: declared twice in this cycle, in different ways; declare it once, before its records"
    )]
    DeclaredTwice {
        /// Name of the record type.
        record_type: String,
    },
    /// A record type is declared or kept, and dropped.
    #[error("record type {record_type}: declared or kept, and dropped, in one cycle; do one of the two")]
    DeclaredAndDropped {
        /// Name of the record type.
        record_type: String,
    },
    /// The declaration and the annotations of the schema name different keys.
    #[error(
        "{record_type} key: declared as {}, annotated as {}; make them one",
        declared.join(","), annotated.join(",")
    )]
    TwoKeys {
        /// Name of the record type.
        record_type: String,
        /// The key's fields as declared.
        declared: Vec<String>,
        /// The key's fields as annotated.
        annotated: Vec<String>,
    },
    /// The primary key is not the one that the dataset has.
    #[error(
        "incompatible: {record_type} key: the dataset's is {}, this one is {}; to change it, republish the record type \
         (--republish)",
        known.join(","), given.join(",")
    )]
    KeyChange {
        /// Name of the record type.
        record_type: String,
        /// The key's fields in the dataset.
        known: Vec<String>,
        /// The key's fields in this cycle.
        given: Vec<String>,
    },
    /// The struct's type id is not the one that the dataset has.
    #[error(
        "incompatible: record type {record_type}: the dataset's type id is {known:#018x}, this one's is {given:#018x}; \
         keep it, or republish the record type (--republish)"
    )]
    TypeIdChange {
        /// Name of the record type.
        record_type: String,
        /// The type id in the dataset.
        known: u64,
        /// The type id in this cycle.
        given: u64,
    },
    /// Data would add fields to a type that somebody declared.
    #[error(
        "record type {record_type}: its schema was declared, and these records would add to it: grown={}; take that out, \
         declare it, or let the type grow (--grow)",
        fields.join(", ")
    )]
    Growth {
        /// Name of the record type.
        record_type: String,
        /// Paths of the new fields.
        fields: Vec<String>,
    },
    /// A record was changed in place in a cycle that makes its integers wider, or floats.
    #[error(
        "record type {record_type}: its integers become wider or floats in this cycle; change records in place in the \
         next one"
    )]
    Widened {
        /// Name of the record type.
        record_type: String,
    },
    /// A writer outlived the populate closure.
    #[error("cycle: a writer outlived it; drop the writers before the closure ends")]
    WriterOutlived,
    /// A thread of the cycle died.
    #[error("a task of the cycle ended early: {source}; nothing was published")]
    Task {
        /// How it ended.
        source: tokio::task::JoinError,
    },
}

impl Error {
    /// Returns what the caller does next.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Data(source) => source.kind(),
            Self::Store(source) => source.kind(),
            Self::NotDeclared { .. } => ErrorKind::NotFound,
            Self::KeyChange { .. } | Self::TypeIdChange { .. } => ErrorKind::Incompatible,
            Self::Populate { .. }
            | Self::Refused { .. }
            | Self::RolledBack { .. }
            | Self::UnannouncedHead { .. }
            | Self::DeclaredTwice { .. }
            | Self::DeclaredAndDropped { .. }
            | Self::TwoKeys { .. }
            | Self::Growth { .. }
            | Self::Widened { .. }
            | Self::WriterOutlived => ErrorKind::Invalid,
            Self::Conflict { .. } | Self::RolledBackMeanwhile { .. } => ErrorKind::Conflict,
            Self::Committed { source, .. } | Self::Unreadable { source, .. } => source.kind(),
            Self::MaybeCommitted { .. } | Self::Task { .. } => ErrorKind::Unavailable,
            Self::Damaged { .. } => ErrorKind::Corrupt,
        }
    }

    /// Unwraps an error of this crate that came back from a populate closure.
    pub(crate) fn from_populate(source: BoxError) -> Self {
        let source = match source.downcast::<Self>() {
            Ok(own) => return *own,
            Err(other) => other,
        };
        match source.downcast::<kapok_core::Error>() {
            Ok(data) => Self::Data(*data),
            Err(source) => Self::Populate { source },
        }
    }
}

fn describe(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
