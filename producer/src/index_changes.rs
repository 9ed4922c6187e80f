//! Decides which indexes the next version has: those of the version before, more that are declared, less that are dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use kapok_core::Error as DataError;
use kapok_core::manifest::{IndexSpec, Manifest, RecordType};
use kapok_core::schema::{FieldKind, Metric, Schema, StructType};
use kapok_index::{Index, Kind};

use crate::error::Result;
use crate::lock::lock;

/// Indexes that a cycle adds and drops by itself, beside those of declarations.
#[derive(Debug, Default)]
pub(crate) struct IndexChanges(Mutex<Vec<(String, IndexChange)>>);

#[derive(Clone, Debug)]
pub(crate) enum IndexChange {
    Add(IndexSpec),
    /// By name.
    Drop(String),
}

/// The indexes of a record type.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TypeIndexes {
    pub specs: Vec<IndexSpec>,
    /// Names of those that were dropped and that an annotation or a metric would bring back.
    pub dropped: BTreeSet<String>,
    /// Names of those that are of other fields than in the version before, so that their artifacts are of no use.
    pub moved: BTreeSet<String>,
}

/// The indexes of all record types of a version.
pub(crate) type IndexPlan = BTreeMap<String, TypeIndexes>;

impl IndexChanges {
    pub(crate) fn add(&self, record_type: &str, index: &str) -> Result<()> {
        let change = IndexChange::Add(index.parse()?);
        lock(&self.0).push((record_type.to_owned(), change));
        Ok(())
    }

    pub(crate) fn drop(&self, record_type: &str, name: &str) {
        lock(&self.0).push((record_type.to_owned(), IndexChange::Drop(name.to_owned())));
    }

