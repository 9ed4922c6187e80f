//! Announces, pins and rolls back to committed versions, and undoes an entry whose version was retired meanwhile.
//!
//! The version is looked for before the entry is made, and again after it. [`gc`](crate::Store::gc) does the same the
//! other way round: it retires first and then reads the log again. So of the two, whoever comes second sees what the
//! other did: either the gc puts the manifest back, or the entry made here is undone by another one.

use super::Announcements;
use crate::action::Action;
use crate::announcement::{Announcement, AnnouncementDraft};
use crate::error::{Error, Result};
use crate::manifests::Manifests;

impl Announcements<'_> {
    /// Announces a committed version: keeps the pin and never goes back. `None` if it, or a newer one, is announced.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the version was never committed, [`Error::Retired`], [`Error::Corrupt`] if its
    /// manifest is damaged, [`Error::RetiredMeanwhile`], and those of [`append`](Self::append).
    pub async fn announce(self, version: u64, by: &str, reason: &str) -> Result<Option<Announcement>> {
        self.append_checked(version, by, |latest| AnnouncementDraft::announce(latest, version, by, reason)).await
    }

    /// Holds every consumer on a committed version. `None` if it is pinned already.
    ///
    /// # Errors
    /// Those of [`announce`](Self::announce).
    pub async fn pin(self, version: u64, by: &str, reason: &str) -> Result<Option<Announcement>> {
        self.append_checked(version, by, |latest| AnnouncementDraft::pin(latest, version, by, reason)).await
    }

    /// Lets consumers follow the announced version again. `None` if nothing is pinned.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub async fn unpin(self, by: &str, reason: &str) -> Result<Option<Announcement>> {
        self.append(|latest| AnnouncementDraft::unpin(latest, by, reason)).await
    }

    /// Announces a committed version, older or newer; keeps the pin. `None` if it is announced already, and if
    /// nothing was announced yet.
    ///
    /// # Errors
    /// Those of [`announce`](Self::announce).
    pub async fn rollback(self, version: u64, by: &str, reason: &str) -> Result<Option<Announcement>> {
        self.append_checked(version, by, |latest| AnnouncementDraft::rollback(latest, version, by, reason)).await
    }

    async fn append_checked(
        self,
        version: u64,
        by: &str,
        decide: impl Fn(Option<&Announcement>) -> Option<AnnouncementDraft>,
    ) -> Result<Option<Announcement>> {
        let manifests = Manifests { objects: self.objects };
        manifests.read_bytes(version).await?;
        let mut before = None;
        let made = self
            .append(|latest| {
                before = latest.cloned();
                decide(latest)
            })
            .await?;
        let Some(entry) = made else {
            return Ok(None);
        };
        if !manifests.is_retired(version).await? {
            return Ok(Some(entry));
        }
        let reason = format!("undone: version {version} was retired meanwhile");
        self.append(|latest| undo(before.as_ref(), &entry, latest?, by, &reason)).await?;
        Err(Error::RetiredMeanwhile { version, action: entry.action })
    }
}

/// Returns the entry that takes back what `made` did after `before`; `None` if somebody else has done so.
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
