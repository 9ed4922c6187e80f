//! Names of blobs: the hash, and the kind that gives the folder.

use std::fmt;
use std::str::FromStr;

use kapok_core::manifest::blob_hash;

use crate::error::{Error, Result};

/// The BLAKE3 hash of a blob's bytes: its identity and its file name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId([u8; 32]);

impl BlobId {
    /// Returns the id of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(blob_hash(bytes))
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for BlobId {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

impl FromStr for BlobId {
    type Err = Error;

    /// Reads 64 lower-case hexadecimal digits, and nothing else.
    fn from_str(text: &str) -> Result<Self> {
        let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
        match blake3::Hash::from_hex(text) {
            Ok(hash) if !upper => Ok(Self(*hash.as_bytes())),
            _ => Err(Error::Argument {
                argument: "blob_id",
                found: text.to_owned(),
                expected: "64 lower-case hexadecimal digits",
            }),
        }
    }
}

/// What a blob is for; each kind has its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlobKind {
    /// Rows: `segments/`.
    Segment,
    /// An index artifact: `indexes/`.
    Index,
    /// Dead rows too many for the manifest: `tombstones/`.
    Tombstones,
}

impl BlobKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Segment, Self::Index, Self::Tombstones];

    /// Returns the name of the folder, without slashes.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Segment => "segments",
            Self::Index => "indexes",
            Self::Tombstones => "tombstones",
        }
    }

    /// Returns the blob's name relative to the store.
    pub(crate) fn key(self, id: BlobId) -> String {
        format!("{}/{id}", self.folder())
    }
}

/// A stored blob as a listing shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its id.
    pub id: BlobId,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written, in milliseconds since 1970.
    pub modified_unix_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_way_through_text() {
        let id = BlobId::of(b"kapok");
        assert_eq!(id.to_string().parse::<BlobId>().expect("parses"), id);
        assert_eq!(BlobId::from(*id.as_bytes()), id);
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        let upper = BlobId::of(b"kapok").to_string().to_uppercase();
        for text in ["", "abc", upper.as_str(), &"g".repeat(64), &"a".repeat(65)] {
            assert!(text.parse::<BlobId>().is_err(), "{text}");
        }
    }
}
