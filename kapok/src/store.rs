//! Opens stores, and says which version consumers are on: announce, pin, roll back, collect garbage.
//!
//! A [`Store`] is a folder (`data/movies`, `file:///srv/movies`), the memory of the process (`memory://NAME`), or, by features
//! of this crate, a prefix of a bucket (`s3://`, `az://`, `gs://`) or of a web server (`https://`, read only). Producers
//! and consumers open theirs by URL; a store of its own is for operators.

#[doc(inline)]
pub use kapok_blobstore::{
    Action, Announcement, AnnouncementDraft, Announcements, Blobs, Cache, CachePlace, CacheReport, CacheSettings,
    DamagedCopy, DamagedVersion, Files, GcReport, GcSettings, KnownStore, LastKnown, LogWatcher, Manifests,
    OwnAnnouncement, PruneReport, Repair, Store, StoreOptions, StoreSettings,
};
