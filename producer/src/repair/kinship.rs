//! Decides if two stores hold the same dataset.
//!
//! Every manifest and announcement holds a token of its writer, so equal files under the same number prove a common
//! past. Two files that differ prove that the stores diverged: then the log of one says nothing about the other.

use std::collections::HashSet;

use kapok_blobstore::{FileEntry, FileKind, SealedKind, Soundness, Store, open_sealed};

use crate::error::Result;

/// Relation of two stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kinship {
    /// They have files in common, and differ in none.
    Same,
    /// They have no file in common.
    Unrelated,
    /// They differ in this file.
    Diverged(String),
}

/// Compares the sound manifests, announcements and markers that both stores have.
pub(super) async fn kinship(store: &Store, files: &[FileEntry], from: &Store) -> Result<Kinship> {
    let theirs: HashSet<String> = from.files().list().await?.into_iter().map(|file| file.name).collect();
    let mut common = 0_usize;
    for file in files.iter().filter(|file| theirs.contains(&file.name)) {
        if !matches!(file.what, FileKind::Marker | FileKind::Manifest(_) | FileKind::Announcement(_)) {
            continue;
        }
        let (Some(a), Some(b)) =
            (store.repair().read_raw(&file.name).await?, from.repair().read_raw(&file.name).await?)
        else {
            continue;
        };
        let (Ok(ours), Ok(other)) = (open_sealed(&file.name, &a), open_sealed(&file.name, &b)) else { continue };
        let is_stub = |kind| kind == SealedKind::RetiredManifest;
        if a == b && !is_stub(ours.kind) {
            common += 1;
        } else if a != b && file.what != FileKind::Marker && !is_stub(ours.kind) && !is_stub(other.kind) {
            // A manifest may be that of another version, or none at all, within a checksum that is right.
            if is_sound(store, file).await? && is_sound(from, file).await? {
                return Ok(Kinship::Diverged(file.name.clone()));
            }
        }
    }
    Ok(if common > 0 { Kinship::Same } else { Kinship::Unrelated })
}

async fn is_sound(store: &Store, file: &FileEntry) -> Result<bool> {
    Ok(matches!(store.repair().soundness(file.what).await?, Soundness::Sound))
}
