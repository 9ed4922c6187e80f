//! Orders records by their fields.

use std::cmp::Ordering;

use kapok_core::Result;
use kapok_core::segment::RowId;
use kapok_core::view::Table;

use super::join::Names;
use super::number::NumberKind;
use super::parse;
use super::place::{Kind, Place, Scope};
use super::resolve::{ScopeType, resolve};
use super::rows::Rows;
use super::scan::corrupt;
use super::unreadable::Read;

/// A field that records are ordered by.
///
/// Values stand in the one order of all comparisons: numbers with NaN above all, Text and Data bytewise, enums by
/// number. Null stands behind all values, whatever the direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub(super) path: String,
    pub(super) is_descending: bool,
}

impl Order {
    /// Orders by a field, the least value first. Paths are those of expressions: `address.city`, `labels["en"]`.
    pub fn ascending(path: impl Into<String>) -> Self {
        Self { path: path.into(), is_descending: false }
    }

    /// Orders by a field, the greatest value first.
    pub fn descending(path: impl Into<String>) -> Self {
        Self { path: path.into(), is_descending: true }
    }
}

/// Fields that records are ordered by, resolved.
#[derive(Debug)]
pub(super) struct Sorting<'v> {
    pub fields: Vec<SortField<'v>>,
}

#[derive(Debug)]
pub(super) struct SortField<'v> {
    pub place: Place<'v>,
    /// The path and the direction, for cursors.
    pub text: String,
    pub is_descending: bool,
}

/// A value that records are ordered by; within a field all are of one kind, or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum SortValue<'v> {
    /// As its kind maps it to a key.
    Number(u64),
    Bytes(&'v [u8]),
    Null,
}

/// Where a page begins: behind a record with these values and this key.
pub(super) struct After<'p> {
    pub values: Vec<SortValue<'p>>,
    pub key: &'p [u8],
}

impl<'v> Sorting<'v> {
    pub fn bind(names: Names<'v>, table: &'v Table, order: &[Order]) -> Result<Self> {
        let scope = ScopeType::Record(table);
        let field = |order: &Order| {
            let path = parse::path(&order.path)?;
            let place = resolve(names, scope, &path)?;
            match place.kind {
                Kind::Number(_) | Kind::Enum(_) | Kind::Text | Kind::Data => {
                    let text = format!("{path} {}", if order.is_descending { "descending" } else { "ascending" });
                    Ok(SortField { place, text, is_descending: order.is_descending })
                }
                other => Err(path.at.error(format!("{path} is {}, which has no order", other.describe()))),
            }
        };
        Ok(Self { fields: order.iter().map(field).collect::<Result<_>>()? })
    }

    /// Returns the rows in order, up to the limit.
    pub fn sort(&self, rows: &Rows<'v>, after: Option<&After<'_>>) -> Result<Vec<RowId>> {
        if let Some((walked, _)) = rows.walk(after)? {
            return Ok(walked);
        }
        let width = self.fields.len();
        let (mut values, mut sorted) = (Vec::new(), Vec::new());
        // In key order, so that equal ones stay in it.
        let in_key_order = Rows { sorting: None, limit: None, ..rows.clone() };
        for row_id in &in_key_order {
            let row_id = row_id?;
            let from = values.len();
            self.read(rows.table, row_id, &mut values)?;
            if let Some(after) = after
                && !self.is_behind(rows.table, &values[from..], row_id, after)?
            {
                values.truncate(from);
                continue;
            }
            sorted.push((from / width.max(1), row_id));
        }
        let of = |row: usize| &values[row * width..(row + 1) * width];
        let order = |a: &(usize, RowId), b: &(usize, RowId)| self.compare(of(a.0), of(b.0)).then(a.0.cmp(&b.0));
        if let Some(limit) = rows.limit
            && limit < sorted.len()
        {
            if limit > 0 {
                sorted.select_nth_unstable_by(limit - 1, order);
            }
            sorted.truncate(limit);
        }
        sorted.sort_unstable_by(order);
        Ok(sorted.into_iter().map(|(_, row_id)| row_id).collect())
    }

    /// Appends the values that order a record.
    pub fn read(&self, table: &'v Table, row_id: RowId, out: &mut Vec<SortValue<'v>>) -> Result<()> {
        let (place, row) = table.place(row_id)?;
        let source = &table.segments()[place];
        let Some(at) = source.segment().row(row) else { return Ok(()) };
        for field in &self.fields {
            let value = field.place.sort_value(Scope::Struct(at)).map_err(|malformed| corrupt(source, malformed))?;
            out.push(value);
        }
        Ok(())
    }

    /// Returns whether a record comes behind another.
    pub fn is_behind(&self, table: &Table, values: &[SortValue<'_>], row_id: RowId, after: &After<'_>) -> Result<bool> {
        Ok(match self.compare(values, &after.values) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => encoded_key(table, row_id)?.as_slice() > after.key,
        })
    }

    pub fn compare(&self, a: &[SortValue<'_>], b: &[SortValue<'_>]) -> Ordering {
        for ((field, a), b) in self.fields.iter().zip(a).zip(b) {
            let order = match (a, b) {
                // Behind all, in both directions.
                (SortValue::Null, _) | (_, SortValue::Null) => a.cmp(b),
                _ if field.is_descending => b.cmp(a),
                _ => a.cmp(b),
            };
            if order.is_ne() {
                return order;
            }
        }
        Ordering::Equal
    }
}

impl<'v> Place<'v> {
    /// Returns the value of a number, enum, Text or Data.
    pub fn sort_value(&self, scope: Scope<'v>) -> Read<SortValue<'v>> {
        let value = match self.kind {
            Kind::Number(kind) => self.number(kind, scope)?.map(SortValue::Number),
            Kind::Enum(_) => self.number(NumberKind::Unsigned(16), scope)?.map(SortValue::Number),
            _ => self.bytes(scope)?.map(SortValue::Bytes),
        };
        Ok(value.unwrap_or(SortValue::Null))
    }
}

/// Returns the encoded key of a record.
pub(super) fn encoded_key(table: &Table, row_id: RowId) -> Result<Vec<u8>> {
    let (place, _) = table.place(row_id)?;
    let mut out = Vec::new();
    let encoded = table.key().encode_row(table.row(row_id)?, &mut out);
    encoded.map_err(|malformed| corrupt(&table.segments()[place], malformed))?;
    Ok(out)
}
