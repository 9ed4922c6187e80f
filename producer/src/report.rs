//! What a cycle did, and how long each step took.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::graphs::GraphReport;

/// Outcome of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CycleReport {
    /// Whether there is a new version.
    pub outcome: Outcome,
    /// Record types that the cycle wrote.
    pub types: Vec<TypeReport>,
    /// Durations of the steps.
    pub steps: Steps,
    /// Bytes of blobs that the store did not have yet.
    pub bytes_written: u64,
    /// Graphs of vectors that were built, without those of merges.
    pub graphs: GraphReport,
    /// What was merged after the announcement, as versions of their own.
    pub merged: Option<MergeReport>,
    /// Why a merge failed that was due. The cycle itself succeeded, and the next one tries again.
    pub merge_error: Option<String>,
    /// Findings that need attention although the cycle succeeded: an entry of the log that names a version which is not
    /// there, a record type that cannot be read and was carried over as it is.
    pub warnings: Vec<String>,
}

/// Outcome of merges.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeReport {
    /// The version that holds the merged segments; the last one if there were several.
    pub version: u64,
    /// Number of segments that were merged.
    pub inputs: usize,
    /// Number of segments that were written.
    pub outputs: usize,
    /// Bytes of the segments that were written, without their indexes.
    pub segment_bytes: u64,
    /// Bytes of blobs that the store did not have yet.
    pub bytes_written: u64,
    /// Graphs of vectors that were built.
    pub graphs: GraphReport,
    /// Time from planning to the announcement.
    pub duration: Duration,
}

impl MergeReport {
    /// Adds up this merge and the next one.
    pub(crate) fn and(self, next: &Self) -> Self {
        Self {
            version: next.version,
            inputs: self.inputs + next.inputs,
            outputs: self.outputs + next.outputs,
            segment_bytes: self.segment_bytes + next.segment_bytes,
            bytes_written: self.bytes_written + next.bytes_written,
            graphs: self.graphs.and(next.graphs),
            duration: self.duration + next.duration,
        }
    }
}

/// Whether a cycle made a version.
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
    /// Returns the version that holds what the cycle was given.
    pub fn version(self) -> u64 {
        match self {
            Self::Published { version } | Self::Unchanged { version } => version,
        }
    }
}

/// What a cycle did to a record type.
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
    /// Whether the type was published anew: records were not compared by key, so all of those before count as removed,
    /// all of those now as added.
    pub replaced: bool,
    /// Records of an incremental cycle that a later one of the same key, in the same cycle, took the place of.
    pub superseded: u64,
    /// Fields that the type's schema gained, if the version before has the type: `Package.verison Text`.
    pub grown: Vec<String>,
    /// Number of segments that were written.
    pub segments: usize,
    /// Bytes of these segments, without their indexes.
    pub segment_bytes: u64,
    /// Bytes of their indexes.
    pub index_bytes: u64,
    /// How often a number, Bool or enum was absent and took its default, by type and field.
    ///
    /// Only fields that the schema cannot call null are counted. Records of generated types always have all fields.
    pub absent: BTreeMap<String, u64>,
}

/// Durations of the steps of a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Steps {
    /// Running the populate closure.
    pub populate: Duration,
    /// Sorting, and comparing with the version before.
    pub compare: Duration,
    /// Laying out, storing and checking segments and indexes.
    pub write: Duration,
    /// Opening the stored version.
    pub verify: Duration,
    /// Running the validators.
    pub validate: Duration,
    /// Putting the manifest.
    pub commit: Duration,
    /// Putting the announcement.
    pub announce: Duration,
}

impl Steps {
    /// Adds up all steps.
    pub fn total(&self) -> Duration {
        self.populate + self.compare + self.write + self.verify + self.validate + self.commit + self.announce
    }
}
