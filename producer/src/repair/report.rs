//! What was lost, what was put back, and what stays lost?

use std::collections::HashSet;

use kapok_blobstore::FileKind;
use kapok_core::manifest::Manifest;

use super::BlobName;

/// What a [`repair`](super::repair()) found and did.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RepairReport {
    /// Nothing was put.
    pub dry_run: bool,
    /// Live versions that were looked at, those that were put back included.
    pub versions: usize,
    /// Blobs that they name.
    pub blobs: usize,
    /// Files that were missing or damaged, and what became of each.
    pub lost: Vec<Lost>,
    /// What could not be read of which version.
    pub losses: Vec<Loss>,
    /// What else is to be known: why a second store was not used, for example.
    pub notes: Vec<String>,
    /// The version that consumers should be on; 0 for none.
    pub announced: u64,
    /// The newest version that is whole by now.
    pub newest_whole: Option<u64>,
}

/// A file that was missing or damaged.
#[derive(Debug, Clone)]
pub struct Lost {
    /// Its name, relative to the store.
    pub name: String,
    /// What it is.
    pub what: FileKind,
    /// What is wrong with it.
    pub trouble: String,
    /// The live versions that need it.
    pub versions: Vec<u64>,
    /// Where it came from; `None` where it stays lost.
    pub remedy: Option<Remedy>,
}

/// Where a file came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// A file of the store under another name.
    Copy(String),
    /// The second store.
    SecondStore,
    /// The segments that it was merged from.
    MergedAgain,
    /// Its segment.
    Segment,
    /// What other versions say.
    OtherVersions,
    /// It holds nothing that was not known.
    Known,
}

impl Lost {
    /// What is said of a file that is not there.
    pub(super) const MISSING: &str = "missing";

    /// Whether the file was not there at all.
    pub fn is_missing(&self) -> bool {
        self.trouble.starts_with(Self::MISSING)
    }
}

impl Remedy {
    /// In words.
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
    /// Its live rows in segments that are lost, or whose indexes or tombstones are.
    pub rows: u64,
    /// All its live rows.
    pub of: u64,
    /// The blobs that it lacks; none is left where all were put back.
    pub(crate) blobs: HashSet<BlobName>,
}

impl Loss {
    /// Whether all of it is back.
    pub fn is_mended(&self) -> bool {
        self.blobs.is_empty()
    }
}

impl RepairReport {
    /// Whether nothing stays lost. After a dry run: whether nothing would.
    pub fn is_whole(&self) -> bool {
        self.lost.iter().all(|file| file.remedy.is_some())
    }

    /// Whether the version's manifest was put back, or would be.
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
