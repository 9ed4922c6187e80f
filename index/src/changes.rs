//! Finds the net differences between any two versions.
//!
//! Each manifest lists the rows that it added and removed against its parent. So the way from one version to another,
//! up to their common ancestor and down again, names every row whose key may be different; the two views tell what
//! became of it. If the way is not known, the rows of the segments that the two views do not share are compared.

use std::collections::HashMap;
use std::sync::Arc;

use kapok_core::Result;
use kapok_core::manifest::{Blob, BlobMap, BlobRef, BlobRole, Id, Manifest};
use kapok_core::record::{Budget, Record};
use kapok_core::schema::{FieldKind, OlderSchema, Schema, StructType};
use kapok_core::segment::RowId;
use kapok_core::segment::Segment;
use kapok_core::view::Table;

use crate::lookup::Lookup;
use crate::version_path::VersionPath;
use crate::view::View;

mod touched;

use touched::Sources;

/// The net changes from one view to another. Made by [`View::changes_since`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// One for each record type that either view has, in the order of their names; also if nothing changed.
    pub types: Vec<TypeChanges>,
}

/// The net changes of one record type, each kind in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeChanges {
    /// Its unqualified name.
    pub record_type: String,
    /// Records whose key the old view has not: row ids of the new view.
    pub added: Vec<RowId>,
    /// Records of one key whose values differ: row ids of the old view, then of the new one.
    pub updated: Vec<(RowId, RowId)>,
    /// Records whose key the new view has not: row ids of the old view.
    pub removed: Vec<RowId>,
    /// How this was found out. It is the same result either way.
    pub source: ChangeSource,
}

/// How changes were found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeSource {
    /// By what the manifests on the way list: in time that grows with the changes that they list.
    Manifests,
    /// By the rows of the segments that the two views do not share: in time that grows with those.
    Segments,
}

impl Changes {
    /// Returns the changes of a record type; `None` if neither view has it.
    pub fn of(&self, record_type: &str) -> Option<&TypeChanges> {
        self.types.iter().find(|ty| ty.record_type == record_type)
    }

    /// Returns whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.types.iter().all(TypeChanges::is_empty)
    }
}

impl TypeChanges {
    /// Returns whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of records that were added, updated or removed.
    pub fn len(&self) -> usize {
        self.added.len() + self.updated.len() + self.removed.len()
    }

    fn none(record_type: &str, source: ChangeSource) -> Self {
        let (added, updated, removed) = (Vec::new(), Vec::new(), Vec::new());
        Self { record_type: record_type.to_owned(), added, updated, removed, source }
    }
}

impl View {
    /// Finds what it takes to make the records of `old`, which may be older, newer or of another branch, into those of
    /// this view.
    ///
    /// `manifests`: those of versions between the two, in any order; those that are on no way between them do no harm.
    /// If they show the whole way and the segments of the rows that they list are in one of the two views, this takes
    /// time that grows with the listed changes. Otherwise the segments that are in one view only are compared. The
    /// changes are the same; [`TypeChanges::source`] says which it was.
    ///
    /// Records are compared by value, see [`Record::value_eq`]. A record type whose key consists of other fields than
    /// before, or is encoded in another way, has other records: all that were there are removed, all that are there are added. One whose schema was
    /// replaced by one that it could not grow into has all records updated that are touched, since values of the two do
    /// not compare.
    ///
    /// # Errors
    /// `Corrupt` if a manifest lists rows that its segment does not have, or a segment or index is not as it must be;
    /// [`Fault::Budget`](kapok_core::Fault::Budget) for a record too large to be compared.
    pub fn changes_since(&self, old: &Self, manifests: &[Arc<Manifest>]) -> Result<Changes> {
        let path = VersionPath::among(old.manifest(), self.manifest(), manifests);
        self.changes_along(old, &path, &BlobMap::new())
    }

    /// Finds changes as [`changes_since`](Self::changes_since), by a path that the caller has found.
    ///
    /// `between` holds segments of versions on the way: those that [`lacking_for_changes`](Self::lacking_for_changes)
    /// names spare the comparison. A path between other versions is not used.
    ///
    /// # Errors
    /// As [`changes_since`](Self::changes_since).
    pub fn changes_along(&self, old: &Self, path: &VersionPath, between: &BlobMap) -> Result<Changes> {
        let path = Some(path).filter(|path| path.is_between(old.manifest(), self.manifest()));
        let mut segments = HashMap::new();
        for entry in path.iter().flat_map(|path| path.segments()) {
            if let Some(Blob { name, bytes }) = between.get(&entry.id) {
                segments.insert(entry.id, Segment::open(name, bytes.clone(), entry.rows)?);
            }
        }
        let mut names: Vec<&str> = old.tables().iter().chain(self.tables()).map(Table::name).collect();
        names.sort_unstable();
        names.dedup();
        let types = names.into_iter().map(|name| type_changes(old, self, path, &segments, name));
        Ok(Changes { types: types.collect::<Result<_>>()? })
    }

