//! Arguments that name a record type and a record of it. Every verb takes TYPE in its place or after `--type`.

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

/// The only record type that a verb prints.
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
    /// Returns the name.
    pub fn name(&self) -> &str {
        // Clap has refused arguments without either.
        self.named.as_deref().or(self.positional.as_deref()).unwrap_or_default()
    }
}

impl OnlyType {
    /// Returns the name; `None` for all types.
    pub fn name(&self) -> Option<&str> {
        self.named.as_deref().or(self.positional.as_deref())
    }
}

impl RecordArgument {
    /// Returns the type's name, and the key.
    pub fn type_and_key(&self) -> Result<(&str, &[String])> {
        match (&self.named, self.words.as_slice()) {
            (Some(name), key) => Ok((name, key)),
            (None, [name, key @ ..]) if !key.is_empty() => Ok((name, key)),
            _ => Err(Failure::usage("a key is missing: give TYPE and KEY, one argument per key field")),
        }
    }
}
