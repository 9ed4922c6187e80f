//! `kapok vectors`: prints what vector fields and their indexes consist of, and checks what searches find.

use std::io::Write;

use clap::{Args, Subcommand};

use crate::failure::Result;

mod check;
mod stat;

/// Sizes of vector fields, and a check of what searches find
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok vectors stat --store data/debian
  kapok vectors check --store data/debian Package.embedding --min-recall 0.95")]
pub struct Vectors {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Stat(stat::Stat),
    Check(check::Check),
}

impl Vectors {
    /// Does the one or the other.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        match &self.action {
            Action::Stat(action) => action.run(json, out).await,
            Action::Check(action) => action.run(json, out).await,
        }
    }
}

/// Returns the record type and the field of `TYPE[.FIELD]`.
fn type_and_field(argument: &str) -> (&str, Option<&str>) {
    argument.split_once('.').map_or((argument, None), |(record_type, field)| (record_type, Some(field)))
}
