//! Reads the first records of an order from a sorted index or the primary key, without sorting all.
//!
//! The rows of each segment are walked in the order of the index, and those of all segments merged. Each row that is met is asked
//! the conditions. If few satisfy them, it is cheaper to sort those that do: a walk gives up after it has met too many rows.

use std::ops::Range;

use kapok_core::Result;
use kapok_core::segment::{LiveSegment, RowId};

use super::access::{Access, bytes_scalar, scalar};
use super::evaluate::Spending;
use super::order::{After, SortField, SortValue, Sorting};
use super::page::first_behind;
use super::place::Scope;
use super::plan::{SegmentPlan, conjuncts};
use super::rows::Rows;
use super::scan::corrupt;
use crate::kind::{Kind, OpenIndex};
use crate::sorted::{Side, SortPlace, SortedIndex};

/// Of the rows that would be looked at to be sorted, the part that a walk may meet.
const PART_MET: u64 = 16;

/// A way through the rows of one segment, in the order of an index.
struct Walk<'w, 'v> {
    source: &'v LiveSegment,
    plan: &'w SegmentPlan<'v>,
    place: usize,
    /// `None` for the primary key, in whose order rows stand.
    index: Option<&'v SortedIndex>,
    positions: Box<dyn Iterator<Item = u32> + 'w>,
    spending: Spending,
}

/// A row that satisfies the expression, and what it is ordered by.
struct Head<'v> {
    row: u32,
    values: Vec<SortValue<'v>>,
}

impl<'v> Rows<'v> {
    /// Returns the first row ids in order, up to the limit, and the name of the index that they are walked by. `None` if there is
    /// no limit or no index of the order, or sorting is cheaper.
    pub(super) fn walk(&self, after: Option<&After<'_>>) -> Result<Option<(Vec<RowId>, &'v str)>> {
        let (Some(limit), Some(sorting), Some((accesses, indexes))) = (self.limit, &self.sorting, &self.indexes) else {
            return Ok(None);
        };
        let all = conjuncts(&self.expression);
        // Few indexes are of the order; whether one holds all rows is the dearer question.
        let mut of_order = accesses.iter().filter_map(|access| Some((access, access.is_backwards(&sorting.fields)?)));
        let Some((access, is_backwards)) = of_order.find(|(access, _)| access.holds_all(all)) else { return Ok(None) };
        let mut walks = Vec::with_capacity(self.plans.len());
        let mut candidates = 0_u64;
        for (place, (source, plan)) in self.table.segments().iter().zip(&self.plans).enumerate() {
            let opened: &'v [Option<OpenIndex>] = indexes.opened.get(place).map_or(&[], Vec::as_slice);
            let index = match (access.index.kind(), opened.get(access.position).and_then(Option::as_ref)) {
                (Kind::Unique, _) => None,
                (_, Some(OpenIndex::Sorted(index))) => Some(index),
                _ => return Ok(None),
            };
            candidates = candidates.saturating_add(plan.candidates.count(source));
            let answer = access.ask(all, source, opened)?;
            let asked = answer.as_ref().and_then(|answer| answer.positions());
            let (values, nulls) = match index {
                Some(index) => (index.values(), index.values().end..index.all().end),
                None => (0..source.segment().rows(), 0..0),
            };
            let (ranges, nulls) = match asked {
                Some(ranges) => (ranges, 0..0),
                None => (std::slice::from_ref(&values), nulls),
            };
            let kept = match (after, index) {
                (Some(after), Some(index)) => access.behind(after, index, source, is_backwards)?,
                (Some(after), None) if !is_backwards => first_behind(self.table, place, after.key)?..u32::MAX,
                (Some(after), None) if sorting.fields.len() == access.ends.len() => {
                    0..first_behind(self.table, place, after.key)?
                }
                _ => 0..u32::MAX,
            };
            let cut = |range: &Range<u32>| range.start.max(kept.start)..range.end.min(kept.end);
            let ranges = ranges.iter().map(cut).filter(|range| !range.is_empty()).collect();
            let positions = in_order(ranges, nulls, is_backwards);
            walks.push(Walk { source, plan, place, index, positions, spending: Spending::new() });
        }
        let limit_met = (candidates / PART_MET).saturating_add(limit as u64);
        let rows = Merge { sorting, after, rows: self, left: limit_met }.first(walks, limit)?;
        Ok(rows.map(|rows| (rows, access.index.name())))
    }
}

