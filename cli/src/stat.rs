//! `kapok stat`: prints the sizes of a version, by record type and field.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use kapok_core::manifest::{Manifest, RecordType};
use kapok_core::schema::{FieldKind, Schema, StructType, Type};
use serde::Serialize;

use crate::dataset::{Dataset, hex, rfc3339};
use crate::failure::Result;
use crate::store_argument::{StoreArgument, VersionArgument};
use crate::table::Table;
use crate::type_argument::OnlyType;

mod capacity;

use capacity::Capacity;

/// What a version is made of, and where its bytes go
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok stat --store data/debian
  kapok stat --store data/debian Package --version 3 --json
  kapok stat --store s3://debian/packages --capacity

Numbers lie in the rows themselves, next to the pointers to everything else. Rows of segments that were written before a
field was added have no room for it, so that the bytes of such a field are an upper bound. What narrow integers save is
told of the rows themselves, against integers of 64 bits.")]
pub struct Stat {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    version: VersionArgument,
    #[command(flatten)]
    only: OnlyType,
    /// Also print what a host needs: disk, page cache, and what a step from the version before fetches
    #[arg(long)]
    capacity: bool,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<Capacity>,
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
    /// Bytes of the rows themselves: numbers and pointers.
    row_bytes: u64,
    /// Bytes within rows of each field that is a number, a Bool or an enum.
    number_bytes: BTreeMap<String, u64>,
    /// Bytes that rows would have more if all integers in them were of 64 bits.
    narrow_bytes_saved: u64,
    /// Bytes of each field that has objects.
    field_bytes: BTreeMap<String, u64>,
    index_bytes: u64,
}

impl Stat {
    /// Prints the sizes that the manifest has; no blob is read.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let Dataset { store, mut manifest, .. } = Dataset::open(&self.store, &self.version).await?;
        if let Some(name) = self.only.name() {
            manifest.expect_record_type(name)?;
            manifest.record_types.retain(|ty| ty.name == name);
        }
        let capacity = if self.capacity { Some(Capacity::of(&store, &manifest).await?) } else { None };
        let types: Vec<_> = manifest.record_types.iter().map(|ty| TypeStat::of(&manifest, ty)).collect();
        let stat = VersionStat {
            version: manifest.version,
            created: rfc3339(manifest.created_unix_ms),
            schema: hex(manifest.schema.fingerprint()?),
            rows: types.iter().map(|ty| ty.rows).sum(),
            bytes: types.iter().map(|ty| ty.bytes).sum(),
            index_bytes: types.iter().map(|ty| ty.index_bytes).sum(),
            capacity,
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
                row_bytes += extent.size;
                continue;
            }
            let field = structure.and_then(|ty| ty.field(&extent.field));
            let name = field.map_or(extent.field.as_str(), |field| field.json_name());
            *field_bytes.entry(name.to_owned()).or_default() += extent.size;
        }
        let rows: u64 = ty.segments.iter().map(|segment| u64::from(segment.rows)).sum();
        let mut number_bytes = BTreeMap::new();
        if let Some(structure) = structure {
            add_numbers(&manifest.schema, structure, "", rows, &mut number_bytes);
        }
        Self {
            name: ty.name.clone(),
            key: ty.key.clone(),
            rows: ty.rows,
            dead_rows: ty.segments.iter().map(|segment| u64::from(segment.dead)).sum(),
            segments: ty.segments.len(),
            bytes: ty.segments.iter().map(|segment| segment.size).sum(),
            row_bytes,
            number_bytes,
            narrow_bytes_saved: structure.map_or(0, |ty| rows * saved_by_row(ty)),
            field_bytes,
            index_bytes: ty.segments.iter().flat_map(|segment| &segment.artifacts).map(|index| index.size).sum(),
        }
    }
}

/// Adds the sizes of the fields that lie in the rows themselves, those of groups included.
fn add_numbers(schema: &Schema, ty: &StructType, path: &str, rows: u64, bytes: &mut BTreeMap<String, u64>) {
    for field in &ty.fields {
        let name = format!("{path}{}", field.json_name());
        match &field.kind {
            FieldKind::Group(id) => {
                if let Some(group) = schema.get_struct(*id) {
                    add_numbers(schema, group, &format!("{name}."), rows, bytes);
                }
            }
            FieldKind::Slot { ty, .. } => {
                if let Some(bits) = bits(ty) {
                    bytes.insert(name, (rows * bits).div_ceil(8));
                }
            }
        }
    }
}

/// Returns the bytes that a row would have more if all integers in it were of 64 bits; 0 for types with groups or
/// unions, whose layout is their own.
fn saved_by_row(ty: &StructType) -> u64 {
    let mut wide = ty.clone();
    for field in &mut wide.fields {
        if let FieldKind::Slot { ty, .. } = &mut field.kind
            && ty.is_integer()
        {
            *ty = Type::Int64;
        }
    }
    match wide.lay_out() {
        Ok(()) => 8 * u64::from(wide.data_words.saturating_sub(ty.data_words)),
        Err(_) => 0,
    }
}

/// Returns the width of a number; `None` for a pointer type.
fn bits(ty: &Type) -> Option<u64> {
    Some(match ty {
        Type::Bool => 1,
        Type::Int8 | Type::UInt8 => 8,
        Type::Int16 | Type::UInt16 | Type::Enum(_) => 16,
        Type::Int32 | Type::UInt32 | Type::Float32 => 32,
        Type::Int64 | Type::UInt64 | Type::Float64 => 64,
        _ => return None,
    })
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
            let fields = ty.field_bytes.iter().chain(&ty.number_bytes);
            let mut fields: Vec<_> = fields.map(|(name, bytes)| (name.as_str(), *bytes)).collect();
            let numbers: u64 = ty.number_bytes.values().sum();
            fields.push(("(pointers and padding)", ty.row_bytes.saturating_sub(numbers)));
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
            if ty.narrow_bytes_saved > 0 {
                let rows = ty.rows + ty.dead_rows;
                writeln!(
                    out,
                    "  integers of less than 64 bits (kapok publish --compact) save {} B a row, {} in all",
                    ty.narrow_bytes_saved / rows.max(1),
                    HumanBytes(ty.narrow_bytes_saved),
                )?;
            }
        }
        self.capacity.as_ref().map_or(Ok(()), |capacity| capacity.print(out))
    }
}
