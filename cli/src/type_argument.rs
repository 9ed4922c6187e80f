//! Which record type, and which record of it? TYPE stands in its place or behind `--type`, for every verb.

use clap::Args;

use crate::failure::{Failure, Result};

/// The record type that a verb reads.
#[derive(Debug, Args)]
pub struct TypeArgument {
    /// The record type
    #[arg(value_name = "TYPE", required_unless_present = "type_name")]
    positional: Option<String>,
    /// The record type, in place of TYPE
    #[arg(long = "type", id = "type_name", value_name = "TYPE", conflicts_with = "positional")]
    named: Option<String>,
}

/// The one record type that a verb is to be about.
#[derive(Debug, Args)]
pub struct OnlyType {
    /// Only this record type
    #[arg(value_name = "TYPE")]
    positional: Option<String>,
    /// Only this record type, in place of TYPE
    #[arg(long = "type", id = "type_name", value_name = "TYPE", conflicts_with = "positional")]
    named: Option<String>,
}

/// A record type and the key of a record.
#[derive(Debug, Args)]
pub struct RecordArgument {
    /// The record type, unless --type names it, and the key: one argument per key field
    #[arg(value_name = "[TYPE] KEY", required = true, allow_negative_numbers = true)]
    words: Vec<String>,
    /// The record type; all other arguments are the key
    #[arg(long = "type", id = "type_name", value_name = "TYPE")]
    named: Option<String>,
}

impl TypeArgument {
    /// Its name.
    pub fn name(&self) -> &str {
        // One of them is there, or the arguments are refused.
        self.named.as_deref().or(self.positional.as_deref()).unwrap_or_default()
    }
}

impl OnlyType {
    /// Its name; `None` for all types.
    pub fn name(&self) -> Option<&str> {
        self.named.as_deref().or(self.positional.as_deref())
    }
}

impl RecordArgument {
    /// The type's name, and the key.
    pub fn type_and_key(&self) -> Result<(&str, &[String])> {
        match (&self.named, self.words.as_slice()) {
            (Some(name), key) => Ok((name, key)),
            (None, [name, key @ ..]) if !key.is_empty() => Ok((name, key)),
            _ => Err(Failure::usage("a key is missing: give TYPE and KEY, one argument per key field")),
        }
    }
}
