//! Fetches the blobs that a manifest names.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use kapok_core::manifest::{Blob, BlobMap, BlobRef, BlobRole, Id, Manifest};

use super::Blobs;
use crate::blob_id::{BlobId, BlobKind};
use crate::error::{Error, Result};
use crate::failure::check_size;
use crate::local_file;
use crate::objects::REQUESTS_IN_FLIGHT;

/// Number of blobs that one task maps: a version has mostly fewer, and no task takes long.
const MAPS_PER_TASK: usize = 64;
/// No bitmap of the 2^29 rows that a segment has at most is longer: 8 KiB and some for each 65,536 rows.
const TOMBSTONES_BYTES_MAX: u64 = 68 << 20;

impl From<BlobRole> for BlobKind {
    fn from(role: BlobRole) -> Self {
        match role {
            BlobRole::Segment => Self::Segment,
            BlobRole::Index => Self::Index,
            BlobRole::Tombstones => Self::Tombstones,
        }
    }
}

impl Blobs<'_> {
    /// Returns the blobs of a version: those of `have` as they are, the others fetched, several at a time.
    ///
    /// The result holds the version's blobs and no more, so what else the caller had is let go with `have`.
    ///
    /// # Errors
    /// Those of [`get`](Self::get), for the first blob that fails.
    pub async fn load(self, manifest: &Manifest, have: &BlobMap) -> Result<BlobMap> {
        let (held, lacking) = have.held_and_lacking(manifest);
        let mut blobs = have.subset(&held);
        for (id, blob) in self.fetch(lacking).await? {
            blobs.insert(id, blob);
        }
        Ok(blobs)
    }

    /// Fetches blobs, several at a time, in any order; in a folder they are maps of the store's own files.
    ///
    /// # Errors
    /// Those of [`get`](Self::get), for the first blob that fails.
    pub async fn fetch(self, wanted: impl IntoIterator<Item = BlobRef>) -> Result<Vec<(Id, Blob)>> {
        if self.objects.root.is_some() {
            return self.fetch_each(wanted.into_iter().collect()).await.into_iter().collect();
        }
        let fetches: Vec<_> = wanted.into_iter().map(|blob| self.fetch_one(blob)).collect();
        futures::stream::iter(fetches).buffer_unordered(REQUESTS_IN_FLIGHT).try_collect().await
    }

    /// Fetches blobs as [`fetch`](Self::fetch) does, and returns for each whether that succeeded, in any order.
    ///
    /// A blob that fails keeps no other from being fetched. In a folder one task of the runtime's blocking threads maps
    /// many, so it is cheaper to ask for all at once.
    pub async fn fetch_each(self, wanted: Vec<BlobRef>) -> Vec<Result<(Id, Blob)>> {
        if let Some(root) = &self.objects.root {
            let tasks: Vec<_> = wanted.chunks(MAPS_PER_TASK).map(|some| self.map_each(root, some.to_vec())).collect();
            let mapped = futures::stream::iter(tasks).buffer_unordered(REQUESTS_IN_FLIGHT);
            return mapped.map(futures::stream::iter).flatten().collect().await;
        }
        let fetches: Vec<_> = wanted.into_iter().map(|blob| self.fetch_one(blob)).collect();
        futures::stream::iter(fetches).buffer_unordered(REQUESTS_IN_FLIGHT).collect().await
    }

    /// Maps blobs of a folder of this host, all in one task.
    async fn map_each(self, root: &Path, wanted: Vec<BlobRef>) -> Vec<Result<(Id, Blob)>> {
        let Some(first) = wanted.first() else { return Vec::new() };
        let key = BlobKind::from(first.role).key(first.id.into());
        let root = root.to_owned();
        let work = move || Ok(wanted.into_iter().map(|blob| map_one(&root, blob)).collect());
        self.objects.in_blocking_task("read", &key, work).await.unwrap_or_else(|error| vec![Err(error)])
    }

    /// Lists the blobs of a manifest that are not there with their size. If there are none, the version is whole.
    ///
    /// A producer asks before it commits a cycle that lasted longer than half the grace period: blobs that it put early,
    /// or found already there, may have been taken for nobody's. To put them again makes the version whole. One request
    /// for each blob, several at a time; no bytes are read.
    pub async fn missing(self, manifest: &Manifest) -> Result<Vec<BlobRef>> {
        let unique: HashMap<_, _> = manifest.blobs().map(|blob| ((blob.role, blob.id), blob)).collect();
        let looks = unique.into_values().map(|blob| self.lacks(blob));
        let found = futures::stream::iter(looks.collect::<Vec<_>>()).buffer_unordered(REQUESTS_IN_FLIGHT);
        let mut lacking: Vec<_> = found.try_filter_map(|lacking| async move { Ok(lacking) }).try_collect().await?;
        lacking.sort_by_key(|blob| blob.id);
        Ok(lacking)
    }

    async fn lacks(self, wanted: BlobRef) -> Result<Option<BlobRef>> {
        let found = self.size(wanted.role.into(), wanted.id.into()).await?;
        let is_there = found.is_some_and(|found| wanted.has_size(found));
        Ok(Some(wanted).filter(|_| !is_there))
    }

    async fn fetch_one(self, wanted: BlobRef) -> Result<(Id, Blob)> {
        let (kind, id) = (BlobKind::from(wanted.role), BlobId::from(wanted.id));
        let name = self.name(kind, id);
        let size = if let Some(size) = wanted.size {
            size
        } else if let Some(bytes) = self.found_on_host(kind, id, None).await? {
            check_bitmap_size(&name, bytes.len() as u64)?;
            return Ok((wanted.id, Blob { name: Arc::from(name), bytes }));
        } else {
            let found = self.size(kind, id).await?.ok_or_else(|| Error::NotFound { name: name.clone() })?;
            // Looked at before it is read: a sparse file may claim far more than memory.
            check_bitmap_size(&name, found)?;
            found
        };
        let bytes = self.get(kind, id, size).await?;
        Ok((wanted.id, Blob { name: Arc::from(name), bytes }))
    }
}

