//! `kapok drop-type`, `kapok drop-field` and `kapok drop-reference`: remove a record type, a field or a reference.

use std::io::Write;

use clap::Args;
use indicatif::HumanCount;
use kapok_producer::{CycleReport, Producer};
use serde::Serialize;

use crate::duration;
use crate::failure::{Failure, Result};
use crate::notice::warn;
use crate::store_argument::StoreArgument;
use crate::type_argument::TypeArgument;

/// Publish a version without a record type
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok drop-type --store data/debian Pacakge

The version has neither the type's records nor its schema. The versions before keep both, so a rollback brings them back
for as long as gc has not retired them.")]
pub struct DropType {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    record_type: TypeArgument,
}

/// Publish a version in which the records of a type lack a field
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok drop-field --store data/debian Package verison
  kapok drop-field --store data/huts Hut rooms.beds

All records of the type are written anew. The versions before keep the field. Programs that were compiled for a schema with
it find the new version incompatible.")]
pub struct DropField {
    #[command(flatten)]
    store: StoreArgument,
    /// The record type, unless --type names it, and the field: its name, or names joined by dots
    #[arg(value_name = "[TYPE] FIELD", required = true, num_args = 1..=2)]
    words: Vec<String>,
    /// The record type; the other argument is the field
    #[arg(long = "type", id = "type_name", value_name = "TYPE")]
    named: Option<String>,
}

/// Publish a version in which fields of a type refer to no records any more
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok drop-reference --store data/films Rating movieId
  kapok drop-reference --store data/shop Order 'items[].productId'

The reference is named as publish --reference took it: a field, with [] behind lists, or the name of several fields. No record
changes: queries do not follow the fields any more. A later publish that declares the reference, or a schema that is annotated with
it, brings it back.")]
pub struct DropReference {
    #[command(flatten)]
    store: StoreArgument,
    /// The record type, unless --type names it, and the reference
    #[arg(value_name = "[TYPE] REFERENCE", required = true, num_args = 1..=2)]
    words: Vec<String>,
    /// The record type; the other argument is the reference
    #[arg(long = "type", id = "type_name", value_name = "TYPE")]
    named: Option<String>,
}

/// What was dropped.
#[derive(Clone, Copy)]
enum Dropped<'r> {
    Type,
    Field(&'r str),
    Reference(&'r str),
}

#[derive(Serialize)]
struct DropOutput<'r> {
    version: u64,
    #[serde(rename = "type")]
    record_type: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'r str>,
    /// Live records of the type afterwards.
    rows: u64,
    removed: u64,
    warnings: &'r [String],
    duration_ms: u128,
}

impl DropType {
    /// Runs one cycle.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let record_type = self.record_type.name();
        let report = open(&self.store).await?.drop_type(record_type).await?;
        tell(&report, record_type, Dropped::Type, json, out)
    }
}

impl DropField {
    /// Runs one cycle.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let ((Some(record_type), [field]) | (None, [record_type, field])) = (&self.named, self.words.as_slice()) else {
            return Err(Failure::usage("give TYPE and FIELD, as in: kapok drop-field Package verison"));
        };
        let report = open(&self.store).await?.drop_field(record_type, field).await?;
        tell(&report, record_type, Dropped::Field(field), json, out)
    }
}

impl DropReference {
    /// Runs one cycle.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let ((Some(record_type), [reference]) | (None, [record_type, reference])) =
            (&self.named, self.words.as_slice())
        else {
            return Err(Failure::usage("give TYPE and REFERENCE, as in: kapok drop-reference Rating movieId"));
        };
        let report = open(&self.store).await?.drop_reference(record_type, reference).await?;
        tell(&report, record_type, Dropped::Reference(reference), json, out)
    }
}

/// Opens a producer on a store that exists; dropping something from a new one would be a mistake.
async fn open(store: &StoreArgument) -> Result<Producer> {
    store.open().await?;
    Ok(Producer::open(&store.store).await?)
}

fn tell(report: &CycleReport, record_type: &str, dropped: Dropped<'_>, json: bool, out: &mut impl Write) -> Result<()> {
    for warning in &report.warnings {
        warn(json, warning);
    }
    let ty = report.types.iter().find(|ty| ty.name == record_type);
    let (rows, removed) =
        ty.map_or((0, 0), |ty| (ty.rows, if matches!(dropped, Dropped::Type) { ty.removed } else { 0 }));
    let version = report.outcome.version();
    if json {
        let (warnings, duration_ms) = (&report.warnings, report.steps.total().as_millis());
        let (field, reference) = match dropped {
            Dropped::Type => (None, None),
            Dropped::Field(field) => (Some(field), None),
            Dropped::Reference(reference) => (None, Some(reference)),
        };
        let dropped = DropOutput { version, record_type, field, reference, rows, removed, warnings, duration_ms };
        serde_json::to_writer(&mut *out, &dropped)?;
        return Ok(writeln!(out)?);
    }
    let duration = duration::shown(report.steps.total());
    match dropped {
        Dropped::Type => writeln!(
            out,
            "published version {version}: record type {record_type} is gone, {} rows removed ({duration})",
            HumanCount(removed)
        )?,
        Dropped::Field(field) => writeln!(
            out,
            "published version {version}: {} {record_type} rows without {field} ({duration})",
            HumanCount(rows)
        )?,
        Dropped::Reference(reference) => writeln!(
            out,
            "published version {version}: {record_type}.{reference} refers to no records any more ({duration})"
        )?,
    }
    Ok(writeln!(out, "kapok rollback takes consumers back to the version before")?)
}
