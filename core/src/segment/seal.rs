//! Writes staged records as segments.
//!
//! 1. Sort the rows by key; refuse duplicates (see [`super::sorted`]).
//! 2. Cut the rows into segments, if they are too many for one.
//! 3. For each field, find the order of its objects: those that rows point at, in row order; then those that these point
//!    at; and so on, depth by depth, each once.
//! 4. Lay the segment out, then write rows and fields, several at once.

use std::ops::Range;

use super::column::{Column, NULL, ObjectId, aim, list_shape};
use super::layout::{ColumnSize, Packer, Placement, ROWS_AT, SegmentLayout, lay_out};
use super::matrix::Matrix;
use super::parallel::in_parallel;
use super::stage::{ColumnBody, Encoding, Sharing, Stage, StagedColumn};
use super::{Extent, HEADER_BYTES, WRITER_REVISION};
use crate::error::{Error, Result};
use crate::manifest::{SegmentEntry, Tombstones, blob_hash};
use crate::words::{ElementSize, WORD};

/// Rows or objects that one thread writes before it takes the next.
const ITEMS_AT_ONCE: usize = 1 << 16;

/// Default size at which a new segment begins, if no field is a vector.
const TARGET_BYTES: u64 = 256 << 20;

/// Settings of cutting records into segments.
#[derive(Clone, Copy, Debug, Default)]
pub struct SealSettings {
    /// Size in bytes at which a new segment begins. Default: 256 MiB, and 4 GiB if there are vectors.
    pub target_bytes: Option<u64>,
}

/// A segment in memory, ready to be stored.
#[derive(Debug)]
pub struct SealedSegment {
    /// The file.
    pub bytes: Vec<u8>,
    /// BLAKE3 of the file.
    pub id: [u8; 32],
    /// Number of records.
    pub rows: u32,
    /// Encoded key of the first row.
    pub first_key: Vec<u8>,
    /// Encoded key of the last row.
    pub last_key: Vec<u8>,
    /// Rows, then each field that has objects.
    pub extents: Vec<Extent>,
}

impl SealedSegment {
    /// Returns the segment's entry in a manifest, with all rows live and without indexes or merge sources.
    pub fn entry(&self, sharing: Sharing) -> SegmentEntry {
        SegmentEntry {
            id: self.id,
            size: self.bytes.len() as u64,
            rows: self.rows,
            dead: 0,
            first_key: self.first_key.clone(),
            last_key: self.last_key.clone(),
            extents: self.extents.clone(),
            tombstones: Tombstones::None,
            artifacts: Vec::new(),
            writer_revision: WRITER_REVISION,
            sharing,
            merged_from: Vec::new(),
        }
    }
}

/// Objects of a field in the order in which a segment has them.
struct ColumnOrder {
    /// Word of each object, relative to the extent; for objects that are in the segment.
    place: Vec<u32>,
    order: Vec<ObjectId>,
    words: u64,
}

impl Stage {
    /// Numbers of rows of the segments.
    pub(super) fn cut(&self, order: &[u32], settings: SealSettings) -> Vec<usize> {
        let strides: Vec<u64> = self.columns.iter().filter_map(StagedColumn::stride_words).collect();
        let default = if strides.is_empty() { TARGET_BYTES } else { u64::MAX };
        let target = settings.target_bytes.unwrap_or(default);
        let row_words = self.encoding.plan.record.words() as u64;
        let rows_fit = row_words * order.len() as u64 <= super::column::LIST_MAX;
        let bytes_max = self.bytes_max() as u64 + 64 * strides.len() as u64;
        if order.is_empty() {
            return Vec::new();
        }
        if rows_fit && bytes_max <= target && bytes_max / 8 <= super::layout::SEGMENT_WORDS_MAX {
            return vec![order.len()];
        }
        let mut packer = Packer::new(target, row_words + strides.iter().sum::<u64>(), strides.len() as u64);
        let mut seen: Vec<SeenObjects> = self.columns.iter().map(SeenObjects::new).collect();
        let mut out = Vec::new();
        let (mut epoch, mut rows) = (1, 0);
        for row in order {
            let mut words = self.new_words(&mut seen, *row, epoch);
            if packer.place(words) == Placement::Next {
                packer.restart();
                out.push(rows);
                rows = 0;
                epoch += 1;
                words = self.new_words(&mut seen, *row, epoch);
            }
            packer.add(words);
            rows += 1;
        }
        out.push(rows);
        out
    }

