//! Retires versions, and puts back the manifests that the log names by then.

use bytes::Bytes;

use crate::announcement::Announcement;
use crate::error::{Error, Result};
use crate::manifests::stub;
use crate::numbered::{MANIFESTS, key};
use crate::store::Store;

impl Store {
    /// Retires the versions, but for those that the log names by the end of it. Returns the others.
    pub(crate) async fn retire_unless_named(
        &self,
        versions: Vec<u64>,
        latest: Option<&Announcement>,
    ) -> Result<Vec<u64>> {
        let mut overwritten = Vec::new();
        let mut new = Entries { next: latest.map_or(Some(1), |entry| entry.sequence.checked_add(1)), read: Vec::new() };
        let mut outcome = self.retire_all(versions, &mut new, &mut overwritten).await;
        // Read even if that failed half way, and never before the last stub is written.
        let read = self.read_on(&mut new).await;
        let latest = new.read.last().or(latest);
        let mut retired = Vec::new();
        for (version, manifest) in overwritten {
            if latest.is_some_and(|entry| entry.names(version)) {
                outcome = outcome.and(self.objects.put(&key(MANIFESTS, version), manifest).await);
            } else {
                retired.push(version);
            }
        }
        outcome.and(read)?;
        self.check_named(latest).await?;
        Ok(retired)
    }

    /// Stops if the log names a version that is retired: nobody knows which blobs that needs.
    pub(crate) async fn check_named(&self, latest: Option<&Announcement>) -> Result<()> {
        let named = latest.map_or([0, 0], |entry| [entry.announced, entry.pinned.unwrap_or(0)]);
        for version in named.into_iter().filter(|version| *version > 0) {
            match self.manifests().is_retired(version).await {
                Ok(true) => return Err(Error::NamedButRetired { version }),
                // None, or one of an entry made by hand.
                Ok(false) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Puts stubs in the place of manifests that cannot be read, that are not there, or whose blobs are lost.
    pub(crate) async fn retire_told(&self, versions: &[u64]) -> Result<()> {
        for version in versions {
            self.objects.put(&key(MANIFESTS, *version), stub()).await?;
        }
        Ok(())
    }

    /// Overwrites the manifests of the versions by stubs, and hands over what stood there before each is overwritten.
    async fn retire_all(
        &self,
        versions: Vec<u64>,
        new: &mut Entries,
        overwritten: &mut Vec<(u64, Bytes)>,
    ) -> Result<()> {
        for version in versions {
            let key = key(MANIFESTS, version);
            let Some(manifest) = self.objects.read(&key).await? else {
                return Err(Error::NotFound { name: self.objects.name(&key) });
            };
            // Should gc be killed before it reads the log again, nobody puts the manifest back: so it looks here too.
            self.read_on(new).await?;
            if new.read.iter().any(|entry| entry.names(version)) {
                continue;
            }
            overwritten.push((version, manifest));
            self.objects.put(&key, stub()).await?;
        }
        Ok(())
    }

    /// Reads the log on to its end.
    async fn read_on(&self, entries: &mut Entries) -> Result<()> {
        while let Some(next) = entries.next {
            let Some(entry) = self.announcements().get(next).await? else { break };
            entries.read.push(entry);
            entries.next = next.checked_add(1);
        }
        Ok(())
    }
}

/// What was appended to the log since gc read it first.
struct Entries {
    next: Option<u64>,
    read: Vec<Announcement>,
}
