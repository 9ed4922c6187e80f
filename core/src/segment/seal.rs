//! Writes staged records as segments.
//!
//! 1. Sort the rows by key; refuse duplicates (see [`super::sorted`]).
//! 2. Cut the rows into segments, if they are too many for one.
//! 3. For each field, find the order of its objects: those that rows point at, in row order; then those that these point
//!    at; and so on, depth by depth, each once.
//! 4. Lay the segment out, then write rows and fields, several at once.

use std::ops::Range;

use super::column::{Column, NULL, ObjectId, aim};
use super::column_order::ColumnOrder;
use super::frame::{self, Frame, parts};
use super::layout::{ColumnSize, Packer, Placement, ROWS_AT, SegmentLayout, lay_out};
use super::matrix::Matrix;
use super::parallel::in_parallel;
use super::stage::{ColumnBody, Sharing, Stage, StagedColumn};
use super::{Extent, WRITER_REVISION};
use crate::error::{Error, Result};
use crate::manifest::{SegmentEntry, Tombstones, blob_hash};
use crate::words::WORD;

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
pub struct SealedSegment<M = Vec<u8>> {
    /// The file.
    pub bytes: M,
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

impl<M: AsRef<[u8]>> SealedSegment<M> {
    /// Returns the segment's entry in a manifest, with all rows live and without indexes or merge sources.
    pub fn entry(&self, sharing: Sharing) -> SegmentEntry {
        SegmentEntry {
            id: self.id,
            size: self.bytes.as_ref().len() as u64,
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

    /// Writes rows as a segment into memory on the heap.
    pub(super) fn write_segment(&self, rows: &[u32]) -> Result<SealedSegment> {
        self.write_segment_into(rows, on_heap)
    }

    /// Writes rows as a segment into memory that a function gives: so many bytes, all zero.
    fn write_segment_into<M, E>(
        &self,
        rows: &[u32],
        allocate: impl FnOnce(usize) -> std::result::Result<M, E>,
    ) -> std::result::Result<SealedSegment<M>, E>
    where
        M: AsMut<[u8]>,
        E: From<Error>,
    {
        let plan = &self.encoding.plan;
        let orders = in_parallel(self.columns.iter().collect(), |column| column.order(rows));
        let sizes: Vec<ColumnSize> =
            self.columns.iter().zip(&orders).map(|(column, order)| column.size(order)).collect();
        let row_bytes = plan.record.words() * WORD;
        let layout = lay_out(&self.encoding.record_type, rows.len() as u64, plan.record.words() as u64, &sizes)?;

        let mut memory = allocate(frame::size(&layout))?;
        let bytes = memory.as_mut();
        let Frame { rows: row_memory, columns } = Frame::new(bytes, &layout, rows.len(), plan);
        let mut tasks: Vec<Task> =
            parts(rows.len(), |row| row * row_bytes, row_memory).map(|(part, out)| Task::Rows(part, out)).collect();
        for ((out, column), order) in columns.into_iter().zip(&self.columns).zip(&orders) {
            if out.is_empty() {
                continue;
            }
            match &column.body {
                ColumnBody::Objects(objects) => {
                    tasks.extend(order.parts(out).map(|(part, out)| Task::Objects(objects, order, part, out)));
                }
                ColumnBody::Vectors(matrix) => {
                    let parts = parts(rows.len(), |row| row * matrix.stride(), out);
                    tasks.extend(parts.map(|(part, out)| Task::Vectors(matrix, column, &rows[part], out)));
                }
            }
        }
        in_parallel(tasks, |task| match task {
            Task::Rows(part, out) => self.write_rows(rows, part, &orders, &layout, out),
            Task::Objects(objects, order, part, out) => order.write(objects, part, out),
            Task::Vectors(matrix, column, rows, out) => write_vectors(matrix, &column.roots, rows, out),
        });

        let first = rows.first().map(|row| self.encoded_key(*row)).unwrap_or_default();
        let last = rows.last().map(|row| self.encoded_key(*row)).unwrap_or_default();
        Ok(SealedSegment {
            id: blob_hash(bytes),
            rows: u32::try_from(rows.len()).map_err(|_| Error::invalid("segment", "too many rows"))?,
            first_key: first,
            last_key: last,
            extents: self.extents(rows.len(), &layout),
            bytes: memory,
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
        let strides = self.columns.iter().map(|column| column.stride_words().unwrap_or(0));
        frame::extents(&self.encoding.plan, layout, rows, strides)
    }
}

/// Returns memory on the heap, all zero.
#[expect(clippy::unnecessary_wraps, reason = "the form of a function that gives memory")]
pub(super) fn on_heap(len: usize) -> Result<Vec<u8>> {
    Ok(vec![0; len])
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

    /// Writes the next segment into memory that a function gives: it is asked for so many bytes, all zero. `None` behind the
    /// last segment.
    ///
    /// # Errors
    /// For records beyond a limit of the encoding, and those of the function.
    pub fn next_into<M, E>(
        &mut self,
        allocate: impl FnOnce(usize) -> std::result::Result<M, E>,
    ) -> Option<std::result::Result<SealedSegment<M>, E>>
    where
        M: AsMut<[u8]>,
        E: From<Error>,
    {
        let rows = self.cuts.pop()?;
        let end = self.next + rows;
        let segment = self.stage.as_ref()?.write_segment_into(&self.order[self.next..end], allocate);
        self.next = end;
        if self.cuts.is_empty() {
            // Storing and checking the segment takes memory, too.
            self.stage = None;
            self.order = Vec::new();
        }
        Some(segment)
    }
}

/// Writes the next segment into memory on the heap.
impl Iterator for Segments {
    type Item = Result<SealedSegment>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_into(on_heap)
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
        match &self.body {
            ColumnBody::Objects(objects) => ColumnOrder::new(objects, rows.iter().map(|row| self.roots[*row as usize])),
            ColumnBody::Vectors(_) => {
                let any = rows.iter().any(|row| self.roots[*row as usize] != NULL);
                ColumnOrder { words: u64::from(any), ..ColumnOrder::none() }
            }
        }
    }

    fn size(&self, order: &ColumnOrder) -> ColumnSize {
        match self.stride_words() {
            None => ColumnSize::Objects(order.words),
            Some(stride) => ColumnSize::Vectors(stride * order.words),
        }
    }
}

impl Matrix {
    pub(super) fn shape(&self) -> u64 {
        self.plan.shape()
    }
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
