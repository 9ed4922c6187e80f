//! Records in, announced version out.
//!
//! A [`Producer`] runs cycles: a closure hands over the records, the producer writes them as segments with their indexes,
//! checks what it stored, commits a manifest and announces it. It does not read data from anywhere, and it does not tell
//! consumers what to do beyond naming the version that they should be on.
//!
//! ```
//! use kapok_producer::Producer;
//! use kapok_schemas::movies_capnp::movie;
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
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(publish()).unwrap();
//! ```

#![forbid(unsafe_code)]

mod changes;
mod cycle;
mod declaration;
mod draft;
mod error;
pub mod merge_policy;
mod merging;
pub mod metrics;
mod producer;
mod publish;
mod report;
mod validate;
mod writer;

pub use changes::{IncrementalCycle, RecordChanges, ValueChanges};
pub use cycle::Cycle;
pub use declaration::{Declaration, Evolution};
pub use error::{BoxError, Error, ErrorKind, Result};
pub use kapok_blobstore::Store;
pub use kapok_core::schema::OlderSchema;
pub use kapok_core::segment::{SealSettings, Sharing};
pub use kapok_core::value::Value;
pub use merge_policy::MergeSettings;
pub use producer::{Announcing, Merging, Producer, Settings, Verification};
pub use report::{CycleReport, MergeReport, Outcome, Steps, TypeReport};
pub use validate::{Finding, Proposal, Validator};
pub use writer::{RecordWriter, ValueWriter};
