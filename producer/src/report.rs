//! What did a cycle do, and how long did each step take?

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
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypeReport {
    /// Its name.
    pub name: String,
    /// Live records.
    pub rows: u64,
    /// Segments written.
    pub segments: usize,
    /// Bytes of these segments.
    pub segment_bytes: u64,
    /// Bytes of their indexes.
    pub index_bytes: u64,
}

/// Durations of the steps of a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Steps {
    /// The populate closure.
    pub populate: Duration,
    /// Sorting, laying out, writing segments and indexes, storing them.
    pub write: Duration,
    /// Opening again what was stored and walking it.
    pub verify: Duration,
    /// Putting the manifest.
    pub commit: Duration,
    /// Putting the announcement.
    pub announce: Duration,
}

impl Steps {
    /// All of them.
    pub fn total(&self) -> Duration {
        self.populate + self.write + self.verify + self.commit + self.announce
    }
}