/// Maps a blob of a folder, by a thread that may wait for the disk.
fn map_one(root: &Path, wanted: BlobRef) -> Result<(Id, Blob)> {
    let place = root.join(BlobKind::from(wanted.role).key(wanted.id.into()));
    let name = place.display().to_string();
    let accept = |found| match wanted.size {
        Some(size) => check_size(&name, size, found),
        None => check_bitmap_size(&name, found),
    };
    let bytes = local_file::map(&place, &name, accept)?.ok_or_else(|| Error::NotFound { name: name.clone() })?;
    Ok((wanted.id, Blob { name: Arc::from(name), bytes }))
}

fn check_bitmap_size(name: &str, found: u64) -> Result<()> {
    if found <= TOMBSTONES_BYTES_MAX {
        return Ok(());
    }
    let expected = format!("at most {TOMBSTONES_BYTES_MAX} bytes of a bitmap");
    Err(Error::corrupt(name, TOMBSTONES_BYTES_MAX, expected, format!("{found} bytes")))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use kapok_core::manifest::{RecordType, SegmentEntry, Tombstones};
    use kapok_core::segment::Sharing;
    use kapok_core::view::Tables;

    use bytes::Bytes;

    use super::*;
    use crate::{ErrorKind, Store, fresh_token};

    fn entry(rows: &'static str, dead: Option<&'static str>) -> SegmentEntry {
        SegmentEntry {
            id: *BlobId::of(rows.as_bytes()).as_bytes(),
            size: rows.len() as u64,
            rows: 1,
            dead: 0,
            first_key: Vec::new(),
            last_key: Vec::new(),
            extents: Vec::new(),
            tombstones: dead.map_or(Tombstones::None, |dead| Tombstones::Blob(*BlobId::of(dead.as_bytes()).as_bytes())),
            artifacts: Vec::new(),
            writer_revision: 1,
            sharing: Sharing::Shared,
            merged_from: Vec::new(),
        }
    }

    fn version(number: u64, segments: Vec<SegmentEntry>) -> Manifest {
        let mut manifest = Manifest::clone(Tables::empty().manifest());
        (manifest.version, manifest.writer_token) = (number, fresh_token());
        let (name, key) = ("Movie".to_owned(), vec!["id".to_owned()]);
        manifest.record_types =
            vec![RecordType { name, type_id: 1, key, rows: 0, segments, changes: None, ..RecordType::default() }];
        manifest
    }

    async fn store_of(url: &str, blobs: &[(BlobKind, &'static str)]) -> Store {
        let store = Store::options().writable().open(url).await.unwrap();
        for (kind, text) in blobs {
            store.blobs().put(*kind, BlobId::of(text.as_bytes()), Bytes::from_static(text.as_bytes())).await.unwrap();
        }
        store
    }

    fn text(blobs: &BlobMap, text: &str) -> Option<Blob> {
        blobs.get(BlobId::of(text.as_bytes()).as_bytes()).filter(|blob| blob.bytes == text).cloned()
    }

    #[tokio::test]
    async fn a_version_is_loaded_by_fetching_what_is_lacking_and_keeping_the_rest() {
        use BlobKind::{Segment, Tombstones};
        let blobs = [(Segment, "one"), (Segment, "two"), (Segment, "three"), (Tombstones, "dead")];
        let store = store_of("memory://version-load", &blobs).await;
        let first = version(1, vec![entry("one", None), entry("two", None)]);
        let have = store.blobs().load(&first, &BlobMap::new()).await.unwrap();
        let second = version(2, vec![entry("two", Some("dead")), entry("three", None)]);
        let loaded = store.blobs().load(&second, &have).await.unwrap();
        assert!(text(&loaded, "three").is_some() && text(&loaded, "dead").is_some());
        assert!(text(&loaded, "one").is_none(), "of no use to the second");
        let (before, after) = (text(&have, "two").unwrap(), text(&loaded, "two").unwrap());
        assert_eq!(before.bytes.as_ptr(), after.bytes.as_ptr(), "the same bytes");
        let name = store.blobs().name(Segment, BlobId::of(b"three"));
        assert_eq!(*text(&loaded, "three").unwrap().name, name);
    }

    #[tokio::test]
    async fn a_blob_that_is_missing_or_of_another_length_is_told() {
        let store = store_of("memory://version-missing", &[(BlobKind::Segment, "one")]).await;
        for gone in [entry("gone", None), entry("one", Some("dead"))] {
            let error = store.blobs().load(&version(1, vec![gone]), &BlobMap::new()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        }
        let have = store.blobs().load(&version(1, vec![entry("one", None)]), &BlobMap::new()).await.unwrap();
        let mut longer = entry("one", None);
        longer.size = 4;
        let error = store.blobs().load(&version(2, vec![longer]), &have).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
}
