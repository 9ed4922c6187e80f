//! How does a whole version come out of a store?
//!
//! By its manifest, and then by whichever of its blobs the caller lacks: the first load, the next version and the way
//! back are the same call.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use kapok_core::manifest::{Blob, BlobMap, BlobRef, BlobRole};
use kapok_core::manifest::{Id, Manifest};

use crate::blob::{BlobId, BlobKind};
use crate::error::{Error, ErrorKind, Result};
use crate::numbered::{MANIFESTS, key};
use crate::sealed::{HEADER_BYTES, SealedKind, open_sealed, seal};
use crate::store::Store;
use crate::versions::CommitOutcome;

/// How many blobs are on their way at once.
const FETCHES_IN_FLIGHT: usize = 8;

/// No bitmap of the 2^29 rows that a segment has at most is longer: 8 KiB and some for each 65,536 rows.
const TOMBSTONES_BYTES_MAX: u64 = 68 << 20;

/// A version whose manifest cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableVersion {
    /// Its number.
    pub version: u64,
    /// [`ErrorKind::Incompatible`] where a newer release can read it.
    pub kind: ErrorKind,
    /// What is wrong with its manifest, with the file's name.
    pub reason: String,
}

impl From<BlobRole> for BlobKind {
    fn from(role: BlobRole) -> Self {
        match role {
            BlobRole::Segment => Self::Segment,
            BlobRole::Index => Self::Index,
            BlobRole::Tombstones => Self::Tombstones,
        }
    }
}

impl Store {
    /// The manifest of a version, decoded.
    ///
    /// # Errors
    /// Those of [`manifest`](Self::manifest); [`Error::Manifest`] for one that cannot be read or needs a newer release,
    /// [`Error::Corrupt`] for one of another version than its name says.
    pub async fn read_manifest(&self, version: u64) -> Result<Manifest> {
        let payload = self.manifest(version).await?;
        let name = self.objects.name(&key(MANIFESTS, version));
        let manifest = Manifest::decode(&name, &payload)?;
        if manifest.version != version {
            let (expected, found) = (format!("version {version}"), format!("version {}", manifest.version));
            return Err(Error::corrupt(&name, HEADER_BYTES as u64, expected, found));
        }
        Ok(manifest)
    }

    /// The manifests of these versions, in order, and which of them cannot be read. Those that are retired are left out.
    ///
    /// # Errors
    /// Where the store fails: then it is not known whether they can be read.
    pub async fn read_manifests(&self, versions: &[u64]) -> Result<(Vec<Manifest>, Vec<UnreadableVersion>)> {
        let mut read = pin!(self.each_manifest(versions));
        let (mut manifests, mut unreadable) = (Vec::new(), Vec::new());
        while let Some((_, manifest)) = read.try_next().await? {
            match manifest {
                Ok(manifest) => manifests.push(manifest),
                Err(it) => unreadable.push(it),
            }
        }
        Ok((manifests, unreadable))
    }

    /// The same one after the other, several requests at a time.
    pub(crate) fn each_manifest(
        &self,
        versions: &[u64],
    ) -> impl Stream<Item = Result<(u64, Result<Manifest, UnreadableVersion>)>> {
        let reads: Vec<_> = versions.iter().map(|&version| self.try_manifest(version)).collect();
        futures::stream::iter(reads).buffered(FETCHES_IN_FLIGHT).try_filter_map(|found| async move { Ok(found) })
    }

    async fn try_manifest(&self, version: u64) -> Result<Option<(u64, Result<Manifest, UnreadableVersion>)>> {
        match self.read_manifest(version).await {
            Ok(manifest) => Ok(Some((version, Ok(manifest)))),
            Err(Error::Retired { .. }) => Ok(None),
            Err(error) => match error.kind() {
                kind @ (ErrorKind::Corrupt | ErrorKind::Incompatible | ErrorKind::Invalid | ErrorKind::NotFound) => {
                    Ok(Some((version, Err(UnreadableVersion { version, kind, reason: error.to_string() }))))
                }
                _ => Err(error),
            },
        }
    }

