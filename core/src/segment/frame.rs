//! The memory of a segment that is being written: its head, its rows, and an extent for each field.

use std::ops::Range;

use super::column::{list_shape, struct_shape};
use super::copy_plan::CopyPlan;
use super::layout::{ROWS_AT, SegmentLayout};
use super::{Extent, HEADER_BYTES};
use crate::words::{ElementSize, WORD};

/// Rows or objects that one thread writes before it takes the next.
pub(super) const ITEMS_AT_ONCE: usize = 1 << 16;

/// The parts of a segment's memory.
pub(super) struct Frame<'m> {
    pub rows: &'m mut [u8],
    /// One for each field, without the gaps before extents of vectors.
    pub columns: Vec<&'m mut [u8]>,
}

/// Returns the size in bytes of a segment of this layout.
pub(super) fn size(layout: &SegmentLayout) -> usize {
    HEADER_BYTES + layout.words as usize * WORD
}

impl<'m> Frame<'m> {
    /// Writes the head of a segment, and cuts the rest of its memory, which is zero.
    pub(super) fn new(bytes: &'m mut [u8], layout: &SegmentLayout, rows: usize, plan: &CopyPlan) -> Self {
        write_head(bytes, layout, rows, plan);
        let (_, rest) = bytes.split_at_mut(HEADER_BYTES + ROWS_AT as usize * WORD);
        let row_words = rows * plan.record.words();
        let (rows, mut rest) = rest.split_at_mut(row_words * WORD);
        let mut at = ROWS_AT as usize + row_words;
        let mut columns = Vec::with_capacity(layout.columns.len());
        for (start, words) in &layout.columns {
            let (_, tail) = rest.split_at_mut((*start as usize - at) * WORD);
            let (own, tail) = tail.split_at_mut(*words as usize * WORD);
            (rest, at) = (tail, *start as usize + *words as usize);
            columns.push(own);
        }
        Self { rows, columns }
    }
}

fn write_head(bytes: &mut [u8], layout: &SegmentLayout, rows: usize, plan: &CopyPlan) {
    let record = &plan.record;
    let list_words = rows as u64 * record.words() as u64;
    let sizes = struct_shape(record.data_words, record.pointer_words);
    let head = [
        u64::from(layout.words) << 32,
        struct_shape(0, 1),
        list_shape(ElementSize::Composite, list_words),
        sizes | (rows as u64) << 2,
    ];
    for (out, word) in bytes.chunks_exact_mut(WORD).zip(head) {
        out.copy_from_slice(&word.to_le_bytes());
    }
}

/// Returns the extents of a segment. `strides`: words of a vector of each field, 0 for other fields.
pub(super) fn extents(
    plan: &CopyPlan,
    layout: &SegmentLayout,
    rows: usize,
    strides: impl Iterator<Item = u64>,
) -> Vec<Extent> {
    let row_bytes = plan.record.words() * WORD;
    let mut out = vec![Extent {
        field: String::new(),
        offset: (HEADER_BYTES + ROWS_AT as usize * WORD) as u64,
        size: (rows * row_bytes) as u64,
        stride: u32::try_from(row_bytes).unwrap_or(u32::MAX),
    }];
    for ((column, stride), (start, words)) in plan.columns.iter().zip(strides).zip(&layout.columns) {
        if *words > 0 {
            out.push(Extent {
                field: column.name.clone(),
                offset: HEADER_BYTES as u64 + u64::from(*start) * WORD as u64,
                size: u64::from(*words) * WORD as u64,
                stride: u32::try_from(stride * WORD as u64).unwrap_or(u32::MAX),
            });
        }
    }
    out
}

/// Cuts what so many items are written to into parts; `place`: the byte at which an item begins, the end for the number of
/// items.
pub(super) fn parts(
    items: usize,
    place: impl Fn(usize) -> usize,
    mut out: &mut [u8],
) -> impl Iterator<Item = (Range<usize>, &mut [u8])> {
    (0..items).step_by(ITEMS_AT_ONCE).map(move |first| {
        let part = first..(first + ITEMS_AT_ONCE).min(items);
        let (own, rest) = std::mem::take(&mut out).split_at_mut(place(part.end) - place(part.start));
        out = rest;
        (part, own)
    })
}
