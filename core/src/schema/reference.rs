//! References: fields that hold the key of a record of another type, or of the same one.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Fields of a struct that together hold the key of a record.
///
/// It prints as the text that the `references` annotation has:
///
/// ```
/// use kapok_core::schema::Reference;
///
/// let reference: Reference = "edition: Edition(movieId, number)".parse()?;
/// assert_eq!(reference.target, "Edition");
/// assert_eq!(reference.fields, ["movieId", "number"]);
/// assert_eq!(reference.to_string(), "edition: Edition(movieId, number)");
/// # Ok::<(), kapok_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// What queries call it. That of a single field is the field's name.
    pub name: String,
    /// Name of the record type that is referred to, which may be one that the dataset does not have yet.
    pub target: String,
    /// Paths of the fields, in the order of the key of the record type that is referred to.
    pub fields: Vec<String>,
}

impl FromStr for Reference {
    type Err = Error;

    /// Parses `name: Target(field, ..)`.
    ///
    /// # Errors
    /// `Invalid` for another text.
    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (name, rest) = text.split_once(':')?;
            let (target, fields) = rest.trim().strip_suffix(')')?.split_once('(')?;
            let fields: Vec<String> = fields.split(',').map(|field| field.trim().to_owned()).collect();
            let reference = Self { name: name.trim().to_owned(), target: target.trim().to_owned(), fields };
            let is_name = |name: &String| !name.is_empty() && !name.contains([':', '(', ')', ',']);
            let are_names = [&reference.name, &reference.target].into_iter().chain(&reference.fields).all(is_name);
            are_names.then_some(reference)
        };
        let expected = "expected `name: RecordType(field, ..)`, such as `edition: Edition(movieId, number)`";
        parse().ok_or_else(|| Error::invalid(format!("reference {text:?}"), expected))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}({})", self.name, self.target, self.fields.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_name_no_reference_are_refused() {
        for text in ["", "a", "a: B", "a: B()", "a: B(c,)", "a: (c)", ": B(c)", "a: B(c) d", "a: B(c(d))", "a, b: C(d)"]
        {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
        let spaced = " a :B( c ,d.e )".parse().map(|reference: Reference| reference.to_string());
        assert_eq!(spaced.ok().as_deref(), Some("a: B(c, d.e)"));
    }
}
