//! Validates a version, beside the one before, before it is committed.
//!
//! Validators of counts run before anything is stored, if there are no others; all others once the version is stored.

use std::fmt;
use std::sync::Arc;

use kapok_core::ErrorKind;
use kapok_core::manifest::Manifest;
use kapok_core::record::ValueRef;
use kapok_index::View;
use kapok_index::query::{Dangling, DeclaredReference};

use crate::report::TypeReport;

/// A version that may be published, as validators see it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Proposal<'v> {
    /// The version before; empty, of version 0, for the first.
    pub before: &'v View,
    /// The version that may be published.
    pub after: &'v View,
    /// What the cycle does to the record types that it touches.
    pub types: &'v [TypeReport],
}

/// The numbers of records of a version that may be published, known before anything is stored.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Counts<'v> {
    /// The version before; of version 0 for the first.
    pub before: &'v Manifest,
    /// What the cycle does to the record types that it touches.
    pub types: &'v [TypeReport],
}

/// The most records that a cycle may touch.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Bound {
    /// A number of records.
    Records(u64),
    /// A percentage of the records before.
    Percent(f64),
    /// A percentage of the records before; fewer than `records` are always allowed.
    PercentFrom {
        /// The percentage.
        percent: f64,
        /// The smallest number of records that the percentage applies to.
        records: u64,
    },
}

/// A condition that a version must fulfil to be committed.
#[derive(Clone)]
pub struct Validator {
    name: Arc<str>,
    check: Check,
}

#[derive(Clone)]
enum Check {
    Counts(Arc<CheckCounts>),
    Views(Arc<CheckViews>),
}

