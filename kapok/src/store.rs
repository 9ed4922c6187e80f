//! Opens stores, and says which version consumers are on: announce, pin, roll back, collect garbage.
//!
//! A [`Store`] is a folder (`data/movies`, `file:///srv/movies`) or the memory of the process (`memory://NAME`). Producers
//! and consumers open theirs by URL; a store of its own is for operators.

#[doc(inline)]
pub use kapok_blobstore::{
    Action, Announcement, AnnouncementDraft, Announcements, Blobs, DamagedVersion, Files, GcReport, GcSettings,
    LogWatcher, Manifests, OwnAnnouncement, Repair, Store, StoreOptions, StoreSettings,
};
