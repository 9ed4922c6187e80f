//! `kapok stat`: what is a version made of, and where do its bytes go?

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use kapok_core::manifest::{Manifest, RecordType};
use serde::Serialize;

use crate::dataset::{Dataset, hex, rfc3339};
use crate::failure::Result;
use crate::store_argument::{StoreArgument, VersionArgument};
use crate::table::Table;

/// What a version is made of, and where its bytes go
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok stat --store data/debian
  kapok stat --store data/debian --version 3 --json")]
pub struct Stat {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    version: VersionArgument,
}

#[derive(Serialize)]
struct VersionStat {
    version: u64,
    created: String,
    /// Fingerprint of all types together.
    schema: String,
    rows: u64,
    bytes: u64,
    index_bytes: u64,
    types: Vec<TypeStat>,
}

#[derive(Serialize)]
struct TypeStat {
    name: String,
    key: Vec<String>,
    rows: u64,
    dead_rows: u64,
    segments: usize,
    bytes: u64,
    /// Of the rows themselves: numbers and pointers.
    row_bytes: u64,
    /// Of each field that has objects.
    field_bytes: BTreeMap<String, u64>,
    index_bytes: u64,
}

impl Stat {
    /// Adds up what the manifest says; no blob is read.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let Dataset { manifest, .. } = Dataset::open(&self.store, &self.version).await?;
        let types: Vec<_> = manifest.record_types.iter().map(|ty| TypeStat::of(&manifest, ty)).collect();
        let stat = VersionStat {
            version: manifest.version,
            created: rfc3339(manifest.created_unix_ms),
            schema: hex(manifest.schema.fingerprint()?),
            rows: types.iter().map(|ty| ty.rows).sum(),
            bytes: types.iter().map(|ty| ty.bytes).sum(),
            index_bytes: types.iter().map(|ty| ty.index_bytes).sum(),
            types,
        };
        if json {
            serde_json::to_writer_pretty(&mut *out, &stat)?;
            writeln!(out)?;
            return Ok(());
        }
        stat.print(out)
    }
}

impl TypeStat {
    fn of(manifest: &Manifest, ty: &RecordType) -> Self {
        let structure = manifest.schema.get_struct(ty.type_id);
        let mut row_bytes = 0;
        let mut field_bytes = BTreeMap::new();
        for extent in ty.segments.iter().flat_map(|segment| &segment.extents) {
            if extent.field.is_empty() {
                row_bytes += extent.bytes;
                continue;
            }
            let field = structure.and_then(|ty| ty.field(&extent.field));
            let name = field.map_or(extent.field.as_str(), |field| field.json_name());
            *field_bytes.entry(name.to_owned()).or_default() += extent.bytes;
        }
        Self {
            name: ty.name.clone(),
            key: ty.key.clone(),
            rows: ty.rows,
            dead_rows: ty.segments.iter().map(|segment| u64::from(segment.dead)).sum(),
            segments: ty.segments.len(),
            bytes: ty.segments.iter().map(|segment| segment.bytes).sum(),
            row_bytes,
            field_bytes,
            index_bytes: ty.segments.iter().flat_map(|segment| &segment.artifacts).map(|index| index.bytes).sum(),
        }
    }
}

impl VersionStat {
    fn print(&self, out: &mut impl Write) -> Result<()> {
        writeln!(out, "version {}, created {}", self.version, self.created)?;
        writeln!(out, "schema {}", self.schema)?;
        for ty in &self.types {
            writeln!(
                out,
                "\n{}: {} rows, key {}, {} segment(s), {} and {} of indexes",
                ty.name,
                HumanCount(ty.rows),
                ty.key.join(","),
                ty.segments,
                HumanBytes(ty.bytes),
                HumanBytes(ty.index_bytes),
            )?;
            let mut table = Table::new(&["  field", ">bytes", ">share"]);
            let mut fields: Vec<_> = ty.field_bytes.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
            fields.push(("(rows)", ty.row_bytes));
            fields.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
            for (name, bytes) in fields {
                let share = (bytes * 1000).checked_div(ty.bytes).unwrap_or(0);
                table.push([
                    format!("  {name}"),
                    HumanCount(bytes).to_string(),
                    format!("{}.{} %", share / 10, share % 10),
                ]);
            }
            table.print(out)?;
        }
        Ok(())
    }
}
