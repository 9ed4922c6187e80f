//! `kapok vectors check`: compares what searches find with what exact searches find.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use kapok_blobstore::clock;
use kapok_core::segment::RowId;
use kapok_index::View;
use kapok_index::nearest::{Effort, Hit, Nearest, SearchSettings};
use serde::Serialize;

use super::type_and_field;
use crate::dataset::Dataset;
use crate::failure::{Failure, Result};
use crate::store_argument::{StoreArgument, VersionArgument};
use crate::table::Table;
use crate::vector_fields;

/// Compare what searches find with what exact searches find
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok vectors check --store data/debian Package
  kapok vectors check --store data/debian Package.embedding --sample 1000 -k 100 --min-recall 0.95

Each record of a sample, which is the same each time and spread over all, asks for those nearest to it, itself left out. Recall is
the share of the k nearest that are found; another at the distance of the last one counts as well. Times are means of one search
on one thread. With --min-recall a lower recall is exit code 1.")]
pub struct Check {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    version: VersionArgument,
    /// The record type, whose vector fields are all checked, or one field of it
    #[arg(value_name = "TYPE[.FIELD]")]
    of: String,
    /// How many records ask
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    sample: u32,
    /// How many records each asks for
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    k: u32,
    /// Candidates that a walk over the graph keeps [default: by k and size, as searches have it]
    #[arg(long, value_name = "N")]
    ef: Option<usize>,
    /// Least recall that will do, from 0 to 1
    #[arg(long, value_name = "R", value_parser = recall)]
    min_recall: Option<f64>,
}

fn recall(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

#[derive(Serialize)]
struct FieldCheck {
    #[serde(rename = "type")]
    record_type: String,
    field: String,
    /// Records that asked.
    sample: usize,
    k: u32,
    recall: f64,
    search_us: f64,
    exact_us: f64,
}

impl Check {
    /// Checks the fields, and prints all before it fails for one.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let (record_type, field) = type_and_field(&self.of);
        let view = Dataset::open(&self.store, &self.version).await?.view(record_type).await?;
        let fields = match field {
            Some(field) => vec![field.to_owned()],
            None => vector_fields::names(view.table(record_type)?),
        };
        if fields.is_empty() {
            return Err(vector_fields::none(record_type));
        }
        let checks = fields.into_iter().map(|field| self.check(&view, record_type, field));
        let checks = checks.collect::<Result<Vec<_>>>()?;
        if json {
            serde_json::to_writer_pretty(&mut *out, &checks)?;
            writeln!(out)?;
        } else {
            self.print(&checks, out)?;
        }
        let least = self.min_recall.unwrap_or(0.0);
        match checks.iter().find(|check| check.recall < least) {
            None => Ok(()),
            Some(FieldCheck { record_type, field, k, recall, .. }) => Err(Failure::no(format!(
                "{record_type}.{field}: recall@{k} is {recall:.4}, below {least}; a search with a greater --ef finds more"
            ))),
        }
    }

    fn check(&self, view: &View, record_type: &str, field: String) -> Result<FieldCheck> {
        let nearest = view.nearest(&format!("{record_type}.{field}"))?;
        let effort = self.ef.map_or(Effort::Default, Effort::Ef);
        let settings = SearchSettings { effort, ..SearchSettings::new(self.k as usize) };
        let exact = SearchSettings { effort: Effort::Exact, ..settings };
        let sample = sample(&nearest, self.sample as usize);
        let (mut found, mut wanted) = (0, 0);
        let (mut search_time, mut exact_time) = (Duration::ZERO, Duration::ZERO);
        for row_id in &sample {
            let begun = clock::instant();
            let hits = nearest.search_like(*row_id, &settings)?;
            search_time += begun.elapsed();
            let begun = clock::instant();
            let all = nearest.search_like(*row_id, &exact)?;
            exact_time += begun.elapsed();
            wanted += all.len();
            found += as_near(&hits, &all);
        }
        let mean = |time: Duration| time.as_secs_f64() * 1e6 / number(sample.len().max(1));
        Ok(FieldCheck {
            record_type: record_type.to_owned(),
            field,
            sample: sample.len(),
            k: self.k,
            recall: if wanted == 0 { 1.0 } else { number(found) / number(wanted) },
            search_us: mean(search_time),
            exact_us: mean(exact_time),
        })
    }

    fn print(&self, checks: &[FieldCheck], out: &mut impl Write) -> Result<()> {
        let recall = format!(">recall@{}", self.k);
        let mut table = Table::new(&["field", ">sample", &recall, ">search", ">exact"]);
        for check in checks {
            table.push([
                format!("{}.{}", check.record_type, check.field),
                check.sample.to_string(),
                format!("{:.4}", check.recall),
                format!("{:.1} µs", check.search_us),
                format!("{:.1} µs", check.exact_us),
            ]);
        }
        Ok(table.print(out)?)
    }
}

/// Returns so many of the live records with a vector, at equal distances.
fn sample(nearest: &Nearest<'_>, wanted: usize) -> Vec<RowId> {
    let segments = nearest.table().segments().iter().zip(nearest.columns()).enumerate();
    let all: Vec<RowId> = segments
        .flat_map(|(place, (source, column))| {
            let rows = source.live_rows().filter(|row| column.has(*row));
            rows.map(move |row| source.mark().row_id(place, row))
        })
        .collect();
    let count = wanted.min(all.len());
    (0..count).map(|at| all[at * all.len() / count]).collect()
}

/// Counts the hits that are as near as the last of all that were wanted.
fn as_near(hits: &[Hit], all: &[Hit]) -> usize {
    let Some(last) = all.last() else { return 0 };
    hits.iter().filter(|hit| hit.distance <= last.distance).count().min(all.len())
}

#[expect(clippy::cast_precision_loss, reason = "counts of records are below 2^53")]
fn number(count: usize) -> f64 {
    count as f64
}
