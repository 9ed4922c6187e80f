//! What a store holds, and which of its versions are whole.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::pin::pin;

use futures::TryStreamExt;
use kapok_core::manifest::Manifest;

use super::report::DamagedVersion;
use crate::announcement::Announcement;
use crate::blob_id::{BlobEntry, BlobId, BlobKind};
use crate::error::{Error, ErrorKind, Result};
use crate::manifests::{UnreadableVersion, is_stub};
use crate::numbered::{MANIFESTS, key};
use crate::retention::VersionAge;
use crate::store::Store;

/// A blob, as manifests and folders name it.
type Name = (BlobKind, BlobId);

/// The versions and the blobs of a store.
pub(crate) struct Stock {
    live: BTreeMap<u64, LiveManifest>,
    unreadable: BTreeMap<u64, UnreadableVersion>,
    /// The numbers of all manifests, retired ones included.
    listed: BTreeSet<u64>,
    /// The highest version that was ever announced.
    highest: u64,
    blobs: Vec<(BlobKind, BlobEntry)>,
}

/// The part of a live manifest that gc needs.
struct LiveManifest {
    created_unix_ms: i64,
    blobs: HashMap<Name, Option<u64>>,
    lacking: Vec<Name>,
}

impl Store {
    /// Reads the live manifests and lists the blobs.
    pub(crate) async fn stock(&self, latest: Option<&Announcement>) -> Result<Stock> {
        let mut stock = Stock {
            live: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            listed: BTreeSet::new(),
            highest: latest.map_or(0, |entry| entry.highest),
            blobs: Vec::new(),
        };
        stock.read_new(self).await?;
        // After the manifests: blobs are put before the manifest that names them, so none of theirs is left out.
        for kind in BlobKind::ALL {
            stock.blobs.extend(self.blobs().list(kind).await?.into_iter().map(|blob| (kind, blob)));
        }
        Ok(stock)
    }
}

impl Stock {
    /// Reads the live manifests that were not read yet.
    pub(crate) async fn read_new(&mut self, store: &Store) -> Result<()> {
        let listed = store.manifests().list().await?;
        let last = listed.last().map_or(0, |(version, _)| *version);
        self.listed = listed.iter().map(|(version, _)| *version).collect();
        // The newest is read in any case: gc itself never makes a stub of it, so it may as well be a file that was cut.
        let is_live = |version, file| !is_stub(file) || version == last;
        let mut new: Vec<u64> =
            listed.iter().filter(|(version, file)| is_live(*version, file)).map(|(version, _)| *version).collect();
        new.retain(|version| !self.live.contains_key(version) && !self.unreadable.contains_key(version));
        let mut read = pin!(store.manifests().each(&new));
        while let Some((version, manifest)) = read.try_next().await? {
            match manifest {
                Ok(manifest) => drop(self.live.insert(version, LiveManifest::of(&manifest))),
                Err(it) => drop(self.unreadable.insert(version, it)),
            }
        }
        Ok(())
    }

    /// Finds the blobs that live versions name and that are not there with their length.
    pub(crate) async fn see_damage(&mut self, store: &Store) -> Result<()> {
        let there: HashMap<Name, u64> = self.blobs.iter().map(|(kind, blob)| ((*kind, blob.id), blob.size)).collect();
        let fits = |wanted: &Option<u64>, found: u64| wanted.is_none_or(|size| size == found);
        let mut lost: HashMap<Name, bool> = HashMap::new();
        for version in self.live.values_mut() {
            for (name, size) in &version.blobs {
                if there.get(name).is_some_and(|found| fits(size, *found)) {
                    continue;
                }
                // A listing may leave out a file that is being written again, so each loss is looked at, once.
                if !lost.contains_key(name) {
                    let found = match store.blobs().size(name.0, name.1).await {
                        // Something that is no file.
                        Err(error) if error.kind() == ErrorKind::Corrupt => None,
                        found => found?,
                    };
                    lost.insert(*name, !found.is_some_and(|found| fits(size, found)));
                }
                if lost.get(name) == Some(&true) {
                    version.lacking.push(*name);
                }
            }
            version.lacking.sort_unstable();
        }
        Ok(())
    }

