//! Compares two records field by field.
//!
//! Two records of a key are read by a schema that knows both, turned into JSON, and compared from the top down: objects
//! by their members, lists of objects of one length by their items, everything else as a whole.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use kapok_core::record::{Record, ValueRef};
use kapok_core::schema::{OlderSchema, Schema};
use kapok_core::segment::RowId;
use kapok_core::view::Table;
use serde::Serialize;
use serde_json::{Number, Value};

use crate::failure::{Failure, Result};

/// Characters of a value that people are shown.
const SHOWN_CHARS: usize = 80;

/// A field whose value changed.
#[derive(Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// Path of the field: `maintainer.name`, `parts[2].size`.
    pub field: String,
    /// Its value before; `None` if it had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Its value after; `None` if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl FieldChange {
    /// Prints it on a line of its own.
    pub fn print(&self, indent: &str, out: &mut impl Write) -> Result<()> {
        let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "(none)".to_owned(), shortened);
        Ok(writeln!(out, "{indent}{}: {} -> {}", self.field, shown(&self.before), shown(&self.after))?)
    }
}

/// Comparison of two tables of one record type.
pub struct Comparison<'v> {
    old: &'v Table,
    new: &'v Table,
    /// The schema that both are read by; `None` if each is read by its own.
    schema: Option<Arc<Schema>>,
}

impl<'v> Comparison<'v> {
    /// Prepares to compare an older table, or one of another branch, with a newer one.
    pub fn new(old: &'v Table, new: &'v Table) -> Self {
        let (before, after) = (old.schema(), new.schema());
        let id = new.struct_type().id;
        let schema = if before == after || old.struct_type().id != id {
            None
        } else {
            before.evolve(after, &[id], OlderSchema::KeepNewer).ok().map(Arc::new)
        };
        Self { old, new, schema }
    }

    /// Returns whether values of the two do not compare by one schema, though each has its own: such as after a field was
    /// dropped or made wider. Then records that are equal may be listed as changed.
    pub fn is_by_names(&self) -> bool {
        self.schema.is_none() && self.old.schema() != self.new.schema()
    }

    /// Returns the fields that differ between a record of the old table and one of the new.
    pub fn changes(&self, old: RowId, new: RowId) -> Result<Vec<FieldChange>> {
        let mut changes = Vec::new();
        let (before, after) = (self.json(self.old, old)?, self.json(self.new, new)?);
        compare(String::new(), Some(&before), Some(&after), &mut changes);
        Ok(changes)
    }

    fn json(&self, table: &Table, at: RowId) -> Result<Value> {
        let record = record_at(table, at)?;
        match &self.schema {
            Some(schema) => {
                let same = Record::new(schema, table.struct_type().id, record.struct_ref())?;
                json(&same.in_blob(record.blob()))
            }
            None => json(&record),
        }
    }
}

/// Returns the record of a row id of this table.
pub fn record_at(table: &Table, at: RowId) -> Result<Record<'_>> {
    Ok(table.record(at)?)
}

/// Converts a record to a JSON value.
pub fn json(record: &Record<'_>) -> Result<Value> {
    value_json(ValueRef::Struct(*record), record.blob())
}

fn value_json(value: ValueRef<'_>, blob: &str) -> Result<Value> {
    // An error about a stored record is not the caller's fault.
    let text = value.to_json_string().map_err(|error| Failure::no(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| Failure::no(format!("{blob}: its JSON: {error}")))
}

/// Returns the fields of a record's key and their values.
pub fn key_of(table: &Table, at: RowId) -> Result<Value> {
    let record = record_at(table, at)?;
    let parts = table.key().names().map(|name| Ok((name.to_owned(), part(record, name)?)));
    parts.collect::<Result<_>>().map(Value::Object)
}

/// Returns the value of a key field, whose name may lead through groups.
fn part(record: Record<'_>, name: &str) -> Result<Value> {
    if let Some((group, rest)) = name.split_once('.')
        && let ValueRef::Struct(group) = record.get(group)?
    {
        return part(group, rest);
    }
    value_json(record.get(name)?, record.blob())
}

/// Formats a key as it is given on the command line, if that is possible without quotes.
pub fn key_text(table: &Table, key: &Value) -> String {
    let parts = table.key().names().map(|name| match key.get(name) {
        Some(Value::String(text)) if is_plain(text) => text.clone(),
        value => value.map_or_else(String::new, Value::to_string),
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '"')
}

fn compare(path: String, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<FieldChange>) {
    match (before, after) {
        _ if before == after => {}
        (Some(Value::Number(left)), Some(Value::Number(right))) if is_same_number(left, right) => {}
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for name in names {
                compare(member(&path, name), left.get(name), right.get(name), changes);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right)))
            if left.len() == right.len() && left.iter().zip(right).all(is_same_list_item) => {}
        (Some(Value::Array(left)), Some(Value::Array(right)))
            if left.len() == right.len() && left.iter().chain(right).all(Value::is_object) =>
        {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                compare(format!("{path}[{index}]"), Some(left), Some(right), changes);
            }
        }
        _ => changes.push(FieldChange { field: path, before: before.cloned(), after: after.cloned() }),
    }
}

