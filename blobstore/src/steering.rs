//! How is a version announced, pinned or rolled back to, so that consumers are never sent to one that is gone?
//!
//! The version is looked for before the entry is made, and again after it. [`gc`](Store::gc) does the same the other way
//! round: it retires first and then reads the log again. So of the two, whoever comes second sees what the other did:
//! either the gc puts the manifest back, or the entry made here is undone by another one.

use crate::announcement::{Action, Announcement, AnnouncementDraft};
use crate::error::{Error, Result};
use crate::log::{ATTEMPTS, Appended};
use crate::numbered::{MANIFESTS, key};
use crate::store::Store;

/// What came of a version that announces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelfAnnounced {
    /// It is announced, by this entry.
    Made(Announcement),
    /// It, or a newer one, was announced already: the latest entry.
    Already(Announcement),
    /// It stays unannounced: consumers were sent back by this entry since.
    HeldBack(Announcement),
}

impl Store {
    /// Announces a version that its own producer has committed, or left over, unless the log has a rollback behind
    /// `since`: the last entry when the version that it builds on was chosen. Keeps the pin and never goes back, but to
    /// come back from a version that was never committed.
    ///
    /// The entry is created behind the last one that was asked, so that no rollback slips in between.
    ///
    /// # Errors
    /// Those of [`announce`](Self::announce).
    pub async fn announce_itself(&self, version: u64, since: u64, by: &str, reason: &str) -> Result<SelfAnnounced> {
        let mut asked = since;
        let mut latest = self.latest_announcement(Some(since)).await?;
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
                return Ok(SelfAnnounced::Already(latest));
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
            match self.append(latest.as_ref(), draft, highest.max(version)).await? {
                Appended::Made(entry) => return Ok(SelfAnnounced::Made(entry)),
                Appended::Lost(sequence) => latest = self.latest_announcement(Some(sequence)).await?,
            }
        }
        Err(Error::Outrun { attempts: ATTEMPTS, sequence: asked })
    }

    /// The first rollback of the log behind the entry `since`, whatever came after it.
    ///
    /// # Errors
    /// Those of [`announcement`](Self::announcement).
    pub async fn rollback_since(&self, since: u64, latest: &Announcement) -> Result<Option<Announcement>> {
        match self.rollback_behind(since, Some(latest), 0).await? {
            Some(SelfAnnounced::HeldBack(rollback)) => Ok(Some(rollback)),
            _ => Ok(None),
        }
    }

    /// Whether consumers were sent back by an entry behind `since`. A version that was announced before is out.
    async fn rollback_behind(
        &self,
        since: u64,
        latest: Option<&Announcement>,
        version: u64,
    ) -> Result<Option<SelfAnnounced>> {
        let Some(latest) = latest.filter(|latest| latest.sequence > since) else { return Ok(None) };
        let before = latest.sequence - 1;
        let mut entries = if before > since { self.announcements_between(since, before).await? } else { Vec::new() };
        entries.push(latest.clone());
        if version > 0 && entries.iter().any(|entry| entry.announced == version) {
            return Ok(Some(SelfAnnounced::Already(latest.clone())));
        }
        let mut announced = 0;
        for entry in entries {
            // A word of a newer release may send consumers back, too.
            if entry.action == Action::Rollback || entry.announced < announced {
                return Ok(Some(SelfAnnounced::HeldBack(entry)));
            }
            announced = entry.announced;
        }
        Ok(None)
    }

    /// Whether the version's manifest is there, or what is left of it.
    async fn was_committed(&self, version: u64) -> Result<bool> {
        Ok(self.objects.look(&key(MANIFESTS, version)).await?.is_some())
    }

    /// Announces a committed version: keeps the pin and never goes back. `None` where it, or a newer one, is announced.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the version was never committed, [`Error::Retired`], [`Error::Corrupt`] where its
    /// manifest is damaged, [`Error::RetiredMeanwhile`], and those of [`announce`](Self::announce).
    pub async fn announce_version(&self, version: u64, by: &str, reason: &str) -> Result<Option<Announcement>> {
        self.steer(version, by, |latest| AnnouncementDraft::announce(latest, version, by, reason)).await
    }

    /// Holds every consumer on a committed version. `None` where it is pinned already.
    ///
    /// # Errors
    /// Those of [`announce_version`](Self::announce_version).
    pub async fn pin(&self, version: u64, by: &str, reason: &str) -> Result<Option<Announcement>> {
        self.steer(version, by, |latest| AnnouncementDraft::pin(latest, version, by, reason)).await
    }

    /// Lets consumers follow the announced version again. `None` where nothing is pinned.
    ///
    /// # Errors
    /// Those of [`announce`](Self::announce).
    pub async fn unpin(&self, by: &str, reason: &str) -> Result<Option<Announcement>> {
        self.announce(|latest| AnnouncementDraft::unpin(latest, by, reason)).await
    }

    /// Announces a committed version, older or newer; keeps the pin. `None` where it is announced already, and where
    /// nothing was announced yet.
    ///
    /// # Errors
    /// Those of [`announce_version`](Self::announce_version).
    pub async fn rollback(&self, version: u64, by: &str, reason: &str) -> Result<Option<Announcement>> {
        self.steer(version, by, |latest| AnnouncementDraft::rollback(latest, version, by, reason)).await
    }

    async fn steer(
        &self,
        version: u64,
        by: &str,
        decide: impl Fn(Option<&Announcement>) -> Option<AnnouncementDraft>,
    ) -> Result<Option<Announcement>> {
        self.manifest(version).await?;
        let mut before = None;
        let made = self
            .announce(|latest| {
                before = latest.cloned();
                decide(latest)
            })
            .await?;
        let Some(entry) = made else {
            return Ok(None);
        };
        if !self.is_retired(version).await? {
            return Ok(Some(entry));
        }
        let reason = format!("undone: version {version} was retired meanwhile");
        self.announce(|latest| undo(before.as_ref(), &entry, latest?, by, &reason)).await?;
        Err(Error::RetiredMeanwhile { version, action: entry.action })
    }
}

