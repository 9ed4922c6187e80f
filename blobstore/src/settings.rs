//! Settings of a store: how long it waits, and how long it keeps what no version names.

use std::time::Duration;

/// Settings of a [`Store`](crate::Store). The default suits a local folder and a nearby bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreSettings {
    /// How long a blob that no manifest names, and a version that consumers left, are safe from
    /// [`gc`](crate::Store::gc). A blob found already present but
    /// older than half of it is put again. Default: one hour.
    pub grace: Duration,
    /// How long the store may be silent: any one reply, or the next piece of a transfer while no other transfer moves
    /// either. A transfer that moves may last as long as it needs. Default: 60 seconds.
    pub timeout: Duration,
    /// The slowest acceptable upload: of a request that sends bytes only the end is seen, so each byte that is on its
    /// way to the store adds to the timeout at this rate. Default: 256 KiB per second.
    pub bytes_per_second_min: u64,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { grace: Duration::from_hours(1), timeout: Duration::from_mins(1), bytes_per_second_min: 256 << 10 }
    }
}

impl StoreSettings {
    /// Sets the grace period.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets the timeout.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns how long nothing may move while so many bytes are being sent.
    pub(crate) fn patience(&self, uploading_bytes: u64) -> Duration {
        self.timeout + Duration::from_secs(uploading_bytes / self.bytes_per_second_min.max(1))
    }
}

/// What [`Store::gc`](crate::Store::gc) keeps and deletes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct GcSettings {
    /// Number of the newest versions to keep. The head, the announced and the pinned one stay in any case.
    pub keep: usize,
    /// How long a version that consumers left, and a blob that no version names, are kept. `None`: as long as the
    /// store's [`StoreSettings::grace`]. Less than that asks for `no_writers`.
    pub grace: Option<Duration>,
    /// No producer is at work, nor will one be before gc is done: a shorter grace period than that of the store is
    /// safe.
    pub no_writers: bool,
    /// Versions to retire whatever their age, since their manifests cannot be read or are not there, or since blobs of
    /// theirs are lost.
    pub retire_unreadable: Vec<u64>,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
}

impl GcSettings {
    /// Keeps so many of the newest versions.
    #[must_use]
    pub fn with_keep(mut self, keep: usize) -> Self {
        self.keep = keep;
        self
    }

    /// Sets another grace period than that of the store.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Declares that no producer is at work.
    #[must_use]
    pub fn with_no_writers(mut self) -> Self {
        self.no_writers = true;
        self
    }

    /// Retires these versions although they cannot be read or lack blobs.
    #[must_use]
    pub fn with_retire_unreadable(mut self, versions: Vec<u64>) -> Self {
        self.retire_unreadable = versions;
        self
    }

    /// Reports what would be done, and does nothing.
    #[must_use]
    pub fn with_dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }
}