type CheckCounts = dyn Fn(&Counts<'_>) -> Vec<String> + Send + Sync;
type CheckViews = dyn Fn(&Proposal<'_>) -> kapok_core::Result<Vec<String>> + Send + Sync;

/// Why a version was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The [name](Validator::name) of the validator.
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
    /// Makes a validator of a closure that returns its findings in words; none if the version is valid.
    pub fn new(
        name: impl Into<String>,
        check: impl Fn(&Proposal<'_>) -> kapok_core::Result<Vec<String>> + Send + Sync + 'static,
    ) -> Self {
        Self { name: Arc::from(name.into()), check: Check::Views(Arc::new(check)) }
    }

    /// Makes a validator of a closure that looks at numbers of records alone.
    ///
    /// If all validators of a producer are of this kind, a version that is refused leaves nothing in the store.
    pub fn of_counts(
        name: impl Into<String>,
        check: impl Fn(&Counts<'_>) -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        Self { name: Arc::from(name.into()), check: Check::Counts(Arc::new(check)) }
    }

    /// Demands at least one record of a type that the cycle touches.
    pub fn not_empty(record_type: &str) -> Self {
        let ty = record_type.to_owned();
        Self::of_counts(format!("not_empty({ty})"), move |counts| {
            let is_emptied = counts.report(&ty).is_some_and(|report| report.rows == 0);
            if is_emptied { vec![format!("rows=0 before={}", counts.rows_before(&ty))] } else { Vec::new() }
        })
    }

    /// Demands at least `minimum` records of a type; a type that is not there has none.
    pub fn minimum_count(record_type: &str, minimum: u64) -> Self {
        let ty = record_type.to_owned();
        Self::of_counts(format!("minimum_count({ty})"), move |counts| {
            let rows = counts.rows_after(&ty);
            if rows < minimum { vec![format!("rows={rows} minimum={minimum}")] } else { Vec::new() }
        })
    }

    /// Demands that the number of records of a type differs by at most `percent` from the version before, if that has
    /// any.
    pub fn count_variance(record_type: &str, percent: f64) -> Self {
        let ty = record_type.to_owned();
        Self::of_counts(format!("count_variance({ty})"), move |counts| {
            let (before, after) = (counts.rows_before(&ty), counts.rows_after(&ty));
            exceeded("variance", before.abs_diff(after), before, percent)
        })
    }

    /// Demands that at most `percent` of the number of records before are added.
    pub fn added_percent(record_type: &str, percent: f64) -> Self {
        Self::of_changes("added", record_type, percent, |ty| ty.added)
    }

    /// Demands that at most `percent` of the records before are removed.
    pub fn removed_percent(record_type: &str, percent: f64) -> Self {
        Self::of_changes("removed", record_type, percent, |ty| ty.removed)
    }

    /// Demands that at most `percent` of the records before are changed.
    pub fn updated_percent(record_type: &str, percent: f64) -> Self {
        Self::of_changes("updated", record_type, percent, |ty| ty.updated)
    }

    /// Demands that at most `bound` records of a type are removed.
    ///
    /// They are counted by key or, if the type is published anew and keys are not compared, by how many fewer there
    /// are. A type without records before has none to lose.
    pub fn removed(record_type: &str, bound: Bound) -> Self {
        #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime")]
        Self::bounded("removed", record_type, bound, |counts, ty| counts.removed(ty))
    }

    /// Demands that at most `bound` records of a type are changed; if the type is published anew, all that stay are.
    pub fn changed(record_type: &str, bound: Bound) -> Self {
        #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime")]
        Self::bounded("changed", record_type, bound, |counts, ty| counts.changed(ty))
    }

    fn bounded(what: &'static str, record_type: &str, bound: Bound, count: fn(&Counts<'_>, &str) -> u64) -> Self {
        let ty = record_type.to_owned();
        Self::of_counts(format!("{what}({ty})"), move |counts| {
            let (found, before) = (count(counts, &ty), counts.rows_before(&ty));
            if before == 0 || !bound.is_exceeded_by(found, before) {
                return Vec::new();
            }
            vec![format!("{what}={found} before={before} after={} allowed={bound}", counts.rows_after(&ty))]
        })
    }

    fn of_changes(
        what: &'static str,
        record_type: &str,
        percent: f64,
        count: impl Fn(&TypeReport) -> u64 + Send + Sync + 'static,
    ) -> Self {
        let ty = record_type.to_owned();
        Self::of_counts(format!("{what}_percent({ty})"), move |counts| {
            exceeded(what, counts.report(&ty).map_or(0, &count), counts.rows_before(&ty), percent)
        })
    }

    /// Demands that each value of `field` that is not null is the key of a record of type `target`.
    ///
    /// `field` is `"Rating.movieId"`, for example, or a reference of several fields that the schema declares, as
    /// `"Rating.edition"`. A field need not be declared to refer.
    pub fn reference(field: &str, target: &str) -> Self {
        let (field, target) = (field.to_owned(), target.to_owned());
        Self::new(format!("reference({field} -> {target})"), move |proposal| dangling(proposal.after, &field, &target))
    }

    /// Demands that each value of each reference that schemas declare (`$Kapok.reference`) is the key of a record, or null: of all
    /// record types of the version, in structs and lists of structs within them, too.
    pub fn references() -> Self {
        Self::new("references", |proposal| {
            let mut findings = Vec::new();
            for table in proposal.after.tables() {
                for reference in proposal.after.declared_references(table.name())? {
                    findings.extend(dangling_of(proposal.after, &reference, true)?);
                }
            }
            Ok(findings)
        })
    }

    /// Returns the name that its [findings](Finding::validator) carry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether it looks at numbers of records alone.
    pub(crate) fn is_of_counts(&self) -> bool {
        matches!(self.check, Check::Counts(_))
    }

    pub(crate) fn run(&self, proposal: &Proposal<'_>, findings: &mut Vec<Finding>) -> kapok_core::Result<()> {
        let found = match &self.check {
            Check::Counts(check) => check(&Counts { before: proposal.before.manifest(), types: proposal.types }),
            Check::Views(check) => check(proposal)?,
        };
        self.note(found, findings);
        Ok(())
    }

    /// Runs the validator if it looks at numbers of records alone.
    pub(crate) fn run_on_counts(&self, counts: &Counts<'_>, findings: &mut Vec<Finding>) {
        if let Check::Counts(check) = &self.check {
            self.note(check(counts), findings);
        }
    }

    fn note(&self, found: Vec<String>, findings: &mut Vec<Finding>) {
        findings.extend(found.into_iter().map(|detail| Finding { validator: self.name.to_string(), detail }));
    }
}

impl Counts<'_> {
    /// Returns what the cycle does to a record type, if it touches it.
    pub fn report(&self, record_type: &str) -> Option<&TypeReport> {
        self.types.iter().find(|report| report.name == record_type)
    }

    /// Returns the number of records of a type in the version before.
    pub fn rows_before(&self, record_type: &str) -> u64 {
        self.before.record_type(record_type).map_or(0, |ty| ty.rows)
    }

    /// Returns the number of records of a type in the version that may be published.
    pub fn rows_after(&self, record_type: &str) -> u64 {
        self.report(record_type).map_or_else(|| self.rows_before(record_type), |report| report.rows)
    }

    /// Returns the number of records of a type that are removed: see [`Validator::removed`].
    pub fn removed(&self, record_type: &str) -> u64 {
        self.report(record_type).map_or(0, |report| {
            if report.replaced { self.rows_before(record_type).saturating_sub(report.rows) } else { report.removed }
        })
    }

    /// Returns the number of records of a type that are changed: see [`Validator::changed`].
    pub fn changed(&self, record_type: &str) -> u64 {
        self.report(record_type).map_or(0, |report| {
            if report.replaced { self.rows_before(record_type).min(report.rows) } else { report.updated }
        })
    }
}

impl Bound {
    /// Returns whether `records`, of `before` records, are too many.
    pub fn is_exceeded_by(self, records: u64, before: u64) -> bool {
        match self {
            Self::Records(most) => records > most,
            Self::Percent(percent) => is_more(records, before, percent),
            Self::PercentFrom { percent, records: least } => records >= least && is_more(records, before, percent),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records(most) => write!(f, "{most}"),
            Self::Percent(percent) | Self::PercentFrom { percent, .. } => write!(f, "{percent}%"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a percentage")]
fn is_more(records: u64, before: u64, percent: f64) -> bool {
    records as f64 * 100.0 > percent * before as f64
}

fn exceeded(what: &str, changed: u64, before: u64, percent: f64) -> Vec<String> {
    if before == 0 {
        return Vec::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "a percentage")]
    let found = changed as f64 * 100.0 / before as f64;
    if found <= percent { Vec::new() } else { vec![format!("{what}={found:.2}% of {before} allowed={percent}%")] }
}

/// Keys that a finding names.
const NAMED: usize = 5;

/// Reports values of a declared reference that are the key of no record. `is_one_of_many`: its path is told, too.
fn dangling_of(view: &View, reference: &DeclaredReference, is_one_of_many: bool) -> kapok_core::Result<Option<String>> {
    let DeclaredReference { record_type, path, target } = reference;
    let before = if is_one_of_many { format!("{record_type}.{path}: ") } else { String::new() };
    match view.dangling(reference, NAMED) {
        Ok(Dangling { count: 0, .. }) => Ok(None),
        Ok(found) => Ok(Some(format!("{before}{}", refer_to_none(found.count, target, &found.first)))),
        // Nothing refers yet.
        Err(error) if error.kind() != ErrorKind::Corrupt && view.table(record_type)?.is_empty() => Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound) => {
            Ok(Some(format!("{before}{error}")))
        }
        Err(error) => Err(error),
    }
}

fn refer_to_none(count: u64, target: &str, named: &[String]) -> String {
    let more = if count > named.len() as u64 { ", …" } else { "" };
    format!("{count} record(s) refer to no {target}: {}{more}", named.join(", "))
}

/// Reports keys that no record has, the first few by name.
fn dangling(view: &View, path: &str, target: &str) -> kapok_core::Result<Vec<String>> {
    let (record_type, field) = path.split_once('.').unwrap_or((path, ""));
    if view.manifest().record_type(record_type).is_none() {
        return Ok(Vec::new());
    }
    let declared = view.declared_references(record_type)?;
    if let Some(reference) = declared.iter().find(|known| known.path == field && known.target == target) {
        return Ok(dangling_of(view, reference, false)?.into_iter().collect());
    }
    let table = view.table(record_type)?;
    let lookup = match view.lookup(target) {
        Ok(lookup) => lookup,
        Err(_) if table.is_empty() => return Ok(Vec::new()),
        Err(error) => return Ok(vec![error.to_string()]),
    };
    let (mut count, mut named) = (0_u64, Vec::new());
    for record in table {
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
    Ok(if count == 0 { Vec::new() } else { vec![refer_to_none(count, target, &named)] })
}
