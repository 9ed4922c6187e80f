//! What a repair found lost, what it put back, and what stays lost.

use std::collections::HashSet;

use kapok_blobstore::FileKind;
use kapok_core::manifest::Manifest;

use super::BlobName;

/// Outcome of a [`repair`](super::repair()).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RepairReport {
    /// Whether this was a dry run, which puts nothing.
    pub dry_run: bool,
    /// Number of live versions that were checked, those that were put back included.
    pub versions: usize,
    /// Number of blobs that they name.
    pub blobs: usize,
    /// Files that were missing or damaged, each with its remedy.
    pub lost: Vec<LostFile>,
    /// Record types that could not be read, by version.
    pub losses: Vec<Loss>,
    /// Remarks for people: why a second store was not used, for example.
    pub notes: Vec<String>,
    /// The version that consumers should be on; 0 for none.
    pub announced: u64,
    /// The newest version that is whole after the repair.
    pub newest_whole: Option<u64>,
}

/// A file that was missing or damaged.
#[derive(Debug, Clone)]
pub struct LostFile {
    /// Its name, relative to the store.
    pub name: String,
    /// What it is.
    pub what: FileKind,
    /// What is wrong with it.
    pub trouble: String,
    /// The live versions that need it.
    pub versions: Vec<u64>,
    /// What it was made again from; `None` if it stays lost.
    pub remedy: Option<Remedy>,
}

/// What a lost file was made again from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// A file of the same store under another name.
    Copy(String),
    /// The second store.
    SecondStore,
    /// The segments that it was merged from.
    MergedAgain,
    /// Its segment.
    Segment,
    /// The tombstones and changes of other versions.
    OtherVersions,
    /// Nothing: its contents are known.
    Known,
}

impl LostFile {
    /// The `trouble` of a file that is not there.
    pub(super) const MISSING: &str = "missing";

    /// Returns whether the file was not there at all.
    pub fn is_missing(&self) -> bool {
        self.trouble.starts_with(Self::MISSING)
    }
}

impl Remedy {
    /// Describes the remedy in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Copy(name) => format!("copied from {name}"),
            Self::SecondStore => "from the second store".to_owned(),
            Self::MergedAgain => "merged again from its sources".to_owned(),
            Self::Segment => "built again from its segment".to_owned(),
            Self::OtherVersions => "derived from other versions".to_owned(),
            Self::Known => "made anew".to_owned(),
        }
    }
}

/// A record type of a version that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// The version.
    pub version: u64,
    /// The record type.
    pub record_type: String,
    /// Number of its live rows in segments that are lost, or whose indexes or tombstones are.
    pub rows: u64,
    /// Number of all its live rows.
    pub of: u64,
    /// The blobs that it still lacks.
    pub(crate) blobs: HashSet<BlobName>,
}

impl Loss {
    /// Returns whether all of its blobs were put back.
    pub fn is_mended(&self) -> bool {
        self.blobs.is_empty()
    }
}

impl RepairReport {
    /// Returns whether nothing stays lost, or after a dry run, would stay lost.
    pub fn is_whole(&self) -> bool {
        self.lost.iter().all(|file| file.remedy.is_some())
    }

    /// Returns whether the version's manifest was put back, or would be.
    pub(super) fn is_new(&self, version: u64) -> bool {
        self.lost.iter().any(|file| file.what == FileKind::Manifest(version))
    }

    pub(super) fn mark_mended(&mut self, name: BlobName) {
        for loss in &mut self.losses {
            loss.blobs.remove(&name);
        }
    }

    pub(super) fn find_newest_whole(&mut self, manifests: &[Manifest]) {
        let is_whole = |version: u64| self.losses.iter().all(|loss| loss.version != version || loss.is_mended());
        self.newest_whole = manifests.iter().map(|manifest| manifest.version).rev().find(|version| is_whole(*version));
    }
}