    /// Returns the number of words of the objects that a row adds to a segment, and marks them as seen.
    fn new_words(&self, seen: &mut [SeenObjects], row: u32, epoch: u32) -> u64 {
        let mut words = 0;
        for (column, seen) in self.columns.iter().zip(seen) {
            if let ColumnBody::Objects(objects) = &column.body {
                words += seen.mark(objects, column.roots[row as usize], epoch);
            }
        }
        words
    }

    pub(super) fn write_segment(&self, rows: &[u32]) -> Result<SealedSegment> {
        let plan = &self.encoding.plan;
        let orders = in_parallel(self.columns.iter().collect(), |column| column.order(rows));
        let sizes: Vec<ColumnSize> =
            self.columns.iter().zip(&orders).map(|(column, order)| column.size(order)).collect();
        let row_words = plan.record.words();
        let layout = lay_out(&self.encoding.record_type, rows.len() as u64, row_words as u64, &sizes)?;

        let mut bytes = vec![0; HEADER_BYTES + layout.words as usize * WORD];
        write_head(&mut bytes, &layout, rows.len(), &self.encoding);
        let mut tasks = Vec::new();
        let head = HEADER_BYTES + ROWS_AT as usize * WORD;
        let (_, mut rest) = bytes.split_at_mut(head);
        let mut at = ROWS_AT as usize;
        let (own, tail) = rest.split_at_mut(rows.len() * row_words * WORD);
        rest = tail;
        at += rows.len() * row_words;
        tasks.extend(parts(rows.len(), |row| row * row_words * WORD, own).map(|(rows, out)| Task::Rows(rows, out)));
        for (index, ((start, words), column)) in layout.columns.iter().zip(&self.columns).enumerate() {
            let (_, tail) = rest.split_at_mut((*start as usize - at) * WORD);
            let (own, tail) = tail.split_at_mut(*words as usize * WORD);
            rest = tail;
            at = *start as usize + *words as usize;
            if *words == 0 {
                continue;
            }
            match &column.body {
                ColumnBody::Objects(objects) => {
                    let order = &orders[index];
                    let len = own.len();
                    let place =
                        |at: usize| order.order.get(at).map_or(len, |id| order.place[*id as usize] as usize * WORD);
                    let parts = parts(order.order.len(), place, own);
                    tasks.extend(parts.map(|(part, out)| Task::Objects(objects, order, part, out)));
                }
                ColumnBody::Vectors(matrix) => {
                    let parts = parts(rows.len(), |row| row * matrix.stride(), own);
                    tasks.extend(parts.map(|(part, out)| Task::Vectors(matrix, column, &rows[part], out)));
                }
            }
        }
        in_parallel(tasks, |task| match task {
            Task::Rows(part, out) => self.write_rows(rows, part, &orders, &layout, out),
            Task::Objects(objects, order, part, out) => write_objects(objects, order, part, out),
            Task::Vectors(matrix, column, rows, out) => write_vectors(matrix, &column.roots, rows, out),
        });

        let first = rows.first().map(|row| self.encoded_key(*row)).unwrap_or_default();
        let last = rows.last().map(|row| self.encoded_key(*row)).unwrap_or_default();
        Ok(SealedSegment {
            id: blob_hash(&bytes),
            rows: u32::try_from(rows.len()).map_err(|_| Error::invalid("segment", "too many rows"))?,
            first_key: first,
            last_key: last,
            extents: self.extents(rows.len(), &layout),
            bytes,
        })
    }

