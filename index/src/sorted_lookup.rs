//! Finds and orders the records of a type by a sorted index, in all segments.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::{Bound, Range};

use kapok_core::paths::{Scalar, ScalarKind};
use kapok_core::segment::{LiveSegment, RowId};
use kapok_core::{Error, Result};

use crate::declared::Index;
use crate::kind::OpenIndex;
use crate::row::{expect_row, unreadable};
use crate::sorted::{Side, SortPlace, SortedIndex};
use crate::values::Values;
use crate::view::TableIndex;

/// Finds records by the order of the fields of a sorted index.
///
/// Made by [`View::sorted_lookup`](crate::View::sorted_lookup). All results stand in the order of the index, across segments;
/// records that are equal in all of its fields in that of their row ids. Records whose first field is null are in no result.
/// Segments without an artifact of the index are sorted when they are asked.
///
/// ```
/// # use std::ops::Bound;
/// # use kapok_core::Result;
/// # use kapok_index::View;
/// fn print(view: &View) -> Result<()> {
///     let by_year = view.sorted_lookup("Movie", "sorted(year, title)")?;
///     let of_the_twenties = by_year.range(Bound::Included(&[1920.into()]), Bound::Excluded(&[1930.into()]))?;
///     let title = view.field::<&str>("Movie.title")?;
///     for row_id in of_the_twenties {
///         println!("{}", title.get(row_id)?);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy)]
pub struct SortedLookup<'v> {
    of: TableIndex<'v>,
}

/// Live rows of one segment between two places, in the order of the index.
struct LiveRows<'v> {
    source: &'v LiveSegment,
    index: Cow<'v, SortedIndex>,
    positions: Range<u32>,
}

impl<'v> SortedLookup<'v> {
    pub(crate) fn new(of: TableIndex<'v>) -> Self {
        Self { of }
    }

