//! The announced version of a dataset in, its current view out.
//!
//! A [`Consumer`] always has a whole, immutable [`View`]. A refresh prepares the next one beside it, out of the blobs that
//! both share, those that it fetches and those that it makes itself, and swaps the two at once. Readers never wait, and hold
//! what they read. Newer or older, near or far, pinned or rolled back to: each version is reached in the same way.
//!
//! What this crate does not do: it writes nothing to the store, and it answers no queries; the view does.
//!
//! ```
//! use kapok_consumer::{Consumer, FollowSettings};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! # kapok_blobstore::Store::options().writable().open("memory://consumer-front-page").await?;
//! let consumer = Consumer::open("memory://consumer-front-page").await?;
//! let follower = consumer.follow(FollowSettings::default()); // until it is dropped
//! let listener = consumer.on_refresh(|swap| println!("{} -> {}", swap.old.version(), swap.new.version()));
//!
//! let view = consumer.view(); // one version, for as long as it is held
//! assert_eq!(view.version(), 0, "nothing announced yet");
//! # drop((follower, listener));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ```text
//!            follow: one GET per poll, or a hint
//!                      │
//!  announcement log ─▶ look ─▶ plan ─▶ fetch ─▶ prepare ─▶ swap ─▶ listeners: what changed?
//!                      which   which   map,     whole     one     after it,
//!                      version blobs   get,     view      store   elsewhere
//!                                      make                 │
//!                                      readers: view() ◀────┘
//! ```
//!
//! Whatever fails on the way, the view in use stays: see [`Consumer::status`]. A version that cannot be loaded is tried again
//! at growing intervals, with the blobs that were fetched already, and whatever is announced next is tried at once. [`ConsumerSettings`] say which record types
//! are taken, how carefully, how merged segments are come by, and when [`Consumer::fresh_view`] gives up on a silent log.
//! [`Swap::changes`] and [`Consumer::changes_between`] tell what changed. Numbers go to the recorder of the `metrics` crate
//! ([`describe_metrics`]), and spans and events to that of `tracing`.
//!
//! # Limitations
//! * Blobs of a store that is no local folder are fetched into memory.
//! * Blobs that nobody reads any more are let go by a thread of their own, a moment after their last reader.
//! * A view that is held keeps its version's blobs mapped. Of two versions, what they share is mapped once; but blobs of a
//!   version that is only held, not current, are mapped anew where a refresh needs them again.
//! * A download that was cut off goes on with the blobs that had not come, not in the middle of one.
//! * What changed is found by comparison where more than 256 manifests lie between, where one of them is retired, and where
//!   large segments came and were merged away in between: see [`ChangeSource`].
//! * A merged segment is made only of segments of the version that the consumer is on, else it is fetched: see [`MergedSegments`].

#![forbid(unsafe_code)]

mod consumer;
mod error;
mod fetch_plan;
mod follow;
mod listener;
mod local_blobs;
mod local_merge;
mod log_contact;
mod measure;
mod prepare;
mod reaper;
mod refresh;
mod resident;
mod settings;
mod status;
mod trail;

pub use consumer::{Consumer, ConsumerBuilder, ViewGuard};
pub use error::{Error, ErrorKind, Result};
pub use fetch_plan::FetchPlan;
pub use follow::{FollowSettings, Follower, Watch};
pub use listener::{Listener, Swap};
pub use measure::describe_metrics;
pub use refresh::RefreshReport;
pub use settings::{ConsumerSettings, MergedSegments, TypeFilter};
pub use status::Status;

pub use kapok_blobstore::Store;
pub use kapok_core::field::{Field, FieldValue};
pub use kapok_core::key::Key;
pub use kapok_core::segment::RowId;
pub use kapok_index::{ChangeSource, Changes, Lookup, Records, TypeChanges, View};
