//! Builds the sorted index of a segment, on all processors.
//!
//! Rows are sorted by the first bytes of their values, those that begin alike by the next ones, and few rows that begin alike
//! by comparison. Rows are dealt out to ranges of values first, so that each range is sorted by one thread, and none of them
//! waits for a merge.

use std::cmp::Ordering;

use kapok_core::Result;
use kapok_core::paths::{NumberColumn, Scalar};
use kapok_core::segment::{Segment, in_parallel};

use super::entry::{Entry, sort};
use super::{BEGINNING_BYTES, FENCE_ROWS, MAGIC, SortFields, SortKey, len};
use crate::artifact::{Binding, Header};
use crate::row::{IndexedRows, expect_row, unreadable};

/// Rows that one thread reads before it takes the next.
const CHUNK_ROWS: usize = 1 << 16;
/// Ranges of values that rows are dealt out to, at most: more than threads, since some ranges have more rows.
const RANGES: usize = 8;
/// Values that tell where ranges end, for each range.
const SAMPLES: usize = 64;
/// Rows that begin alike and are compared; more are sorted by what comes next.
const FEW: usize = 32;
/// Bytes of a text behind which all rows that begin alike are compared.
const BYTES_MAX: usize = 64;

/// Builds the index of a segment: a function of its rows and of the fields.
///
/// # Errors
/// `Corrupt` if a value cannot be read.
pub fn build(fields: SortFields<'_>, segment: &Segment, indexed: &IndexedRows, binding: &Binding) -> Result<Vec<u8>> {
    let rows: Vec<u32> = (0..segment.rows()).filter(|row| indexed.contains(*row)).collect();
    let first = Level { path: 0, from: 0 };
    let Ordered { entries, nulls } = Sorter { fields, segment }.order(&rows, first)?;
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let left_out = u64::from(segment.rows() - count);
    let header = Header { rows: segment.rows(), word: nulls, numbers: [left_out, 0] };
    let mut out = Vec::with_capacity(len(count));
    out.extend_from_slice(&header.encode(MAGIC, binding));
    for fence in entries.iter().step_by(FENCE_ROWS as usize) {
        out.extend_from_slice(&fence.beginning.to_le_bytes());
    }
    let rows_at = out.len();
    out.resize(len(count), 0);
    for (bytes, entry) in out[rows_at..].as_chunks_mut().0.iter_mut().zip(&entries) {
        *bytes = entry.row.to_le_bytes();
    }
    Ok(out)
}

/// What rows are sorted by: a number, or 8 bytes of a text. The levels before it are equal.
#[derive(Clone, Copy, Debug)]
struct Level {
    path: usize,
    /// Bytes of the text that come before.
    from: usize,
}

/// Sorts rows of a segment.
#[derive(Clone, Copy)]
struct Sorter<'s> {
    fields: SortFields<'s>,
    segment: &'s Segment,
}

/// Reads what rows are sorted by.
struct Beginnings<'s> {
    sorter: Sorter<'s>,
    level: Level,
    is_descending: bool,
    column: Option<NumberColumn<'s>>,
}

struct Ordered {
    entries: Vec<Entry>,
    /// Rows whose value is null, which are the last.
    nulls: u32,
}

