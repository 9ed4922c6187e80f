//! Follows the announced version of a dataset and gives readers its current view.
//!
//! A [`Consumer`] always has a whole, immutable [`View`]. A refresh prepares the next one beside it, from blobs that both
//! share, that it fetches, and that it makes itself, and swaps the two at once. Readers never wait, and what they hold stays
//! as it is. Each version is reached in the same way: newer or older, near or far, pinned or rolled back to.
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
//!  announcement log ─▶ read ─▶ plan ─▶ fetch ─▶ open ─▶ swap ─▶ listeners: what changed?
//!                      which   which   map,     whole   one     after it,
//!                      version blobs   get,     view    store   elsewhere
//!                                      make               │
//!                                      readers: view() ◀──┘
//! ```
//!
//! If anything fails on the way, the view in use stays: see [`Consumer::status`]. A version that cannot be loaded is tried
//! again at growing intervals, with the blobs that were fetched already, and the next announcement is tried at once.
//! [`ConsumerSettings`] say which record types are taken, how carefully, whether merged segments are made or fetched, and when
//! [`Consumer::fresh_view`] gives up on a silent log. [`Swap::changes`] and [`Consumer::changes_between`] find what changed.
//! Numbers go to the recorder of the `metrics` crate ([`describe_metrics`]), and spans and events to that of `tracing`.
//!
//! # Limitations
//! * Blobs of a store that is no local folder are fetched into memory.
//! * Blobs that nobody reads any more are dropped by a thread of their own, a moment after their last reader.
//! * A view that is held keeps its version's blobs mapped. What two versions share is mapped once. But blobs of a version
//!   that is held and not current are mapped anew if a refresh needs them again.
//! * A download that was cut off goes on with the blobs that had not come, not in the middle of one.
//! * Changes are found by comparison if more than 256 manifests lie between two versions, if one of them is retired, and if
//!   large segments came and were merged away in between: see [`ChangeSource`].
//! * A merged segment is made only of segments of the version that the consumer is on, else it is fetched: see
//!   [`MergedSegments`].

#![forbid(unsafe_code)]

mod blocking_task;
mod change_inputs;
mod consumer;
mod error;
mod fetch_plan;
mod follower;
mod hints;
mod listener;
mod local_blobs;
mod local_merge;
mod log_contact;
mod memory;
mod metrics;
mod next_view;
mod offline;
mod own_indexes;
mod reaper;
mod refresh;
mod refresh_report;
mod resident_bytes;
mod settings;
mod state;
mod status;

pub use consumer::{Consumer, ConsumerBuilder, ViewGuard};
pub use error::{Error, ErrorKind, Result};
pub use follower::{FollowSettings, Follower, Watch};
pub use listener::{Listener, Swap};
pub use memory::{MemoryReport, MemoryUse};
pub use metrics::describe_metrics;
pub use refresh_report::RefreshReport;
pub use settings::{ConsumerSettings, IndexFilter, MergedSegments, TypeFilter};
pub use status::Status;

pub use kapok_blobstore::Store;
pub use kapok_core::field::{Field, FieldValue};
pub use kapok_core::key::Key;
pub use kapok_core::segment::RowId;
pub use kapok_index::{ChangeSource, Changes, Lookup, Records, TypeChanges, View};
