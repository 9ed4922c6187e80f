//! Pages of records: each begins behind the last record of the one before, in this version or a later one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use kapok_core::segment::RowId;
use kapok_core::view::Table;
use kapok_core::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

use super::number::Number;
use super::order::{After, SortValue, Sorting, encoded_key};
use super::place::Kind;
use super::rows::Rows;

/// Revision of what a cursor holds.
const FORM: u8 = 1;
const MARK_BYTES: usize = 8;

/// Some records of a query, and where the next ones begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub row_ids: Vec<RowId>,
    /// What [`Rows::page`] takes for the next page; `None` if this is the last.
    pub next: Option<String>,
}

impl<'v> Rows<'v> {
    /// Returns the first records, as many as the [limit](Rows::limit) says, or those behind the page that `cursor` is from.
    ///
    /// A cursor holds the values that the last record was ordered by, and its key. So it is good for later versions too:
    /// over all pages, each record that did not change in between comes once.
    ///
    /// ```
    /// # use kapok_core::Result;
    /// # use kapok_index::View;
    /// fn all_pages(view: &View) -> Result<()> {
    ///     let films = view.query("Movie", "year >= 1990")?.limit(100);
    ///     let mut page = films.page(None)?;
    ///     while let Some(cursor) = page.next {
    ///         page = films.page(Some(&cursor))?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// `Invalid` for a cursor that is not of this record type and order; `Corrupt` if the bytes are not as they must be.
    pub fn page(&self, cursor: Option<&str>) -> Result<Page> {
        let bytes = cursor.map(|cursor| BASE64.decode(cursor).map_err(|_| invalid())).transpose()?;
        let after = bytes.as_deref().map(|bytes| self.decode(bytes)).transpose()?;
        let one_more = Rows { limit: self.limit.and_then(|limit| limit.checked_add(1)), ..self.clone() };
        let mut row_ids = match (&self.sorting, &after) {
            (Some(sorting), after) => sorting.sort(&one_more, after.as_ref())?,
            (None, None) => one_more.row_ids()?,
            (None, Some(after)) => one_more.row_ids_behind(after.key)?,
        };
        let is_last = self.limit.is_none_or(|limit| row_ids.len() <= limit);
        row_ids.truncate(self.limit.unwrap_or(usize::MAX));
        let next = match row_ids.last() {
            Some(last) if !is_last => Some(self.encode(*last)?),
            _ => None,
        };
        Ok(Page { row_ids, next })
    }

    /// Returns what tells a cursor of this record type and order from others, and from a damaged one.
    fn mark(&self, rest: &[u8]) -> [u8; MARK_BYTES] {
        let mut text = self.table.name().as_bytes().to_vec();
        for field in self.sorting.iter().flat_map(|sorting| &sorting.fields) {
            text.push(0);
            text.extend(field.text.as_bytes());
        }
        // By other rules the key would be another one.
        text.extend(self.table.key().revision().number().to_le_bytes().into_iter().filter(|byte| *byte != 0));
        text.push(0);
        text.extend(rest);
        xxh3_64(&text).to_be_bytes()
    }

    fn encode(&self, row_id: RowId) -> Result<String> {
        let mut rest = Vec::new();
        if let Some(sorting) = &self.sorting {
            let mut values = Vec::new();
            sorting.read(self.table, row_id, &mut values)?;
            for (value, field) in values.into_iter().zip(&sorting.fields) {
                encode_value(value, field.place.kind, &mut rest);
            }
        }
        rest.extend(encoded_key(self.table, row_id)?);
        Ok(BASE64.encode([&[FORM], &self.mark(&rest)[..], &rest].concat()))
    }

    fn decode<'c>(&self, bytes: &'c [u8]) -> Result<After<'c>> {
        let (mark, mut rest) =
            bytes.strip_prefix(&[FORM]).and_then(<[u8]>::split_first_chunk::<MARK_BYTES>).ok_or_else(invalid)?;
        if *mark != self.mark(rest) {
            return Err(invalid());
        }
        let mut values = Vec::new();
        for field in self.sorting.iter().flat_map(|sorting: &std::sync::Arc<Sorting<'v>>| &sorting.fields) {
            values.push(decode_value(&mut rest, field.place.kind).ok_or_else(invalid)?);
        }
        Ok(After { values, key: rest })
    }

    /// Returns the rows in key order whose keys are greater than one.
    fn row_ids_behind(&self, key: &[u8]) -> Result<Vec<RowId>> {
        let starts =
            (0..self.plans.len()).map(|place| first_behind(self.table, place, key)).collect::<Result<Vec<_>>>()?;
        let limit = self.limit.unwrap_or(usize::MAX);
        self.iter_from(&starts).take(limit).collect()
    }
}

/// Returns the first row of a segment whose key is greater than one, by bisection.
pub(super) fn first_behind(table: &Table, place: usize, key: &[u8]) -> Result<u32> {
    let (mut low, mut high) = (0, table.segments()[place].segment().rows());
    while low < high {
        let middle = low + (high - low) / 2;
        let Some(row_id) = table.row_id(place, middle) else { break };
        if encoded_key(table, row_id)?.as_slice() > key { high = middle } else { low = middle + 1 }
    }
    Ok(low)
}

/// Numbers are written whatever their type, since it may be another one in a later version.
fn encode_value(value: SortValue<'_>, kind: Kind<'_>, out: &mut Vec<u8>) {
    match (value, kind.number()) {
        (SortValue::Number(key), Some(kind)) => match kind.number(key) {
            Number::Int(value) => {
                out.push(1);
                out.extend(value.to_be_bytes());
            }
            Number::Float(value) => {
                out.push(2);
                out.extend(value.to_bits().to_be_bytes());
            }
        },
        (SortValue::Bytes(bytes), _) => {
            out.push(3);
            out.extend((bytes.len() as u64).to_be_bytes());
            out.extend(bytes);
        }
        _ => out.push(0),
    }
}

fn decode_value<'c>(rest: &mut &'c [u8], kind: Kind<'_>) -> Option<SortValue<'c>> {
    let (tag, tail) = rest.split_first()?;
    let (value, tail) = match (tag, kind.number()) {
        (0, _) => (SortValue::Null, tail),
        (1, Some(kind)) => {
            let (bytes, tail) = tail.split_first_chunk()?;
            // A value that the type does not have: what comes next is behind the greatest below it.
            (SortValue::Number(kind.at_most(Number::Int(i128::from_be_bytes(*bytes))).unwrap_or(0)), tail)
        }
        (2, Some(kind)) => {
            let (bytes, tail) = tail.split_first_chunk()?;
            let number = Number::Float(f64::from_bits(u64::from_be_bytes(*bytes)));
            (SortValue::Number(kind.at_most(number).unwrap_or(0)), tail)
        }
        (3, None) => {
            let (len, tail) = tail.split_first_chunk()?;
            let (bytes, tail) = tail.split_at_checked(usize::try_from(u64::from_be_bytes(*len)).ok()?)?;
            (SortValue::Bytes(bytes), tail)
        }
        _ => return None,
    };
    *rest = tail;
    Some(value)
}

#[cold]
fn invalid() -> Error {
    Error::invalid("cursor", "not from a page of this record type and order; begin with the first page")
}
