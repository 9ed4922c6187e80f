//! The cells of one field in the rows of one segment.

use std::ops::Range;

use super::path::Path;
use super::value::{FieldValue, Leaf};
use crate::error::Error;
use crate::segment::{LiveBlock, LiveRows, LiveSegment, RowId, SegmentMark};
use crate::view::Texts;
use crate::words::{Malformed, Read, StructRef, WORD, Words};

/// Rows of a segment, and where a field lies in each: resolved once, so that little is left to do for a read.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_field_names, reason = "the cells are what it is about")]
pub(super) struct Cells<'v> {
    /// All rows, one behind the other.
    rows: &'v [u8],
    /// Bytes from one row to the next.
    stride: usize,
    /// The rows from the first one's cell on; empty if values are read through the path, since not all rows have a whole cell.
    cells: &'v [u8],
    /// Byte of a row at which its cell begins; [`NOWHERE`] if values are read through the path.
    at: usize,
    mark: SegmentMark,
    data_words: u16,
    pointer_words: u16,
    words: Words<'v>,
    /// Byte of the segment behind the first row's cell, if that is a pointer: where its offset is counted from.
    target: u64,
    /// Texts that were checked, and the same byte counted from where they begin.
    texts: Texts<'v>,
    text_target: u64,
    /// Byte of the segment at which the rows begin.
    rows_at: usize,
    source: Option<&'v LiveSegment>,
}

const NOWHERE: usize = usize::MAX;

/// The cell of a field in one row.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'c, 'v> {
    cells: &'c Cells<'v>,
    /// Bytes from its first on; none if the value is read through the path.
    bytes: &'v [u8],
    /// Byte among the rows at which it begins.
    from: usize,
}

impl<'v> Cells<'v> {
    pub(super) fn none() -> Self {
        Self {
            rows: &[],
            stride: 0,
            cells: &[],
            at: NOWHERE,
            mark: SegmentMark::default(),
            data_words: 0,
            pointer_words: 0,
            words: Words::new(&[]),
            target: 0,
            texts: Texts::NONE,
            text_target: 0,
            rows_at: 0,
            source: None,
        }
    }

    pub(super) fn new(source: &'v LiveSegment, path: &Path<'v>) -> Self {
        let segment = source.segment();
        let (words, stride, rows_at) = (segment.words(), segment.stride(), segment.rows_at());
        let (data_words, pointer_words) = segment.row_sizes();
        let at = if path.direct { path.leaf.cell(data_words, pointer_words) } else { None };
        let rows = words.bytes().get(rows_at..rows_at + segment.rows() as usize * stride).unwrap_or_default();
        Self {
            rows,
            stride,
            cells: at.and_then(|at| rows.get(at..)).unwrap_or_default(),
            at: at.unwrap_or(NOWHERE),
            mark: source.mark(),
            data_words,
            pointer_words,
            words,
            target: (rows_at + at.unwrap_or_default() + WORD) as u64,
            rows_at,
            source: Some(source),
            ..Self::none()
        }
    }

    /// Reads the field's texts as these, which were checked.
    pub(super) fn trust(&mut self, texts: Texts<'v>) {
        self.texts = texts;
        self.text_target = self.target.wrapping_sub(texts.from as u64);
    }

    #[inline]
    pub(super) fn mark(&self) -> SegmentMark {
        self.mark
    }

    /// Returns the cell of a row. Beyond the last one it is empty, or `None`.
    #[inline]
    pub(super) fn cell(&self, row: u32) -> Option<Cell<'_, 'v>> {
        let from = row as usize * self.stride;
        Some(Cell { cells: self, bytes: self.cells.get(from..)?, from })
    }