    /// Returns the index.
    pub fn index(&self) -> &'v Index {
        self.of.index
    }

    /// Returns the records from one place of the order to another. A place is given by the values of the first fields: that of all
    /// records that have them.
    ///
    /// # Errors
    /// `Invalid` for null, for more values than the index has fields, and for values of other kinds; `Corrupt` if a segment or its
    /// index is not as it must be.
    pub fn range(&self, from: Bound<&[Scalar<'_>]>, to: Bound<&[Scalar<'_>]>) -> Result<Vec<RowId>> {
        let (from, to) = (self.cast_bound(from)?, self.cast_bound(to)?);
        self.merged(
            self.between(bounded(&from, Side::Before, Side::Behind), bounded(&to, Side::Behind, Side::Before))?,
            usize::MAX,
            forwards,
        )
    }

    /// Returns the first record from a place of the order on; `None` if there is none.
    ///
    /// # Errors
    /// As [`range`](Self::range).
    pub fn first_from(&self, from: Bound<&[Scalar<'_>]>) -> Result<Option<RowId>> {
        let from = self.cast_bound(from)?;
        let start = bounded(&from, Side::Before, Side::Behind);
        let (fields, segments) = (self.of.index.fields(), self.of.table.segments());
        let mut first: Option<(usize, u32)> = None;
        for (place, source) in segments.iter().enumerate() {
            let Some(row) = self.between_in(place, source, start, None)?.next().transpose()? else { continue };
            if let Some((before, least)) = first {
                let (a, b) = (segments[before].segment(), source.segment());
                let order = fields.compare(expect_row(b, row)?, expect_row(a, least)?);
                // Of equal rows the first segment's comes first.
                if order.map_err(|malformed| unreadable(b, malformed))?.is_ge() {
                    continue;
                }
            }
            first = Some((place, row));
        }
        Ok(first.map(|(place, row)| segments[place].mark().row_id(place, row)))
    }

    /// Returns the records whose first field, a text, begins so.
    ///
    /// # Errors
    /// `Invalid` if the first field is neither Text nor Data; `Corrupt` as for [`range`](Self::range).
    pub fn prefix(&self, prefix: Scalar<'_>) -> Result<Vec<RowId>> {
        let values = self.cast(&[prefix])?;
        self.expect_bytes()?;
        let place = SortPlace { values: &values, is_prefix: true };
        self.merged(self.between(Some((place, Side::Before)), Some((place, Side::Behind)))?, usize::MAX, forwards)
    }

    /// Returns the records whose first field, a text, is the longest beginning of a given text that there is among them; none if
    /// there is no beginning of it.
    ///
    /// # Errors
    /// As [`prefix`](Self::prefix).
    pub fn longest_beginning(&self, text: Scalar<'_>) -> Result<Vec<RowId>> {
        let mut asked = self.cast(&[text])?;
        self.expect_bytes()?;
        loop {
            let found = self.merged(self.between_equal(&asked)?, usize::MAX, forwards)?;
            if !found.is_empty() {
                return Ok(found);
            }
            // The greatest value below, by what it has in common with the text, is the next that may be a beginning.
            let below = self.last_before(&asked)?;
            let (Some(below), Some(wanted)) = (below, asked.first_mut()) else { return Ok(Vec::new()) };
            let (Scalar::Text(bytes) | Scalar::Data(bytes)) = wanted else { return Ok(Vec::new()) };
            let common =
                bytes.iter().zip(&below).take_while(|(a, b)| a == b).count().min(bytes.len().saturating_sub(1));
            if bytes.is_empty() {
                return Ok(Vec::new());
            }
            *bytes = &bytes[..common];
        }
    }

    /// Returns the first records of the order, at most so many.
    ///
    /// # Errors
    /// `Corrupt` if a segment or its index is not as it must be.
    pub fn first(&self, count: usize) -> Result<Vec<RowId>> {
        self.merged(self.between(None, None)?, count, forwards)
    }

    /// Returns the last records of the order, the last one first, at most so many.
    ///
    /// # Errors
    /// As [`first`](Self::first).
    pub fn last(&self, count: usize) -> Result<Vec<RowId>> {
        let backwards = self.between(None, None)?.into_iter().map(Iterator::rev).collect();
        self.merged(backwards, count, Ordering::reverse)
    }

    fn between_equal(&self, values: &[Scalar<'_>]) -> Result<Vec<LiveRows<'v>>> {
        let place = SortPlace { values, is_prefix: false };
        self.between(Some((place, Side::Before)), Some((place, Side::Behind)))
    }

    /// Returns the greatest first value below some text, in an ascending order.
    fn last_before(&self, values: &[Scalar<'_>]) -> Result<Option<Vec<u8>>> {
        let place = SortPlace { values, is_prefix: false };
        let mut greatest: Option<Vec<u8>> = None;
        let side = |is_descending: bool| {
            if is_descending { (Some((place, Side::Behind)), None) } else { (None, Some((place, Side::Before))) }
        };
        let is_descending = self.of.index.fields().descending.first() == Some(&true);
        let (start, end) = side(is_descending);
        for (source, mut rows) in self.of.table.segments().iter().zip(self.between(start, end)?) {
            let row = if is_descending { rows.next() } else { rows.next_back() };
            let Some(row) = row.transpose()? else { continue };
            let row = expect_row(source.segment(), row)?;
            let value =
                self.of.index.paths().value(row).map_err(|malformed| unreadable(source.segment(), malformed))?;
            if let Scalar::Text(bytes) | Scalar::Data(bytes) = value
                && greatest.as_deref().is_none_or(|greatest| greatest < bytes)
            {
                greatest = Some(bytes.to_vec());
            }
        }
        Ok(greatest)
    }

    /// Returns the live rows of each segment between two places.
    fn between(
        &self,
        start: Option<(SortPlace<'_>, Side)>,
        end: Option<(SortPlace<'_>, Side)>,
    ) -> Result<Vec<LiveRows<'v>>> {
        let segments = self.of.table.segments().iter().enumerate();
        segments.map(|(place, source)| self.between_in(place, source, start, end)).collect()
    }

    /// Returns the live rows of one segment between two places.
    fn between_in(
        &self,
        place: usize,
        source: &'v LiveSegment,
        start: Option<(SortPlace<'_>, Side)>,
        end: Option<(SortPlace<'_>, Side)>,
    ) -> Result<LiveRows<'v>> {
        let (fields, segment) = (self.of.index.fields(), source.segment());
        let index = match self.of.artifact(place).and_then(OpenIndex::sorted) {
            Some(index) => Cow::Borrowed(index),
            None => Cow::Owned(SortedIndex::of_segment(fields, segment, &self.of.index.rows(segment)?)?),
        };
        let position = |(place, side)| index.position(fields, segment, &place, side);
        let positions = start.map_or(Ok(0), position)?..end.map_or(Ok(index.values().end), position)?;
        Ok(LiveRows { source, index, positions })
    }

    /// Merges the rows of all segments. `direction`: what becomes of an order, to go backwards.
    fn merged(
        &self,
        mut rows: Vec<impl Iterator<Item = Result<u32>>>,
        count: usize,
        direction: impl Fn(Ordering) -> Ordering,
    ) -> Result<Vec<RowId>> {
        let (fields, segments) = (self.of.index.fields(), self.of.table.segments());
        let mut heads = rows.iter_mut().map(|rows| rows.next().transpose()).collect::<Result<Vec<_>>>()?;
        let mut out = Vec::new();
        while out.len() < count {
            let mut least: Option<(usize, u32)> = None;
            for (place, head) in heads.iter().enumerate() {
                let Some(row) = *head else { continue };
                if let Some((before, best)) = least {
                    let (a, b) = (segments[before].segment(), segments[place].segment());
                    let order = fields.compare(expect_row(b, row)?, expect_row(a, best)?);
                    let order = order.map_err(|malformed| unreadable(b, malformed))?;
                    // Of equal rows the first segment's comes first.
                    if direction(order.then(Ordering::Greater)).is_ge() {
                        continue;
                    }
                }
                least = Some((place, row));
            }
            let Some((place, row)) = least else { break };
            out.push(segments[place].mark().row_id(place, row));
            heads[place] = rows[place].next().transpose()?;
        }
        Ok(out)
    }

    fn cast_bound<'s>(&self, bound: Bound<&[Scalar<'s>]>) -> Result<Bound<Values<'s>>> {
        Ok(match bound {
            Bound::Unbounded => Bound::Unbounded,
            Bound::Included(values) => Bound::Included(self.cast(values)?),
            Bound::Excluded(values) => Bound::Excluded(self.cast(values)?),
        })
    }

    /// Returns values as the first fields hold them.
    fn cast<'s>(&self, values: &[Scalar<'s>]) -> Result<Values<'s>> {
        let paths = self.of.index.paths();
        if values.is_empty() || values.len() > paths.len() {
            return Err(Error::invalid(self.subject(), format!("{} values for {} fields", values.len(), paths.len())));
        }
        let mut out = Values::new();
        for ((kind, name), value) in paths.kinds().zip(paths.names()).zip(values) {
            match kind.cast(*value) {
                Ok(Some(value)) if !matches!(value, Scalar::Null | Scalar::EmptyList | Scalar::NullElement) => {
                    out.push(value);
                }
                Ok(None) => {
                    let detail = format!("{name} is {kind:?}, of which no value is equal to {value:?}");
                    return Err(Error::invalid(self.subject(), detail));
                }
                _ => {
                    let detail = format!("{name} is {kind:?}, and {value:?} is none that is not null");
                    return Err(Error::invalid(self.subject(), detail));
                }
            }
        }
        Ok(out)
    }

    fn expect_bytes(&self) -> Result<()> {
        match self.of.index.paths().kinds().next() {
            Some(ScalarKind::Text | ScalarKind::Data) => Ok(()),
            kind => {
                Err(Error::invalid(self.subject(), format!("its first field is {kind:?}, which has no beginnings")))
            }
        }
    }

    fn subject(&self) -> String {
        format!("index {} of {}", self.of.index.name(), self.of.table.name())
    }
}

