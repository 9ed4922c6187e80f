//! Checks every byte of a store, and puts back what was lost.
//!
//! [`verify_store`] looks at every file and every live version, and changes nothing. [`repair`](repair()) makes what is
//! missing or damaged again, from other files of the store or from a second store. Both may run beside producers and
//! consumers.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kapok::Result<()> {
//! # kapok::Producer::open("memory://verify").await?;
//! let store = kapok::Store::open("memory://verify").await?;
//! let report = kapok::verify::verify_store(&store, &|_| {}).await?;
//! assert!(report.is_ok(), "{:?}", report.problems);
//! # Ok(())
//! # }
//! ```

#[doc(inline)]
pub use kapok_producer::repair::{Loss, LostFile, Remedy, RepairMode, RepairReport, repair};
#[doc(inline)]
pub use kapok_verify::{Progress, Report, verify_store, verify_version};
