//! Some fields of records, for output.

use kapok_core::Result;
use kapok_core::record::{Record, ValueRef};
use kapok_core::view::Table;

use super::expr::{Path, Step};
use super::parse;
use super::resolve::{ScopeType, resolve};
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
pub struct Selection {
    paths: Vec<(String, Path)>,
}

impl Selection {
    /// Resolves paths of a record type, through structs, groups and keys of maps.
    ///
    /// # Errors
    /// `Invalid` as [`Fault::Query`](kapok_core::Fault::Query) for fields that there are not.
    pub fn bind<P: AsRef<str>>(table: &Table, paths: &[P]) -> Result<Self> {
        let scope = ScopeType::Struct(table.struct_type());
        let bind = |text: &P| {
            let path = parse::path(text.as_ref())?;
            resolve(table.schema(), scope, &path)?;
            Ok((path.to_string(), path))
        };
        Ok(Self { paths: paths.iter().map(bind).collect::<Result<_>>()? })
    }

    /// Returns the values of a record of the type, each with its path.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not as they must be.
    pub fn read<'v>(&self, record: &Record<'v>) -> Result<Vec<(&str, ValueRef<'v>)>> {
        self.paths.iter().map(|(name, path)| Ok((name.as_str(), value(*record, path)?))).collect()
    }
}

/// Returns what a path leads to; `Null` if it breaks off.
fn value<'v>(record: Record<'v>, path: &Path) -> Result<ValueRef<'v>> {
    let mut at = ValueRef::Struct(record);
    for step in &path.steps {
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
