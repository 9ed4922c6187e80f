//! `--vector`: what records are to be near to.

use kapok_core::ErrorKind;
use kapok_core::key::KeyParts;
use kapok_core::schema::Metric;
use kapok_core::segment::RowId;
use kapok_core::vectors::ElementType;
use kapok_core::view::Table;
use kapok_index::View;
use kapok_index::nearest::Nearest;

use crate::failure::{Failure, Result};
use crate::key_argument::KeyArgument;
use crate::publish::vector_files;

/// What records are to be near to.
pub enum Wish {
    /// Each of these vectors.
    Vectors(Vec<Vec<f32>>),
    /// The vector of a record, which is left out itself.
    Record(RowId),
}

impl Wish {
    /// Reads an argument.
    pub fn parse(argument: &str, view: &View, table: &Table, nearest: &Nearest<'_>) -> Result<Self> {
        if let Some(key) = argument.strip_prefix("like:") {
            return record(key, view, table).map(Self::Record);
        }
        if let Some(path) = argument.strip_prefix('@') {
            return rows(path, nearest).map(Self::Vectors);
        }
        let numbers = serde_json::from_str(argument).map_err(|error| {
            Failure::usage(format!("--vector: expected a JSON list of numbers, @FILE or like:KEY ({error})"))
        })?;
        Ok(Self::Vectors(vec![numbers]))
    }
}

fn record(key: &str, view: &View, table: &Table) -> Result<RowId> {
    let words = match table.key().names().count() {
        1 => vec![key.to_owned()],
        _ => parts(key)?,
    };
    let key = KeyArgument::parse(table, &words)?;
    view.find(table.name(), &KeyParts(&key.parts()))?.ok_or_else(|| {
        let what = format!("{} {} is not in version {}", table.name(), words.join(" "), view.version());
        Failure::of(ErrorKind::NotFound, what)
    })
}

/// Takes the parts of a key of several fields apart.
fn parts(key: &str) -> Result<Vec<String>> {
    if !key.starts_with('[') {
        return Ok(key.split(',').map(str::to_owned).collect());
    }
    let parts: Vec<serde_json::Value> = serde_json::from_str(key)
        .map_err(|error| Failure::usage(format!("--vector like:{key}: expected a JSON list ({error})")))?;
    let part = |part| match part {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(parts.into_iter().map(part).collect())
}

/// Reads all vectors of a file. Bytes are bits where the field has bits, as where it is published.
fn rows(path: &str, nearest: &Nearest<'_>) -> Result<Vec<Vec<f32>>> {
    let vectors = vector_files::table(path)?;
    let is_bits = nearest.metric() == Metric::Hamming && vectors.element() == ElementType::UInt8;
    let dimension = if is_bits { vectors.dimension().saturating_mul(8) } else { vectors.dimension() };
    if dimension != nearest.dimension() && nearest.dimension() > 0 {
        return Err(Failure::input(format!(
            "{path}: vectors have dimension {dimension}, those of the field {}",
            nearest.dimension()
        )));
    }
    let numbers = |row| {
        if !is_bits {
            return Ok(vectors.numbers(row)?);
        }
        let mut bits = Vec::new();
        ElementType::Bit.widen(vectors.row(row)?, &mut bits);
        Ok(bits)
    };
    (0..vectors.rows()).map(numbers).collect()
}
