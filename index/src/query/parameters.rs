//! Values of parameters.

use std::collections::BTreeMap;

use super::value::Value;

/// Values of a query's `$name`s.
///
/// ```
/// use kapok_index::query::Parameters;
///
/// let parameters = Parameters::new().set("year", 1990).set("genres", ["Drama", "Crime"]);
/// # _ = parameters;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(BTreeMap<String, Value>);

impl Parameters {
    /// Makes a set of no values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value, by its name without `$`.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Returns the value of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns the names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