    /// Commits a version by its manifest; see [`commit`](Self::commit).
    ///
    /// # Errors
    /// Those of [`commit`](Self::commit), and [`Error::Manifest`] for a manifest that cannot be encoded.
    pub async fn commit_manifest(&self, manifest: &Manifest) -> Result<CommitOutcome> {
        self.commit(manifest.version, &manifest.encode()?, manifest.writer_token).await
    }

    /// The bytes of a manifest to be [committed](Self::commit), and what a reader will make of them: decoded from the sealed
    /// file, within the limits that every reader has.
    ///
    /// # Errors
    /// [`Error::Manifest`] for what no reader could read.
    pub fn encode_manifest(&self, manifest: &Manifest) -> Result<(Bytes, Manifest)> {
        let name = self.objects.name(&key(MANIFESTS, manifest.version));
        let file = seal(SealedKind::Manifest, &manifest.encode()?, &[]);
        let payload = open_sealed(&name, &file)?.payload_of(&name, SealedKind::Manifest)?;
        let read = Manifest::decode(&name, &payload)?;
        Ok((payload, read))
    }

    /// The blobs of a version: those that the caller has as they are, the others fetched, several at a time.
    ///
    /// The result holds the version's blobs and no more, so what else the caller had is let go with `have`.
    ///
    /// # Errors
    /// Those of [`get`](Self::get), for the first blob that fails.
    pub async fn load(&self, manifest: &Manifest, have: &BlobMap) -> Result<BlobMap> {
        let mut blobs = BlobMap::new();
        let mut lacking = HashMap::new();
        for blob in manifest.blobs() {
            match have.get(&blob.id).filter(|held| blob.bytes.is_none_or(|bytes| bytes == held.bytes.len() as u64)) {
                Some(held) => blobs.insert(blob.id, held.clone()),
                None => drop(lacking.insert(blob.id, blob)),
            }
        }
        for (id, blob) in self.fetch(lacking.into_values()).await? {
            blobs.insert(id, blob);
        }
        Ok(blobs)
    }

    /// Gets blobs, several at a time, in any order: maps of the store's own files where there are such.
    ///
    /// # Errors
    /// Those of [`get`](Self::get), for the first blob that fails.
    pub async fn fetch(&self, wanted: impl IntoIterator<Item = BlobRef>) -> Result<Vec<(Id, Blob)>> {
        let fetches: Vec<_> = wanted.into_iter().map(|blob| self.fetch_one(blob)).collect();
        futures::stream::iter(fetches).buffer_unordered(FETCHES_IN_FLIGHT).try_collect().await
    }

    /// Which of a manifest's blobs are not there with their length. Empty: the version is whole.
    ///
    /// A producer asks before it commits a cycle that lasted longer than half the grace period: blobs that it put early,
    /// or found already there, may have been taken for nobody's. To put them again makes the version whole. One request
    /// for each blob, several at a time; no bytes are read.
    pub async fn is_whole(&self, manifest: &Manifest) -> Result<Vec<BlobRef>> {
        let unique: HashMap<_, _> = manifest.blobs().map(|blob| ((blob.role, blob.id), blob)).collect();
        let looks = unique.into_values().map(|blob| self.lacks(blob));
        let found = futures::stream::iter(looks.collect::<Vec<_>>()).buffer_unordered(FETCHES_IN_FLIGHT);
        let mut lacking: Vec<_> = found.try_filter_map(|lacking| async move { Ok(lacking) }).try_collect().await?;
        lacking.sort_by_key(|blob| blob.id);
        Ok(lacking)
    }

    async fn lacks(&self, wanted: BlobRef) -> Result<Option<BlobRef>> {
        let found = self.contains(wanted.role.into(), wanted.id.into()).await?;
        let is_there = found.is_some_and(|found| wanted.bytes.is_none_or(|bytes| bytes == found));
        Ok(Some(wanted).filter(|_| !is_there))
    }