/// Returns where a range ends whose bound is given, by the side of its values that it ends at if it holds or lacks them.
fn bounded<'s>(bound: &'s Bound<Values<'_>>, included: Side, excluded: Side) -> Option<(SortPlace<'s>, Side)> {
    match bound {
        Bound::Unbounded => None,
        Bound::Included(values) => Some((SortPlace { values, is_prefix: false }, included)),
        Bound::Excluded(values) => Some((SortPlace { values, is_prefix: false }, excluded)),
    }
}

fn forwards(order: Ordering) -> Ordering {
    order
}

impl Iterator for LiveRows<'_> {
    type Item = Result<u32>;

    fn next(&mut self) -> Option<Result<u32>> {
        let Self { source, index, positions } = self;
        positions.map(|at| index.row(at)).find(|row| row.as_ref().map_or(true, |row| source.is_live(*row)))
    }
}

impl DoubleEndedIterator for LiveRows<'_> {
    fn next_back(&mut self) -> Option<Result<u32>> {
        let Self { source, index, positions } = self;
        positions.rev().map(|at| index.row(at)).find(|row| row.as_ref().map_or(true, |row| source.is_live(*row)))
    }
}

impl fmt::Debug for SortedLookup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of.fmt_lookup("SortedLookup", f)
    }
}
