//! How patient is a store, and how long does it keep what nobody names?

use std::time::Duration;

/// How a [`Store`](crate::Store) behaves. The default suits a local folder and a nearby bucket.
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
    /// The slowest acceptable upload: of a request that sends bytes only the end is seen, so each byte that is on its way
    /// to the store adds to the timeout at this rate. Default: 256 KiB per second.
    pub bytes_per_second_min: u64,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { grace: Duration::from_hours(1), timeout: Duration::from_mins(1), bytes_per_second_min: 256 << 10 }
    }
}

impl StoreSettings {
    /// With another grace period.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// With another timeout.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long nothing may move while so many bytes are being sent.
    pub(crate) fn patience(&self, bytes: u64) -> Duration {
        self.timeout + Duration::from_secs(bytes / self.bytes_per_second_min.max(1))
    }
}
