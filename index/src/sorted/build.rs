//! Builds the sorted index of a segment, on all processors.

use std::cmp::Ordering;

use kapok_core::Result;
use kapok_core::segment::{Segment, in_parallel};
use kapok_core::words::{Malformed, Read};

use super::{FENCE_ROWS, MAGIC, SortFields, SortKey, len};
use crate::artifact::{Binding, Header};
use crate::row::{IndexedRows, expect_row, unreadable};

/// Rows that one thread sorts before it takes the next.
const RUN_ROWS: u32 = 1 << 18;

/// A row, and where its first value begins in the order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    is_null: bool,
    beginning: u64,
    row: u32,
}

/// Builds the index of a segment: a function of its rows and of the fields.
///
/// # Errors
/// `Corrupt` if a value cannot be read.
pub fn build(fields: SortFields<'_>, segment: &Segment, indexed: &IndexedRows, binding: &Binding) -> Result<Vec<u8>> {
    let rows = segment.rows();
    let firsts: Vec<u32> = (0..rows).step_by(RUN_ROWS as usize).collect();
    let sorted = in_parallel(firsts, |first| {
        run(fields, segment, (first..first.saturating_add(RUN_ROWS).min(rows)).filter(|row| indexed.contains(*row)))
    });
    let mut runs = sorted.into_iter().collect::<Result<Vec<_>>>()?;
    while runs.len() > 1 {
        let mut pairs = Vec::with_capacity(runs.len().div_ceil(2));
        let mut rest = runs.into_iter();
        while let Some(one) = rest.next() {
            pairs.push((one, rest.next()));
        }
        let merged = in_parallel(pairs, |(one, other)| match other {
            Some(other) => merge(fields, segment, &one, &other),
            None => Ok(one),
        });
        runs = merged.into_iter().collect::<Result<Vec<_>>>()?;
    }
    let entries = runs.pop().unwrap_or_default();
    let nulls = entries.iter().rev().take_while(|entry| entry.is_null).count();
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let left_out = u64::from(rows - count);
    let header = Header { rows, word: u32::try_from(nulls).unwrap_or(u32::MAX), numbers: [left_out, 0] };
    let mut out = Vec::with_capacity(len(count));
    out.extend_from_slice(&header.encode(MAGIC, binding));
    for fence in entries.iter().step_by(FENCE_ROWS as usize) {
        out.extend_from_slice(&fence.beginning.to_le_bytes());
    }
    out.extend(entries.iter().flat_map(|entry| entry.row.to_le_bytes()));
    out.resize(len(count), 0);
    Ok(out)
}

/// Sorts some rows.
fn run(fields: SortFields<'_>, segment: &Segment, rows: impl Iterator<Item = u32>) -> Result<Vec<Entry>> {
    let is_descending = fields.descending.first().is_some_and(|is_descending| *is_descending);
    let mut entries = Vec::with_capacity(rows.size_hint().1.unwrap_or_default());
    for row in rows {
        let value =
            fields.paths.value(expect_row(segment, row)?).map_err(|malformed| unreadable(segment, malformed))?;
        let key = SortKey::of(value);
        let beginning = match key.map(SortKey::beginning) {
            // The null values, which come last, begin with the greatest number.
            None => u64::MAX,
            Some(beginning) if is_descending => !beginning,
            Some(beginning) => beginning,
        };
        entries.push(Entry { is_null: key.is_none(), beginning, row });
    }
    entries.sort_unstable();
    if is_exact(fields) {
        return Ok(entries);
    }
    // Rows that begin alike are compared by their values.
    for alike in entries.chunk_by_mut(|a, b| (a.is_null, a.beginning) == (b.is_null, b.beginning)) {
        if alike.len() > 1 {
            for entry in &*alike {
                // What can be read once can be read again, while rows are compared.
                compare(fields, segment, *entry, *entry).map_err(|malformed| unreadable(segment, malformed))?;
            }
            alike.sort_unstable_by(|a, b| compare(fields, segment, *a, *b).unwrap_or(Ordering::Equal));
        }
    }
    Ok(entries)
}

/// Returns whether beginnings decide the order of all values.
fn is_exact(fields: SortFields<'_>) -> bool {
    use kapok_core::paths::ScalarKind::{Data, Text};
    fields.paths.len() == 1 && fields.paths.kinds().all(|kind| !matches!(kind, Text | Data))
}

fn compare(fields: SortFields<'_>, segment: &Segment, a: Entry, b: Entry) -> Read<Ordering> {
    let row = |entry: Entry| segment.row(entry.row).ok_or(Malformed { word: 0, expected: "a row within the segment" });
    let order = match (a.is_null, a.beginning).cmp(&(b.is_null, b.beginning)) {
        Ordering::Equal if is_exact(fields) => Ordering::Equal,
        Ordering::Equal => fields.compare(row(a)?, row(b)?)?,
        order => order,
    };
    Ok(order.then(a.row.cmp(&b.row)))
}

fn merge(fields: SortFields<'_>, segment: &Segment, one: &[Entry], other: &[Entry]) -> Result<Vec<Entry>> {
    let mut out = Vec::with_capacity(one.len() + other.len());
    let (mut a, mut b) = (one.iter().copied().peekable(), other.iter().copied().peekable());
    while let (Some(first), Some(second)) = (a.peek(), b.peek()) {
        let order = compare(fields, segment, *first, *second).map_err(|malformed| unreadable(segment, malformed))?;
        out.extend(if order.is_le() { a.next() } else { b.next() });
    }
    out.extend(a);
    out.extend(b);
    Ok(out)
}
