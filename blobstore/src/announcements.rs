//! Reads and extends the announcement log.

use bytes::Bytes;
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt};

use crate::announcement::{Announcement, AnnouncementDraft};
use crate::clock::now_unix_ms;
use crate::error::{Error, Result};
use crate::last_number::{LastFile, last_file, last_number};
use crate::numbered::{ANNOUNCEMENTS, key};
use crate::objects::{CreateOutcome, Objects, REQUESTS_IN_FLIGHT};
use crate::token::fresh_token;

mod commands;
mod own_version;

pub use own_version::OwnAnnouncement;

/// The outcome of one try to append an entry.
enum AppendOutcome {
    /// The entry.
    Made(Announcement),
    /// Another writer has this sequence.
    Lost(u64),
}

/// After so many lost creates something is wrong, or the log is busier than it should ever be.
const ATTEMPTS: u32 = 1_000;

/// The announcement log of a store, from [`Store::announcements`](crate::Store::announcements).
#[derive(Debug, Clone, Copy)]
pub struct Announcements<'s> {
    pub(crate) objects: &'s Objects,
}

impl Announcements<'_> {
    /// Appends an entry to the log.
    ///
    /// `decide` sees the latest entry and says what the next one holds, or `None` for nothing to do. Where another
    /// writer was faster it is asked again with that writer's entry, so that no entry is made in ignorance of the one
    /// before. A lost reply is settled by the entry's token.
    ///
    /// # Errors
    /// [`Error::Outrun`] after a thousand lost races. After [`Error::Backend`] and [`Error::TimedOut`] the entry may
    /// be there or not: read the latest and decide again.
    pub async fn append(
        self,
        mut decide: impl FnMut(Option<&Announcement>) -> Option<AnnouncementDraft>,
    ) -> Result<Option<Announcement>> {
        let mut latest = self.latest(None).await?;
        for _ in 0..ATTEMPTS {
            let Some(draft) = decide(latest.as_ref()) else {
                return Ok(None);
            };
            let highest = latest.as_ref().map_or(0, |entry| entry.highest).max(draft.announced);
            match self.create_entry(latest.as_ref(), draft, highest).await? {
                AppendOutcome::Made(entry) => return Ok(Some(entry)),
                AppendOutcome::Lost(sequence) => latest = self.latest(Some(sequence)).await?,
            }
        }
        let sequence = latest.map_or(0, |entry| entry.sequence);
        Err(Error::Outrun { attempts: ATTEMPTS, sequence })
    }

    /// Creates the entry behind `latest`, unless another writer was faster.
    async fn create_entry(
        self,
        latest: Option<&Announcement>,
        draft: AnnouncementDraft,
        highest: u64,
    ) -> Result<AppendOutcome> {
        let last = latest.map_or(0, |entry| entry.sequence);
        let Some(sequence) = last.checked_add(1) else {
            return Err(Error::LastNumber { name: self.objects.name(&key(ANNOUNCEMENTS, last)) });
        };
        let entry = Announcement {
            sequence,
            announced: draft.announced,
            highest,
            pinned: draft.pinned,
            action: draft.action,
            by: draft.by,
            reason: draft.reason,
            created_unix_ms: now_unix_ms(),
            token: fresh_token(),
        };
        Ok(match self.objects.create(&key(ANNOUNCEMENTS, sequence), entry.encode()).await? {
            CreateOutcome::Won => {
                self.objects.run.last_seen.keep(ANNOUNCEMENTS, sequence);
                AppendOutcome::Made(entry)
            }
            CreateOutcome::Lost => AppendOutcome::Lost(sequence),
        })
    }

    /// Returns the latest entry, or `None` if nothing was announced yet.
    ///
    /// It is looked for from `hint` on, the sequence of an entry seen earlier, or else from the last one that this
    /// store has seen, with no listing: two requests if nothing or one entry is new, and about twice the logarithm of the number
    /// of new entries otherwise. A wrong hint costs time only. To poll, ask for the next [entry](Self::get) instead: one
    /// request.
    pub async fn latest(self, hint: Option<u64>) -> Result<Option<Announcement>> {
        let mut hint = self.hint(hint);
        // In a folder the search and the reading are one task anyway.
        if self.objects.root.is_none() && hint > 0 {
            match self.near(hint).await? {
                Near::Last(entry) => return Ok(Some(entry)),
                Near::From(number) => hint = number,
            }
        }
        match last_file(self.objects, ANNOUNCEMENTS, hint).await? {
            LastFile { number: 0, .. } => Ok(None),
            LastFile { number, sealed } => self.open_entry(number, sealed).await,
        }
    }

    /// Looks at the two entries that are mostly the last: the one behind the hint, and the hint's own.
    async fn near(self, hint: u64) -> Result<Near> {
        let Some(next) = hint.checked_add(1) else { return Ok(Near::From(hint)) };
        let last = match self.get(next).await {
            Ok(Some(entry)) => {
                let after = next.saturating_add(1);
                let is_last = after == next || self.is_absent(after).await?;
                if !is_last {
                    return Ok(Near::From(after));
                }
                entry
            }
            Ok(None) => match self.get(hint).await {
                Ok(Some(entry)) => entry,
                // The hint was wrong, or what is there is damaged: the search says so.
                _ => return Ok(Near::From(hint)),
            },
            Err(_) => return Ok(Near::From(hint)),
        };
        self.objects.run.last_seen.keep(ANNOUNCEMENTS, last.sequence);
        Ok(Near::Last(last))
    }

    /// Returns the entry of a sequence, or `None` if there is none yet. A consumer polls for the one after its last.
    pub async fn get(self, sequence: u64) -> Result<Option<Announcement>> {
        self.open_entry(sequence, self.objects.read(&key(ANNOUNCEMENTS, sequence)).await).await
    }

    /// Opens what was read as the entry of a sequence.
    async fn open_entry(self, sequence: u64, sealed: Result<Option<Bytes>>) -> Result<Option<Announcement>> {
        let file = match sealed {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            // As a missing name is answered to whom may not list: then the entry before can still be read.
            Err(error @ Error::Denied { .. }) => {
                let before = key(ANNOUNCEMENTS, sequence.saturating_sub(1));
                if sequence > 1 && matches!(self.objects.look(&before).await, Ok(Some(_))) {
                    self.objects.saw_missing_hidden();
                    return Ok(None);
                }
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        Announcement::open(&self.objects.name(&key(ANNOUNCEMENTS, sequence)), sequence, &file).map(Some)
    }

    /// Returns the entries behind `since`, up to `last`, in order.
    pub(crate) async fn between(self, since: u64, last: u64) -> Result<Vec<Announcement>> {
        let sequences = since.saturating_add(1)..=last;
        let entries = futures::stream::iter(sequences).map(|sequence| self.entry(sequence));
        entries.buffered(REQUESTS_IN_FLIGHT).try_collect().await
    }

    /// Returns the entries that were the latest at some time since then, in order: those made since, and the one
    /// before.
    pub(crate) async fn since(self, unix_ms: i64) -> Result<Vec<Announcement>> {
        let mut unread = self.end().await?;
        let mut entries = Vec::new();
        // One at first: mostly it is the one before.
        let mut wanted = 1;
        while unread > 0 {
            let first = unread.saturating_sub(wanted) + 1;
            let reads = (first..=unread).rev().map(|sequence| self.entry(sequence));
            for entry in try_join_all(reads).await? {
                let is_before = entry.created_unix_ms <= unix_ms;
                entries.push(entry);
                if is_before {
                    entries.reverse();
                    return Ok(entries);
                }
            }
            (unread, wanted) = (first - 1, REQUESTS_IN_FLIGHT as u64);
        }
        entries.reverse();
        Ok(entries)
    }

    /// Returns the whole log, in order.
    pub async fn list(self) -> Result<Vec<Announcement>> {
        let last = self.end().await?;
        let entries = futures::stream::iter(1..=last).map(|sequence| self.entry(sequence));
        entries.buffered(REQUESTS_IN_FLIGHT).try_collect().await
    }

    /// Returns the sequence of the last entry, 0 if there is none.
    async fn end(self) -> Result<u64> {
        last_number(self.objects, ANNOUNCEMENTS, self.hint(None)).await
    }

    /// Returns whether the entry behind one that was just read is not there.
    async fn is_absent(self, sequence: u64) -> Result<bool> {
        match self.objects.look(&key(ANNOUNCEMENTS, sequence)).await {
            Ok(found) => Ok(found.is_none()),
            Err(Error::Denied { .. }) => {
                self.objects.saw_missing_hidden();
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the number that the search for the end of the log begins with.
    fn hint(self, hint: Option<u64>) -> u64 {
        hint.filter(|hint| *hint > 0).unwrap_or_else(|| self.objects.run.last_seen.of(ANNOUNCEMENTS))
    }

    /// Returns an entry that must exist.
    async fn entry(self, sequence: u64) -> Result<Announcement> {
        let entry = self.get(sequence).await?;
        entry.ok_or_else(|| Error::NotFound { name: self.objects.name(&key(ANNOUNCEMENTS, sequence)) })
    }
}

/// What is found near a hint.
enum Near {
    /// The last entry.
    Last(Announcement),
    /// Where to search from.
    From(u64),
}
