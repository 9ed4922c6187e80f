//! Settings of a producer.

use kapok_core::segment::SealSettings;

use crate::announcement::AnnouncementListener;
use crate::graphs::GraphListener;
use crate::merge_policy::MergePolicy;
use crate::validate::Validator;

/// Settings of a producer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProducerSettings {
    /// Name of the publisher, for people, in manifests and announcements.
    pub writer: String,
    /// How segments are cut.
    pub seal: SealSettings,
    /// Whether a version is announced as soon as it is committed.
    pub announce_mode: AnnounceMode,
    /// How stored files are checked before the commit.
    pub verification: Verification,
    /// Conditions that a version must fulfil before it is committed.
    pub validators: Vec<Validator>,
    /// Whether a cycle merges segments after its announcement.
    pub merge_schedule: MergeSchedule,
    /// Bounds that merges keep.
    pub merge_policy: MergePolicy,
    /// Is told how far graphs of vectors are. Default: nobody.
    pub graph_listener: Option<GraphListener>,
    /// Is told of each announcement that is made, so that consumers get a hint. Default: nobody.
    pub announcement_listener: Option<AnnouncementListener>,
}

/// When committed versions are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AnnounceMode {
    /// As soon as they are committed.
    #[default]
    Always,
    /// Not by this producer.
    Never,
}

/// When segments are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MergeSchedule {
    /// At the end of each cycle, if a merge is due.
    #[default]
    AfterCycles,
    /// Only by calls of [`Producer::merge`](crate::Producer::merge).
    Manual,
}

/// How stored files are checked before the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Verification {
    /// They are walked through every pointer in memory. In a folder they are opened again and compared with that; of another
    /// store the lengths are asked.
    #[default]
    Full,
    /// As [`Full`](Self::Full), but what was put into a store that is not a folder is downloaded again and compared.
    Download,
    /// In a folder they are opened again, which checks lengths, headers and roots; of another store the lengths are asked.
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
            graph_listener: None,
            announcement_listener: None,
        }
    }
}
