//! What was looked at, and what was found?

use serde::Serialize;

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Files of so many bytes are about to be hashed.
    Hashing {
        /// Of all files together.
        size: u64,
    },
    /// So many more bytes are hashed.
    Hashed {
        /// Of the file that is done.
        size: u64,
    },
    /// The records of a version are about to be walked.
    Walking {
        /// Its number.
        version: u64,
    },
}

/// What was looked at and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Files that were checked.
    pub files: usize,
    /// Live versions.
    pub versions: usize,
    /// Segments that were walked through every pointer.
    pub segments: usize,
    /// Bytes of the files.
    #[serde(rename = "bytes")]
    pub size: u64,
    /// Blobs that no live version names: of a publish that failed or is under way, or of retired versions.
    pub unreferenced_blobs: usize,
    /// Files that a writer at work or one that died left beside the place of a file.
    pub left_over_files: usize,
    /// Files that are none of a store's.
    pub foreign_files: Vec<String>,
    /// Lists of changes, one for each record type of a version, that were held against the parent's rows.
    pub changes: usize,
    /// Those that could not be, as the parent is retired or cannot be read.
    pub unchecked_changes: usize,
    /// Merge sources of merged segments that were held against the segments that they name.
    pub merges: usize,
    /// Those that could not be, as some of these segments are gone.
    pub unchecked_merges: usize,
    /// What is wrong.
    pub problems: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether there is nothing that the live versions do not need either.
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