/// Returns whether an integer and a float are the same number: an integer that became a float by `--widen` is.
fn is_same_number(left: &Number, right: &Number) -> bool {
    let is_float = |integer: &Number, float: &Number| {
        !integer.is_f64() && float.as_f64().is_some_and(|float| exact_integer(float) == integer.as_i128())
    };
    left == right || is_float(left, right) || is_float(right, left)
}

/// Returns the integer that a float is; `None` for one with a fraction or beyond all integers of records.
fn exact_integer(float: f64) -> Option<i128> {
    #[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is in range")]
    (float.fract() == 0.0 && float.abs() < 1e20).then_some(float as i128)
}

/// Returns whether two items of lists are the same but for integers that became floats.
fn is_same_list_item((left, right): (&Value, &Value)) -> bool {
    let mut changes = Vec::new();
    compare(String::new(), Some(left), Some(right), &mut changes);
    changes.is_empty()
}

/// Appends a member to a path, quoted if needed, since members of maps may have any name.
fn member(path: &str, name: &str) -> String {
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    match (is_name, path.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{path}.{name}"),
        (false, _) => format!("{path}[{}]", Value::from(name)),
    }
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(before: &Value, after: &Value) -> Vec<String> {
        let mut changes = Vec::new();
        compare(String::new(), Some(before), Some(after), &mut changes);
        changes.into_iter().map(|change| change.field).collect()
    }

    #[test]
    fn a_change_is_named_by_the_innermost_field_that_it_is_in() {
        let before = json!({"a": {"b": 1, "c": 2}, "list": [{"x": 1}, {"x": 2}], "same": [1]});
        let after = json!({"a": {"b": 1, "c": 3}, "list": [{"x": 1}, {"x": 4, "y": 0}], "same": [1]});
        assert_eq!(paths(&before, &after), ["a.c", "list[1].x", "list[1].y"]);
    }

    #[test]
    fn lists_of_another_length_or_of_numbers_change_as_a_whole() {
        assert_eq!(paths(&json!({"n": [1, 2], "o": [{}]}), &json!({"n": [1, 3], "o": [{}, {}]})), ["n", "o"]);
    }

    #[test]
    fn an_integer_is_the_float_that_it_became() {
        let before = json!({"a": 7, "n": [1, 2], "o": [{"x": 1}], "b": 9_007_199_254_740_993_i64, "c": u64::MAX});
        let after = json!({"a": 7.0, "n": [1.0, 2.0], "o": [{"x": 1.0}], "b": 9_007_199_254_740_992.0, "c": 0.5});
        assert_eq!(paths(&before, &after), ["b", "c"]);
        assert_eq!(paths(&after, &before), ["b", "c"]);
        assert_eq!(paths(&json!([1, 2]), &json!([1.0, 2.5])), [""]);
    }

    #[test]
    fn members_with_odd_names_are_quoted() {
        assert_eq!(paths(&json!({"map": {"a.b": 1}}), &json!({"map": {"a.b": 2}})), ["map[\"a.b\"]"]);
        assert_eq!(paths(&json!({}), &json!({"": 0})), ["[\"\"]"]);
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        assert_eq!(shortened(&json!("ä")), "\"ä\"");
        let cut = shortened(&json!("ä".repeat(100)));
        assert_eq!(cut, format!("\"{}… (102 characters)", "ä".repeat(79)));
    }
}
