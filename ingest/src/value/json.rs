//! Parses JSON as a value.
//!
//! Strictly: nothing is dropped, rounded or guessed. Numbers stay what they were written as: an integer literal is an
//! integer, everything with a fraction or an exponent a `Float64`.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::Value;
use super::names::duplicate;
use kapok_core::record::DEPTH_MAX;
use kapok_core::{Error, Fault, Result};

/// The first integer that a 64-bit integer may not hold; `serde_json` gives those from here on as floats.
pub(crate) const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;

impl Value {
    /// Parses a JSON text in UTF-8, which holds one value.
    ///
    /// # Errors
    /// `Invalid`, with line and column, for what is not JSON, for text behind the value, for an object's key that
    /// occurs twice, for integers beyond 64 bits, and for more than [`DEPTH_MAX`] objects and arrays within one
    /// another.
    pub fn from_json(text: &[u8]) -> Result<Self> {
        let saw_huge = Cell::new(false);
        let mut json = serde_json::Deserializer::from_slice(text);
        let value = Seed { depth: 0, saw_huge: &saw_huge }.deserialize(&mut json).map_err(|e| invalid(&e))?;
        json.end().map_err(|e| invalid(&e))?;
        if saw_huge.get() {
            refuse_rounded_integers(text)?;
        }
        Ok(value)
    }
}

fn invalid(error: &serde_json::Error) -> Error {
    let (line, column) = (error.line() as u64, error.column() as u64);
    let text = error.to_string();
    // serde_json's text has the place too.
    let place = format!(" at line {line} column {column}");
    let problem = text.strip_suffix(&place).unwrap_or(&text).to_owned();
    Fault::Json { line, column, problem }.into()
}

/// What lies within `depth` objects and arrays.
#[derive(Clone, Copy)]
pub(crate) struct Seed<'s> {
    pub depth: u32,
    /// Set if a float may be a rounded integer.
    pub saw_huge: &'s Cell<bool>,
}

