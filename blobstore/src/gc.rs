//! How does a store get rid of what nobody needs, beside producers and consumers that are at work?
//!
//! ```text
//! 1 read the log and all live manifests     one that cannot be read: stop, nothing has changed
//! 2 decide which versions to retire         `retention`, pure
//! 3 overwrite their manifests by stubs      no name under manifests/ is freed; the bytes are kept in memory
//! 4 read the log again                      it names one of them now: put its manifest back
//! 5 list the blobs, then the manifests again   new ones may name old blobs
//! 6 delete the blobs that no live manifest names and that were last written more than the grace period ago
//! 7 delete the debris of writers that died, by the same grace period
//! ```
//!
//! **Beside a pin or a rollback.** They look for the version, make their entry, and look again; step 4 is the other half
//! (see [`Store::pin`]). An entry that is made before step 4 is seen by it, and one that is made after it finds the stub.
//!
//! **Beside a producer in mid-cycle.** Its blobs come from three places. Those that it wrote are younger than its cycle.
//! Those that a put found "already there" were then younger than half the grace period, or they were written again; so
//! both are younger than the grace period for as long as the cycle lasts no longer than half of it, and a longer cycle
//! asks [`Store::is_whole`] before it commits. Those that it carries over from the version that it builds on are named by
//! that version's manifest. That version was the head, or the one that consumers were on, when the cycle began, so it
//! stays until its successor, or what came after it in the log, is as old as the grace period; and step 5 sees the new
//! manifest if it was committed by then. The age of a blob is looked up once more right before its deletion, since a put
//! may have written it again after the listing. What is left is a put that falls between that look and the deletion,
//! which are one request apart.
//!
//! **Beside a consumer in mid-download.** It was sent to its version by the log, and a version that consumers were on in
//! the last grace period stays. One that takes longer finds a blob gone, and plans again from the log. What is mapped
//! stays readable.
//!
//! **Interrupted** at any point, the next gc does the rest: a stub stays a stub, and a blob that nobody names stays one.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use crate::announcement::Announcement;
use crate::blob::{BlobEntry, BlobId, BlobKind};
use crate::error::{Error, Result};
use crate::files::FileEntry;
use crate::numbered::{MANIFESTS, key};
use crate::retention::{VersionAge, to_retire};
use crate::store::Store;
use crate::token::{now_unix_ms, unix_ms_before};

/// How many manifests are read, and blobs deleted, at once.
const REQUESTS_IN_FLIGHT: usize = 8;

/// What [`Store::gc`] keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcSettings {
    /// How many of the newest versions to keep. The head, the announced and the pinned one stay in any case.
    pub keep: usize,
    /// How long a version that consumers left, and a blob that no version names, are kept. `None`: as long as the
    /// store's [`Settings::grace`](crate::Settings::grace). Less than that of the producers is safe only while none of
    /// them is at work.
    pub grace: Option<Duration>,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
}

/// What a [`Store::gc`] did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct GcReport {
    /// The versions that were retired, in order.
    pub retired: Vec<u64>,
    /// The versions that are live afterwards, in order.
    pub kept: Vec<u64>,
    /// The blobs that were deleted, with their length in bytes, in the order of kind and id.
    pub deleted: Vec<(BlobKind, BlobId, u64)>,
    /// What writers that died had left behind, and was deleted.
    pub debris: Vec<FileEntry>,
    /// Bytes of the deleted blobs and debris.
    pub bytes_freed: u64,
}

/// What gc keeps of a live manifest in memory.
struct LiveVersion {
    created_unix_ms: i64,
    blobs: HashSet<(BlobKind, BlobId)>,
}

type LiveVersions = BTreeMap<u64, LiveVersion>;

impl Store {
    /// Retires the versions that nobody needs, and deletes the blobs that then no version names.
    ///
    /// It may run beside producers and consumers, but only one gc at a time.
    ///
    /// # Errors
    /// [`Error::GcStopped`] for a manifest that is corrupt or of a newer release and [`Error::NamedButRetired`] where
    /// the log names a version that is gone: in both cases no blob was deleted. After any other error a part is done;
    /// the next gc does the rest.
    pub async fn gc(&self, settings: &GcSettings) -> Result<GcReport> {
        let grace = settings.grace.unwrap_or(self.settings().grace);
        let oldest_ms = unix_ms_before(grace);

        let log = self.announcements_since(oldest_ms).await?;
        let mut live = LiveVersions::new();
        self.read_live(&mut live).await?;
        let ages: Vec<_> = live.iter().map(|(version, found)| found.age(*version)).collect();
        let mut retired = to_retire(&ages, &log, settings.keep, grace, now_unix_ms());

        if settings.dry_run {
            self.check_named(log.last()).await?;
        } else {
            retired = self.retire_unless_named(retired, log.last()).await?;
        }
        let mut unnamed = self.list_blobs().await?;
        self.read_live(&mut live).await?;
        live.retain(|version, _| !retired.contains(version));

        let named: HashSet<_> = live.values().flat_map(|version| &version.blobs).collect();
        unnamed.retain(|(kind, blob)| blob.modified_unix_ms <= oldest_ms && !named.contains(&(*kind, blob.id)));
        let mut debris = self.debris(oldest_ms).await?;
        if !settings.dry_run {
            unnamed = self.delete_unless_younger(unnamed, oldest_ms).await?;
            self.remove_files(&debris).await?;
        }
        debris.sort_by(|a, b| a.name.cmp(&b.name));
        let deleted: Vec<_> = unnamed.into_iter().map(|(kind, blob)| (kind, blob.id, blob.bytes)).collect();
        let blob_bytes: u64 = deleted.iter().map(|(_, _, bytes)| bytes).sum();
        let debris_bytes: u64 = debris.iter().map(|file| file.bytes).sum();
        let kept = live.into_keys().collect();
        Ok(GcReport { retired, kept, deleted, debris, bytes_freed: blob_bytes + debris_bytes })
    }

