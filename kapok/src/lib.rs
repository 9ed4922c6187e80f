//! Distributes read-mostly datasets: a producer publishes versions, any number of processes map and read them in place.
//!
//! A version is a set of immutable files in a folder or an object store. A consumer maps the announced version and
//! reads it without parsing or copying. A new version appears in one atomic swap of all record types and indexes;
//! readers never wait. Kapok is not a database: the smallest write is a version.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kapok::Result<()> {
//! use kapok::serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(crate = "kapok::serde")] // not needed if serde is a dependency of your own
//! struct Movie { id: u32, title: String, year: u16 }
//!
//! let movie = kapok::Declaration::of_rust_type::<Movie>("Movie", &["id"])?;
//! let producer = kapok::Producer::open("memory://movies").await?; // or a folder: "data/movies"
//! producer.run_cycle(|cycle| {
//!     cycle.declare(&movie)?;
//!     cycle.values("Movie")?.add_serde(&Movie { id: 2, title: "Metropolis".into(), year: 1927 })?;
//!     Ok(())
//! }).await?;
//!
//! let consumer = kapok::Consumer::open("memory://movies").await?;
//! let view = consumer.view(); // one whole version, for as long as it is held
//! let movie = view.deserialize_by_key::<Movie>("Movie", &2_u32)?.expect("published above");
//! assert_eq!(movie.title, "Metropolis");
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go from here
//!
//! | to | read |
//! |---|---|
//! | publish versions, whole or as changes | [`publish`] |
//! | read by key, by field, or record by record | [`read`] |
//! | ask for records in words: filter, order, page, group | [`query`] |
//! | find the records whose vectors are nearest to one | [`nearest`] |
//! | follow new versions, and learn what changed | [`follow`] |
//! | use a type of your own: serde, JSON, `.capnp` | [`own_type`] |
//! | handle errors | [`error`] |
//! | open stores, pin, roll back, collect garbage | [`store`] |
//! | check a store and repair it | [`verify`] |
//! | do all of it without `async` | [`blocking`] |
//! | test a program against stores that fail | [`testing`](https://docs.rs/kapok-testing), by the feature of that name |
//!
//! # Features
//!
//! | feature | default | without it |
//! |---|---|---|
//! | `json` | yes | only generated types are published: no JSON, serde or dynamic values, and no inferred schemas |
//! | `watch` | yes | followers of a local folder poll and are not woken by the file system |
//! | `aws`, `azure`, `gcp`, `http` | no | stores are not opened by `s3://`, `az://`, `gs://`, `http(s)://` |
//! | `testing` | no | there is no module `testing` |
//!
//! # Limitations
//!
//! * Stores by `http(s)://` are read only and cannot be listed. Backends of other kinds are plugged in as an `object_store`.
//! * Every record type has a primary key, and an index of it.
//! * A full cycle stages all records of the types that it writes; an incremental cycle only the changed ones.
//! * Nothing is deleted by itself: call `gc`.
//! * The async calls need a Tokio runtime with time enabled, and with I/O for stores behind a network.

#![forbid(unsafe_code)]

pub mod blocking;
pub mod error;
pub mod follow;
pub mod own_type;
pub mod publish;
pub mod read;
pub mod store;
pub mod verify;

#[doc(inline)]
pub use error::{Error, ErrorKind, Result};
#[doc(inline)]
pub use follow::{FollowSettings, Listener};
#[doc(inline)]
pub use kapok_index::nearest;
#[doc(inline)]
pub use kapok_index::query;
#[doc(inline)]
pub use own_type::Declaration;
#[cfg(feature = "json")]
#[doc(inline)]
pub use own_type::Value;
#[doc(inline)]
pub use publish::{Producer, ProducerSettings, Validator};
#[doc(inline)]
pub use read::{Consumer, ConsumerSettings, Field, Records, View};
#[doc(inline)]
pub use store::{Store, StoreSettings};

/// The crate `serde` that records are read and written with: derives take it by `#[serde(crate = "kapok::serde")]`.
pub use serde;

/// The crate `capnp` of the version that generated code needs.
pub use kapok_schemas::capnp;
/// Annotations of `.capnp` files, for generated code.
#[doc(hidden)]
pub use kapok_schemas::kapok_capnp;

/// Helps to test programs: stores that fail on purpose, a consumer that steps, fixtures, the contract of a backend.
#[cfg(feature = "testing")]
pub use kapok_testing as testing;
