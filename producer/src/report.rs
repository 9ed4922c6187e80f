//! What did a cycle do, and how long did each step take?

use std::collections::BTreeMap;
use std::time::Duration;

/// Outcome of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CycleReport {
    /// What came of it.
    pub outcome: Outcome,
    /// Record types that the cycle wrote.
    pub types: Vec<TypeReport>,
    /// Durations of the steps.
    pub steps: Steps,
    /// Bytes of blobs that the store did not have yet.
    pub bytes_written: u64,
    /// What was merged after the announcement, in versions of their own.
    pub merged: Option<MergeReport>,
    /// Why nothing was merged although it was time to; the cycle itself is done. The next cycle tries again.
    pub merge_error: Option<String>,
    /// What somebody should look at although the cycle is done: an entry of the log that names a version which is not
    /// there, a record type that cannot be read and was carried over as it is.
    pub warnings: Vec<String>,
}

/// What merges did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeReport {
    /// The version that holds the merged segments, the last one where there were several.
    pub version: u64,
    /// Segments that were merged.
    pub inputs: usize,
    /// Segments that were written.
    pub outputs: usize,
    /// Bytes of the segments that were written, without their indexes.
    pub segment_bytes: u64,
    /// Bytes of blobs that the store did not have yet.
    pub bytes_written: u64,
    /// From planning to the announcement.
    pub duration: Duration,
}

impl MergeReport {
    /// This merge and the next one together.
    pub(crate) fn and(self, next: &Self) -> Self {
        Self {
            version: next.version,
            inputs: self.inputs + next.inputs,
            outputs: self.outputs + next.outputs,
            segment_bytes: self.segment_bytes + next.segment_bytes,
            bytes_written: self.bytes_written + next.bytes_written,
            duration: self.duration + next.duration,
        }
    }
}

/// What came of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new version.
    Published {
        /// Its number.
        version: u64,
    },
    /// Nothing differs from the newest version, so there is no new one.
    Unchanged {
        /// The newest version.
        version: u64,
    },
}

impl Outcome {
    /// The version that holds what the cycle was given.
    pub fn version(self) -> u64 {
        match self {
            Self::Published { version } | Self::Unchanged { version } => version,
        }
    }
}

/// A record type of a cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypeReport {
    /// Its name.
    pub name: String,
    /// Live records.
    pub rows: u64,
    /// Records that the version before did not have.
    pub added: u64,
    /// Records that differ from those of the version before.
    pub updated: u64,
    /// Records of the version before that are gone.
    pub removed: u64,
    /// The type was published anew, and records were not compared by key: all of before count as removed, all of now as
    /// added.
    pub replaced: bool,
    /// What the type's schema grew by, where the version before has the type: `Package.verison Text`.
    pub grown: Vec<String>,
    /// Segments written.
    pub segments: usize,
    /// Bytes of these segments.
    pub segment_bytes: u64,
    /// Bytes of their indexes.
    pub index_bytes: u64,
    /// Numbers, Bools and enums that values did not give and that took their defaults, since the schema cannot call them
    /// null: how often, by type and field. Records of generated types always have all fields.
    pub absent: BTreeMap<String, u64>,
}

/// Durations of the steps of a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Steps {
    /// The populate closure.
    pub populate: Duration,
    /// Sorting, and comparing with the version before.
    pub compare: Duration,
    /// Laying out, writing segments and indexes, storing them.
    pub write: Duration,
    /// Opening again what was stored and walking it.
    pub verify: Duration,
    /// The validators.
    pub validate: Duration,
    /// Putting the manifest.
    pub commit: Duration,
    /// Putting the announcement.
    pub announce: Duration,
}

impl Steps {
    /// All of them.
    pub fn total(&self) -> Duration {
        self.populate + self.compare + self.write + self.verify + self.validate + self.commit + self.announce
    }
}
