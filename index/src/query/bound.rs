//! A query that is bound to a view.

use std::fmt;
use std::sync::Arc;

use kapok_core::view::Table;
use kapok_core::{Error, Fault, Result};

use super::access::Access;
use super::bind::{Binding, Bound};
use super::check::Ready;
use super::expr::Expr;
use super::join::Names;
use super::parameters::Parameters;
use super::plan::Indexes;
use super::resolve::ScopeType;
use super::rows::Rows;
use crate::View;
use crate::counts;

/// An expression that is bound to a record type of a view: names and types are resolved once, and it runs often.
///
/// ```
/// # use kapok_core::Result;
/// # use kapok_index::View;
/// use kapok_index::query::{Expr, Parameters, Query};
///
/// fn count_by_decade(view: &View) -> Result<()> {
///     let query = Query::bind(view, "Movie", &Expr::parse("year between $from and $to")?)?;
///     for decade in (1950..2020).step_by(10) {
///         let rows = query.rows_with(&Parameters::new().set("from", decade).set("to", decade + 9))?;
///         println!("{decade}: {}", rows.count()?);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Query<'v> {
    names: Names<'v>,
    table: &'v Table,
    bound: Bound<'v>,
    parameters: Vec<String>,
    /// What runs, if there are no parameters.
    ready: Option<Arc<Ready<'v>>>,
    /// `None` for scans alone.
    indexes: Option<Indexes<'v>>,
}

impl<'v> Query<'v> {
    /// Binds an expression to a record type.
    ///
    /// # Errors
    /// `NotFound` for a record type that there is not. `Invalid` as [`Fault::Query`] for fields that it does not have,
    /// and for what their types cannot be asked, with the column.
    pub fn bind(view: &'v View, record_type: &str, expr: &Expr) -> Result<Self> {
        let (table, indexes) = view.table_with_indexes(record_type)?;
        let mut query = Self::bind_in(Names { schema: table.schema(), view: Some(view) }, table, expr)?;
        query.indexes = Some((Access::of(table, indexes).into(), indexes));
        Ok(query)
    }

    /// Binds an expression to the record type of a table, as [`Query::bind`] does, to be answered by scans alone. References are not
    /// followed.
    ///
    /// # Errors
    /// As [`Query::bind`].
    pub fn bind_table(table: &'v Table, expr: &Expr) -> Result<Self> {
        Self::bind_in(Names { schema: table.schema(), view: None }, table, expr)
    }

    fn bind_in(names: Names<'v>, table: &'v Table, expr: &Expr) -> Result<Self> {
        let mut binding = Binding::new(names);
        let bound = binding.expression(ScopeType::Record(table), expr, 0)?;
        let mut query = Self { names, table, bound, parameters: binding.parameters, ready: None, indexes: None };
        if query.parameters.is_empty() {
            query.ready = Some(query.ready(&Parameters::new())?);
        }
        Ok(query)
    }

    /// Returns the names of the parameters, without `$`.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(String::as_str)
    }

    /// Returns the rows that satisfy the expression, which has no parameters.
    ///
    /// # Errors
    /// `Invalid` if it has.
    pub fn rows(&self) -> Result<Rows<'v>> {
        self.rows_with(&Parameters::new())
    }

    /// Returns the rows that satisfy the expression with these values of its parameters.
    ///
    /// # Errors
    /// `Invalid` if a parameter has no value or one of the wrong type, or if there is no such parameter; `Corrupt` if an index
    /// is not as it must be.
    pub fn rows_with(&self, parameters: &Parameters) -> Result<Rows<'v>> {
        if let Some(unknown) = parameters.names().find(|name| !self.parameters.iter().any(|known| known == name)) {
            let problem = format!("the query has no parameter ${unknown}");
            return Err(Error::from(Fault::Query { column: 0, problem }));
        }
        let ready = match &self.ready {
            Some(ready) => Arc::clone(ready),
            None => self.ready(parameters)?,
        };
        counts::query();
        Rows::new(self.names, self.table, self.indexes.clone(), ready)
    }

    fn ready(&self, parameters: &Parameters) -> Result<Arc<Ready<'v>>> {
        Ok(Arc::new(self.bound.ready(parameters, true)?))
    }
}

impl View {
    /// Returns the records of a type that satisfy an expression: see [`query`](crate::query).
    ///
    /// ```
    /// # use kapok_core::Result;
    /// # use kapok_index::View;
    /// fn print(view: &View) -> Result<()> {
    ///     for film in view.query("Movie", "year >= 1990 and 'Drama' in genres")?.records() {
    ///         println!("{}", film?.to_json_string()?);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`Expr::parse`] and [`Query::bind`].
    pub fn query(&self, record_type: &str, expression: &str) -> Result<Rows<'_>> {
        Query::bind(self, record_type, &Expr::parse(expression)?)?.rows()
    }
}

impl fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("record_type", &self.table.name())
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}