impl Seed<'_> {
    fn deeper<E: serde::de::Error>(self) -> std::result::Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(E::custom(format!("nested deeper than {DEPTH_MAX}")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(Value::UInt(value))
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Value, E> {
        if value.abs() >= TWO_POW_63 {
            self.saw_huge.set(true);
        }
        Ok(Value::Float64(value))
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> std::result::Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> std::result::Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut out = Vec::new();
        while let Some(value) = elements.next_element_seed(seed)? {
            out.push(value);
        }
        Ok(Value::List(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> std::result::Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut out: Vec<(Cow<'static, str>, Value)> = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            out.push((Cow::Owned(name), members.next_value_seed(seed)?));
        }
        match duplicate(out.iter().map(|(name, _)| name.as_ref())) {
            Some(name) => Err(A::Error::custom(format!("duplicate key {name:?} in an object"))),
            None => Ok(Value::Struct(out)),
        }
    }
}

/// Refuses the first integer literal that no 64-bit integer holds. `text` must be valid JSON.
fn refuse_rounded_integers(text: &[u8]) -> Result<()> {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at = match byte {
            b'"' => string_end(text, at + 1),
            b'-' | b'0'..=b'9' => {
                let end = number_end(text, at);
                let literal = std::str::from_utf8(&text[at..end]).unwrap_or_default();
                let is_integer = !literal.contains(['.', 'e', 'E']);
                if is_integer && literal.parse::<u64>().is_err() && literal.parse::<i64>().is_err() {
                    let (line, column) = position(text, at);
                    return Err(Fault::JsonInteger { line, column, literal: literal.to_owned() }.into());
                }
                end
            }
            _ => at + 1,
        };
    }
    Ok(())
}

/// Returns the index behind the closing quote of a string whose opening quote lies before `at`.
fn string_end(text: &[u8], mut at: usize) -> usize {
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn number_end(text: &[u8], at: usize) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    text[at..].iter().position(|byte| !is_part(byte)).map_or(text.len(), |len| at + len)
}

/// Returns the line and column as `serde_json` counts them, from 1.
fn position(text: &[u8], at: usize) -> (u64, u64) {
    let before = &text[..at];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    (before.split(|byte| *byte == b'\n').count() as u64, (at - line_start + 1) as u64)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::{Just, Strategy, any, prop_oneof};
    use proptest::{prop_assert_eq, proptest};

    use super::{Fault, Value};

    fn error(text: &str) -> String {
        Value::from_json(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn every_kind_of_json_becomes_its_value() {
        let text = r#" {"a":null,"b":true,"c":-3,"d":18446744073709551615,"e":0.5,"f":"x\u00e9","g":[1,[]],"h":{}} "#;
        let expected = Value::Struct(vec![
            ("a".into(), Value::Null),
            ("b".into(), Value::Bool(true)),
            ("c".into(), Value::Int(-3)),
            ("d".into(), Value::UInt(u64::MAX)),
            ("e".into(), Value::Float64(0.5)),
            ("f".into(), Value::Text("xé".into())),
            ("g".into(), Value::List(vec![Value::UInt(1), Value::List(vec![])])),
            ("h".into(), Value::Struct(vec![])),
        ]);
        assert_eq!(Value::from_json(text.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn integers_beyond_64_bits_are_refused_and_never_rounded() {
        assert_eq!(Value::from_json(b"-9223372036854775808").unwrap(), Value::Int(i64::MIN));
        assert_eq!(
            error("{\"a\":1,\n \"b\": 18446744073709551616}"),
            "json: integer beyond 64 bits at line 2 column 7: 18446744073709551616; write it as text, or with a \
             fraction if it may be rounded"
        );
        assert!(error("[\"1\\\"\", 1e300, -9223372036854775809]").contains("column 16: -9223372036854775809"));
    }

    #[test]
    fn large_floats_and_digits_in_strings_are_no_integers() {
        let value = Value::from_json(br#"[1e19, 9223372036854775808.0, "18446744073709551616", "\\", 1E+30]"#).unwrap();
        let expected = [
            Value::Float64(1e19),
            Value::Float64(9_223_372_036_854_775_808.0),
            Value::Text("18446744073709551616".into()),
            Value::Text("\\".into()),
            Value::Float64(1e30),
        ];
        assert_eq!(value, Value::List(expected.to_vec()));
    }

    #[test]
    fn floats_are_read_to_the_last_bit() {
        // Off by one in the last place for a reader that multiplies by a power of ten.
        for text in ["51.24817837550540_4", "2.2250738585072011e-308", "1.7976931348623157e308"] {
            let text = text.replace('_', "");
            assert_eq!(Value::from_json(text.as_bytes()).unwrap(), Value::Float64(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn duplicate_keys_are_refused_by_name() {
        assert_eq!(
            error(r#"{"a":1,"b":{"c":1,"\u0063":2}}"#),
            "json: duplicate key \"c\" in an object at line 1 column 29"
        );
        let many: Vec<String> = (0..100).map(|n| format!("\"k{}\":0", n % 99)).collect();
        assert!(error(&format!("{{{}}}", many.join(","))).contains("\"k0\""));
    }

    #[test]
    fn line_and_column_are_fields_of_the_error() {
        let error = Value::from_json(b"{\"a\":1,\n \"b\": x}").unwrap_err();
        let Fault::Json { line: 2, column: 7, problem } = error.fault() else { panic!("{error}") };
        assert_eq!(problem, "expected value");
        let error = Value::from_json(b"[\n18446744073709551616]").unwrap_err();
        let Fault::JsonInteger { line: 2, column: 1, literal } = error.fault() else { panic!("{error}") };
        assert_eq!(literal, "18446744073709551616");
    }

    #[test]
    fn what_is_not_one_json_text_is_refused_with_its_column() {
        assert_eq!(error("{} x"), "json: trailing characters at line 1 column 4");
        assert_eq!(error(""), "json: EOF while parsing a value at line 1 column 0");
        assert_eq!(error("[1,]"), "json: trailing comma at line 1 column 4");
        assert!(error("NaN").contains("column 1"));
        assert!(error("1e999").contains("number out of range"));
        assert!(error(r#""\ud800""#).contains("column"));
        let invalid = Value::from_json(b"\"a\xff\"").unwrap_err().to_string();
        assert!(invalid.contains("invalid unicode code point"), "{invalid}");
    }

    #[test]
    fn nesting_ends_at_64() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Value::from_json(nested(64).as_bytes()).is_ok());
        assert_eq!(error(&nested(65)), "json: nested deeper than 64 at line 1 column 66");
        assert!(error(&nested(100_000)).contains("nested deeper than 64"));
    }

    proptest! {
        #[test]
        fn numbers_keep_their_values(number in prop_oneof![
            any::<i64>().prop_map(|n| (n.to_string(), n < 0)),
            any::<u64>().prop_map(|n| (n.to_string(), false)),
            Just(("0".to_owned(), false)),
        ]) {
            let (text, is_negative) = number;
            let expected =
                if is_negative { Value::Int(text.parse().unwrap()) } else { Value::UInt(text.parse().unwrap()) };
            prop_assert_eq!(Value::from_json(text.as_bytes()).unwrap(), expected);
        }

        #[test]
        fn floats_survive_the_trip_through_json(number in any::<f64>()) {
            let text = serde_json::to_string(&number).unwrap();
            prop_assert_eq!(Value::from_json(text.as_bytes()).unwrap(), Value::Float64(number));
        }

        #[test]
        fn any_bytes_are_a_value_or_an_error(bytes: Vec<u8>) {
            drop(Value::from_json(&bytes));
        }
    }
}
