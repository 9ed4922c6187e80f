//! Writes records and values as JSON.
//!
//! | value | JSON |
//! |---|---|
//! | struct, group | object: JSON names in the order of declaration |
//! | null, `Void` | omitted; `null` as the active member of a union and inside lists, so that it can be read back |
//! | enum | JSON name; the number if the schema knows no name |
//! | integers of any width | number |
//! | `Float32`, `Float64` | the shortest number that reads back the same; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | `Data` | text in base64, standard alphabet, padded |
//! | `Text` annotated as JSON | the value that it holds, without white space; if it is no JSON, or nests too deep here, text |
//! | list annotated as a map, with texts for keys | object: one member per entry, in the list's order |
//!
//! `nullOf` flags are not printed. The text has no line breaks: one record, one line.

use std::fmt;
use std::io::{self, Write};

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::error::{Error, Result};
use crate::record::{Budget, ListValue, Record, ValueRef, deeper};
use crate::schema::{FieldKind, FieldType, Type};

mod embedded;
#[cfg(test)]
mod tests;

pub(crate) use embedded::is_json;
use embedded::pieces;

/// Elements that the `Debug` form of a record visits at most.
const DEBUG_ELEMENTS: u64 = 1 << 12;

impl Record<'_> {
    /// Writes this record as JSON, in many small pieces: give a buffer, or a writer that has one.
    ///
    /// # Errors
    /// Those of `out`. What is wrong with the record is `InvalidData` around an [`Error`] of this crate: `Corrupt`, or
    /// [`Fault::Budget`](crate::Fault::Budget), or [`Fault::Limit`](crate::Fault::Limit) if it nests too deep;
    /// `out` then holds part of the text.
    pub fn write_json(&self, out: &mut impl Write, budget: &mut Budget) -> io::Result<()> {
        Writer { out, budget, root: &self.struct_type().name }.record(self, 0)
    }

    /// Returns this record as JSON, within the default budget.
    ///
    /// # Errors
    /// As [`Record::write_json`].
    pub fn to_json_string(&self) -> Result<String> {
        ValueRef::Struct(*self).to_json_string()
    }
}

impl ValueRef<'_> {
    /// Writes this value as JSON; see [`Record::write_json`].
    ///
    /// # Errors
    /// As [`Record::write_json`].
    pub fn write_json(&self, out: &mut impl Write, budget: &mut Budget) -> io::Result<()> {
        let root = self.as_record().map_or("value", |record| record.struct_type().name.as_str());
        Writer { out, budget, root }.value(*self, 0)
    }

    /// Returns this value as JSON, within the default budget.
    ///
    /// # Errors
    /// As [`Record::write_json`].
    pub fn to_json_string(&self) -> Result<String> {
        let mut out = Vec::new();
        match self.write_json(&mut out, &mut Budget::default()) {
            Ok(()) => String::from_utf8(out).map_err(|e| Error::invalid("json", e.to_string())),
            Err(e) => Err(e.downcast::<Error>().unwrap_or_else(|e| Error::invalid("json", e.to_string()))),
        }
    }
}

impl ValueRef<'_> {
    /// Writes this value as JSON for people: what is too large or cannot be read ends in the reason why.
    pub(super) fn fmt_json(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        let end = self.write_json(&mut out, &mut Budget::new(DEBUG_ELEMENTS));
        f.write_str(&String::from_utf8_lossy(&out))?;
        match end {
            Ok(()) => Ok(()),
            Err(error) => write!(f, " … ({error})"),
        }
    }
}

struct Writer<'w, W> {
    out: &'w mut W,
    budget: &'w mut Budget,
    /// Type of the record, for errors.
    root: &'w str,
}