    /// Writes some of the rows of a segment.
    fn write_rows(
        &self,
        rows: &[u32],
        part: Range<usize>,
        orders: &[ColumnOrder],
        layout: &SegmentLayout,
        out: &mut [u8],
    ) {
        #[expect(clippy::cast_possible_truncation, reason = "a segment has fewer than 2^29 rows")]
        let first = part.start as u32;
        let rows = &rows[part];
        let record = &self.encoding.plan.record;
        let (data_bytes, row_bytes) = (record.data_words as usize * WORD, record.words() * WORD);
        if row_bytes == 0 {
            return;
        }
        for (out, row) in out.chunks_exact_mut(row_bytes).zip(rows) {
            let from = *row as usize * data_bytes;
            out[..data_bytes].copy_from_slice(&self.data[from..from + data_bytes]);
        }
        for ((column, plan), (order, (start, _))) in
            self.columns.iter().zip(&self.encoding.plan.columns).zip(orders.iter().zip(&layout.columns))
        {
            let byte = data_bytes + plan.slot as usize * WORD;
            #[expect(clippy::cast_possible_truncation, reason = "a struct has at most 2^17 words")]
            let step = record.words() as u32;
            let mut word = ROWS_AT + first * step + u32::from(record.data_words) + u32::from(plan.slot);
            let stride = u32::try_from(column.stride_words().unwrap_or(0)).unwrap_or(u32::MAX);
            let mut vector_at = *start + first * stride;
            for (out, row) in out.chunks_exact_mut(row_bytes).zip(rows) {
                let root = column.roots[*row as usize];
                if root != NULL {
                    let pointer = match &column.body {
                        ColumnBody::Objects(objects) => objects.pointer_from(root, word, *start, &order.place),
                        ColumnBody::Vectors(matrix) => aim(matrix.shape(), stride, word, vector_at),
                    };
                    out[byte..byte + WORD].copy_from_slice(&pointer.to_le_bytes());
                }
                word += step;
                vector_at += stride;
            }
        }
    }

    fn extents(&self, rows: usize, layout: &SegmentLayout) -> Vec<Extent> {
        let row_bytes = self.encoding.plan.record.words() * WORD;
        let mut out = vec![Extent {
            field: String::new(),
            offset: (HEADER_BYTES + ROWS_AT as usize * WORD) as u64,
            size: (rows * row_bytes) as u64,
            stride: u32::try_from(row_bytes).unwrap_or(u32::MAX),
        }];
        for ((column, plan), (start, words)) in
            self.columns.iter().zip(&self.encoding.plan.columns).zip(&layout.columns)
        {
            if *words > 0 {
                out.push(Extent {
                    field: plan.name.clone(),
                    offset: HEADER_BYTES as u64 + u64::from(*start) * WORD as u64,
                    size: u64::from(*words) * WORD as u64,
                    stride: column.stride_words().map_or(0, |words| u32::try_from(words * 8).unwrap_or(u32::MAX)),
                });
            }
        }
        out
    }
}

/// Segments of a stage, written as they are asked for. The last one takes the stage's memory with it.
#[derive(Debug)]
pub struct Segments {
    /// None once the last segment is written.
    stage: Option<Stage>,
    order: Vec<u32>,
    /// Numbers of rows of the segments to come, the next one last.
    cuts: Vec<usize>,
    next: usize,
}

impl Segments {
    /// Segments of these rows, which stand in key order.
    pub(super) fn new(mut stage: Stage, order: Vec<u32>, settings: SealSettings) -> Self {
        for column in &mut stage.columns {
            if let ColumnBody::Objects(objects) = &mut column.body {
                objects.end_interning();
            }
        }
        let mut cuts = stage.cut(&order, settings);
        cuts.reverse();
        Self { stage: Some(stage), order, cuts, next: 0 }
    }
}

impl Iterator for Segments {
    type Item = Result<SealedSegment>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.cuts.pop()?;
        let end = self.next + rows;
        let segment = self.stage.as_ref()?.write_segment(&self.order[self.next..end]);
        self.next = end;
        if self.cuts.is_empty() {
            // Storing and checking the segment takes memory, too.
            self.stage = None;
            self.order = Vec::new();
        }
        Some(segment)
    }
}

