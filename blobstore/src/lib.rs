//! Where the blobs of a dataset live, and which version of it is current.
//!
//! A [`Store`] is a folder or a prefix of an object store. Writers put immutable blobs, commit a version by creating its
//! manifest, and announce it in a log that is only ever appended to. Readers find the end of the log, read the manifest,
//! and get its blobs: maps of the store's own files where it is a folder.
//!
//! What this crate does not do: it looks into no blob, decides nothing about merging, and keeps no view.
//!
//! ```
//! use kapok_blobstore::{Action, AnnouncementDraft, BlobId, BlobKind, Store, fresh_token};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let store = Store::open_for_writing("memory://front-page").await?;
//! let (rows, token) = (bytes::Bytes::from_static(b"rows"), fresh_token());
//! let id = BlobId::of(&rows);
//! store.put(BlobKind::Segment, id, rows).await?; // blobs first,
//! store.commit(1, &token, token).await?; // manifest second (here nothing but its token),
//! store.announce(|latest| AnnouncementDraft::announce(latest, 1, "example", "first")).await?; // announcement last
//!
//! let reader = Store::open("memory://front-page").await?;
//! let latest = reader.latest_announcement(None).await?.expect("just announced");
//! assert_eq!((latest.current(), latest.action), (1, Action::Announce));
//! assert_eq!(reader.get(BlobKind::Segment, id, 4).await?, "rows");
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
//! sees for itself that it works.
//!
//! # Limitations
//! * Backends today: a local folder, and the memory of the process. Others plug in by [`Store::with_object_store`].
//! * Files of a folder are mapped. Whoever truncates one by other means ends the processes that have it mapped.
//! * One [`gc`](Store::gc) at a time; it may run beside producers and consumers.
//! * The folder must be on a file system with hard links, and its files must have names in UTF-8.

#![deny(unsafe_code)]

mod alignment;
mod announcement;
mod blob;
mod blobs;
pub mod clock;
mod download;
mod envelope;
mod error;
mod files;
mod folder;
mod founding;
mod gc;
mod location;
mod log;
mod mapping;
mod marker;
mod numbered;
mod objects;
mod overlay;
mod partial;
mod probe;
mod progress;
mod repair;
mod retention;
pub mod sealed;
mod settings;
mod steering;
mod store;
mod token;
mod upload;
mod version;
mod versions;
mod watch;

pub use announcement::{Action, Announcement, AnnouncementDraft};
pub use blob::{BlobEntry, BlobId, BlobKind};
pub use blobs::PutOutcome;
pub use error::{Error, ErrorKind, Result};
pub use files::{FileEntry, FileKind};
pub use gc::{DamagedVersion, GcReport, GcSettings};
pub use repair::Soundness;
pub use retention::{VersionAge, to_retire};
pub use sealed::{Sealed, SealedKind, open_sealed, seal};
pub use settings::StoreSettings;
pub use steering::SelfAnnounced;
pub use store::Store;
pub use token::{Token, fresh_token};
pub use version::UnreadableVersion;
pub use versions::CommitOutcome;
pub use watch::Hints;
