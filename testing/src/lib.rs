//! Helps to test programs on Kapok: stores that fail on purpose, a consumer that steps, fixtures, the contract of a backend.
//!
//! | to | use |
//! |---|---|
//! | have the k-th request of a store fail, hang or lose its reply | [`FaultyStore`], [`Faults`] |
//! | count requests, delay them, act right before one | [`Counting`], [`Slow`], [`Hooks`] |
//! | decide on each request of a backend by code of your own | [`Intercept`] |
//! | have a bucket behind HTTP on this host | [`BucketServer`] |
//! | delay, cut, corrupt or ration what a connection carries | [`BadLink`], [`Harm`] |
//! | look at version after version, and at what changed | [`SteppingConsumer`] |
//! | damage a file of a folder, and put it back | [`DamagedFile`] |
//! | publish a few records | [`publish_json`], [`publish_records`] |
//! | test a backend of your own | [`conformance!`](crate::conformance!) |
//!
//! A program that comes through, whichever request of its work fails:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use kapok_testing::{Fault, FaultyStore, publish_json};
//!
//! for k in 1.. {
//!     let faulty = FaultyStore::new();
//!     let store = faulty.open().await?;
//!     faulty.faults().arm(k, Fault::ReplyLost);
//!     let published = publish_json(&store, "Hut", &["id"], [r#"{"id": 1}"#]).await;
//!     let Some(request) = faulty.faults().disarm() else {
//!         published?;
//!         break; // all requests had their turn
//!     };
//!     let again = publish_json(&store, "Hut", &["id"], [r#"{"id": 1}"#]).await;
//!     assert!(again.is_ok(), "after {request}: {again:?}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! This crate is for tests: what it does wrong on purpose, it does in memory or in the backend that it is put in front of.

#![forbid(unsafe_code)]

mod backend;
mod bad_link;
mod bucket_server;
pub mod conformance;
mod counting;
mod damaged_file;
mod faults;
mod faulty_store;
mod fixtures;
mod hooks;
mod intercept;
mod request;
mod slow;
mod stepping_consumer;
mod upload;

pub use bad_link::{BadLink, Harm};
pub use bucket_server::{Answer, BucketServer, HttpRequest};
pub use counting::Counting;
pub use damaged_file::{Damage, DamagedFile};
pub use faults::{Fault, Faults, Held};
pub use faulty_store::FaultyStore;
pub use fixtures::{publish_json, publish_records};
pub use hooks::{Event, Hooks, refused};
pub use intercept::{Intercept, Verdict};
pub use request::{Operation, Request};
pub use slow::Slow;
pub use stepping_consumer::{Step, SteppingConsumer};

/// Implements [`Intercept`]: `#[async_trait] impl Intercept for …`.
pub use async_trait::async_trait;
/// The crate `object_store` of the version that backends are made for.
pub use object_store;
