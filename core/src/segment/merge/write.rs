//! Writes a merged segment, several parts of it at once.

use std::ops::Range;

use super::super::copy::{copy_bits, unknown_member};
use super::super::copy_plan::{CopyPlan, Scope};
use super::super::frame::{Frame, parts};
use super::super::layout::{ROWS_AT, SegmentLayout};
use super::super::parallel::in_parallel;
use super::column::{ColumnBody, MergedColumn, vector_of};
use super::rows::MergedRows;
use crate::error::{Error, Result};
use crate::words::{Read, StructRef, WORD};

/// A part of a segment that one thread writes: some rows, or what is new at some rows, or some objects.
enum Task<'c, 'p, 'o> {
    Rows(Range<usize>, &'o mut [u8]),
    Column(&'c MergedColumn<'p>, Range<usize>, &'o mut [u8]),
}

/// Writes rows and columns into memory that is all zero.
pub(super) fn write(
    bytes: &mut [u8],
    plan: &CopyPlan,
    rows: &MergedRows<'_>,
    columns: &[MergedColumn<'_>],
    layout: &SegmentLayout,
) -> Result<()> {
    let frame = Frame::new(bytes, layout, rows.len(), plan);
    let row_bytes = plan.record.words() * WORD;
    let row_parts = parts(rows.len(), |row| row * row_bytes, frame.rows);
    let mut tasks: Vec<Task> = row_parts.map(|(part, out)| Task::Rows(part, out)).collect();
    for (out, column) in frame.columns.into_iter().zip(columns) {
        if out.is_empty() {
            continue;
        }
        let task = |(part, out)| Task::Column(column, part, out);
        match &column.body {
            ColumnBody::Flat(objects) => {
                tasks.extend(parts(rows.len(), |at| objects.part_place(at) * WORD, out).map(task));
            }
            ColumnBody::Staged(staged) => tasks.extend(staged.order.parts(out).map(task)),
            ColumnBody::Vectors { matrix, .. } => {
                tasks.extend(parts(rows.len(), |row| row * matrix.stride(), out).map(task));
            }
        }
    }
    let written = in_parallel(tasks, |task| match task {
        Task::Rows(part, out) => write_rows(out, plan, rows, part, columns, layout),
        Task::Column(column, part, out) => {
            // All of it was read before.
            let changed = |_| Error::invalid("merge", "a segment has changed while it was merged");
            write_column(out, rows, part, column).map_err(changed)
        }
    });
    written.into_iter().collect()
}

fn write_column(out: &mut [u8], rows: &MergedRows<'_>, part: Range<usize>, column: &MergedColumn<'_>) -> Read<()> {
    match &column.body {
        ColumnBody::Flat(objects) => objects.write(rows, &column.place, part, out)?,
        ColumnBody::Staged(staged) => staged.order.write(&staged.objects, part, out),
        ColumnBody::Vectors { matrix, .. } => {
            for (out, at) in out.chunks_exact_mut(matrix.stride()).zip(part) {
                if let Some(vector) = vector_of(matrix, &column.place, rows.get(at).record)? {
                    out[..vector.len()].copy_from_slice(vector);
                }
            }
        }
    }
    Ok(())
}

fn write_rows(
    out: &mut [u8],
    plan: &CopyPlan,
    rows: &MergedRows<'_>,
    part: Range<usize>,
    columns: &[MergedColumn<'_>],
    layout: &SegmentLayout,
) -> Result<()> {
    let record = &plan.record;
    let data_bytes = record.data_words as usize * WORD;
    for (out, at) in out.chunks_exact_mut(record.words() * WORD).zip(part) {
        let from = rows.get(at).record;
        copy_data(&record.scope, &record.name, from, record.data_words, &mut out[..data_bytes])?;
        #[expect(clippy::cast_possible_truncation, reason = "a segment has fewer than 2^29 words")]
        let first = ROWS_AT + (at * record.words()) as u32 + u32::from(record.data_words);
        for ((column, plan), (start, _)) in columns.iter().zip(&plan.columns).zip(&layout.columns) {
            let pointer = column.pointer(at, from, first + u32::from(plan.slot), *start);
            if pointer != 0 {
                let byte = data_bytes + plan.slot as usize * WORD;
                out[byte..byte + WORD].copy_from_slice(&pointer.to_le_bytes());
            }
        }
    }
    Ok(())
}

/// Copies the bits that fields own, of active members alone.
fn copy_data(scope: &Scope, name: &str, from: StructRef<'_>, data_words: u16, out: &mut [u8]) -> Result<()> {
    copy_bits(scope, from, data_words, out);
    for union in &scope.unions {
        let value = u16::from_le_bytes(from.scalar(union.discriminant_at));
        let member = union.members.get(value as usize).ok_or_else(|| unknown_member(name, value))?;
        copy_data(member, name, from, data_words, out)?;
    }
    Ok(())
}