    async fn fetch_one(&self, wanted: BlobRef) -> Result<(Id, Blob)> {
        let (kind, id) = (BlobKind::from(wanted.role), BlobId::from(wanted.id));
        let name = self.blob_name(kind, id);
        let bytes = if let Some(bytes) = wanted.bytes {
            bytes
        } else {
            let found = self.contains(kind, id).await?.ok_or_else(|| Error::NotFound { name: name.clone() })?;
            // Looked at before it is read: a sparse file may claim far more than memory.
            if found > TOMBSTONES_BYTES_MAX {
                let expected = format!("at most {TOMBSTONES_BYTES_MAX} bytes of a bitmap");
                return Err(Error::corrupt(&name, TOMBSTONES_BYTES_MAX, expected, format!("{found} bytes")));
            }
            found
        };
        let bytes = self.get(kind, id, bytes).await?;
        Ok((wanted.id, Blob { name: Arc::from(name), bytes }))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use kapok_core::manifest::{RecordType, SegmentEntry, Tombstones};
    use kapok_core::segment::Sharing;
    use kapok_core::view::Tables;

    use super::*;
    use crate::fresh_token;

    fn entry(rows: &'static str, dead: Option<&'static str>) -> SegmentEntry {
        SegmentEntry {
            id: *BlobId::of(rows.as_bytes()).as_bytes(),
            bytes: rows.len() as u64,
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
            vec![RecordType { name, type_id: 1, key, rows: 0, segments, changes: None, declared: false }];
        manifest
    }

    async fn store_of(url: &str, blobs: &[(BlobKind, &'static str)]) -> Store {
        let store = Store::open_for_writing(url).await.unwrap();
        for (kind, text) in blobs {
            store.put(*kind, BlobId::of(text.as_bytes()), Bytes::from_static(text.as_bytes())).await.unwrap();
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
        let have = store.load(&first, &BlobMap::new()).await.unwrap();
        let second = version(2, vec![entry("two", Some("dead")), entry("three", None)]);
        let loaded = store.load(&second, &have).await.unwrap();
        assert!(text(&loaded, "three").is_some() && text(&loaded, "dead").is_some());
        assert!(text(&loaded, "one").is_none(), "of no use to the second");
        let (before, after) = (text(&have, "two").unwrap(), text(&loaded, "two").unwrap());
        assert_eq!(before.bytes.as_ptr(), after.bytes.as_ptr(), "the same bytes");
        let name = store.blob_name(Segment, BlobId::of(b"three"));
        assert_eq!(*text(&loaded, "three").unwrap().name, name);
    }

    #[tokio::test]
    async fn a_blob_that_is_missing_or_of_another_length_is_told() {
        let store = store_of("memory://version-missing", &[(BlobKind::Segment, "one")]).await;
        for gone in [entry("gone", None), entry("one", Some("dead"))] {
            let error = store.load(&version(1, vec![gone]), &BlobMap::new()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        }
        let have = store.load(&version(1, vec![entry("one", None)]), &BlobMap::new()).await.unwrap();
        let mut longer = entry("one", None);
        longer.bytes = 4;
        let error = store.load(&version(2, vec![longer]), &have).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }

    #[tokio::test]
    async fn a_manifest_is_read_as_it_was_committed_and_only_under_its_own_name() {
        let store = store_of("memory://version-manifest", &[]).await;
        let mut manifest = version(1, Vec::new());
        manifest.record_types.clear();
        assert_eq!(store.commit_manifest(&manifest).await.unwrap(), CommitOutcome::Committed);
        assert_eq!(store.read_manifest(1).await.unwrap(), manifest);
        store.commit(2, &manifest.encode().unwrap(), manifest.writer_token).await.unwrap();
        assert_eq!(store.read_manifest(2).await.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(store.read_manifest(3).await.unwrap_err().kind(), ErrorKind::NotFound);
        store.commit(3, b"not a manifest", *b"not a manifest\0\0").await.unwrap_err();
        let token = fresh_token();
        store.commit(3, &token, token).await.unwrap();
        let error = store.read_manifest(3).await.unwrap_err();
        assert!(matches!(error, Error::Manifest(_)) && error.kind() == ErrorKind::Corrupt, "{error}");
    }
}