    /// Returns the segments that the manifests on the way list rows of and neither view has, each once: such as came
    /// after the older version and were merged away before the newer one.
    ///
    /// # Errors
    /// None for views of whole versions.
    pub fn lacking_for_changes(&self, old: &Self, path: &VersionPath) -> Result<Vec<BlobRef>> {
        let none = HashMap::new();
        let mut out: Vec<BlobRef> = Vec::new();
        for after in self.tables() {
            let (Ok(before), Some(listed)) = (old.table(after.name()), path.row_sets(after.name())) else { continue };
            let sources = Sources::new((old, before), (self, after), &none)?;
            for (id, _) in listed.into_iter().filter(|(id, _)| !sources.has(id)) {
                if let Some(entry) = path.segments().find(|entry| entry.id == *id)
                    && !out.iter().any(|blob| blob.id == *id)
                {
                    out.push(BlobRef { role: BlobRole::Segment, id: *id, size: Some(entry.size) });
                }
            }
        }
        Ok(out)
    }
}

fn type_changes(
    old: &View,
    new: &View,
    path: Option<&VersionPath>,
    between: &HashMap<Id, Segment>,
    name: &str,
) -> Result<TypeChanges> {
    let mut changes = TypeChanges::none(name, ChangeSource::Segments);
    let (before, after) = (lookup(old, name)?, lookup(new, name)?);
    let (Some(before), Some(after)) = (before, after) else {
        changes.removed = all(before)?;
        changes.added = all(after)?;
        return Ok(changes);
    };
    if !is_same_key(before.table(), after.table()) {
        changes.removed = all(Some(before))?;
        changes.added = all(Some(after))?;
        return Ok(changes);
    }
    let sources = Sources::new((old, before.table()), (new, after.table()), between)?;
    let listed = match path.and_then(|path| path.row_sets(name)) {
        Some(row_sets) => sources.listed(row_sets)?,
        None => None,
    };
    let keys = match listed {
        Some(keys) => {
            changes.source = ChangeSource::Manifests;
            keys
        }
        None => sources.compared()?,
    };
    let comparison = Comparison::new(before.table(), after.table());
    for key in keys {
        match (before.find_encoded(&key)?, after.find_encoded(&key)?) {
            (None, None) => {}
            (Some(gone), None) => changes.removed.push(gone),
            (None, Some(come)) => changes.added.push(come),
            (Some(left), Some(right)) => {
                if !sources.is_same_row(left, right) && !comparison.is_equal(left, right)? {
                    changes.updated.push((left, right));
                }
            }
        }
    }
    Ok(changes)
}

fn lookup<'v>(view: &'v View, name: &str) -> Result<Option<Lookup<'v>>> {
    if view.tables().iter().any(|table| table.name() == name) { view.lookup(name).map(Some) } else { Ok(None) }
}

fn all(lookup: Option<Lookup<'_>>) -> Result<Vec<RowId>> {
    lookup.map_or_else(|| Ok(Vec::new()), |lookup| lookup.table().row_ids_in_key_order())
}

/// Returns whether a key is of the same places and types in both, however its fields are named, and encoded alike.
fn is_same_key(old: &Table, new: &Table) -> bool {
    let places = |table: &Table| -> Option<Vec<FieldKind>> {
        table.key().names().map(|path| place(table.schema(), table.struct_type(), path)).collect()
    };
    let is_encoded_alike = old.key().revision() == new.key().revision();
    is_encoded_alike && (old.key() == new.key() || places(old).is_some_and(|before| Some(before) == places(new)))
}

fn place(schema: &Schema, ty: &StructType, path: &str) -> Option<FieldKind> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    match (&ty.field(name)?.kind, rest) {
        (FieldKind::Group(id), Some(rest)) => place(schema, schema.get_struct(*id)?, rest),
        (kind, None) => Some(kind.clone()),
        _ => None,
    }
}

/// Compares records of the two views by value.
struct Comparison<'v> {
    old: &'v Table,
    new: &'v Table,
    /// One that both are read by; `None` if there is none.
    schema: Option<Arc<Schema>>,
}

impl<'v> Comparison<'v> {
    fn new(old: &'v Table, new: &'v Table) -> Self {
        let (before, after) = (old.schema(), new.schema());
        let id = new.struct_type().id;
        let schema = if id != old.struct_type().id {
            None
        } else if before == after {
            Some(Arc::clone(after))
        } else {
            // Whichever is newer, and where each has fields that the other lacks: both know how to read the rows.
            before.evolve(after, &[id], OlderSchema::KeepNewer).ok().map(Arc::new)
        };
        Self { old, new, schema }
    }

    fn is_equal(&self, old: RowId, new: RowId) -> Result<bool> {
        let Some(schema) = &self.schema else { return Ok(false) };
        let left = record(schema, self.new, new)?;
        let right = record(schema, self.old, old)?;
        left.value_eq(&right, &mut Budget::default())
    }
}

fn record<'v>(schema: &'v Schema, table: &'v Table, at: RowId) -> Result<Record<'v>> {
    let (place, _) = table.place(at)?;
    let blob = table.segments()[place].segment().name();
    Ok(Record::new(schema, table.struct_type().id, table.row(at)?)?.in_blob(blob))
}
