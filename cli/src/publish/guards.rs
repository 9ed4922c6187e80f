//! Guards against a publish that wipes a record type, or most of it, unless it is asked to.

use clap::Args;
use kapok_producer::{Bound, Counts, CycleReport, Error, Finding, Validator};

use crate::failure::{Failure, Result};

/// Largest percentage of records that a full publish may remove, ...
const REMOVED_PERCENT_MAX: f64 = 50.0;
/// ... unless they are fewer than this.
const REMOVED_MIN: u64 = 10;

/// Conditions that a version must fulfil.
#[derive(Debug, Args)]
#[command(next_help_heading = "Guards")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Guards {
    /// Publish although the type is left without records
    #[arg(long)]
    allow_empty: bool,
    /// Publish although a full file removes more than half of the records, and at least 10
    #[arg(long, conflicts_with = "max_removed")]
    allow_removed: bool,
    /// Refuse to remove more records than this: 20% of those before, or 500
    #[arg(long, value_name = "N|N%", value_parser = bound)]
    max_removed: Option<Bound>,
    /// Refuse to change more records than this: 20% of those before, or 500
    #[arg(long, value_name = "N|N%", value_parser = bound)]
    max_changed: Option<Bound>,
    /// Refuse fields that the type does not have yet
    #[arg(long)]
    no_new_fields: bool,
    /// Refuse a record type that the dataset does not have yet
    #[arg(long)]
    no_new_types: bool,
    /// Refuse to leave fewer records than this
    #[arg(long, value_name = "N")]
    min_rows: Option<u64>,
}

/// A validator, and the switch that decides about it.
struct Guard {
    validator: Validator,
    /// What to tell behind its findings.
    way_out: &'static str,
}

impl Guards {
    /// Returns the validators of a publish: of a file of all records, or of changes.
    pub fn validators(&self, record_type: &str, is_full: bool) -> Vec<Validator> {
        self.guards(record_type, is_full).into_iter().map(|guard| guard.validator).collect()
    }

    fn guards(&self, record_type: &str, is_full: bool) -> Vec<Guard> {
        let mut guards = Vec::new();
        let mut guard = |validator, way_out| guards.push(Guard { validator, way_out });
        if !self.allow_empty {
            guard(Validator::not_empty(record_type), ", use --allow-empty if no record is to be left");
        }
        if let Some(bound) = self.max_removed {
            guard(Validator::removed(record_type, bound), ", as --max-removed says");
        } else if is_full && !self.allow_removed {
            let way_out = ", use --allow-removed if they are to go, or set another bound: --max-removed 80%";
            guard(most_stay(record_type), way_out);
        }
        if let Some(bound) = self.max_changed {
            guard(Validator::changed(record_type, bound), ", as --max-changed says");
        }
        if self.no_new_fields {
            guard(no_new_fields(record_type), ", as --no-new-fields says");
        }
        if self.no_new_types {
            guard(no_new_types(record_type), ", as --no-new-types says");
        }
        if let Some(rows) = self.min_rows {
            guard(Validator::minimum_count(record_type, rows), ", as --min-rows says");
        }
        guards
    }

    /// Checks a publish that makes no version against the smallest number of records.
    pub fn check_unchanged(&self, report: &CycleReport, record_type: &str) -> Result<()> {
        let rows = report.types.iter().find(|ty| ty.name == record_type).map_or(0, |ty| ty.rows);
        match self.min_rows {
            Some(minimum) if rows < minimum => {
                let detail = format!("rows={rows} minimum={minimum}");
                let validator = Validator::minimum_count(record_type, minimum).name().to_owned();
                let finding = Finding { validator, detail };
                let version = report.outcome.version();
                let way_out = self.way_out(&finding, record_type);
                let message = format!("version {version} stays, nothing differs from it: {finding}{way_out}");
                Err(Failure::Refused { message, findings: vec![finding] })
            }
            _ => Ok(()),
        }
    }

    /// Explains a refusal, with the switches that decide.
    pub fn explain(&self, error: Error, record_type: &str) -> Failure {
        let Error::Refused { version, findings } = error else { return error.into() };
        let told = findings.iter().map(|finding| format!("{finding}{}", self.way_out(finding, record_type)));
        let told = told.collect::<Vec<_>>();
        let message = format!("version {version} was refused, nothing was published: {}", told.join("; "));
        Failure::Refused { message, findings }
    }

    fn way_out(&self, finding: &Finding, record_type: &str) -> &'static str {
        // Those of a file of all records are those of changes and one more.
        let guards = self.guards(record_type, true);
        guards.iter().find(|guard| guard.validator.name() == finding.validator).map_or("", |guard| guard.way_out)
    }
}

/// Demands that most records stay. A type that is left without any is the task of another guard.
fn most_stay(record_type: &str) -> Validator {
    let bound = Bound::PercentFrom { percent: REMOVED_PERCENT_MAX, records: REMOVED_MIN };
    let ty = record_type.to_owned();
    Validator::of_counts(format!("removed({ty})"), move |counts: &Counts<'_>| {
        let (removed, before, after) = (counts.removed(&ty), counts.rows_before(&ty), counts.rows_after(&ty));
        if after == 0 || !bound.is_exceeded_by(removed, before) {
            return Vec::new();
        }
        vec![format!("removed={removed} before={before} after={after} allowed={bound}")]
    })
}

/// Demands that the schema stays as it is, except for new record types.
fn no_new_fields(record_type: &str) -> Validator {
    let ty = record_type.to_owned();
    Validator::of_counts(format!("no_new_fields({ty})"), move |counts: &Counts<'_>| {
        let grown = counts.report(&ty).map_or_else(Vec::new, |report| report.grown.clone());
        if grown.is_empty() { Vec::new() } else { vec![format!("grown={}", grown.join(", "))] }
    })
}

fn no_new_types(record_type: &str) -> Validator {
    let ty = record_type.to_owned();
    Validator::of_counts(format!("no_new_types({ty})"), move |counts: &Counts<'_>| {
        let known: Vec<_> = counts.before.record_types.iter().map(|known| known.name.as_str()).collect();
        if known.contains(&ty.as_str()) { Vec::new() } else { vec![format!("there={}", known.join(","))] }
    })
}

/// Reads `20%` and `500`.
fn bound(text: &str) -> std::result::Result<Bound, String> {
    let wrong = || "expected a number of records or a percentage: 500 or 20%".to_owned();
    match text.strip_suffix('%') {
        Some(percent) => match percent.parse::<f64>() {
            Ok(percent) if percent.is_finite() && percent >= 0.0 => Ok(Bound::Percent(percent)),
            _ => Err(wrong()),
        },
        None => text.parse().map(Bound::Records).map_err(|_| wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_numbers_and_percentages() {
        assert_eq!(bound("500"), Ok(Bound::Records(500)));
        assert_eq!(bound("20%"), Ok(Bound::Percent(20.0)));
        assert_eq!(bound("0.5%"), Ok(Bound::Percent(0.5)));
        for text in ["", "%", "-1", "-1%", "20 %", "1.5", "NaN%", "inf%", "half"] {
            assert!(bound(text).is_err(), "{text}");
        }
    }
}