    pub(crate) fn into_inner(self) -> Vec<(String, IndexChange)> {
        self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Plans the indexes of one record type.
///
/// `before`: the type as the version before has it, with its schema. `is_anew`: whether it is published anew, so that fields are
/// known by their names alone. `schema`, `record`: what it is now. `declared`: those that the cycle's declaration names.
///
/// # Errors
/// `NotFound` for an index to drop that there is not; `Invalid` for one that its fields do not allow, for two of one name, and
/// for one that covers a field which is no more.
pub(crate) fn plan(
    before: Option<(&Manifest, &RecordType)>,
    is_anew: bool,
    schema: &Schema,
    record: &StructType,
    declared: &[IndexSpec],
    changes: &[(String, IndexChange)],
) -> Result<TypeIndexes> {
    let mut out = TypeIndexes::default();
    if let Some((manifest, ty)) = before {
        let renamed = |name: &String| dropped_in(manifest, ty, name, schema).filter(|_| !is_anew);
        out.dropped.extend(ty.dropped_indexes.iter().map(|name| renamed(name).unwrap_or_else(|| name.clone())));
        for spec in &ty.indexes {
            let (spec, is_moved) = carried_over(manifest, ty, spec, is_anew, schema, record)?;
            if is_moved {
                out.moved.insert(spec.name.clone());
            }
            out.specs.push(spec);
        }
    }
    for spec in declared {
        out.add(schema, record, spec)?;
    }
    for text in &record.indexes {
        let spec: IndexSpec = text.parse()?;
        // One that was there before its field was renamed keeps its name.
        let (_, declared) = Index::declare(schema, record, &spec)?;
        if !out.dropped.contains(&spec.name) && !out.specs.iter().any(|known| known.is_alike(&declared)) {
            out.add(schema, record, &spec)?;
        }
    }
    for spec in vector_indexes(schema, record) {
        let is_known = |known: &IndexSpec| known.kind == spec.kind && known.fields == spec.fields;
        if !out.dropped.contains(&spec.name) && !out.specs.iter().any(is_known) {
            out.add(schema, record, &spec)?;
        }
    }
    for (_, change) in changes.iter().filter(|(record_type, _)| *record_type == record.name) {
        match change {
            IndexChange::Add(spec) => out.add(schema, record, spec)?,
            IndexChange::Drop(name) => out.drop(record, name)?,
        }
    }
    out.specs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

/// Returns an index of the version before under the names that its fields have now, and whether it is of other fields than it was.
fn carried_over(
    manifest: &Manifest,
    ty: &RecordType,
    spec: &IndexSpec,
    is_anew: bool,
    schema: &Schema,
    record: &StructType,
) -> Result<(IndexSpec, bool)> {
    if Kind::named(&spec.kind).is_none() {
        return Ok((spec.clone(), false));
    }
    let gone = |why: String| {
        let detail = format!("covers a field that is no more ({why}); drop the index first (kapok index drop)");
        DataError::invalid(format!("index {} of {}", spec.name, record.name), detail)
    };
    let before = Index::resolve(&manifest.schema, manifest.schema.struct_type(ty.type_id)?, spec)?;
    // In a type that is published anew fields are known by their names, where these are there; else a field may have been renamed.
    if is_anew && let Ok(after) = Index::resolve(schema, record, spec) {
        return Ok((spec.clone(), after.hash() != before.hash()));
    }
    let mut renamed = spec.clone();
    for (field, name) in renamed.fields.iter_mut().zip(before.paths().names_in(schema)) {
        *field = name.ok_or_else(|| gone(field.clone()))?;
    }
    renamed.filter = before.filter_in(schema).ok_or_else(|| gone(renamed.filter.clone()))?;
    let after = Index::resolve(schema, record, &renamed).map_err(|error| gone(error.to_string()))?;
    Ok((renamed, after.hash() != before.hash()))
}

/// Returns the name of a dropped index, such as `hnsw(embedding)`, by the names that its fields have now; `None` if it is called
/// otherwise, or was of other fields.
fn dropped_in(manifest: &Manifest, ty: &RecordType, name: &str, schema: &Schema) -> Option<String> {
    let spec: IndexSpec = name.parse().ok()?;
    if !spec.filter.is_empty() || !spec.options.is_empty() {
        return None;
    }
    let record = manifest.schema.struct_type(ty.type_id).ok()?;
    let paths = Index::resolve(&manifest.schema, record, &spec).ok()?.paths().names_in(schema);
    let fields = paths.into_iter().collect::<Option<Vec<_>>>()?;
    (spec.name == name).then(|| format!("{}({})", spec.kind, fields.join(", ")))
}

impl TypeIndexes {
    fn add(&mut self, schema: &Schema, record: &StructType, spec: &IndexSpec) -> Result<()> {
        let (_, spec) = Index::declare(schema, record, spec)?;
        self.dropped.remove(&spec.name);
        let is_of_vectors = |known: &&IndexSpec| spec.kind == Kind::Hnsw.name() && known.kind == spec.kind;
        let other = self.specs.iter().filter(is_of_vectors).find(|known| known.fields == spec.fields);
        if let Some(other) = other.filter(|known| !known.is_alike(&spec)) {
            let detail = format!("the field has another index: {other}; drop that one first (kapok index drop)");
            return Err(DataError::invalid(subject(record, &spec.name), detail).into());
        }
        for known in &self.specs {
            match (known.is_alike(&spec), known.name == spec.name) {
                (true, true) => return Ok(()),
                (false, false) => {}
                (false, true) => {
                    let detail = format!(
                        "is there as another one: {known}; give this one a name (NAME: KIND(...)), or drop that one"
                    );
                    return Err(DataError::invalid(subject(record, &spec.name), detail).into());
                }
                (true, false) => {
                    let detail = format!("is there already, by the name of {}", known.name);
                    return Err(DataError::invalid(subject(record, &spec.name), detail).into());
                }
            }
        }
        self.specs.push(spec);
        Ok(())
    }

    fn drop(&mut self, record: &StructType, name: &str) -> Result<()> {
        let Some(at) = self.specs.iter().position(|spec| spec.name == name) else {
            let known: Vec<_> = self.specs.iter().map(|spec| spec.name.as_str()).collect();
            let there = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(DataError::not_found(subject(record, name), format!("there is {there}")).into());
        };
        let spec = self.specs.remove(at);
        let is_annotated =
            record.indexes.iter().any(|text| text.parse().is_ok_and(|spec: IndexSpec| spec.name == name));
        if spec.kind == Kind::Hnsw.name() {
            // The one that its field would get again.
            self.dropped.extend(spec.fields.iter().map(|field| vector_index(field)));
        }
        if is_annotated {
            self.dropped.insert(name.to_owned());
        }
        Ok(())
    }
}

/// Returns the indexes that vector fields with a metric get by themselves.
fn vector_indexes(schema: &Schema, record: &StructType) -> Vec<IndexSpec> {
    let mut out = Vec::new();
    let mut open = vec![(record, String::new())];
    while let Some((ty, prefix)) = open.pop() {
        for field in &ty.fields {
            let path = format!("{prefix}{}", field.name);
            match &field.kind {
                FieldKind::Group(id) => {
                    if let Ok(group) = schema.struct_type(*id) {
                        open.push((group, format!("{path}.")));
                    }
                }
                FieldKind::Slot { .. } => {
                    let has_metric = field.vector.is_some_and(|space| space.metric != Metric::Unspecified);
                    out.extend(has_metric.then(|| vector_index(&path).parse().ok()).flatten());
                }
            }
        }
    }
    out
}

/// Returns the text of the index that a vector field with a metric gets by itself.
fn vector_index(path: &str) -> String {
    format!("{}({path})", Kind::Hnsw.name())
}

fn subject(record: &StructType, name: &str) -> String {
    format!("index {name} of {}", record.name)
}
