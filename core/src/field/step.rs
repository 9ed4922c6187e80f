//! The steps of a path in text: names, `[]` behind a list that is gone through, `["key"]` behind a map.

use crate::error::Result;
use crate::schema::{FieldType, StructType};

/// A field, and which part of it is meant.
#[derive(Debug)]
pub(super) struct Step<'p, 'v> {
    pub field: &'v FieldType,
    pub part: Part,
    /// What is left of the path behind it.
    pub rest: Option<&'p str>,
}

/// A part of a field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// Each element of a list.
    Each,
    /// The value of a key of a map.
    Entry(MapKey),
}

/// A key of a map, as a path names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MapKey {
    Text(String),
    Int(i128),
}

/// Why a path has no such step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing {
    NoField,
    /// What stands in brackets is nothing that can stand there.
    Bracket,
}

impl<'p, 'v> Step<'p, 'v> {
    /// Takes the first step off a path. A name that has brackets itself is taken as a name.
    pub fn first(ty: &'v StructType, path: &'p str) -> std::result::Result<Self, Missing> {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        if let Some(field) = ty.field_by_any_name(name) {
            return Ok(Self { field, part: Part::Whole, rest });
        }
        let (name, bracket) = path.split_once('[').ok_or(Missing::NoField)?;
        let field = ty.field_by_any_name(name).ok_or(Missing::NoField)?;
        let (part, behind) = part(bracket).ok_or(Missing::Bracket)?;
        match behind.strip_prefix('.') {
            Some(rest) => Ok(Self { field, part, rest: Some(rest) }),
            None if behind.is_empty() => Ok(Self { field, part, rest: None }),
            None => Err(Missing::Bracket),
        }
    }
}

/// Takes what stands in brackets off a text that begins behind the first one, with the second one.
fn part(text: &str) -> Option<(Part, &str)> {
    if let Some(behind) = text.strip_prefix(']') {
        return Some((Part::Each, behind));
    }
    let (key, behind) = if text.starts_with('"') {
        // A text as JSON has it, which may hold brackets.
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let key = values.next()?.ok()?;
        (MapKey::Text(key), text.get(values.byte_offset()..)?)
    } else {
        let (key, _) = text.split_once(']')?;
        (MapKey::Int(key.parse().ok()?), &text[key.len()..])
    };
    Some((Part::Entry(key), behind.strip_prefix(']')?))
}

impl Missing {
    /// Makes the error of a path that has no such step. `whole`: the path from the record type on.
    #[cold]
    pub fn error<T>(self, ty: &StructType, whole: String) -> Result<T> {
        Err(match self {
            Self::NoField => ty.no_field(whole),
            Self::Bracket => {
                super::path::no_value(whole, "expected [] behind a list, or [\"key\"] or [1] behind a map, then a dot")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_hold_nothing_or_a_key() {
        let text = |text: &str| Part::Entry(MapKey::Text(text.to_owned()));
        assert_eq!(part("]"), Some((Part::Each, "")));
        assert_eq!(part("].a[]"), Some((Part::Each, ".a[]")));
        assert_eq!(part("\"en\"].x"), Some((text("en"), ".x")));
        assert_eq!(part(r#""a]\"\u0000.b"]"#), Some((text("a]\"\0.b"), "")));
        assert_eq!(part("-5]"), Some((Part::Entry(MapKey::Int(-5)), "")));
        for wrong in ["", "\"en\"", "\"en]", "en]", "5", "1.5]", "\"a\" ]", "*]"] {
            assert_eq!(part(wrong), None, "{wrong}");
        }
    }
}