/// The entry that takes back what `made` did after `before`; `None` where somebody else has done so.
fn undo(
    before: Option<&Announcement>,
    made: &Announcement,
    latest: &Announcement,
    by: &str,
    reason: &str,
) -> Option<AnnouncementDraft> {
    if made.action == Action::Pin {
        return match before.and_then(|entry| entry.pinned) {
            _ if latest.pinned != made.pinned => None,
            Some(pinned) => AnnouncementDraft::pin(Some(latest), pinned, by, reason),
            None => AnnouncementDraft::unpin(Some(latest), by, reason),
        };
    }
    let announced = before.map_or(0, |entry| entry.announced);
    let is_ours = latest.announced == made.announced;
    AnnouncementDraft::rollback(Some(latest).filter(|_| is_ours), announced, by, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: Action, announced: u64, pinned: Option<u64>) -> Announcement {
        let (by, reason) = (String::new(), String::new());
        Announcement {
            sequence: 1,
            announced,
            highest: announced,
            pinned,
            action,
            by,
            reason,
            created_unix_ms: 0,
            token: [0; 16],
        }
    }

    fn undone(before: Option<&Announcement>, made: &Announcement, latest: &Announcement) -> Option<(u64, Option<u64>)> {
        undo(before, made, latest, "x", "y").map(|draft| (draft.announced, draft.pinned))
    }

    #[test]
    fn a_pin_is_undone_by_the_pin_before_or_by_none() {
        let made = entry(Action::Pin, 9, Some(3));
        assert_eq!(undone(None, &made, &made), Some((9, None)));
        assert_eq!(undone(Some(&entry(Action::Pin, 9, Some(5))), &made, &made), Some((9, Some(5))));
        let newer = entry(Action::Announce, 10, Some(3));
        assert_eq!(undone(None, &made, &newer), Some((10, None)), "what was announced since stays");
        let other = entry(Action::Pin, 9, Some(4));
        assert_eq!(undone(None, &made, &other), None, "somebody else pinned another version");
    }

    #[test]
    fn an_announcement_is_undone_by_the_version_before() {
        let before = entry(Action::Announce, 8, Some(2));
        for made in [entry(Action::Announce, 9, Some(2)), entry(Action::Rollback, 3, Some(2))] {
            assert_eq!(undone(Some(&before), &made, &made), Some((8, Some(2))));
            assert_eq!(undone(None, &made, &made), Some((0, Some(2))));
            let pinned = Announcement { pinned: Some(7), ..made.clone() };
            assert_eq!(undone(Some(&before), &made, &pinned), Some((8, Some(7))), "a pin made since stays");
            let newer = entry(Action::Announce, 10, None);
            assert_eq!(undone(Some(&before), &made, &newer), None, "somebody else announced another version");
        }
    }
}
