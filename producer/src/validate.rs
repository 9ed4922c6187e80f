//! May a version be published? Validators look at it, beside the one before, once it is stored and before it is committed.

use std::fmt;
use std::sync::Arc;

use kapok_core::record::ValueRef;
use kapok_index::View;

use crate::report::TypeReport;

/// What a validator looks at.
#[derive(Debug)]
#[non_exhaustive]
pub struct Proposal<'v> {
    /// The version before; empty, of version 0, for the first.
    pub before: &'v View,
    /// The version that may be published.
    pub after: &'v View,
    /// What the cycle did to the record types that it touched.
    pub types: &'v [TypeReport],
}

/// Something that must hold of a version.
#[derive(Clone)]
pub struct Validator {
    name: Arc<str>,
    check: Arc<Check>,
}

type Check = dyn Fn(&Proposal<'_>) -> kapok_core::Result<Vec<String>> + Send + Sync;

/// Why a version was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The validator.
    pub validator: String,
    /// What it found.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.validator, self.detail)
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Validator").field(&self.name).finish()
    }
}

impl Validator {
    /// A closure that returns what it finds wrong, in words; nothing where all is well.
    pub fn new(
        name: impl Into<String>,
        check: impl Fn(&Proposal<'_>) -> kapok_core::Result<Vec<String>> + Send + Sync + 'static,
    ) -> Self {
        Self { name: Arc::from(name.into()), check: Arc::new(check) }
    }

    /// At least so many records of a type; a type that is not there has none.
    pub fn minimum_count(record_type: &str, minimum: u64) -> Self {
        let ty = record_type.to_owned();
        Self::new(format!("minimum_count({ty})"), move |proposal| {
            let rows = rows(proposal.after, &ty);
            Ok(if rows < minimum { vec![format!("rows={rows} minimum={minimum}")] } else { Vec::new() })
        })
    }

    /// The number of records of a type differs by at most so many percent from the version before, where that has any.
    pub fn count_variance(record_type: &str, percent: f64) -> Self {
        let ty = record_type.to_owned();
        Self::new(format!("count_variance({ty})"), move |proposal| {
            let (before, after) = (rows(proposal.before, &ty), rows(proposal.after, &ty));
            Ok(exceeded("variance", before.abs_diff(after), before, percent))
        })
    }

    /// At most so many percent, of the records before, were added.
    pub fn added_percent(record_type: &str, percent: f64) -> Self {
        Self::of_changes("added", record_type, percent, |ty| ty.added)
    }

    /// At most so many percent, of the records before, were removed.
    pub fn removed_percent(record_type: &str, percent: f64) -> Self {
        Self::of_changes("removed", record_type, percent, |ty| ty.removed)
    }

    /// At most so many percent, of the records before, were changed.
    pub fn updated_percent(record_type: &str, percent: f64) -> Self {
        Self::of_changes("updated", record_type, percent, |ty| ty.updated)
    }

    fn of_changes(
        what: &'static str,
        record_type: &str,
        percent: f64,
        count: impl Fn(&TypeReport) -> u64 + Send + Sync + 'static,
    ) -> Self {
        let ty = record_type.to_owned();
        Self::new(format!("{what}_percent({ty})"), move |proposal| {
            let changed = proposal.types.iter().find(|report| report.name == ty).map_or(0, &count);
            Ok(exceeded(what, changed, rows(proposal.before, &ty), percent))
        })
    }

    /// A field of one type holds keys of another: each value that is not null is the key of a record. `field` is
    /// `"Rating.movieId"`, for example.
    pub fn reference(field: &str, target: &str) -> Self {
        let (field, target) = (field.to_owned(), target.to_owned());
        Self::new(format!("reference({field} -> {target})"), move |proposal| dangling(proposal.after, &field, &target))
    }

    pub(crate) fn run(&self, proposal: &Proposal<'_>, findings: &mut Vec<Finding>) -> kapok_core::Result<()> {
        let found = (self.check)(proposal)?;
        findings.extend(found.into_iter().map(|detail| Finding { validator: self.name.to_string(), detail }));
        Ok(())
    }
}

fn rows(view: &View, record_type: &str) -> u64 {
    view.table(record_type).map_or(0, kapok_core::view::Table::len)
}

fn exceeded(what: &str, changed: u64, before: u64, percent: f64) -> Vec<String> {
    if before == 0 {
        return Vec::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "a percentage")]
    let found = changed as f64 * 100.0 / before as f64;
    if found <= percent { Vec::new() } else { vec![format!("{what}={found:.2}% of {before} allowed={percent}%")] }
}

/// Keys that no record has, the first few by name.
fn dangling(view: &View, path: &str, target: &str) -> kapok_core::Result<Vec<String>> {
    const NAMED: usize = 5;
    let (record_type, field) = path.split_once('.').unwrap_or((path, ""));
    let Ok(table) = view.table(record_type) else { return Ok(Vec::new()) };
    let lookup = match view.lookup(target) {
        Ok(lookup) => lookup,
        Err(_) if table.is_empty() => return Ok(Vec::new()),
        Err(error) => return Ok(vec![error.to_string()]),
    };
    let (mut count, mut named) = (0_u64, Vec::new());
    for ordinal in table.ordinals() {
        let Some(record) = table.record(ordinal)? else { continue };
        let value = record.get(field)?;
        let found = match &value {
            ValueRef::Null => true,
            ValueRef::Int(key) => lookup.find(key)?.is_some(),
            ValueRef::UInt(key) => lookup.find(key)?.is_some(),
            ValueRef::Text(key) => lookup.find(*key)?.is_some(),
            _ => {
                return Err(kapok_core::Error::invalid(path, "only integers and texts can refer to another record"));
            }
        };
        if !found {
            count += 1;
            if named.len() < NAMED {
                named.push(format!("{value:?}"));
            }
        }
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    let more = if count > named.len() as u64 { ", …" } else { "" };
    Ok(vec![format!("{count} record(s) refer to no {target}: {}{more}", named.join(", "))])
}