impl Sorter<'_> {
    /// Sorts rows, which are given in ascending order, from a level on.
    fn order(self, rows: &[u32], level: Level) -> Result<Ordered> {
        let beginnings = Beginnings::of(self, level);
        let ends = beginnings.ends(rows)?;
        let dealt = in_parallel(rows.chunks(CHUNK_ROWS).collect(), |rows| beginnings.deal(rows, &ends));
        let dealt = dealt.into_iter().collect::<Result<Vec<_>>>()?;
        // The null ones are the last range.
        let ranges: Vec<usize> = (0..ends.len() + 2).collect();
        let ordered = in_parallel(ranges, |range| {
            let parts: Vec<&[Entry]> = dealt.iter().map(|ranges| &*ranges[range]).collect();
            let is_null = range == ends.len() + 1;
            self.order_range(parts.concat(), level, self.next(level, is_null))
        });
        let ordered = ordered.into_iter().collect::<Result<Vec<_>>>()?;
        let nulls = ordered.last().map_or(0, |nulls| u32::try_from(nulls.len()).unwrap_or(u32::MAX));
        Ok(Ordered { entries: ordered.concat(), nulls })
    }

    /// Sorts rows of a range of values of a level. `next`: what rows that begin alike are sorted by.
    fn order_range(self, entries: Vec<Entry>, level: Level, next: Next) -> Result<Vec<Entry>> {
        let mut entries = sort(entries);
        if matches!(next, Next::Rows) {
            return Ok(entries);
        }
        // With zeros behind them texts have ended, as a rule, and are equal.
        let padding = if self.is_descending(level) { 0xff } else { 0 };
        for alike in entries.chunk_by_mut(|a, b| a.beginning == b.beginning).filter(|alike| alike.len() > 1) {
            match next {
                Next::Level(next) if alike.len() > FEW && (next.from == 0 || alike[0].beginning & 0xff != padding) => {
                    let rows: Vec<u32> = alike.iter().map(|entry| entry.row).collect();
                    let ordered = self.order(&rows, next)?;
                    alike.iter_mut().zip(ordered.entries).for_each(|(entry, ordered)| entry.row = ordered.row);
                }
                _ => self.compare_all(alike)?,
            }
        }
        Ok(entries)
    }

    /// Sorts rows by comparison.
    fn compare_all(self, entries: &mut [Entry]) -> Result<()> {
        let compare = |a: Entry, b: Entry| {
            let order = self.fields.compare(expect_row(self.segment, a.row)?, expect_row(self.segment, b.row)?);
            order.map(|order| order.then(a.row.cmp(&b.row))).map_err(|malformed| unreadable(self.segment, malformed))
        };
        for entry in &*entries {
            // What can be read once can be read again, while rows are compared.
            compare(*entry, *entry)?;
        }
        entries.sort_unstable_by(|a, b| compare(*a, *b).unwrap_or(Ordering::Equal));
        Ok(())
    }

    /// Returns whether the greatest value of a level's path comes first.
    fn is_descending(self, level: Level) -> bool {
        self.fields.descending.get(level.path) == Some(&true)
    }

    /// Returns what rows are sorted by that are alike at a level.
    fn next(self, level: Level, is_null: bool) -> Next {
        use kapok_core::paths::ScalarKind::{Data, Text};
        let has_more = !is_null && matches!(self.fields.paths.kinds().nth(level.path), Some(Text | Data));
        if has_more && level.from + BEGINNING_BYTES >= BYTES_MAX {
            Next::Comparison
        } else if has_more {
            Next::Level(Level { from: level.from + BEGINNING_BYTES, ..level })
        } else if level.path + 1 < self.fields.paths.len() {
            Next::Level(Level { path: level.path + 1, from: 0 })
        } else {
            Next::Rows
        }
    }
}

/// What comes behind a level.
#[derive(Clone, Copy, Debug)]
enum Next {
    Level(Level),
    /// Too many levels may follow.
    Comparison,
    /// Rows are equal, and stay in their order.
    Rows,
}

impl<'s> Beginnings<'s> {
    fn of(sorter: Sorter<'s>, level: Level) -> Self {
        let is_descending = sorter.is_descending(level);
        let column = sorter.fields.paths.number_column(level.path, sorter.segment);
        Self { sorter, level, is_descending, column }
    }

    /// Returns what a row is sorted by; `None` for null, which comes last.
    #[inline]
    fn get(&self, row: u32) -> Result<Option<u64>> {
        let Sorter { fields, segment } = self.sorter;
        let value = if let Some(column) = &self.column {
            column.value(row)
        } else {
            let value = fields.paths.read(self.level.path, expect_row(segment, row)?);
            value.map_err(|malformed| unreadable(segment, malformed))?
        };
        let beginning = match value {
            Scalar::Text(bytes) | Scalar::Data(bytes) => {
                SortKey::Bytes(bytes.get(self.level.from..).unwrap_or_default()).beginning()
            }
            value => match SortKey::of(value) {
                Some(key) => key.beginning(),
                None => return Ok(None),
            },
        };
        Ok(Some(if self.is_descending { !beginning } else { beginning }))
    }

    /// Returns the last value of each range but the last one, ascending.
    fn ends(&self, rows: &[u32]) -> Result<Vec<u64>> {
        let ranges = (rows.len() / CHUNK_ROWS).min(RANGES - 1) + 1;
        let step = rows.len() / (ranges * SAMPLES) + 1;
        let mut samples = Vec::with_capacity(ranges * SAMPLES);
        if ranges > 1 {
            for row in rows.iter().step_by(step) {
                samples.extend(self.get(*row)?);
            }
        }
        samples.sort_unstable();
        let mut ends: Vec<u64> =
            (1..ranges).filter_map(|at| samples.get(at * samples.len() / ranges).copied()).collect();
        ends.dedup();
        Ok(ends)
    }

    /// Deals some rows out to the ranges and, behind them, the null ones: each in the order of the rows.
    fn deal(&self, rows: &[u32], ends: &[u64]) -> Result<Vec<Vec<Entry>>> {
        let room = rows.len() / (ends.len() + 1);
        let mut out: Vec<Vec<Entry>> = (0..=ends.len()).map(|_| Vec::with_capacity(room + room / 4)).collect();
        let mut nulls = Vec::new();
        for row in rows {
            match self.get(*row)? {
                Some(beginning) => {
                    let range: usize = ends.iter().map(|end| usize::from(*end < beginning)).sum();
                    out[range].push(Entry { beginning, row: *row });
                }
                None => nulls.push(Entry { beginning: u64::MAX, row: *row }),
            }
        }
        out.push(nulls);
        Ok(out)
    }
}