    /// Returns the versions that gc was told to retire and that are still there, or that leave a gap.
    ///
    /// Stops gc if there is another gap, and if one of them is of use.
    pub(crate) fn told(&self, store: &Store, versions: &[u64], latest: Option<&Announcement>) -> Result<Vec<u64>> {
        let mut told = BTreeSet::new();
        for &version in versions {
            if latest.is_some_and(|entry| entry.names(version)) {
                return Err(Error::StillNamed { version });
            }
            if let Some(it) = self.unreadable.get(&version).filter(|it| it.kind == ErrorKind::Incompatible) {
                let (name, requirement) = (store.objects.name(&key(MANIFESTS, version)), it.reason.clone());
                return Err(Error::GcStopped { source: Box::new(Error::Incompatible { name, requirement }) });
            }
            let end = self.listed.last().map_or(self.highest, |last| self.highest.max(*last));
            let is_of_use = self.live.get(&version).is_some_and(|live| live.lacking.is_empty());
            if version == 0 || version > end || is_of_use {
                return Err(Error::Argument {
                    argument: "retire_unreadable",
                    found: version.to_string(),
                    expected: "a version that cannot be read or lacks blobs; the others are retired by age",
                });
            }
            let is_stub = !self.live.contains_key(&version) && !self.unreadable.contains_key(&version);
            if !(is_stub && self.listed.contains(&version)) {
                told.insert(version);
            }
        }
        match self.missing(&told) {
            Some(version) => {
                let name = store.objects.name(&key(MANIFESTS, version));
                Err(Error::ManifestMissing { version, name })
            }
            None => Ok(told.into_iter().collect()),
        }
    }

    /// Returns the lowest number that has no file, up to the highest one that was ever taken.
    fn missing(&self, told: &BTreeSet<u64>) -> Option<u64> {
        let mut expected = 1;
        for version in self.listed.union(told) {
            if *version != expected {
                return Some(expected);
            }
            expected = version.checked_add(1)?;
        }
        Some(expected).filter(|version| *version <= self.highest)
    }

    /// Returns what retention decides by: the versions that can be read.
    pub(crate) fn ages(&self) -> Vec<VersionAge> {
        let age = |(version, live): (&u64, &LiveManifest)| VersionAge {
            version: *version,
            created_unix_ms: live.created_unix_ms,
        };
        self.live.iter().map(age).collect()
    }

    /// Returns whether blobs of the version are lost.
    pub(crate) fn is_damaged(&self, version: u64) -> bool {
        self.live.get(&version).is_some_and(|live| !live.lacking.is_empty())
    }

    /// Returns the versions of which blobs are lost.
    pub(crate) fn damaged(&self) -> Vec<DamagedVersion> {
        let damaged = self.live.iter().filter(|(_, live)| !live.lacking.is_empty());
        damaged.map(|(version, live)| DamagedVersion { version: *version, blobs: live.lacking.clone() }).collect()
    }

    /// Returns whether one of those that cannot be read is the newest, or one that consumers are sent to.
    pub(crate) fn has_unreadable_end(&self, latest: Option<&Announcement>, told: &[u64]) -> bool {
        let is_end = |version| self.listed.last() == Some(&version) || latest.is_some_and(|entry| entry.names(version));
        self.unreadable.keys().any(|version| is_end(*version) && !told.contains(version))
    }

    /// Forgets the versions that were retired.
    pub(crate) fn remove(&mut self, retired: &[u64]) {
        self.live.retain(|version, _| !retired.contains(version));
        self.unreadable.retain(|version, _| !retired.contains(version));
    }

    /// Returns the blobs of that age that no live version names; none if one cannot be read, or if there is no version.
    pub(crate) fn unnamed(&self, modified_unix_ms_max: i64) -> Vec<(BlobKind, BlobEntry)> {
        if !self.unreadable.is_empty() || self.listed.is_empty() {
            return Vec::new();
        }
        let named: HashSet<_> = self.live.values().flat_map(|version| version.blobs.keys()).collect();
        let is_unnamed = |(kind, blob): &&(BlobKind, BlobEntry)| {
            blob.modified_unix_ms <= modified_unix_ms_max && !named.contains(&(*kind, blob.id))
        };
        self.blobs.iter().filter(is_unnamed).copied().collect()
    }

    /// Returns the live versions, in order, and those of them that cannot be read.
    pub(crate) fn into_kept(self) -> (Vec<u64>, Vec<UnreadableVersion>) {
        let kept: BTreeSet<u64> = self.live.into_keys().chain(self.unreadable.keys().copied()).collect();
        (kept.into_iter().collect(), self.unreadable.into_values().collect())
    }
}

impl LiveManifest {
    fn of(manifest: &Manifest) -> Self {
        let blobs = manifest.blobs().map(|blob| ((blob.role.into(), blob.id.into()), blob.size)).collect();
        Self { created_unix_ms: manifest.created_unix_ms, blobs, lacking: Vec::new() }
    }
}