    /// Returns the live rows.
    pub(super) fn live_rows(&self) -> LiveRows<'v> {
        self.source.map_or(LiveRows::none(), |source| source.live_rows_in(0..u32::MAX))
    }

    /// Hands the values of all live rows to a function.
    #[inline]
    pub(super) fn for_each<T: FieldValue<'v>>(&self, path: &Path<'v>, f: &mut impl FnMut(T)) -> Read<()> {
        let mut live = self.live_rows();
        while let Some(block) = live.next_block() {
            match block {
                LiveBlock::Run(rows) => self.for_each_of(path, rows, f)?,
                LiveBlock::Bits { first, mut bits } => {
                    while bits != 0 {
                        f(self.read(path, first + bits.trailing_zeros())?);
                        bits &= bits - 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// Hands the values of a range of rows to a function.
    #[inline]
    fn for_each_of<T: FieldValue<'v>>(&self, path: &Path<'v>, rows: Range<u32>, f: &mut impl FnMut(T)) -> Read<()> {
        let stride = self.stride.max(1);
        let mut from = rows.start as usize * stride;
        for row in self.rows.get(from..rows.end as usize * stride).unwrap_or_default().chunks_exact(stride) {
            let bytes = row.get(self.at..).unwrap_or_default();
            f(match T::read_cell(&path.leaf, Cell { cells: self, bytes, from }) {
                Some(value) => value,
                None => self.read_through(path, from)?,
            });
            from += stride;
        }
        Ok(())
    }

    /// Reads the value of a row that there is.
    #[inline]
    pub(super) fn read<T: FieldValue<'v>>(&self, path: &Path<'v>, row: u32) -> Read<T> {
        match self.cell(row).and_then(|cell| T::read_cell(&path.leaf, cell)) {
            Some(value) => Ok(value),
            None => self.read_through(path, row as usize * self.stride),
        }
    }

    /// Reads a value that does not lie in the row itself, or not always, or is not as most are. `from`: as in [`Cell`].
    #[inline(never)]
    fn read_through<T: FieldValue<'v>>(&self, path: &Path<'v>, from: usize) -> Read<T> {
        let Some(row) = self.struct_at(from) else { return T::read(&path.leaf, None) };
        T::read(&path.leaf, if path.direct { Some(row) } else { path.walk(row)? })
    }

    #[inline]
    fn struct_at(&self, from: usize) -> Option<StructRef<'v>> {
        let word = u32::try_from((self.rows_at + from) / WORD).ok()?;
        self.words.struct_within(word, self.data_words, self.pointer_words)
    }

    /// Returns whether there is such a row.
    pub(super) fn has(&self, row: u32) -> bool {
        (row as usize) < self.rows.len() / self.stride.max(1)
    }

    #[cold]
    pub(super) fn corrupt(&self, malformed: Malformed) -> Error {
        let name = self.source.map_or("segment", |source| source.segment().name());
        malformed.into_error_with(name, self.words)
    }
}

impl<'v> Cell<'_, 'v> {
    /// Returns the first bytes of the cell.
    #[inline]
    pub(super) fn bytes<const N: usize>(self) -> Option<&'v [u8; N]> {
        self.bytes.first_chunk()
    }

    /// Returns its first byte; 0 if it is empty.
    #[inline]
    pub(super) fn first_byte(self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    /// Returns a bit of the row's data section, which has it if the row has the cell.
    #[inline]
    pub(super) fn bit(self, bit: usize) -> Option<bool> {
        if self.bytes.is_empty() {
            return None;
        }
        self.cells.rows.get(self.from + bit / 8).map(|byte| byte >> (bit % 8) & 1 == 1)
    }

    /// Returns the pointer of the cell.
    #[inline]
    pub(super) fn pointer(self) -> Option<u64> {
        self.bytes().map(|pointer| u64::from_le_bytes(*pointer))
    }

    /// Returns what a pointer to a list of bytes points at.
    #[inline]
    pub(super) fn byte_list(self, pointer: u64) -> Option<&'v [u8]> {
        let (offset, len) = Words::byte_list(pointer)?;
        let from = usize::try_from(self.place(self.cells.target, offset)).ok()?;
        self.cells.words.bytes().get(from..)?.get(..len)
    }

    /// Returns the text that a pointer points at, if it is one of those that were checked together.
    #[inline]
    pub(super) fn checked_text(self, pointer: u64) -> Option<&'v str> {
        let (offset, len) = Words::byte_list(pointer)?;
        let from = usize::try_from(self.place(self.cells.text_target, offset)).ok()?;
        self.cells.texts.text(from, len)
    }

    /// Returns the texts of the field that were checked.
    #[inline]
    pub(super) fn texts(self) -> Texts<'v> {
        self.cells.texts
    }

    #[inline]
    fn place(self, target: u64, offset: u64) -> u64 {
        target.wrapping_add(self.from as u64).wrapping_add(offset)
    }

    /// Returns the row as a struct, if the cell is in it.
    #[inline]
    pub(super) fn to_struct(self) -> Option<StructRef<'v>> {
        if self.bytes.is_empty() { None } else { self.cells.struct_at(self.from) }
    }
}

/// Finds the cells of a row id's segment, which may stand elsewhere than in the view of the row id.
pub(super) fn find<'c, 'v>(segments: &'c [Cells<'v>], row_id: RowId) -> Option<&'c Cells<'v>> {
    let is_there = |cells: &&Cells<'v>| cells.mark == row_id.segment();
    segments.get(row_id.place()).filter(is_there).or_else(|| {
        let place = row_id.find(segments.iter().map(|cells| cells.mark))?;
        segments.get(place)
    })
}

impl Leaf<'_> {
    /// Returns the byte of a row at which the value's cell begins; `None` if the row is too short, or has no place for what
    /// says that the value is null.
    fn cell(&self, data_words: u16, pointer_words: u16) -> Option<usize> {
        let data_bytes = usize::from(data_words) * WORD;
        let offset = self.offset as usize;
        if self.ty.is_pointer() {
            return (offset < usize::from(pointer_words)).then(|| data_bytes + offset * WORD);
        }
        let (at, bytes) = match self.ty.data_bits()? {
            1 => (offset / 8, 1),
            bits => (offset, bits as usize / 8),
        };
        let flag_end = self.null_flag.map_or(0, |(bit, _)| bit / 8 + 1);
        (at.saturating_add(bytes).max(flag_end) <= data_bytes).then_some(at)
    }
}
