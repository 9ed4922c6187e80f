//! Publishes versions of a dataset: records in, announced version out.
//!
//! A [`Producer`] runs cycles. A closure adds all records of a type ([`Producer::run_cycle`]) or changes to it
//! ([`Producer::run_incremental_cycle`]). The producer writes the records that differ from the version before, as
//! segments with their indexes, checks the stored files, commits a manifest and announces it. For records that arrive
//! over time there are async closures ([`Producer::run_cycle_async`]) and streams ([`RecordWriter::add_all`]). The
//! producer does not read data from anywhere.
//!
//! ```
//! use kapok_producer::Producer;
//! use kapok_samples::movies_capnp::movie;
//!
//! # async fn publish() -> Result<(), kapok_producer::Error> {
//! let producer = Producer::open("memory://films").await?;
//! let report = producer
//!     .run_cycle(|cycle| {
//!         let mut movies = cycle.records::<movie::Owned>()?;
//!         movies.add(|mut film| {
//!             film.set_id(1);
//!             film.set_title("Metropolis");
//!         })?;
//!         Ok(())
//!     })
//!     .await?;
//! assert_eq!(report.outcome.version(), 1);
//!
//! let report = producer
//!     .run_incremental_cycle(|cycle| {
//!         let mut movies = cycle.records::<movie::Owned>()?;
//!         movies.update(&1_u32, |mut film| film.set_year(1927))?;
//!         Ok(())
//!     })
//!     .await?;
//! assert_eq!((report.outcome.version(), report.types[0].updated), (2, 1));
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(publish()).unwrap();
//! ```
//!
//! ```text
//!                 version before ─────┬───────────────┬──────────┐
//!                                     ▼               ▼          ▼
//!  closure ─▶ populate ─▶ stage ─▶ compare ─▶ write, verify ─▶ validate ─▶ commit ─▶ announce ─▶ merge
//!                                  what is    segments,        or refuse   number    consumers   later
//!                                  new, dead  manifest                               move        versions
//! ```
//!
//! [`ProducerSettings`] say how versions are checked ([`Validator`], [`Verification`]), announced and merged
//! ([`merge_policy`]); a [`Declaration`] says how a schema may change. Metrics go to the recorder of the `metrics`
//! crate ([`crate::metrics::describe`]).
//!
//! # Limitations
//! * A full cycle stages all records of the types that it touches; an incremental cycle only what it changes.
//! * Merges take place within the call of the cycle, after its announcement, unless they are [`MergeSchedule::Manual`].
//! * A producer deletes no files: [`Store::gc`] does.
//! * A record type stays in the dataset until [`Producer::drop_type`] drops it.

#![forbid(unsafe_code)]

mod announcement;
mod base;
mod base_cache;
mod batch;
mod change_writer;
mod changed_key;
mod changed_type;
mod comparison;
mod cycle;
mod cycle_run;
mod declaration;
mod declarations;
mod error;
mod graphs;
mod incremental_cycle;
mod index_changes;
mod lock;
mod manifest_draft;
mod merge;
pub mod merge_policy;
pub mod metrics;
mod new_metrics;
mod producer;
mod publish;
mod removal;
pub mod repair;
mod report;
#[cfg(feature = "json")]
mod rewrite;
mod scratch;
mod settings;
mod staged_schema;
mod staged_type;
mod stored_blobs;
mod validate;
mod writer;

pub use announcement::AnnouncementListener;
pub use change_writer::RecordChanges;
#[cfg(feature = "json")]
pub use change_writer::ValueChanges;
pub use cycle::Cycle;
pub use declaration::{Declaration, Evolution};
pub use error::{BoxError, Error, ErrorKind, Result};
pub use graphs::{GraphListener, GraphReport, GraphStep};
pub use incremental_cycle::IncrementalCycle;
pub use kapok_blobstore::Store;
pub use kapok_core::schema::OlderSchema;
pub use kapok_core::segment::{SealSettings, Sharing};
pub use kapok_index::vector::GraphProgress;
#[cfg(feature = "json")]
pub use kapok_ingest::{AbsentFields, Value};
pub use merge_policy::MergePolicy;
pub use producer::{Producer, ProducerBuilder};
pub use report::{CycleReport, MergeReport, Outcome, Steps, TypeReport};
pub use settings::{AnnounceMode, MergeSchedule, ProducerSettings, Verification};
pub use validate::{Bound, Counts, Finding, Proposal, Validator};
pub use writer::RecordWriter;
#[cfg(feature = "json")]
pub use writer::ValueWriter;
