//! Blocking twins of the async calls, for programs without `async`.
//!
//! [`Producer`], [`Consumer`] and [`Store`] wrap those of the crate's root. They share one small runtime, which starts
//! with the first of them and ends with the last; followers and listeners run on it. Any other async call is waited for
//! by [`wait`]. A folder is opened on the caller's own thread, which waits for its disk as for any file, without the store's
//! timeout.
//!
//! ```
//! # fn main() -> kapok::Result<()> {
//! use kapok::blocking::{Consumer, Producer};
//! use kapok::{Declaration, serde::Deserialize, serde::Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(crate = "kapok::serde")]
//! struct Movie { id: u32, title: String }
//!
//! let movie = Declaration::of_rust_type::<Movie>("Movie", &["id"])?;
//! let producer = Producer::open("memory://blocking")?;
//! producer.run_cycle(|cycle| {
//!     cycle.declare(&movie)?;
//!     cycle.values("Movie")?.add_serde(&Movie { id: 4, title: "Laura".to_owned() })?;
//!     Ok(())
//! })?;
//!
//! let consumer = Consumer::open("memory://blocking")?;
//! assert_eq!(consumer.view().version(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # In async code
//!
//! A blocking call inside of a Tokio runtime would stop one of its threads, so it is refused with
//! [`Error::InsideRuntime`](crate::Error::InsideRuntime): also on the threads of `spawn_blocking`, where
//! `tokio::runtime::Handle::block_on` waits for the async calls. Nothing here panics, and dropping is allowed
//! everywhere.

mod consumer;
mod producer;
mod runtime;
mod store;

pub use consumer::{Consumer, ConsumerBuilder};
pub use producer::{Producer, ProducerBuilder};
pub use store::{Store, StoreOptions};

use std::future::Future;

use crate::error::Result;
use runtime::SharedRuntime;

/// Waits for an async call, such as `wait(store.as_async().manifests().versions())?`.
///
/// The call must be one of this crate or one that needs nothing but Tokio's time.
///
/// # Errors
/// [`Error::InsideRuntime`](crate::Error::InsideRuntime) in async code, [`Error::Runtime`](crate::Error::Runtime) if
/// the system has no thread left.
pub fn wait<F: Future>(call: F) -> Result<F::Output> {
    SharedRuntime::get()?.wait(call)
}