impl<W: Write> Writer<'_, W> {
    fn record(&mut self, record: &Record<'_>, depth: u32) -> io::Result<()> {
        let depth = deeper(depth, self.root).map_err(data)?;
        self.budget.spend(record.struct_type().fields.len() as u64, self.root).map_err(data)?;
        self.out.write_all(b"{")?;
        let mut first = true;
        for field in record.fields() {
            let (field, value) = field.map_err(data)?;
            if matches!(value, ValueRef::Null | ValueRef::Void) && field.discriminant.is_none() {
                continue;
            }
            self.separator(&mut first)?;
            self.plain(field.json_name())?;
            self.out.write_all(b":")?;
            self.value(value, depth)?;
        }
        self.out.write_all(b"}")
    }

    fn value(&mut self, value: ValueRef<'_>, depth: u32) -> io::Result<()> {
        match value {
            ValueRef::Null | ValueRef::Void => self.out.write_all(b"null"),
            ValueRef::Bool(value) => self.plain(&value),
            ValueRef::Int(value) => self.plain(&value),
            ValueRef::UInt(value) => self.plain(&value),
            ValueRef::Float32(value) if value.is_finite() => self.plain(&value),
            ValueRef::Float64(value) if value.is_finite() => self.plain(&value),
            ValueRef::Float32(value) => self.not_finite(f64::from(value)),
            ValueRef::Float64(value) => self.not_finite(value),
            ValueRef::Text(text) => {
                self.budget.spend_bytes(text.len(), self.root).map_err(data)?;
                self.plain(text)
            }
            ValueRef::Json(text) => {
                self.budget.spend_bytes(text.len(), self.root).map_err(data)?;
                if !is_json(text, depth) {
                    return self.plain(text);
                }
                pieces(text).try_for_each(|piece| self.out.write_all(piece.as_bytes()))
            }
            ValueRef::Data(bytes) => {
                self.budget.spend_bytes(bytes.len(), self.root).map_err(data)?;
                write!(self.out, "\"{}\"", Base64Display::new(bytes, &BASE64))
            }
            ValueRef::Enum { value: number, .. } => match value.as_str() {
                Some(name) => self.plain(name),
                None => self.plain(&number),
            },
            ValueRef::List(list) => match list.map_fields() {
                Some((key, value)) if is_text(key) => self.map(list, (key, value), depth),
                _ => self.list(list, depth),
            },
            ValueRef::Struct(record) => self.record(&record, depth),
        }
    }

    fn list(&mut self, list: ListValue<'_>, depth: u32) -> io::Result<()> {
        let depth = self.enter(list, depth)?;
        self.out.write_all(b"[")?;
        let mut first = true;
        for item in list {
            self.separator(&mut first)?;
            self.value(item.map_err(data)?, depth)?;
        }
        self.out.write_all(b"]")
    }

    fn map<'v>(
        &mut self,
        list: ListValue<'v>,
        (key, value): (&'v FieldType, &'v FieldType),
        depth: u32,
    ) -> io::Result<()> {
        let depth = self.enter(list, depth)?;
        self.out.write_all(b"{")?;
        let mut first = true;
        for entry in list {
            let ValueRef::Struct(entry) = entry.map_err(data)? else { continue };
            let ValueRef::Text(name) = entry.value(key).map_err(data)? else {
                return Err(data(Error::invalid(self.root, "a map has an entry whose key is null")));
            };
            self.separator(&mut first)?;
            self.value(ValueRef::Text(name), depth)?;
            self.out.write_all(b":")?;
            self.value(entry.value(value).map_err(data)?, depth)?;
        }
        self.out.write_all(b"}")
    }

    /// Pays for all items of a list at once, before the first is visited.
    fn enter(&mut self, list: ListValue<'_>, depth: u32) -> io::Result<u32> {
        self.budget.spend(u64::from(list.len()), self.root).map_err(data)?;
        deeper(depth, self.root).map_err(data)
    }

    fn separator(&mut self, first: &mut bool) -> io::Result<()> {
        if std::mem::take(first) { Ok(()) } else { self.out.write_all(b",") }
    }

    /// Writes a value as `serde_json` does: quotes and escapes, shortest numbers.
    fn plain<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> io::Result<()> {
        serde_json::to_writer(&mut *self.out, value).map_err(io::Error::from)
    }

    fn not_finite(&mut self, value: f64) -> io::Result<()> {
        self.out.write_all(match value {
            value if value.is_nan() => b"\"NaN\"",
            value if value > 0.0 => b"\"Infinity\"",
            _ => b"\"-Infinity\"",
        })
    }
}

fn is_text(field: &FieldType) -> bool {
    matches!(field.kind, FieldKind::Slot { ty: Type::Text, .. })
}

/// Wraps an error about the record as an error of the writer.
#[cold]
fn data(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
