//! Some fields of records, for output.

use std::io::{self, Write};
use std::sync::Arc;

use kapok_core::Result;
use kapok_core::record::{Budget, Record, ValueRef};
use kapok_core::schema::Type;
use kapok_core::view::Table;

use super::evaluate::Spending;
use super::expr::Step;
use super::join::{Join, Names};
use super::parse;
use super::place::{Kind, Place, Scope};
use super::resolve::ScopeType;
use super::route::Route;
use super::unreadable::{Read, Unreadable};
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

/// A value that a path of a [`Selection`] leads to.
#[derive(Clone, Debug)]
pub enum Selected<'v> {
    /// A value of the record, or of one that it refers to; `Null` if the path breaks off.
    One(ValueRef<'v>),
    /// What is behind each element of a list, in order, of a path that goes through one: `items[].productId.name`.
    Each(Vec<Selected<'v>>),
}

#[derive(Clone, Debug)]
struct SelectedPath<'v> {
    name: String,
    /// The lists that it goes through, each from the elements of the one before.
    lists: Vec<Part<'v>>,
    end: Part<'v>,
}

/// A part of a path that goes through no list.
#[derive(Clone, Debug)]
struct Part<'v> {
    /// The reference to the record that the steps begin at, if there is one.
    via: Option<Arc<Join<'v>>>,
    steps: Vec<Step>,
}

impl<'v> Selection<'v> {
    /// Resolves paths of a record type, through structs, groups, keys of maps, and elements of lists by `[]`.
    /// [`Rows::select`](super::Rows::select) also follows references.
    ///
    /// # Errors
    /// `Invalid` as [`Fault::Query`](kapok_core::Fault::Query) for fields that there are not, and for references, which only
    /// `Rows::select` follows.
    pub fn bind<P: AsRef<str>>(table: &'v Table, paths: &[P]) -> Result<Self> {
        Self::bind_in(Names { schema: table.schema(), view: None }, table, paths)
    }

    pub(super) fn bind_in<P: AsRef<str>>(names: Names<'v>, table: &'v Table, paths: &[P]) -> Result<Self> {
        let bind = |text: &P| {
            let path = parse::path(text.as_ref())?;
            let route = Route::bind(names, ScopeType::Record(table), &path)?;
            let (mut lists, mut steps) = (Vec::with_capacity(route.lists().len()), path.steps.as_slice());
            let mut before = None;
            for place in route.lists() {
                let end = steps.iter().position(|step| *step == Step::Each).unwrap_or(steps.len());
                lists.push(Part::of(place, &steps[..end], before));
                steps = steps.get(end + 1..).unwrap_or_default();
                before = Some(place);
            }
            let end = Part::of(&route.end, steps, before);
            Ok(SelectedPath { name: path.to_string(), lists, end })
        };
        Ok(Self { paths: paths.iter().map(bind).collect::<Result<_>>()? })
    }

    /// Returns the values of a record of the type, each with its path.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not as they must be.
    pub fn read(&self, record: &Record<'v>) -> Result<Vec<(&str, Selected<'v>)>> {
        let read = |path: &'_ SelectedPath<'v>| -> Result<Selected<'v>> {
            let at = (ValueRef::Struct(*record), Scope::Struct(record.struct_ref()));
            path.read(0, at, &Spending::new()).map_err(|unreadable| match unreadable {
                Unreadable::Here(malformed) => malformed.into_error_with(record.blob(), record.struct_ref().words()),
                Unreadable::Elsewhere(error) => *error,
            })
        };
        self.paths.iter().map(|path| Ok((path.name.as_str(), read(path)?))).collect()
    }
}

impl<'v> Selected<'v> {
    /// Returns whether it is null, which the values of elements are not all together.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::One(ValueRef::Null))
    }

    /// Returns the value; `None` for those of elements.
    pub fn as_one(&self) -> Option<ValueRef<'v>> {
        if let Self::One(value) = self { Some(*value) } else { None }
    }

    /// Writes the value as JSON; those of elements as a list.
    ///
    /// # Errors
    /// As [`ValueRef::write_json`].
    pub fn write_json(&self, out: &mut impl Write, budget: &mut Budget) -> io::Result<()> {
        match self {
            Self::One(value) => value.write_json(out, budget),
            Self::Each(values) => {
                out.write_all(b"[")?;
                for (at, value) in values.iter().enumerate() {
                    out.write_all(if at > 0 { b"," } else { b"" })?;
                    value.write_json(out, budget)?;
                }
                out.write_all(b"]")
            }
        }
    }

    /// Returns the value as JSON, within the default budget.
    ///
    /// # Errors
    /// As [`ValueRef::to_json_string`].
    pub fn to_json_string(&self) -> Result<String> {
        match self {
            Self::One(value) => value.to_json_string(),
            Self::Each(values) => {
                let values = values.iter().map(Self::to_json_string).collect::<Result<Vec<_>>>()?;
                Ok(format!("[{}]", values.join(",")))
            }
        }
    }
}

impl<'v> SelectedPath<'v> {
    /// Reads what is behind the first lists. `at`: a record or an element, as a value and as a scope.
    fn read(&self, list: usize, at: (ValueRef<'v>, Scope<'v>), spending: &Spending) -> Read<Selected<'v>> {
        let Some(part) = self.lists.get(list) else { return Ok(Selected::One(self.end.read(at)?)) };
        let ValueRef::List(elements) = part.read(at)? else { return Ok(Selected::One(ValueRef::Null)) };
        spending.spend(elements.len())?;
        let mut out = Vec::new();
        for (index, value) in (0..).zip(&elements) {
            let value = value?;
            let scope = match value {
                ValueRef::Struct(record) => Scope::Struct(record.struct_ref()),
                _ => Scope::Item(elements.list_ref(), index),
            };
            out.push(self.read(list + 1, (value, scope), spending)?);
        }
        Ok(Selected::Each(out))
    }
}

impl<'v> Part<'v> {
    /// `before`: the list from whose elements it goes on.
    fn of(place: &Place<'v>, steps: &[Step], before: Option<&Place<'v>>) -> Self {
        // References know the element that is no struct as a step, `it`.
        let has_it = before.is_some_and(|list| !matches!(list.kind, Kind::List(Type::Struct(_), _)));
        let behind = place.via.as_ref().map_or(0, |join| join.key.steps - usize::from(has_it));
        Self { via: place.via.clone(), steps: steps[behind..].to_vec() }
    }

    fn read(&self, (at, scope): (ValueRef<'v>, Scope<'v>)) -> Read<ValueRef<'v>> {
        let Some(join) = &self.via else { return Ok(value(at, &self.steps)?) };
        match join.find(scope)? {
            Some(row_id) => Ok(value(ValueRef::Struct(join.key.target.record(row_id)?), &self.steps)?),
            None => Ok(ValueRef::Null),
        }
    }
}

/// Returns what a path leads to; `Null` if it breaks off.
fn value<'v>(mut at: ValueRef<'v>, steps: &[Step]) -> Result<ValueRef<'v>> {
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
