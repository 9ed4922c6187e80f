//! Announces committed versions, unless a rollback was made since their base was chosen.

use std::fmt;
use std::sync::Arc;

use kapok_blobstore::{Announcement, OwnAnnouncement};

use crate::base::{Base, unreadable};
use crate::error::{Error, Result};
use crate::producer::Producer;
use crate::settings::AnnounceMode;

/// Is told of each entry that a producer has written to the announcement log, right after it is there.
///
/// What it sends, by whatever carries messages, consumers take as a hint to look now: see `Consumer::follow_hints`. It is called
/// by the producer's task, so it should return soon, and what it fails at is its own to tell: the version is announced already.
#[derive(Clone)]
pub struct AnnouncementListener(Arc<dyn Fn(&Announcement) + Send + Sync>);

impl AnnouncementListener {
    /// Makes a listener of a closure, which should return soon.
    pub fn new(tell: impl Fn(&Announcement) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for AnnouncementListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnnouncementListener")
    }
}

const LEFT_OVER: &str = "committed earlier, and left unannounced";

impl Producer {
    /// Announces the newest version if its producer died before it could, and returns its number.
    ///
    /// A version that is unannounced because of a rollback stays so.
    ///
    /// # Errors
    /// `Unavailable` if the store fails.
    pub async fn announce_left_over(&self) -> Result<Option<u64>> {
        let latest = self.store.announcements().latest(None).await?;
        // An announced version above the head was never committed; the next cycle warns and announces another.
        let highest = latest.map_or(0, |latest| latest.highest);
        let Some(head) = self.store.manifests().newer_than(highest).await? else { return Ok(None) };
        let manifest = match self.store.manifests().read(head).await {
            Ok(manifest) => manifest,
            Err(kapok_blobstore::Error::Retired { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !manifest.announce_itself {
            return Ok(None);
        }
        let writer = self.settings.writer.as_str();
        match self.store.announcements().announce_own(head, manifest.log_sequence, writer, LEFT_OVER).await? {
            OwnAnnouncement::Made(entry) => {
                self.tell_of(&entry);
                Ok(Some(entry.announced))
            }
            _ => Ok(None),
        }
    }

    /// Announces a version that this producer has committed.
    ///
    /// # Errors
    /// [`Error::Committed`] for every failure, and if a rollback was made meanwhile.
    pub(crate) async fn announce(&self, version: u64, base: &Base, reason: &str) -> Result<Vec<String>> {
        if self.settings.announce_mode == AnnounceMode::Never {
            return Ok(base
                .is_astray
                .then(|| astray(base, "nothing is announced by this producer"))
                .into_iter()
                .collect());
        }
        let announced = self.announce_current(version, base, reason).await;
        announced.map_err(|source| Error::Committed { version, source: Box::new(source) })
    }

    /// Announces the current version in a cycle that made none, if consumers are not on it or cannot get there.
    pub(crate) async fn announce_unchanged(&self, base: &Base) -> Result<Vec<String>> {
        if base.is_astray {
            if self.settings.announce_mode == AnnounceMode::Never {
                return Ok(vec![astray(base, "nothing is announced by this producer")]);
            }
            return self.announce_current(base.current, base, "the version announced before it is not there").await;
        }
        let latest = base.latest.as_ref();
        if let Some(latest) = latest.filter(|latest| base.is_held && latest.announced == base.current) {
            // It may have been mapped long ago; a consumer that starts now has to read it.
            let read = self.store.manifests().read(latest.announced).await;
            read.map_err(|error| unreadable(latest, error.into()))?;
        }
        self.announce_left_over().await?;
        Ok(self.warn_of_pin(latest).await)
    }

    async fn announce_current(&self, version: u64, base: &Base, reason: &str) -> Result<Vec<String>> {
        let writer = self.settings.writer.as_str();
        let (outcome, entry) = match self
            .store
            .announcements()
            .announce_own(version, base.log_sequence(), writer, reason)
            .await?
        {
            OwnAnnouncement::AfterRollback(rollback) => {
                let Announcement { announced, sequence, by, .. } = rollback;
                return Err(Error::RolledBackMeanwhile { version, announced, sequence, by });
            }
            OwnAnnouncement::Made(entry) => {
                self.tell_of(&entry);
                (format!("version {version} is announced in its place"), entry)
            }
            OwnAnnouncement::Already(entry) => {
                let outcome = format!(
                    "version {version} made now has that number, so start consumers anew that are on the one that is lost"
                );
                (outcome, entry)
            }
            _ => return Ok(Vec::new()),
        };
        let mut warnings: Vec<String> = base.is_astray.then(|| astray(base, &outcome)).into_iter().collect();
        if entry.announced > version
            && let Err(error) = self.store.manifests().read(entry.announced).await
        {
            let Announcement { sequence, announced, .. } = entry;
            warnings.push(format!(
                "entry {sequence} of the log announces version {announced}, which cannot be read, so consumers stay \
                 where they are: {error}; to bring them to this one: kapok rollback {version}"
            ));
        }
        warnings.extend(self.warn_of_pin(Some(&entry)).await);
        Ok(warnings)
    }

    fn tell_of(&self, entry: &Announcement) {
        if let Some(AnnouncementListener(tell)) = &self.settings.announcement_listener {
            tell(entry);
        }
    }

    /// Warns of a pin on a version that cannot be read.
    async fn warn_of_pin(&self, latest: Option<&Announcement>) -> Vec<String> {
        let Some((latest, pinned)) = latest.and_then(|latest| Some((latest, latest.pinned?))) else {
            return Vec::new();
        };
        let Err(error) = self.store.manifests().read(pinned).await else { return Vec::new() };
        vec![format!(
            "entry {} of the log pins version {pinned}, which cannot be read, so consumers stay where they are: {error}; \
             to let them follow: kapok unpin",
            latest.sequence
        )]
    }
}

fn astray(base: &Base, outcome: &str) -> String {
    let (sequence, announced) = base.latest.as_ref().map_or((0, 0), |latest| (latest.sequence, latest.announced));
    format!("entry {sequence} of the log announces version {announced}, which is not there; {outcome}")
}
