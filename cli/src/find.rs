//! `kapok find`: the records that hold a value in any field, of all record types.

use std::io::Write;

use clap::Args;
use kapok_index::View;
use kapok_index::query::{Expr, FieldMatch, Query};

use crate::dataset::Dataset;
use crate::export;
use crate::failure::{Failure, Result};
use crate::store_argument::{StoreArgument, VersionArgument};

/// Print the records of all types that hold a value in some field, as JSON lines
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok find --store data/shop hut-3
  kapok find --store data/shop 42 --field productId
  kapok find --store data/shop red --type Order --limit 5
  kapok find --store data/shop '\"42\"'                (only text, no number)

Each line names the record type and the fields that are equal to the value:
  {\"type\":\"Order\",\"fields\":[\"items[].productId\"],\"record\":{..}}

A value is compared with all fields that can have it, also in structs and lists: text, and if it reads so, a number, true or
false, an enumerant, or bytes as b\"base64\". Beginnings, words and other conditions: kapok query. No match is exit code 0.")]
pub struct Find {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    version: VersionArgument,
    /// The value
    #[arg(allow_negative_numbers = true)]
    value: String,
    /// Only fields of this name, or with dots between names of this path
    #[arg(long, value_name = "NAME")]
    field: Option<String>,
    /// Only this record type
    #[arg(long = "type", value_name = "TYPE")]
    record_type: Option<String>,
    /// Print only so many records
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print the number of records alone
    #[arg(long, conflicts_with = "limit")]
    count: bool,
}

impl Find {
    /// Asks one record type after another.
    pub async fn run(&self, out: &mut impl Write) -> Result<()> {
        let dataset = Dataset::open(&self.store, &self.version).await?;
        let view = match &self.record_type {
            Some(name) => dataset.view(name).await?,
            None => dataset.whole_view().await?,
        };
        let (mut count, mut left, mut is_anywhere) = (0, self.limit.unwrap_or(usize::MAX), false);
        for ty in &view.manifest().record_types {
            let fields = FieldMatch::all(view.table(&ty.name)?, &self.value, self.field.as_deref());
            is_anywhere |= !fields.is_empty();
            if self.count {
                count += rows(&view, &ty.name, &fields)?.count()?;
            } else {
                left -= print(&view, &ty.name, &fields, left, out)?;
            }
        }
        if let Some(field) = self.field.as_ref().filter(|_| !is_anywhere) {
            return Err(Failure::usage(format!(
                "--field {field}: no record type has such a field that {} can be in",
                self.value
            )));
        }
        if self.count {
            writeln!(out, "{count}")?;
        }
        Ok(())
    }
}

fn rows<'v>(view: &'v View, record_type: &str, fields: &[FieldMatch]) -> Result<kapok_index::query::Rows<'v>> {
    let any = Expr::any_of(fields.iter().map(|field| field.expr.clone()));
    Ok(Query::bind(view, record_type, &any)?.rows()?)
}

/// Prints the records of a type, up to a number. Returns how many they are.
fn print(view: &View, record_type: &str, fields: &[FieldMatch], limit: usize, out: &mut impl Write) -> Result<usize> {
    let table = view.table(record_type)?;
    let each = fields.iter().map(|field| Ok((&field.path, Query::bind_table(table, &field.expr)?.rows()?)));
    let each = each.collect::<Result<Vec<_>>>()?;
    let mut printed = 0;
    for row_id in &rows(view, record_type, fields)?.limit(limit) {
        let row_id = row_id?;
        let mut names = Vec::new();
        for (path, rows) in &each {
            if rows.contains(row_id)? {
                names.push(path);
            }
        }
        let (ty, names) = (serde_json::to_string(record_type)?, serde_json::to_string(&names)?);
        write!(out, "{{\"type\":{ty},\"fields\":{names},\"record\":")?;
        export::write(&table.record(row_id)?, out)?;
        out.write_all(b"}\n")?;
        printed += 1;
    }
    Ok(printed)
}