impl Access<'_> {
    /// Returns whether the rows of an order are those of the index from the last to the first; `None` if the order is neither its
    /// nor the opposite.
    fn is_backwards(&self, fields: &[SortField<'_>]) -> Option<bool> {
        let is_ordered = match self.index.kind() {
            Kind::Unique | Kind::Sorted => fields.len() <= self.ends.len(),
            _ => false,
        };
        let is_first = fields.iter().zip(&self.ends).all(|(field, end)| field.place == *end);
        let mut turned =
            fields.iter().zip(self.index.fields().descending).map(|(field, own)| field.is_descending != *own);
        let is_backwards = turned.next().filter(|_| is_ordered && is_first)?;
        // Null stands behind all in both directions, so only the first field's can be moved.
        let is_whole = turned.all(|turned| turned == is_backwards);
        let has_no_null = self.index.kind() == Kind::Unique || fields.len() == 1;
        (is_whole && (!is_backwards || has_no_null)).then_some(is_backwards)
    }

    /// Returns the positions that may stand behind the record that the page before ended with, as far as its first value tells.
    fn behind(
        &self,
        after: &After<'_>,
        index: &SortedIndex,
        source: &LiveSegment,
        is_backwards: bool,
    ) -> Result<Range<u32>> {
        let Some(kind) = self.index.paths().kinds().next() else { return Ok(0..u32::MAX) };
        let value = match after.values.first() {
            Some(SortValue::Number(key)) => scalar(kind, *key),
            Some(SortValue::Bytes(bytes)) => Some(bytes_scalar(kind, bytes)),
            // All values are before it.
            Some(SortValue::Null) => return Ok(0..0),
            None => None,
        };
        let Some(value) = value else { return Ok(0..u32::MAX) };
        let place = SortPlace { values: &[value], is_prefix: false };
        let position = |side| index.position(self.index.fields(), source.segment(), &place, side);
        Ok(if is_backwards { 0..position(Side::Behind)? } else { position(Side::Before)?..u32::MAX })
    }
}

/// Iterates over positions in the order of the index or against it, each once, and then over those whose value is null.
fn in_order(mut ranges: Vec<Range<u32>>, nulls: Range<u32>, is_backwards: bool) -> Box<dyn Iterator<Item = u32>> {
    ranges.sort_by_key(|range| range.start);
    let mut end = 0;
    for range in &mut ranges {
        *range = range.start.max(end)..range.end;
        end = end.max(range.end);
    }
    if is_backwards {
        Box::new(ranges.into_iter().rev().flat_map(Iterator::rev).chain(nulls))
    } else {
        Box::new(ranges.into_iter().flatten().chain(nulls))
    }
}

/// The merge of the walks of all segments.
struct Merge<'m, 'v> {
    rows: &'m Rows<'v>,
    sorting: &'m Sorting<'v>,
    after: Option<&'m After<'m>>,
    /// Rows that may still be met.
    left: u64,
}

impl<'v> Merge<'_, 'v> {
    fn first(&mut self, mut walks: Vec<Walk<'_, 'v>>, limit: usize) -> Result<Option<Vec<RowId>>> {
        let mut heads = Vec::with_capacity(walks.len());
        for walk in &mut walks {
            heads.push(self.next(walk)?);
        }
        // Rows with equal values, which stand in key order.
        let (mut out, mut equal, mut equal_values) = (Vec::new(), Vec::new(), Vec::new());
        while self.left > 0 && out.len() < limit {
            let all = heads.iter().enumerate().filter_map(|(at, head)| Some((at, head.as_ref()?)));
            let least = all.min_by(|(_, a), (_, b)| self.sorting.compare(&a.values, &b.values)).map(|(at, _)| at);
            let Some(at) = least else {
                self.take(&mut equal, &mut out)?;
                return Ok(Some(out));
            };
            let next = self.next(&mut walks[at])?;
            let Some(head) = std::mem::replace(&mut heads[at], next) else { continue };
            if !equal.is_empty() && self.sorting.compare(&equal_values, &head.values).is_ne() {
                self.take(&mut equal, &mut out)?;
            }
            equal_values = head.values;
            equal.push((walks[at].place, head.row));
        }
        out.truncate(limit);
        Ok((out.len() == limit).then_some(out))
    }

    /// Goes on to the next row that satisfies the expression and is behind the page before; `None` at the end, or if none may be
    /// met any more.
    fn next(&mut self, walk: &mut Walk<'_, 'v>) -> Result<Option<Head<'v>>> {
        let Walk { source, plan, place, index, positions, spending } = walk;
        for position in positions {
            if self.left == 0 {
                return Ok(None);
            }
            self.left -= 1;
            let row = index.map_or(Ok(position), |index| index.row(position))?;
            if !source.is_live(row) || !plan.candidates.contains(row) {
                continue;
            }
            let Some(at) = source.segment().row(row) else { continue };
            let holds = plan.conditions.holds(Scope::Struct(at), spending);
            if !holds.map_err(|malformed| corrupt(source, malformed))? {
                continue;
            }
            let (row_id, mut values) = (source.mark().row_id(*place, row), Vec::new());
            self.sorting.read(self.rows.table, row_id, &mut values)?;
            if let Some(after) = self.after
                && !self.sorting.is_behind(self.rows.table, &values, row_id, after)?
            {
                continue;
            }
            return Ok(Some(Head { row, values }));
        }
        Ok(None)
    }

    /// Takes rows of equal values in key order.
    fn take(&self, equal: &mut Vec<(usize, u32)>, out: &mut Vec<RowId>) -> Result<()> {
        let table = self.rows.table;
        if equal.len() > 1 {
            let keyed = equal.iter().map(|(place, row)| Ok((table.row_key(*place, *row)?, *place, *row)));
            let mut keyed = keyed.collect::<Result<Vec<_>>>()?;
            keyed.sort_unstable();
            *equal = keyed.into_iter().map(|(_, place, row)| (place, row)).collect();
        }
        out.extend(equal.drain(..).map(|(place, row)| table.segments()[place].mark().row_id(place, row)));
        Ok(())
    }
}
