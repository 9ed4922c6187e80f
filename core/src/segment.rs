//! Writes the records of one type as bytes, and opens these bytes in place.
//!
//! A segment is a file of one Cap'n Proto message, which Cap'n Proto's own tools decode. Within what the encoding allows,
//! records are laid out by field: first the rows, then one *extent* per pointer field, in which equal values stand once.
//! FORMAT.md tells the bytes in its section "Segments".
//!
//! [`Stage`] takes records in, [`Stage::seal`] writes segments, [`Segment::open`] reads one.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::words::{ElementSize, Pointer, StructRef, WORD, Words};

mod baseline;
mod column;
mod column_order;
mod compare;
mod copy;
mod copy_plan;
mod dead_rows;
mod frame;
mod layout;
mod live;
mod matrix;
mod merge;
mod object_table;
mod parallel;
mod row_id;
mod same;
mod same_key;
mod seal;
mod sorted;
mod stage;
mod staged_keys;
mod verify;

pub(crate) use column::{aim, list_shape};
pub use live::LiveSegment;
pub(crate) use live::{LiveBlock, LiveRows};
pub use merge::MergeInput;
pub use parallel::{in_parallel, in_parallel_on};
pub use row_id::{RowId, SegmentMark};
pub use seal::{SealSettings, SealedSegment, Segments};
pub use sorted::{Difference, SortedStage};
pub use stage::{Encoding, Sharing, Stage};

/// Revision of the rules by which records become bytes: equal records of equal schemas, written by the same revision with
/// the same settings, give equal bytes.
pub const WRITER_REVISION: u32 = 1;

/// Bytes of the stream's header: number of segments less one, words of the segment.
pub const HEADER_BYTES: usize = 8;

/// A range of a segment file that holds the rows, or the objects of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Name of the field; empty for the rows.
    pub field: String,
    /// In bytes from the start of the file.
    pub offset: u64,
    /// In bytes.
    pub size: u64,
    /// Bytes from one row or vector to the next; 0 for other fields.
    pub stride: u32,
}

/// A segment in place.
#[derive(Clone)]
pub struct Segment {
    name: Arc<str>,
    bytes: Bytes,
    rows: u32,
    /// Byte at which the rows begin, behind the file's header.
    rows_at: usize,
    data_words: u16,
    pointer_words: u16,
}

impl Segment {
    /// Opens a segment file: checks its length, its header and its root, and nothing that grows with the data.
    /// `name`: what errors call it. `rows`: what the manifest says.
    ///
    /// # Errors
    /// `Corrupt` if any of these is not as it must be. `Invalid` for bytes that are not 8-byte aligned.
    pub fn open(name: &str, bytes: Bytes, rows: u32) -> Result<Self> {
        let corrupt =
            |offset: usize, expected: String, found: String| Err(Error::corrupt(name, offset as u64, expected, found));
        if bytes.as_ptr().align_offset(WORD) != 0 {
            return Err(Error::invalid(name, "the bytes of a segment must be 8-byte aligned"));
        }
        if bytes.len() < HEADER_BYTES + 3 * WORD || !bytes.len().is_multiple_of(WORD) {
            return corrupt(
                bytes.len(),
                "a segment of at least 32 bytes and whole words".into(),
                format!("{} bytes", bytes.len()),
            );
        }
        let words = bytes.len() / WORD - 1;
        let header = Words::new(&bytes).word(0).unwrap_or_default();
        if header & 0xffff_ffff != 0 {
            return corrupt(0, "one Cap'n Proto segment".into(), format!("{}", (header & 0xffff_ffff) + 1));
        }
        if header >> 32 != words as u64 {
            return corrupt(4, format!("{words} words, which is the file's length"), format!("{}", header >> 32));
        }
        let message = Words::new(&bytes[HEADER_BYTES..]);
        // Generated readers begin at the list's pointer: were it not just behind the root's, they would read another list.
        if message.word(0) != Ok(column::struct_shape(0, 1)) {
            return corrupt(HEADER_BYTES, "a root of one pointer, just behind its own".into(), "something else".into());
        }
        let list = match message.struct_of(0).and_then(|root| root.map_or(Ok(Pointer::Null), |root| root.pointer(0))) {
            Ok(Pointer::List(list)) if list.size() == ElementSize::Composite => list,
            Ok(_) => return corrupt(HEADER_BYTES, "a root with a list of structs".into(), "something else".into()),
            Err(e) => return Err(e.into_error(name)),
        };
        if list.len() != rows {
            let offset = HEADER_BYTES + (list.at() as usize - 1) * WORD;
            return corrupt(offset, format!("{rows} rows, as the manifest says"), format!("{}", list.len()));
        }
        let (data_words, pointer_words) = list.struct_sizes();
        // Rows of no size could claim to be 2^29 in no bytes.
        if rows > 0 && data_words == 0 && pointer_words == 0 {
            let offset = HEADER_BYTES + (list.at() as usize - 1) * WORD;
            return corrupt(offset, "rows of at least one word, since they have keys".into(), "rows of none".into());
        }
        let rows_at = list.at() as usize * WORD;
        Ok(Self { name: Arc::from(name), rows, rows_at, data_words, pointer_words, bytes })
    }

    /// Returns the name that errors give it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the bytes of the file.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the number of rows, dead ones included.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Returns the words of the message, without the file's header.
    #[inline]
    pub fn words(&self) -> Words<'_> {
        Words::new(&self.bytes[HEADER_BYTES..])
    }

    /// Returns the words of a row's data section, and number of its pointers.
    pub fn row_sizes(&self) -> (u16, u16) {
        (self.data_words, self.pointer_words)
    }

    /// Returns the bytes from one row to the next.
    #[inline]
    pub fn stride(&self) -> usize {
        (self.data_words as usize + self.pointer_words as usize) * WORD
    }

    /// Returns the byte at which the rows begin in [`Self::words`].
    #[inline]
    pub fn rows_at(&self) -> usize {
        self.rows_at
    }

    /// Returns a row in place; `None` beyond the last.
    #[inline]
    pub fn row(&self, row: u32) -> Option<StructRef<'_>> {
        if row >= self.rows {
            return None;
        }
        let at = self.rows_at + row as usize * self.stride();
        #[expect(clippy::cast_possible_truncation, reason = "a segment has at most 2^29 words")]
        let word = (at / WORD) as u32;
        self.words().struct_within(word, self.data_words, self.pointer_words)
    }
}

/// The name and the sizes, not the bytes.
impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("name", &self.name)
            .field("rows", &self.rows)
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}
