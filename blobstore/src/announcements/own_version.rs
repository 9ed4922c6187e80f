//! Announces a version that its own producer has committed, unless a rollback came in between.

use super::{ATTEMPTS, Announcements, AppendOutcome};
use crate::action::Action;
use crate::announcement::{Announcement, AnnouncementDraft};
use crate::error::{Error, Result};
use crate::numbered::{MANIFESTS, key};

/// Outcome of announcing a version by its own producer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnAnnouncement {
    /// The version is announced by this entry.
    Made(Announcement),
    /// The version, or a newer one, was announced already; this is the latest entry.
    Already(Announcement),
    /// The version stays unannounced, since this entry is a rollback that was made meanwhile.
    AfterRollback(Announcement),
}

impl Announcements<'_> {
    /// Announces a version for the producer that committed it, unless the log has a rollback after `since`.
    ///
    /// `since` is the last entry at the time when the version that it builds on was chosen. Keeps the pin and never
    /// goes back, except from a version that was never committed.
    ///
    /// The entry is created behind the last one that was asked, so that no rollback slips in between.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub async fn announce_own(self, version: u64, since: u64, by: &str, reason: &str) -> Result<OwnAnnouncement> {
        let mut asked = since;
        let mut latest = self.latest(Some(since)).await?;
        for _ in 0..ATTEMPTS {
            let last = latest.as_ref().map_or(0, |entry| entry.sequence);
            if let Some(held) = self.rollback_behind(asked, latest.as_ref(), version).await? {
                return Ok(held);
            }
            asked = last;
            let announced = latest.as_ref().map_or(0, |entry| entry.announced);
            if let Some(latest) = latest.clone().filter(|_| announced >= version)
                && (announced == version || self.was_committed(announced).await?)
            {
                return Ok(OwnAnnouncement::Already(latest));
            }
            // What was never committed was never announced to anybody.
            let highest = latest.as_ref().map_or(0, |entry| entry.highest);
            let highest = if highest <= version || self.was_committed(highest).await? { highest } else { 0 };
            let pinned = latest.as_ref().and_then(|entry| entry.pinned);
            let draft = AnnouncementDraft {
                announced: version,
                pinned,
                action: Action::Announce,
                by: by.to_owned(),
                reason: reason.to_owned(),
            };
            match self.create_entry(latest.as_ref(), draft, highest.max(version)).await? {
                AppendOutcome::Made(entry) => return Ok(OwnAnnouncement::Made(entry)),
                AppendOutcome::Lost(sequence) => latest = self.latest(Some(sequence)).await?,
            }
        }
        Err(Error::Outrun { attempts: ATTEMPTS, sequence: asked })
    }

    /// Returns the first rollback of the log after the entry `since`, even if other entries follow it.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub async fn rollback_since(self, since: u64, latest: &Announcement) -> Result<Option<Announcement>> {
        match self.rollback_behind(since, Some(latest), 0).await? {
            Some(OwnAnnouncement::AfterRollback(rollback)) => Ok(Some(rollback)),
            _ => Ok(None),
        }
    }

    /// Returns whether an entry behind `since` sent consumers back, unless the version was announced before.
    async fn rollback_behind(
        self,
        since: u64,
        latest: Option<&Announcement>,
        version: u64,
    ) -> Result<Option<OwnAnnouncement>> {
        let Some(latest) = latest.filter(|latest| latest.sequence > since) else { return Ok(None) };
        let before = latest.sequence - 1;
        let mut entries = if before > since { self.between(since, before).await? } else { Vec::new() };
        entries.push(latest.clone());
        if version > 0 && entries.iter().any(|entry| entry.announced == version) {
            return Ok(Some(OwnAnnouncement::Already(latest.clone())));
        }
        let mut announced = 0;
        for entry in entries {
            // A word of a newer release may send consumers back, too.
            if entry.action == Action::Rollback || entry.announced < announced {
                return Ok(Some(OwnAnnouncement::AfterRollback(entry)));
            }
            announced = entry.announced;
        }
        Ok(None)
    }

    /// Returns whether the version's manifest is there, or what is left of it.
    async fn was_committed(self, version: u64) -> Result<bool> {
        Ok(self.objects.look(&key(MANIFESTS, version)).await?.is_some())
    }
}
