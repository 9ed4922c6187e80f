//! Some fields of records, for output.

use std::sync::Arc;

use kapok_core::Result;
use kapok_core::record::{Record, ValueRef};
use kapok_core::view::Table;

use super::expr::Step;
use super::join::{Join, Names};
use super::parse;
use super::place::Scope;
use super::resolve::{ScopeType, resolve};
use super::unreadable::Unreadable;
use super::value::Value;

/// Fields that are read of each record, whatever their types.
///
/// ```
/// # use kapok_core::Result;
/// # use kapok_index::View;
/// use kapok_index::query::Selection;
///
/// fn print(view: &View) -> Result<()> {
///     let selection = Selection::bind(view.table("Movie")?, &["id", "title"])?;
///     for film in view.query("Movie", "year >= 1990")?.records() {
///         for (name, value) in selection.read(&film?)? {
///             println!("{name}: {}", value.to_json_string()?);
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Selection<'v> {
    paths: Vec<SelectedPath<'v>>,
}

#[derive(Clone, Debug)]
struct SelectedPath<'v> {
    name: String,
    /// The reference to the record that the steps begin at, if there is one.
    via: Option<Arc<Join<'v>>>,
    steps: Vec<Step>,
}

impl<'v> Selection<'v> {
    /// Resolves paths of a record type, through structs, groups and keys of maps. [`Rows::select`](super::Rows::select) also
    /// follows references.
    ///
    /// # Errors
    /// `Invalid` as [`Fault::Query`](kapok_core::Fault::Query) for fields that there are not.
    pub fn bind<P: AsRef<str>>(table: &'v Table, paths: &[P]) -> Result<Self> {
        Self::bind_in(Names { schema: table.schema(), view: None }, table, paths)
    }

    pub(super) fn bind_in<P: AsRef<str>>(names: Names<'v>, table: &'v Table, paths: &[P]) -> Result<Self> {
        let bind = |text: &P| {
            let path = parse::path(text.as_ref())?;
            let via = resolve(names, ScopeType::Record(table), &path)?.via;
            let behind = via.as_ref().map_or(0, |join| join.key.steps);
            Ok(SelectedPath { name: path.to_string(), via, steps: path.steps[behind..].to_vec() })
        };
        Ok(Self { paths: paths.iter().map(bind).collect::<Result<_>>()? })
    }

    /// Returns the values of a record of the type, each with its path.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not as they must be.
    pub fn read(&self, record: &Record<'v>) -> Result<Vec<(&str, ValueRef<'v>)>> {
        self.paths.iter().map(|path| Ok((path.name.as_str(), path.read(*record)?))).collect()
    }
}

impl<'v> SelectedPath<'v> {
    fn read(&self, record: Record<'v>) -> Result<ValueRef<'v>> {
        let Some(join) = &self.via else { return value(record, &self.steps) };
        let found = join.find(Scope::Struct(record.struct_ref())).map_err(|unreadable| match unreadable {
            Unreadable::Here(malformed) => malformed.into_error_with(record.blob(), record.struct_ref().words()),
            Unreadable::Elsewhere(error) => *error,
        });
        match found? {
            Some(row_id) => value(join.key.target.record(row_id)?, &self.steps),
            None => Ok(ValueRef::Null),
        }
    }
}

/// Returns what a path leads to; `Null` if it breaks off.
fn value<'v>(record: Record<'v>, steps: &[Step]) -> Result<ValueRef<'v>> {
    let mut at = ValueRef::Struct(record);
    for step in steps {
        at = match (at, step) {
            (ValueRef::Struct(record), Step::Name(name)) => record.get(name)?,
            (ValueRef::List(_), Step::Key(key)) => entry(at, key)?,
            _ => ValueRef::Null,
        };
    }
    Ok(at)
}

/// Returns the value of a key of a map.
fn entry<'v>(map: ValueRef<'v>, wanted: &Value) -> Result<ValueRef<'v>> {
    let Some((list, (key, value))) = map.as_list().and_then(|list| Some((list, list.map_fields()?))) else {
        return Ok(ValueRef::Null);
    };
    for entry in list {
        let ValueRef::Struct(entry) = entry? else { continue };
        let key = entry.value(key)?;
        let is_wanted = match wanted {
            Value::Text(text) | Value::Name(text) => key.as_str() == Some(text),
            Value::Int(number) => key.as_i64().map(i128::from).or(key.as_u64().map(i128::from)) == Some(*number),
            Value::Data(bytes) => key.as_bytes() == Some(bytes),
            Value::Bool(value) => key.as_bool() == Some(*value),
            _ => false,
        };
        if is_wanted {
            return entry.value(value);
        }
    }
    Ok(ValueRef::Null)
}
