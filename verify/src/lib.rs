//! Checks every byte of a store.
//!
//! [`verify_store`] looks at every file and every live version, [`verify_version`] at one version. Neither changes
//! anything, and both may run beside producers, consumers and gc.
//!
//! ```no_run
//! # async fn check() -> kapok_blobstore::Result<()> {
//! let store = kapok_blobstore::Store::open("data/movies").await?;
//! let report = kapok_verify::verify_store(&store, &|_| {}).await?;
//! assert!(report.is_ok(), "{:?}", report.problems);
//! # Ok(())
//! # }
//! ```
//!
//! # Limitations
//! It does not detect a dishonest publisher: a store whose files all fit together passes.

#![forbid(unsafe_code)]

mod changes;
mod fingerprint;
mod merge_sources;
mod report;
mod retirement;
mod store;
mod version;

pub use report::{Progress, Report};
pub use store::{verify_store, verify_version};
