//! Settings of a producer.

use kapok_core::segment::SealSettings;

use crate::merge_policy::MergePolicy;
use crate::validate::Validator;

/// How a producer works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProducerSettings {
    /// Who publishes, for people: stands in manifests and announcements.
    pub writer: String,
    /// How segments are cut.
    pub seal: SealSettings,
    /// Whether a version is announced as soon as it is committed.
    pub announce_mode: AnnounceMode,
    /// How stored bytes are checked before the commit.
    pub verification: Verification,
    /// What must hold of a version before it is committed.
    pub validators: Vec<Validator>,
    /// Whether a cycle merges segments once it has announced.
    pub merge_schedule: MergeSchedule,
    /// When segments are merged.
    pub merge_policy: MergePolicy,
}

/// Whether versions are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AnnounceMode {
    /// As soon as they are committed.
    #[default]
    Always,
    /// By somebody else, later.
    Never,
}

/// Who merges segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MergeSchedule {
    /// Each cycle, where it is time to, after its announcement.
    #[default]
    AfterCycles,
    /// Whoever calls [`Producer::merge`](crate::Producer::merge).
    Manual,
}

/// How stored bytes are checked before the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Verification {
    /// Opened again from the store, hashed, and walked through every pointer.
    #[default]
    Full,
    /// Opened again from the store: lengths, headers and roots.
    Open,
}

impl Default for ProducerSettings {
    fn default() -> Self {
        let writer = std::env::var("USER").unwrap_or_else(|_| "producer".to_owned());
        Self {
            writer: format!("{writer} pid={}", std::process::id()),
            seal: SealSettings::default(),
            announce_mode: AnnounceMode::default(),
            verification: Verification::default(),
            validators: Vec::new(),
            merge_schedule: MergeSchedule::default(),
            merge_policy: MergePolicy::default(),
        }
    }
}
