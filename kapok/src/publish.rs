//! Publishes versions: records in, announced version out.
//!
//! A [`Producer`] runs cycles. A full cycle ([`Producer::run_cycle`]) is given all records of a type and writes what
//! differs from the version before. An incremental cycle ([`Producer::run_incremental_cycle`]) is given changes alone,
//! and its cost grows with them. Records that arrive over time come from an async closure
//! ([`Producer::run_cycle_async`]) or a stream ([`RecordWriter::add_all`]). All check what they stored, commit a
//! manifest and announce the version.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kapok::Result<()> {
//! use kapok::{Declaration, Producer, Validator};
//! # use kapok::serde::{Deserialize, Serialize};
//! # #[derive(Serialize, Deserialize)]
//! # #[serde(crate = "kapok::serde")]
//! # struct Movie { id: u32, title: String }
//!
//! let mut producer = Producer::open("memory://publish").await?;
//! // A cycle that would leave no movie is refused before it has a number.
//! producer.settings_mut().validators.push(Validator::not_empty("Movie"));
//! let movie = Declaration::of_rust_type::<Movie>("Movie", &["id"])?;
//! producer
//!     .run_incremental_cycle(|cycle| {
//!         cycle.declare(&movie)?;
//!         let mut movies = cycle.values("Movie")?;
//!         movies.upsert_serde(&Movie { id: 4, title: "Laura".to_owned() })?;
//!         movies.delete(&1_u32)?;
//!         Ok(())
//!     })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! A cycle that fails before the commit has changed nothing: run it again. After the commit the error is
//! [`Committed`](crate::error::PublishError::Committed) or
//! [`MaybeCommitted`](crate::error::PublishError::MaybeCommitted); [`IncrementalCycle::once`] makes it safe to run
//! changes again.

#[doc(inline)]
pub use kapok_core::segment::{SealSettings, Sharing};
#[doc(inline)]
pub use kapok_producer::metrics::describe as describe_metrics;
#[doc(inline)]
pub use kapok_producer::{
    AnnounceMode, AnnouncementListener, Bound, Counts, Cycle, CycleReport, Finding, GraphListener, GraphProgress,
    GraphReport, GraphStep, IncrementalCycle, MergePolicy, MergeReport, MergeSchedule, Outcome, Producer,
    ProducerBuilder, ProducerSettings, Proposal, RecordChanges, RecordWriter, Steps, TypeReport, Validator,
    Verification, merge_policy,
};
#[cfg(feature = "json")]
#[doc(inline)]
pub use kapok_producer::{ValueChanges, ValueWriter};