/// A part of a segment that one thread writes.
enum Task<'s, 'o> {
    /// These rows.
    Rows(Range<usize>, &'o mut [u8]),
    /// These objects of a field, by their places in its order.
    Objects(&'s Column, &'s ColumnOrder, Range<usize>, &'o mut [u8]),
    /// The vectors of these rows.
    Vectors(&'s Matrix, &'s StagedColumn, &'s [u32], &'o mut [u8]),
}

/// Cuts what so many items are written to into parts; `place`: the byte at which an item begins, the end for the number of
/// items.
fn parts(
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

/// Objects of the current segment: for each object the number of the last segment that has it.
struct SeenObjects {
    epochs: Vec<u32>,
    open: Vec<ObjectId>,
}

impl SeenObjects {
    fn new(column: &StagedColumn) -> Self {
        let ids = if let ColumnBody::Objects(objects) = &column.body { objects.id_count() } else { 0 };
        Self { epochs: vec![0; ids], open: Vec::new() }
    }

    fn mark(&mut self, objects: &Column, root: ObjectId, epoch: u32) -> u64 {
        let mut words = 0;
        if root != NULL && self.epochs[root as usize] != epoch {
            self.epochs[root as usize] = epoch;
            self.open.push(root);
        }
        while let Some(id) = self.open.pop() {
            words += u64::from(objects.words(id));
            objects.for_each_child(id, |child| {
                if self.epochs[child as usize] != epoch {
                    self.epochs[child as usize] = epoch;
                    self.open.push(child);
                }
            });
        }
        words
    }
}

impl StagedColumn {
    /// Returns the number of words of a vector; `None` for other fields.
    fn stride_words(&self) -> Option<u64> {
        match &self.body {
            ColumnBody::Objects(_) => None,
            ColumnBody::Vectors(matrix) => Some((matrix.stride() / WORD) as u64),
        }
    }

    /// Returns the order and places of the objects of some rows.
    fn order(&self, rows: &[u32]) -> ColumnOrder {
        let ColumnBody::Objects(objects) = &self.body else {
            let any = rows.iter().any(|row| self.roots[*row as usize] != NULL);
            return ColumnOrder { place: Vec::new(), order: Vec::new(), words: u64::from(any) };
        };
        let mut out = ColumnOrder { place: vec![UNPLACED; objects.id_count()], order: Vec::new(), words: 0 };
        for row in rows {
            out.put(objects, self.roots[*row as usize]);
        }
        let mut next = 0;
        while let Some(id) = out.order.get(next) {
            // What rows point at stands before what this points at, and so on: breadth first.
            objects.for_each_child(*id, |child| out.put(objects, child));
            next += 1;
        }
        out
    }

    fn size(&self, order: &ColumnOrder) -> ColumnSize {
        match self.stride_words() {
            None => ColumnSize::Objects(order.words),
            Some(stride) => ColumnSize::Vectors(stride * order.words),
        }
    }
}

/// Place of an object that the segment does not have.
const UNPLACED: u32 = u32::MAX;

impl ColumnOrder {
    fn put(&mut self, objects: &Column, id: ObjectId) {
        if id != NULL && self.place[id as usize] == UNPLACED {
            // Past 2^32 words the layout is refused before any place is used.
            self.place[id as usize] = u32::try_from(self.words).unwrap_or(UNPLACED - 1);
            self.words += u64::from(objects.words(id));
            self.order.push(id);
        }
    }
}

impl Matrix {
    pub(super) fn shape(&self) -> u64 {
        self.plan.shape()
    }
}

fn write_head(bytes: &mut [u8], layout: &SegmentLayout, rows: usize, encoding: &Encoding) {
    let record = &encoding.plan.record;
    let list_words = rows as u64 * record.words() as u64;
    let sizes = super::column::struct_shape(record.data_words, record.pointer_words);
    let head = [
        u64::from(layout.words) << 32,
        super::column::struct_shape(0, 1),
        list_shape(ElementSize::Composite, list_words),
        sizes | (rows as u64) << 2,
    ];
    for (out, word) in bytes.chunks_exact_mut(WORD).zip(head) {
        out.copy_from_slice(&word.to_le_bytes());
    }
}

fn write_objects(objects: &Column, order: &ColumnOrder, part: Range<usize>, out: &mut [u8]) {
    let mut at = 0;
    for id in &order.order[part] {
        let size = objects.words(*id) as usize * WORD;
        // Places are relative to the extent; so is `at`, and pointers are differences.
        let word = order.place[*id as usize];
        objects.write(*id, word, &mut out[at..at + size], &order.place);
        at += size;
    }
    debug_assert_eq!(at, out.len(), "bytes of the part");
}

fn write_vectors(matrix: &Matrix, roots: &[ObjectId], rows: &[u32], out: &mut [u8]) {
    for (out, row) in out.chunks_exact_mut(matrix.stride()).zip(rows) {
        let root = roots[*row as usize];
        if root != NULL {
            let vector = matrix.vector(root);
            out[..vector.len()].copy_from_slice(vector);
        }
    }
}
