//! Retires old versions and deletes blobs that no retained version names, beside producers and consumers at work.
//!
//! ```text
//! 1 read the log, list the manifests and read the live ones    a gap in their numbers: stop, nothing has changed
//! 2 list the blobs, and see which versions are whole
//! 3 decide which versions to retire         `retention`, pure; none that is whole if one that stays is not
//! 4 overwrite their manifests by stubs      no name under manifests/ is freed; the bytes are kept in memory
//! 5 read the log again                      it names one of them now: put its manifest back
//! 6 read the manifests that are new         they may name old blobs
//! 7 delete the blobs that no live manifest names and that were last written more than the grace period ago
//! 8 delete the orphans, files of writers that died, by the same grace period
//! ```
//!
//! **If something is wrong with the store**, gc errs on the side of keeping. A copy that is under way lacks manifests
//! or blobs: a gap in the numbers, a highest announced version that is not there, and a store without any version stop
//! it or leave it nothing to delete. While a version that stays is not whole, no whole one is retired and no blob is
//! deleted, since what is left may be what the store is repaired from, or what consumers are sent back to. While a live
//! manifest cannot be read, nobody knows which blobs it names, so none is deleted; and if it is the newest, or one that
//! consumers are sent to, no whole version is retired either. In all cases the report names the version, and
//! [`GcSettings::retire_unreadable`] is the way on if it is lost for good.
//!
//! **Beside a pin or a rollback.** They look for the version, make their entry, and look again; step 5 is the other half
//! (see [`Announcements::pin`](crate::Announcements::pin)). An entry that is made before step 5 is seen by it, and one
//! that is made after it finds the stub.
//!
//! **Beside a producer in mid-cycle.** Its blobs come from three places. Those that it wrote are younger than its cycle.
//! Those that a put found "already there" were then younger than half the grace period, or they were written again; so
//! both are younger than the grace period for as long as the cycle lasts no longer than half of it, and a longer cycle
//! asks [`Blobs::missing`](crate::Blobs::missing) before it commits. Those that it carries over from the version that
//! it builds on are named by that version's manifest. That version was the head, or the one that consumers were on,
//! when the cycle began, so it stays until its successor, or what came after it in the log, is as old as the grace
//! period; and step 6 sees the new manifest if it was committed by then. The age of a blob is looked up once more right
//! before its deletion, since a put may have written it again after the listing. What is left is a put that falls
//! between that look and the deletion, which are one request apart. S3 dates a blob that is put in parts by the beginning of
//! its upload. All of this holds by that date, too: the upload begins within the cycle, so the blob is younger than the cycle,
//! and one that was there already counts as older than it is, so it is put again sooner. An upload that takes longer than the
//! grace period may be collected as soon as it is done; its cycle has lasted longer than half of it, and finds that out.
//!
//! **Beside a consumer in mid-download.** It was sent to its version by the log, and a version that consumers were on in
//! the last grace period stays. One that takes longer finds a blob gone, and plans again from the log. What is mapped
//! stays readable.
//!
//! **Interrupted** at any point, the next gc does the rest: a stub stays a stub, and a blob that nobody names stays one.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};

use crate::blob_id::{BlobEntry, BlobKind};
use crate::clock::{now_unix_ms, unix_ms_before};
use crate::error::{Error, Result};
use crate::objects::REQUESTS_IN_FLIGHT;
use crate::retention::to_retire;
use crate::settings::GcSettings;
use crate::store::Store;

mod report;
mod retiring;
mod stock;

pub use report::{DamagedVersion, GcReport};

impl Store {
    /// Retires the versions that nobody needs, and deletes the blobs that then no version names.
    ///
    /// It may run beside producers and consumers, but only one gc at a time. Its requests grow with the live and the
    /// newly retired versions, and with the blobs that go.
    ///
    /// # Errors
    /// [`Error::ManifestMissing`] if the numbers of versions have a gap or end below a version that was announced,
    /// [`Error::StillNamed`] and [`Error::Argument`] for settings that would harm, and [`Error::GcStopped`] for a
    /// version of a newer release that it was told to retire: nothing was changed. [`Error::NamedButRetired`] if the
    /// log names a version that is gone: no blob was deleted. After any other error a part is done; the next gc does
    /// the rest.
    pub async fn gc(&self, settings: &GcSettings) -> Result<GcReport> {
        let grace = self.grace_of(settings)?;
        let oldest_ms = unix_ms_before(grace);

        let log = self.announcements().since(oldest_ms).await?;
        let mut stock = self.stock(log.last()).await?;
        stock.see_damage(self).await?;
        let told = stock.told(self, &settings.retire_unreadable, log.last())?;
        let (ages, now_ms) = (stock.ages(), now_unix_ms());
        let mut old = to_retire(&ages, &log, settings.keep, grace, now_ms);
        let mut graced = to_retire(&ages, &log[log.len().saturating_sub(1)..], settings.keep, Duration::ZERO, now_ms);
        graced.retain(|version| !old.contains(version) && !told.contains(version));
        let stays = |version| !old.contains(&version) && !told.contains(&version);
        let damaged: Vec<_> = stock.damaged().into_iter().filter(|it| stays(it.version)).collect();
        if !damaged.is_empty() || stock.has_unreadable_end(log.last(), &told) {
            old.retain(|version| stock.is_damaged(*version));
        }

        let mut retired = told;
        if settings.dry_run {
            retired.extend(old);
            self.check_named(log.last()).await?;
        } else {
            self.retire_told(&retired).await?;
            retired.extend(self.retire_unless_named(old, log.last()).await?);
        }
        retired.sort_unstable();
        retired.dedup();
        stock.read_new(self).await?;
        stock.remove(&retired);

        let mut unnamed = if damaged.is_empty() { stock.unnamed(oldest_ms) } else { Vec::new() };
        let mut orphans = self.files().orphans(oldest_ms).await?;
        if !settings.dry_run {
            unnamed = self.delete_unless_younger(unnamed, oldest_ms).await?;
            self.files().remove(&orphans).await?;
        }
        orphans.sort_by(|a, b| a.name.cmp(&b.name));
        let deleted: Vec<_> = unnamed.into_iter().map(|(kind, blob)| (kind, blob.id, blob.size)).collect();
        let blob_bytes: u64 = deleted.iter().map(|(_, _, size)| size).sum();
        let orphan_bytes: u64 = orphans.iter().map(|file| file.size).sum();
        let (kept, unreadable) = stock.into_kept();
        Ok(GcReport {
            retired,
            kept,
            kept_by_grace: graced,
            grace,
            unreadable,
            damaged,
            deleted,
            orphans,
            bytes_freed: blob_bytes + orphan_bytes,
        })
    }

    /// Returns the grace period that is asked for, if that is safe.
    fn grace_of(&self, settings: &GcSettings) -> Result<Duration> {
        let own = self.settings().grace;
        let grace = settings.grace.unwrap_or(own);
        if grace < own && !settings.no_writers {
            return Err(Error::Argument {
                argument: "grace",
                found: format!("{}s", grace.as_secs()),
                expected: "at least the store's own (an hour by default), or to be told that no writers are at work (no_writers, --no-writers): a \
                           producer's blobs are named by no version until it commits",
            });
        }
        Ok(grace)
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
                self.blobs().delete(kind, blob.id).await?;
                Ok(Some((kind, blob)))
            })
            .buffered(REQUESTS_IN_FLIGHT)
            .try_filter_map(|deleted| async move { Ok(deleted) })
            .try_collect()
            .await
    }
}
