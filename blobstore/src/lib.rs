//! Stores the blobs and versions of a dataset, and the log that says which version is current.
//!
//! A [`Store`] is a folder or a prefix of an object store. Writers put immutable blobs, commit a version by creating
//! its manifest, and announce it in a log that is only ever appended to. Readers find the end of the log, read the
//! manifest, and get its blobs, which are maps of the store's own files if it is a folder.
//!
//! This crate does not interpret blobs, decides nothing about merging, and keeps no views.
//!
//! ```
//! use kapok_blobstore::{Action, AnnouncementDraft, BlobId, BlobKind, Store, fresh_token};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let store = Store::options().writable().open("memory://front-page").await?;
//! let (rows, token) = (bytes::Bytes::from_static(b"rows"), fresh_token());
//! let id = BlobId::of(&rows);
//! store.blobs().put(BlobKind::Segment, id, rows).await?; // blobs first,
//! store.manifests().commit_bytes(1, &token, token).await?; // manifest second (here nothing but its token),
//! store.announcements().append(|latest| AnnouncementDraft::announce(latest, 1, "example", "first")).await?; // announcement last
//!
//! let reader = Store::open("memory://front-page").await?;
//! let latest = reader.announcements().latest(None).await?.expect("just announced");
//! assert_eq!((latest.current(), latest.action), (1, Action::Announce));
//! assert_eq!(reader.blobs().get(BlobKind::Segment, id, 4).await?, "rows");
//! # Ok::<(), kapok_blobstore::Error>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ```text
//!   put ──▶ segments/<id>  indexes/<id>  tombstones/<id>   named by their BLAKE3 hash          put again is harmless
//! commit ──▶ manifests/<20-digit version>                   sealed, created once                one writer wins
//! announce ▶ announcements/<20-digit sequence>              sealed, created once                losers rebase
//!            dataset                                        sealed: "this is a store"
//! ```
//!
//! The only conditional write is "create unless there is one": every backend has it, and the first opening for writing
//! probes that it works.
//!
//! # Limitations
//! * Stores by URL of buckets and hosts need the features `aws`, `azure`, `gcp` and `http`; none is on by default. Other
//!   backends plug in by [`StoreOptions::object_store`]. A store by http(s) is read only and cannot be listed.
//! * Files of a folder are mapped. Truncating one by other means ends the processes that have it mapped.
//! * One [`gc`](Store::gc) at a time; it may run beside producers and consumers.
//! * The folder must be on a file system with hard links, and its files must have names in UTF-8.

#![deny(unsafe_code)]

mod action;
mod announcement;
mod announcements;
mod blob_id;
mod blobs;
mod buffer;
mod cache;
mod cause;
pub mod clock;
mod creation;
mod download;
mod draft;
mod error;
mod failure;
mod files;
mod folder;
mod gc;
mod last_number;
mod local_file;
mod location;
mod log_watcher;
mod manifests;
mod mapping;
mod marker;
mod numbered;
mod objects;
mod one_task;
mod options;
mod overlay;
mod partial;
mod probe;
mod progress;
#[cfg(feature = "_remote")]
mod remote;
mod remote_options;
mod repair;
mod retention;
mod sealed_file;
mod sealed_message;
mod settings;
mod store;
mod token;
mod upload;

pub use action::Action;
pub use announcement::{Announcement, AnnouncementDraft};
pub use announcements::{Announcements, OwnAnnouncement};
pub use blob_id::{BlobEntry, BlobId, BlobKind};
pub use blobs::{Blobs, PutOutcome};
pub use buffer::{BUFFER_ALIGNMENT, Buffer, BufferMut, BufferPool, PoolStats};
pub use cache::{Cache, CachePlace, CacheReport, CacheSettings, DamagedCopy, KnownStore, LastKnown, PruneReport, Turn};
pub use draft::{Draft, FinishedDraft};
pub use error::{Error, ErrorKind, Result};
pub use files::{FileEntry, FileKind, Files};
pub use gc::{DamagedVersion, GcReport};
pub use log_watcher::LogWatcher;
pub use manifests::{CommitOutcome, Manifests, UnreadableVersion};
pub use mapping::{bring_in, cached_bytes, is_mapped, map_input};
pub use objects::REQUESTS_IN_FLIGHT;
pub use one_task::{compute_here, in_one_task, on_this_thread};
pub use options::StoreOptions;
pub use repair::{Repair, Soundness};
pub use sealed_file::{SealedFile, SealedKind, open_sealed};
pub use settings::{GcSettings, StoreSettings};
pub use store::Store;
pub use token::{Token, fresh_token};
