//! Progress and findings of a check.

use serde::Serialize;

/// Progress of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Files are about to be hashed.
    Hashing {
        /// Bytes of all files together.
        size: u64,
    },
    /// A file was hashed.
    Hashed {
        /// Bytes of the file.
        size: u64,
    },
    /// The records of a version are about to be walked.
    Walking {
        /// Its number.
        version: u64,
    },
}

/// Findings of a check, and how much was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Number of files that were checked.
    pub files: usize,
    /// Number of live versions.
    pub versions: usize,
    /// Number of segments that were walked through every pointer.
    pub segments: usize,
    /// Bytes of the files.
    #[serde(rename = "bytes")]
    pub size: u64,
    /// Number of blobs that no live version names: of a publish that failed or is under way, or of retired versions.
    pub unreferenced_blobs: usize,
    /// Number of temporary files of writers, at work or dead.
    pub left_over_files: usize,
    /// Names of files that do not belong to a store.
    pub foreign_files: Vec<String>,
    /// Number of lists of changes, one for each record type of a version, that were checked against the parent's rows.
    pub changes: usize,
    /// Number of lists of changes that were not checked because the parent is retired or cannot be read.
    pub unchecked_changes: usize,
    /// Number of merged segments that were checked against their merge sources.
    pub merges: usize,
    /// Number of merged segments that were not checked because some of their sources are gone.
    pub unchecked_merges: usize,
    /// What is wrong, in words.
    pub problems: Vec<String>,
}

impl Report {
    /// Returns whether nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }

    /// Returns whether the store holds no files that live versions do not need.
    pub fn is_tidy(&self) -> bool {
        self.unreferenced_blobs == 0 && self.left_over_files == 0 && self.foreign_files.is_empty()
    }

    pub(crate) fn problem(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.problems.contains(&text) {
            self.problems.push(text);
        }
    }
}
