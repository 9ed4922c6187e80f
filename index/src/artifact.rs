//! The header that every artifact begins with: its kind, its length, and what it is bound to.
//!
//! An artifact is bound to one segment and one index, so that it is not taken for another's: a foreign index would miss
//! records without a word. FORMAT.md tells the bytes in its section "Artifacts".

use kapok_core::manifest::Id;
use kapok_core::{Error, Result};

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 64;
const ROWS_AT: usize = 8;
const WORD_AT: usize = 12;
const NUMBERS_AT: [usize; 2] = [16, 24];
const SEGMENT_AT: usize = 32;
const SPEC_AT: usize = 48;

/// First bytes of a hash: enough to tell any two apart.
pub(crate) type Tag = [u8; 16];

/// The segment that an artifact belongs to and the index that it is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    segment: Tag,
    spec: Tag,
}

impl Binding {
    /// Binds to a segment, by its id, and an index, by [`Index::hash`](crate::Index::hash).
    pub fn new(segment: &Id, index: &Id) -> Self {
        Self { segment: tag(segment), spec: tag(index) }
    }
}

fn tag(id: &Id) -> Tag {
    let mut out = Tag::default();
    out.copy_from_slice(&id[..size_of::<Tag>()]);
    out
}

/// What a header says beside magic and binding. Each kind gives its numbers a meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub rows: u32,
    pub word: u32,
    pub numbers: [u64; 2],
}

impl Header {
    pub(crate) fn encode(&self, magic: [u8; 8], binding: &Binding) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..ROWS_AT].copy_from_slice(&magic);
        out[ROWS_AT..WORD_AT].copy_from_slice(&self.rows.to_le_bytes());
        out[WORD_AT..NUMBERS_AT[0]].copy_from_slice(&self.word.to_le_bytes());
        out[NUMBERS_AT[0]..NUMBERS_AT[1]].copy_from_slice(&self.numbers[0].to_le_bytes());
        out[NUMBERS_AT[1]..SEGMENT_AT].copy_from_slice(&self.numbers[1].to_le_bytes());
        out[SEGMENT_AT..SPEC_AT].copy_from_slice(&binding.segment);
        out[SPEC_AT..].copy_from_slice(&binding.spec);
        out
    }

    /// Reads a header, and checks magic, rows and binding. `name`: what errors call the artifact.
    pub(crate) fn decode(name: &str, bytes: &[u8], magic: [u8; 8], rows: u32, binding: &Binding) -> Result<Self> {
        let header = Self::decode_unbound(name, bytes, magic, rows)?;
        let (segment, spec) = (field(bytes, SEGMENT_AT), field(bytes, SPEC_AT));
        if segment != binding.segment {
            return Err(foreign(name, SEGMENT_AT, "the index of segment", &binding.segment, &segment));
        }
        if spec != binding.spec {
            return Err(foreign(name, SPEC_AT, "an index of hash", &binding.spec, &spec));
        }
        Ok(header)
    }

    /// Reads a header of a kind that was not bound.
    pub(crate) fn decode_unbound(name: &str, bytes: &[u8], magic: [u8; 8], rows: u32) -> Result<Self> {
        let corrupt = |at: usize, expected: String, found: String| Error::corrupt(name, at as u64, expected, found);
        if bytes.len() < HEADER_BYTES {
            let expected = format!("a header of {HEADER_BYTES} bytes");
            return Err(corrupt(bytes.len(), expected, format!("{} bytes", bytes.len())));
        }
        if bytes[..ROWS_AT] != magic {
            let found = bytes[..ROWS_AT].escape_ascii().to_string();
            return Err(corrupt(0, format!("magic {}", magic.escape_ascii()), found));
        }
        let header = Self {
            rows: u32::from_le_bytes(field(bytes, ROWS_AT)),
            word: u32::from_le_bytes(field(bytes, WORD_AT)),
            numbers: NUMBERS_AT.map(|at| u64::from_le_bytes(field(bytes, at))),
        };
        if header.rows != rows {
            return Err(corrupt(ROWS_AT, format!("{rows} rows, as the segment has"), header.rows.to_string()));
        }
        Ok(header)
    }
}

#[cold]
fn foreign(name: &str, at: usize, what: &str, expected: &Tag, found: &Tag) -> Error {
    let text = |tag: &Tag| format!("{:032x}", u128::from_be_bytes(*tag));
    Error::corrupt(name, at as u64, format!("{what} {}…", text(expected)), format!("{}…", text(found)))
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}
