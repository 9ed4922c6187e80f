//! Values of one field of the records, which may be a field of records that they refer to.

use std::sync::Arc;

use kapok_core::field::{Field, FieldValue};
use kapok_core::segment::RowId;
use kapok_core::view::Table;
use kapok_core::{Error, Fault, Result};

use super::expr::{Path, Step};
use super::join::Join;
use super::parse;
use super::place::Scope;
use super::resolve::{ScopeType, resolve};
use super::route::Route;
use super::rows::Rows;
use super::scan::corrupt;

/// A field, and the reference to the record that has it, if it is another one.
struct Way<'v, T> {
    table: &'v Table,
    join: Option<Arc<Join<'v>>>,
    field: Field<'v, T>,
}

impl<'v> Rows<'v> {
    /// Iterates over the values of a field in the order of the records, each a `Result`: see
    /// [`Tables::field`](kapok_core::view::Tables::field) for what `T` may be. The path may go through references, as in
    /// `movieId.title`; `T` is an `Option` then, which is `None` if there is no such record.
    ///
    /// # Errors
    /// Those of [`Table::field`]; `Invalid` for a path through a reference that is not read as an `Option`, or that goes through
    /// the elements of a list, too, which [`Rows::select`] reads.
    pub fn values<T: FieldValue<'v>>(&self, path: &str) -> Result<impl Iterator<Item = Result<T>> + use<'v, T>> {
        let way = match self.table.field::<T>(path) {
            Ok(field) => Way { table: self.table, join: None, field },
            Err(error) => self.way_by_reference(path)?.ok_or(error)?,
        };
        Ok(self.iter().map(move |row_id| way.get(row_id?)))
    }

    /// Returns the way to a field of records that these refer to; `None` if the path goes through no reference.
    fn way_by_reference<T: FieldValue<'v>>(&self, text: &str) -> Result<Option<Way<'v, T>>> {
        let (scope, subject) = (ScopeType::Record(self.table), || format!("{}.{text}", self.table.name()));
        let Ok(path) = parse::path(text) else { return Ok(None) };
        if path.steps.contains(&Step::Each) {
            let is_joined =
                |route: Route<'v>| route.lists().iter().chain([&route.end]).any(|place| place.via.is_some());
            if Route::bind(self.names, scope, &path).is_ok_and(is_joined) {
                return Err(Error::invalid(subject(), "goes through a list and a reference: read it by Rows::select"));
            }
            return Ok(None);
        }
        let Some(join) = resolve(self.names, scope, &path).ok().and_then(|place| place.via) else { return Ok(None) };
        let steps = path.steps[join.key.steps..].to_vec();
        if steps.is_empty() {
            return Err(Error::invalid(subject(), "is a record that is referred to: read it by Rows::select"));
        }
        let field = join.key.target.field(&Path { steps, at: path.at }.to_string())?;
        if !T::OPTIONAL {
            return Err(Fault::ReadAsOption { field: subject(), wanted: T::NAME.to_owned() }.into());
        }
        Ok(Some(Way { table: self.table, join: Some(join), field }))
    }
}

impl<'v, T: FieldValue<'v>> Way<'v, T> {
    fn get(&self, row_id: RowId) -> Result<T> {
        let Some(join) = &self.join else { return self.field.get(row_id) };
        let (place, row) = self.table.place(row_id)?;
        let source = &self.table.segments()[place];
        let found = match source.segment().row(row) {
            Some(at) => join.find(Scope::Struct(at)).map_err(|unreadable| corrupt(source, unreadable))?,
            None => None,
        };
        match found {
            Some(found) => self.field.get(found),
            None => self.field.absent(),
        }
    }
}
