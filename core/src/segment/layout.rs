//! Lays out the parts of a segment within its size limit: a pure function of sizes.
//!
//! FORMAT.md specifies the layout in its section "Segments".

use super::column::LIST_MAX;
use crate::error::Result;
use crate::fault::Fault;
use crate::words::WORD;

/// Word at which the rows begin.
pub(super) const ROWS_AT: u32 = 3;

/// Most words of a segment: what a pointer's 30-bit signed offset reaches.
pub const SEGMENT_WORDS_MAX: u64 = 1 << 29;

/// What one field needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnSize {
    /// Objects of this number of words together.
    Objects(u64),
    /// A vector of this number of words for each row; 0 if no row has one.
    Vectors(u64),
}

/// Places of all parts of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentLayout {
    /// First word and number of words of each field's extent; no words for an empty one.
    pub columns: Vec<(u32, u32)>,
    /// Words of the segment.
    pub words: u32,
}

/// Lays out a segment.
///
/// # Errors
/// `Invalid` ([`Fault::Limit`]) if an encoding limit is passed: nothing of such a segment may be written.
pub fn lay_out(subject: &str, rows: u64, row_words: u64, columns: &[ColumnSize]) -> Result<SegmentLayout> {
    let limit = |limit: &'static str, allowed: u64, needed: u64| Fault::Limit {
        subject: subject.to_owned(),
        limit,
        allowed,
        needed,
    };
    if rows > LIST_MAX {
        return Err(limit("rows of a segment", LIST_MAX, rows).into());
    }
    let list_words = rows * row_words;
    if list_words > LIST_MAX {
        return Err(limit("words of a segment's rows", LIST_MAX, list_words).into());
    }
    let mut at = u64::from(ROWS_AT) + list_words;
    let mut out = Vec::with_capacity(columns.len());
    let mut places = Vec::with_capacity(columns.len());
    for column in columns {
        let words = match column {
            ColumnSize::Objects(words) => *words,
            ColumnSize::Vectors(0) => 0,
            ColumnSize::Vectors(stride) => {
                at = align_vectors(at);
                rows.saturating_mul(*stride)
            }
        };
        places.push((at, words));
        at = at.saturating_add(words);
        if at > SEGMENT_WORDS_MAX {
            return Err(limit("words of a segment", SEGMENT_WORDS_MAX, at).into());
        }
    }
    let narrow = |words: u64| u32::try_from(words).map_err(|_| limit("words of a segment", SEGMENT_WORDS_MAX, words));
    for (at, words) in places {
        out.push((narrow(at)?, narrow(words)?));
    }
    Ok(SegmentLayout { columns: out, words: narrow(at)? })
}

/// Returns the next word that is 64-byte aligned in the file, whose header takes the first word.
fn align_vectors(at: u64) -> u64 {
    (at + 1).next_multiple_of(8) - 1
}

/// Decides, row by row, when a segment is full.
#[derive(Debug)]
pub struct Packer {
    target_words: u64,
    row_words: u64,
    vector_columns: u64,
    rows: u64,
    words: u64,
}

/// Place of the next row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Into the segment at hand.
    Here,
    /// Into a new segment: this one would become too large.
    Next,
}

impl Packer {
    /// Prepares to pack segments of `target_bytes`, or less if the encoding does not allow them.
    /// `row_words`: words of a row with its slots in vector extents.
    pub fn new(target_bytes: u64, row_words: u64, vector_columns: u64) -> Self {
        let room = SEGMENT_WORDS_MAX - u64::from(ROWS_AT) - 7 * vector_columns;
        let target_words = (target_bytes / WORD as u64).min(room);
        Self { target_words, row_words, vector_columns, rows: 0, words: 0 }
    }

    /// Returns where the next row goes. `object_words`: words of its objects that the segment does not have yet.
    pub fn place(&self, object_words: u64) -> Placement {
        let words = self.words.saturating_add(self.row_words).saturating_add(object_words);
        let head = u64::from(ROWS_AT) + 7 * self.vector_columns;
        let full = words.saturating_add(head) > self.target_words || (self.rows + 1) * self.row_words > LIST_MAX;
        if full && self.rows > 0 { Placement::Next } else { Placement::Here }
    }

    /// Counts a row into the segment at hand.
    pub fn add(&mut self, object_words: u64) {
        self.rows += 1;
        self.words = self.words.saturating_add(self.row_words).saturating_add(object_words);
    }

    /// Begins a new segment.
    pub fn restart(&mut self) {
        self.rows = 0;
        self.words = 0;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{ColumnSize, LIST_MAX, Packer, Placement, SEGMENT_WORDS_MAX, lay_out};
    use crate::fault::Fault;

    #[test]
    fn vectors_begin_at_a_cache_line_of_the_file() {
        for objects in 0..20 {
            let columns = [ColumnSize::Objects(objects), ColumnSize::Vectors(5), ColumnSize::Objects(1)];
            let layout = lay_out("T", 9, 4, &columns).unwrap();
            assert_eq!((u64::from(layout.columns[1].0) + 1) * 8 % 64, 0);
            assert!(u64::from(layout.columns[1].0) >= 3 + 36 + objects);
            assert_eq!(layout.columns[2].0, layout.columns[1].0 + 45);
            assert_eq!(layout.words, layout.columns[2].0 + 1);
        }
    }

    #[test]
    fn each_limit_of_the_encoding_holds_to_the_word() {
        let named = |result: crate::Result<super::SegmentLayout>| match result.unwrap_err().fault() {
            Fault::Limit { limit, allowed, needed, .. } => (*limit, *allowed, *needed),
            other => panic!("{other}"),
        };
        assert!(lay_out("T", LIST_MAX, 0, &[]).is_ok());
        assert_eq!(named(lay_out("T", LIST_MAX + 1, 0, &[])), ("rows of a segment", LIST_MAX, LIST_MAX + 1));
        assert!(lay_out("T", LIST_MAX / 7, 7, &[]).is_ok());
        assert_eq!(named(lay_out("T", LIST_MAX / 7 + 1, 7, &[])).0, "words of a segment's rows");
        assert!(lay_out("T", 1, 1, &[ColumnSize::Objects(SEGMENT_WORDS_MAX - 4)]).is_ok());
        let over = lay_out("T", 1, 1, &[ColumnSize::Objects(SEGMENT_WORDS_MAX - 3)]);
        assert_eq!(named(over), ("words of a segment", SEGMENT_WORDS_MAX, SEGMENT_WORDS_MAX + 1));
        assert_eq!(named(lay_out("T", 1 << 20, 1, &[ColumnSize::Vectors(1 << 10)])).0, "words of a segment");
        assert!(lay_out("T", 3, 1, &[ColumnSize::Objects(u64::MAX), ColumnSize::Vectors(u64::MAX)]).is_err());
    }

    #[test]
    fn a_full_segment_makes_room_for_the_next_but_is_never_left_empty() {
        let mut packer = Packer::new(20 * 8, 4, 0);
        assert_eq!(packer.place(1_000_000), Placement::Here);
        packer.add(2);
        assert_eq!(packer.place(7), Placement::Here);
        assert_eq!(packer.place(8), Placement::Next);
        packer.restart();
        assert_eq!(packer.place(8), Placement::Here);
        let mut packer = Packer::new(u64::MAX, 1 << 28, 0);
        packer.add(0);
        assert_eq!(packer.place(0), Placement::Next);
    }
}
