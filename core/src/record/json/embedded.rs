//! Checks and copies JSON that is a value of a record, whose text may be anything.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::record::DEPTH_MAX;

/// Returns whether a text is one JSON value, which within `depth` structs and lists nests no deeper than records may.
pub(crate) fn is_json(text: &str, depth: u32) -> bool {
    let mut json = serde_json::Deserializer::from_str(text);
    Check { depth }.deserialize(&mut json).is_ok() && json.end().is_ok()
}

/// Returns the pieces of a JSON text that are left without the white space between its tokens.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let (mut is_in_string, mut is_escaped) = (false, false);
    let is_space = move |character: char| {
        if is_in_string {
            if is_escaped {
                is_escaped = false;
            } else {
                (is_in_string, is_escaped) = (character != '"', character == '\\');
            }
            return false;
        }
        is_in_string = character == '"';
        matches!(character, ' ' | '\t' | '\n' | '\r')
    };
    text.split(is_space)
}

/// Reads a value that lies within `depth` structs and lists, and keeps nothing of it.
#[derive(Clone, Copy)]
struct Check {
    depth: u32,
}

impl Check {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth < DEPTH_MAX { Ok(Self { depth: self.depth + 1 }) } else { Err(E::custom("nested too deep")) }
    }
}

impl<'de> DeserializeSeed<'de> for Check {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let within = self.deeper()?;
        while elements.next_element_seed(within)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let within = self.deeper()?;
        // A name is a text like any other.
        while members.next_key_seed(within)?.is_some() {
            members.next_value_seed(within)?;
        }
        Ok(())
    }
}
