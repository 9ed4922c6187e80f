//! The golden stores: how they were made, and what is in them. See `tests/golden/README.md`.
//!
//! Two tests stand on this: today's code reads the stores that were written at the time, and today's code, given the
//! same records, writes the same segments and indexes.

use std::path::{Path, PathBuf};

mod alike;
mod description;
mod filters;
mod grown;
mod history;
mod keys;
mod kinds;
mod rows;
mod vectors;
mod words;

pub use description::{Description, describe, pinned, records};
pub use history::{Change, Part};
pub use keys::KEYS;

/// A folder of golden stores, by what writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Indexes are not bound to their segments, and record types have that of the primary key alone.
    V1,
    /// Keys have revision 0.
    V2,
    /// Keys of several fields with a text before the last one have revision 1.
    V3,
    /// Fields of vectors may have graphs and codes.
    V4,
}

/// A committed golden store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Which.
    pub golden: Golden,
    /// How it was written.
    pub written: Written,
}

impl Stored {
    /// Returns all of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let of = |written| Golden::ALL.into_iter().map(move |golden| Self { golden, written });
        let all = [Written::V1, Written::V2, Written::V3, Written::V4].into_iter().flat_map(of);
        all.filter(|stored| stored.golden.written().contains(&stored.written))
    }

    /// Returns those that today's code writes.
    pub fn newest() -> impl Iterator<Item = Self> {
        Self::all().filter(|stored| stored.golden.written().last() == Some(&stored.written))
    }

    /// The committed store.
    pub fn store(self) -> PathBuf {
        self.folder().join("store")
    }

    /// The folder of the committed description.
    pub fn expected(self) -> PathBuf {
        self.folder().join("expected")
    }

    fn folder(self) -> PathBuf {
        let written = match self.written {
            Written::V1 => "v1",
            Written::V2 => "v2",
            Written::V3 => "v3",
            Written::V4 => "v4",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(written).join(self.golden.name())
    }
}

/// A golden store, whoever wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Golden {
    /// Every kind of field, with and without sharing, a full cycle, changes and a merge.
    Kinds,
    /// Every kind of primary key; versions that are retired, and a merged segment whose sources are gone.
    Keys,
    /// Dead rows in every form, a rollback, a pin, an abandoned version and one that is not announced.
    Rows,
    /// Schemas that were declared, inferred and derived, and that grew, lost fields and types, and were replaced.
    Grown,
    /// Texts of several scripts, with text indexes. In `v2` alone.
    Words,
    /// Indexes with filters, and keys of several fields with odd bytes. Not in `v1`.
    Filters,
    /// Keys of several fields that key revision 0 encodes alike. In `v3` alone.
    Alike,
    /// Vectors of several kinds with graphs and codes. In `v4` alone.
    Vectors,
}

impl Golden {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Kinds, Self::Keys, Self::Rows, Self::Grown, Self::Words, Self::Filters, Self::Alike, Self::Vectors];

    /// The folders that it is in, oldest first: a new one if its bytes have changed since.
    fn written(self) -> &'static [Written] {
        match self {
            Self::Kinds | Self::Rows | Self::Grown => &[Written::V1, Written::V2],
            Self::Keys => &[Written::V1, Written::V2, Written::V3],
            Self::Words => &[Written::V2],
            Self::Filters => &[Written::V2, Written::V3],
            Self::Alike => &[Written::V3],
            Self::Vectors => &[Written::V4],
        }
    }

    /// Name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kinds => "kinds",
            Self::Keys => "keys",
            Self::Rows => "rows",
            Self::Grown => "grown",
            Self::Words => "words",
            Self::Filters => "filters",
            Self::Alike => "alike",
            Self::Vectors => "vectors",
        }
    }

    /// Writes the store anew, to an empty folder.
    ///
    /// # Panics
    /// If it cannot be written.
    pub async fn write(self, folder: &Path) {
        match self {
            Self::Kinds => kinds::write(folder).await,
            Self::Keys => keys::write(folder).await,
            Self::Rows => rows::write(folder).await,
            Self::Grown => grown::write(folder).await,
            Self::Words => words::write(folder).await,
            Self::Filters => filters::write(folder).await,
            Self::Alike => alike::write(folder).await,
            Self::Vectors => vectors::write(folder).await,
        }
    }

    /// Changes to the newest version, for whoever continues the store.
    pub fn next_changes(self) -> Vec<Change> {
        match self {
            Self::Kinds => kinds::next_changes(),
            Self::Keys => keys::next_changes(),
            Self::Rows => rows::next_changes(),
            Self::Grown => grown::next_changes(),
            Self::Words => words::next_changes(),
            Self::Filters => filters::next_changes(),
            Self::Alike => alike::next_changes(),
            Self::Vectors => vectors::next_changes(),
        }
    }

    /// Continues a copy of the store: makes a version of [`next_changes`](Self::next_changes), and merges each record
    /// type into one segment.
    ///
    /// # Panics
    /// If that fails.
    pub async fn go_on(self, folder: &Path) {
        history::go_on(folder, &self.next_changes()).await;
    }
}