    /// Reads the live manifests that are not in `live` yet.
    async fn read_live(&self, live: &mut LiveVersions) -> Result<()> {
        let stopped = |error| match error {
            error @ (Error::Corrupt { .. } | Error::Incompatible { .. } | Error::Manifest(_)) => {
                Error::GcStopped { source: Box::new(error) }
            }
            other => other,
        };
        let listed = self.live_versions().await.map_err(stopped)?;
        let new: Vec<u64> = listed.into_iter().filter(|version| !live.contains_key(version)).collect();
        let mut read = futures::stream::iter(new)
            .map(async |version| (version, self.read_manifest(version).await))
            .buffer_unordered(REQUESTS_IN_FLIGHT);
        while let Some((version, manifest)) = read.next().await {
            let manifest = match manifest {
                Err(Error::Retired { .. }) => continue,
                other => other.map_err(stopped)?,
            };
            let blobs = manifest.blobs().map(|blob| (BlobKind::from(blob.role), BlobId::from(blob.id))).collect();
            live.insert(version, LiveVersion { created_unix_ms: manifest.created_unix_ms, blobs });
        }
        Ok(())
    }

    /// Retires the versions, but for those that the log names by the end of it. Returns the others.
    async fn retire_unless_named(&self, versions: Vec<u64>, latest: Option<&Announcement>) -> Result<Vec<u64>> {
        let mut overwritten = Vec::new();
        let mut outcome = self.retire_all(versions, latest, &mut overwritten).await;
        // Read even where that failed half way, and never before the last stub is written.
        let latest = self.latest_announcement(latest.map(|entry| entry.sequence)).await?;
        let mut retired = Vec::new();
        for (version, manifest) in overwritten {
            if latest.as_ref().is_some_and(|entry| entry.names(version)) {
                outcome = outcome.and(self.objects.put(&key(MANIFESTS, version), manifest).await);
            } else {
                retired.push(version);
            }
        }
        outcome?;
        self.check_named(latest.as_ref()).await?;
        Ok(retired)
    }

    /// Stops where the log names a version that is retired: nobody knows which blobs that needs.
    async fn check_named(&self, latest: Option<&Announcement>) -> Result<()> {
        let named = latest.map_or([0, 0], |entry| [entry.announced, entry.pinned.unwrap_or(0)]);
        for version in named {
            match self.is_retired(version).await {
                Ok(true) => return Err(Error::NamedButRetired { version }),
                // None, or one of an entry made by hand.
                Ok(false) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Overwrites the manifests of the versions by stubs, and hands over what stood there before each is overwritten.
    async fn retire_all(
        &self,
        versions: Vec<u64>,
        latest: Option<&Announcement>,
        overwritten: &mut Vec<(u64, Bytes)>,
    ) -> Result<()> {
        let mut next = latest.map_or(1, |entry| entry.sequence.saturating_add(1));
        let mut new = Vec::new();
        for version in versions {
            let key = key(MANIFESTS, version);
            let Some(manifest) = self.objects.read(&key).await? else {
                return Err(Error::NotFound { name: self.objects.name(&key) });
            };
            // Should gc be killed before it reads the log again, nobody puts the manifest back: so it looks here too.
            while let Some(entry) = self.announcement(next).await? {
                next += 1;
                new.push(entry);
            }
            if new.iter().any(|entry| entry.names(version)) {
                continue;
            }
            overwritten.push((version, manifest));
            self.retire(version).await?;
        }
        Ok(())
    }

    async fn list_blobs(&self) -> Result<Vec<(BlobKind, BlobEntry)>> {
        let mut found = Vec::new();
        for kind in BlobKind::ALL {
            found.extend(self.list(kind).await?.into_iter().map(|blob| (kind, blob)));
        }
        Ok(found)
    }

    /// Deletes the blobs, but for those that were written again since they were listed. Returns what it deleted.
    async fn delete_unless_younger(
        &self,
        blobs: Vec<(BlobKind, BlobEntry)>,
        modified_unix_ms_max: i64,
    ) -> Result<Vec<(BlobKind, BlobEntry)>> {
        futures::stream::iter(blobs)
            .map(async |(kind, blob)| {
                let found = self.objects.look(&kind.key(blob.id)).await?;
                if found.is_none_or(|found| found.modified_unix_ms > modified_unix_ms_max) {
                    return Ok(None);
                }
                self.delete(kind, blob.id).await?;
                Ok(Some((kind, blob)))
            })
            .buffered(REQUESTS_IN_FLIGHT)
            .try_filter_map(|deleted| async move { Ok(deleted) })
            .try_collect()
            .await
    }
}

impl LiveVersion {
    fn age(&self, version: u64) -> VersionAge {
        VersionAge { version, created_unix_ms: self.created_unix_ms, live: true }
    }
}
