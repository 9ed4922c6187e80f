//! Drafts the manifest of the next version: that of the version before, less dead rows, plus new segments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kapok_blobstore::{BlobId, Token, clock};
use kapok_core::manifest::{Artifact, Manifest, RecordType, RowChanges, SegmentEntry, Tombstones, encode_rows};
use kapok_core::schema::{FieldKind, Schema, StructType, VectorSpace};
use kapok_core::segment::{Difference, Encoding, Sharing, SortedStage};
use kapok_index::{IndexSet, View, unique};
use roaring::RoaringBitmap;

use crate::error::{Error, Result};
use crate::index_changes::{self, IndexChange, IndexPlan, TypeIndexes};
use crate::lock::lock;
use crate::report::TypeReport;
use crate::staged_schema::StagedSchema;

/// Largest bitmap of dead rows, in bytes, that stands in the manifest; a larger one becomes a blob.
const INLINE_TOMBSTONES_MAX: usize = 1024;

/// Tags of a version.
pub(crate) type Tags = BTreeMap<String, String>;

/// What a cycle does to one record type.
pub(crate) struct TypePlan {
    pub schema: StagedSchema,
    /// Records to be written.
    pub rows: SortedStage,
    /// Difference from the version before; its `dead` has a bitmap for each of the segments there.
    pub difference: Difference,
    /// Live records afterwards.
    pub live: u64,
    /// Whether nothing of the version before is kept: it has no such type, or an incompatible one, or it cannot be
    /// read.
    pub is_anew: bool,
    /// Records that a later one of the same key took the place of.
    pub superseded: u64,
}

/// A manifest in the making.
pub(crate) struct ManifestDraft {
    pub schema: Schema,
    pub record_types: BTreeMap<String, RecordType>,
    /// Bitmaps that are too large for the manifest.
    pub tombstones: Vec<Vec<u8>>,
}

/// Returns whether a version has these indexes, and no others.
pub(crate) fn are_as_in(prior: &Manifest, indexes: &IndexPlan) -> bool {
    let specs = |ty: &RecordType| {
        let (specs, dropped) = (ty.indexes.clone(), ty.dropped_indexes.clone());
        TypeIndexes { specs, dropped, ..TypeIndexes::default() }
    };
    indexes.iter().all(|(name, indexes)| match prior.record_type(name) {
        Some(ty) => specs(ty) == *indexes,
        None => *indexes == TypeIndexes::default(),
    })
}

/// Parent, log and writer of a version.
pub(crate) struct Origin {
    pub version: u64,
    pub parent: Option<u64>,
    pub writer: String,
    pub announce_itself: bool,
    pub log_sequence: u64,
    pub token: Token,
}

impl TypePlan {
    /// Reports what is known before anything is written.
    pub(crate) fn report(&self, prior: &Manifest) -> TypeReport {
        let Difference { added, updated, removed, .. } = self.difference;
        TypeReport {
            name: self.schema.encoding.record_type().to_owned(),
            rows: self.live,
            added,
            updated,
            removed,
            replaced: self.is_anew && removed > 0,
            superseded: self.superseded,
            grown: self.growth(prior),
            segments: 0,
            segment_bytes: 0,
            index_bytes: 0,
            absent: lock(&self.schema.absent).clone(),
        }
    }

    /// Returns the fields that the schema gained; none for a type that is new, or published anew.
    fn growth(&self, prior: &Manifest) -> Vec<String> {
        if self.schema.is_new && !self.schema.is_widened {
            return Vec::new();
        }
        let encoding = &self.schema.encoding;
        let grown = encoding.schema().growth(&prior.schema, encoding.type_id());
        grown.into_iter().map(|field| format!("{}.{field}", encoding.record_type())).collect()
    }

    /// Returns whether the version before agrees on whether the schema was declared.
    pub(crate) fn is_declared_as(&self, prior: &Manifest) -> bool {
        let before = prior.record_type(self.schema.encoding.record_type());
        before.is_none_or(|before| before.declared == self.schema.is_declared)
    }

    /// Returns whether the plan leaves the record type's rows as they are.
    pub(crate) fn is_idle(&self) -> bool {
        let Difference { added, updated, removed, .. } = self.difference;
        !self.is_anew && (added, updated, removed) == (0, 0, 0)
    }
}

impl TypeReport {
    /// Reports a record type that is as it was.
    pub(crate) fn kept(prior: &View, record_type: &str) -> Self {
        Self { name: record_type.to_owned(), rows: rows_of(prior, record_type), ..Self::default() }
    }

    /// Reports a record type that is dropped.
    pub(crate) fn dropped(prior: &View, record_type: &str) -> Self {
        Self { name: record_type.to_owned(), removed: rows_of(prior, record_type), ..Self::default() }
    }
}

impl ManifestDraft {
    /// Begins with all record types of the version before but the dropped ones, under the schema of all.
    pub(crate) fn new(prior: &View, schemas: &[&StagedSchema], dropped: &BTreeSet<String>) -> Result<Self> {
        let manifest = prior.manifest();
        // A record type that is published anew leaves its old schema behind.
        let is_anew =
            |ty: &RecordType| schemas.iter().any(|staged| staged.is_new && staged.encoding.record_type() == ty.name);
        let kept = || manifest.record_types.iter().filter(|ty| !is_anew(ty) && !dropped.contains(&ty.name));
        let mut schema = manifest.schema.closure(kept().map(|ty| ty.type_id))?;
        for staged in schemas {
            // What was widened keeps the fields that its declaration does not know.
            let next = if staged.is_widened { &**staged.encoding.schema() } else { &staged.declared };
            schema = schema.evolve(next, &[staged.encoding.type_id()], staged.older)?;
        }
        let mut record_types = BTreeMap::new();
        for ty in kept() {
            let mut ty = RecordType { changes: Some(RowChanges::default()), ..ty.clone() };
            rename_extents(&mut ty, &manifest.schema, &schema)?;
            record_types.insert(ty.name.clone(), ty);
        }
        Ok(Self { schema, record_types, tombstones: Vec::new() })
    }

    /// Withdraws references of record types.
    ///
    /// # Errors
    /// `NotFound` for a record type or a reference that there is not.
    pub(crate) fn drop_references(
        &mut self,
        prior: &Manifest,
        schemas: &[&StagedSchema],
        dropped: &[(String, String)],
    ) -> Result<()> {
        for (name, reference) in dropped {
            let staged = schemas.iter().map(|staged| &staged.encoding).find(|staged| staged.record_type() == name);
            let type_id = match (staged, self.record_types.get(name)) {
                (Some(staged), _) => staged.type_id(),
                (None, Some(ty)) => ty.type_id,
                (None, None) => {
                    prior.expect_record_type(name)?;
                    return Err(Error::NotDeclared { record_type: name.clone() });
                }
            };
            self.schema.withdraw_reference(type_id, reference)?;
        }
        Ok(())
    }

    /// Plans the indexes of all record types of the version.
    ///
    /// # Errors
    /// As [`index_changes::plan`], and `NotFound` for changes of a record type that there is not.
    pub(crate) fn plan_indexes(
        &self,
        prior: &Manifest,
        schemas: &[&StagedSchema],
        changes: &[(String, IndexChange)],
    ) -> Result<IndexPlan> {
        let staged = schemas.iter().map(|staged| (staged.encoding.record_type(), staged.encoding.type_id(), *staged));
        let mut types: BTreeMap<&str, (u64, Option<&StagedSchema>)> =
            self.record_types.values().map(|ty| (ty.name.as_str(), (ty.type_id, None))).collect();
        types.extend(staged.map(|(name, id, staged)| (name, (id, Some(staged)))));
        if let Some((name, _)) = changes.iter().find(|(name, _)| !types.contains_key(name.as_str())) {
            prior.expect_record_type(name)?;
            return Err(Error::NotDeclared { record_type: name.clone() });
        }
        let mut out = IndexPlan::new();
        for (name, (id, staged)) in types {
            let before = prior.record_type(name).map(|ty| (prior, ty));
            let declared = staged.map_or(&[][..], |staged| &staged.indexes);
            let record = self.schema.struct_type(id)?;
            let is_anew = staged.is_some_and(StagedSchema::is_anew);
            let indexes = index_changes::plan(before, is_anew, &self.schema, record, declared, changes)?;
            out.insert(name.to_owned(), indexes);
        }
        Ok(out)
    }

    /// Sets the indexes of all record types that are there by now, and leaves out artifacts of those that are dropped.
    pub(crate) fn set_indexes(&mut self, indexes: &IndexPlan) {
        for (name, ty) in &mut self.record_types {
            let Some(TypeIndexes { specs, dropped, moved }) = indexes.get(name) else { continue };
            ty.indexes.clone_from(specs);
            ty.dropped_indexes.clone_from(dropped);
            for entry in &mut ty.segments {
                let is_of_key = |artifact: &Artifact| artifact.kind == unique::KIND;
                let is_of = |it: &Artifact| specs.iter().any(|spec| spec.name == it.name) && !moved.contains(&it.name);
                entry.artifacts.retain(|it| is_of_key(it) || is_of(it));
            }
        }
    }

    /// Returns the indexes of a record type, resolved.
    pub(crate) fn index_set(&self, record_type: &str) -> Result<IndexSet> {
        let Some(ty) = self.record_types.get(record_type) else {
            return Err(Error::NotDeclared { record_type: record_type.to_owned() });
        };
        Ok(IndexSet::new(&self.schema, ty)?)
    }

    /// Returns the schema of the record types so far.
    pub(crate) fn closed_schema(&self) -> Result<Schema> {
        Ok(self.schema.closure(self.record_types.values().map(|ty| ty.type_id))?)
    }

    /// Returns the encoding of a record type's rows, as readers of the version know it.
    pub(crate) fn encoding(&self, record_type: &str, sharing: Sharing) -> Result<Encoding> {
        let Some(ty) = self.record_types.get(record_type) else {
            return Err(kapok_core::Error::not_found(format!("record type {record_type}"), "not in the version").into());
        };
        Ok(ty.encoding(&Arc::new(self.closed_schema()?), sharing)?)
    }

    /// Takes over the rows of a record type that stay alive; new ones are added later.
    pub(crate) fn carry_over(&mut self, plan: &TypePlan, prior: &View) -> Result<()> {
        let staged = &plan.schema;
        let name = staged.encoding.record_type();
        let dimensions: Vec<(String, u32)> = plan.rows.dimensions().map(|(name, n)| (name.to_owned(), n)).collect();
        self.fix_dimensions(staged.encoding.type_id(), &dimensions)?;
        let mut entry = RecordType {
            name: name.to_owned(),
            type_id: staged.encoding.type_id(),
            key: staged.key.clone(),
            rows: plan.live,
            segments: Vec::new(),
            changes: None,
            declared: staged.is_declared,
            input: staged.input_to_note(),
            key_revision: staged.encoding.key().revision(),
            ..RecordType::default()
        };
        if let Some(before) = self.record_types.remove(name).filter(|_| !plan.is_anew) {
            let table = prior.table(name)?;
            let mut removed = Vec::new();
            for ((segment, source), dead) in
                before.segments.into_iter().zip(table.segments()).zip(&plan.difference.dead)
            {
                if !dead.is_empty() {
                    removed.push((segment.id, encode_rows(dead)));
                }
                entry.segments.extend(self.bury(segment, source.dead(), dead));
            }
            entry.changes = Some(RowChanges { added: Vec::new(), removed });
        } else if prior.manifest().record_type(name).is_none() {
            entry.changes = Some(RowChanges::default());
        }
        self.record_types.insert(name.to_owned(), entry);
        Ok(())
    }

    /// Returns a segment with more dead rows; `None` if all are dead.
    fn bury(
        &mut self,
        mut segment: SegmentEntry,
        before: Option<&RoaringBitmap>,
        dead: &RoaringBitmap,
    ) -> Option<SegmentEntry> {
        if dead.is_empty() {
            return Some(segment);
        }
        let all = before.map_or_else(|| dead.clone(), |before| before | dead);
        segment.dead = u32::try_from(all.len()).unwrap_or(u32::MAX);
        if segment.dead >= segment.rows {
            return None;
        }
        let bytes = encode_rows(&all);
        segment.tombstones = if bytes.len() <= INLINE_TOMBSTONES_MAX {
            Tombstones::Inline(bytes)
        } else {
            let id = *BlobId::of(&bytes).as_bytes();
            self.tombstones.push(bytes);
            Tombstones::Blob(id)
        };
        Some(segment)
    }

    /// Adds a segment of new rows.
    pub(crate) fn add_segment(&mut self, record_type: &str, segment: SegmentEntry) {
        let Some(ty) = self.record_types.get_mut(record_type) else { return };
        if let Some(changes) = &mut ty.changes {
            let mut rows = RoaringBitmap::new();
            rows.insert_range(0..segment.rows);
            changes.added.push((segment.id, encode_rows(&rows)));
        }
        ty.segments.push(segment);
    }

    /// Replaces merge sources by merged segments, each at the place of its first source.
    pub(crate) fn replace_segments(&mut self, record_type: &str, merged: &[(Vec<usize>, SegmentEntry)]) {
        let Some(ty) = self.record_types.get_mut(record_type) else { return };
        let segments = std::mem::take(&mut ty.segments);
        for (at, segment) in segments.into_iter().enumerate() {
            match merged.iter().position(|(places, _)| places.contains(&at)) {
                None => ty.segments.push(segment),
                Some(set) if merged[set].0.first() == Some(&at) => ty.segments.push(merged[set].1.clone()),
                Some(_) => {}
            }
        }
    }

    /// Adds the dimensions of vectors that were not known before.
    fn fix_dimensions(&mut self, type_id: u64, dimensions: &[(String, u32)]) -> Result<()> {
        for (path, dimension) in dimensions {
            let mut owner = type_id;
            let mut names = path.split('.').peekable();
            while let Some(name) = names.next() {
                let mut ty: StructType = (**self.schema.struct_type(owner)?).clone();
                let Some(field) = ty.fields.iter_mut().find(|field| field.name == name) else { break };
                if let (FieldKind::Group(id), Some(_)) = (&field.kind, names.peek()) {
                    owner = *id;
                    continue;
                }
                if let Some(VectorSpace { dimension: known @ 0, .. }) = &mut field.vector {
                    *known = *dimension;
                    self.schema.insert_struct(ty);
                }
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn into_manifest(self, tags: BTreeMap<String, String>, origin: Origin) -> Result<Manifest> {
        Ok(Manifest {
            version: origin.version,
            parent: origin.parent,
            created_unix_ms: clock::now_unix_ms(),
            writer: origin.writer,
            writer_token: origin.token,
            announce_itself: origin.announce_itself,
            log_sequence: origin.log_sequence,
            schema: Arc::new(self.closed_schema()?),
            record_types: self.record_types.into_values().collect(),
            tags,
        })
    }
}

/// Renames extents, which carry the names of fields, if the schema has renamed the fields.
fn rename_extents(ty: &mut RecordType, old: &Arc<Schema>, new: &Schema) -> Result<()> {
    if **old == *new {
        return Ok(());
    }
    // The key's fields may have other names too.
    let key = old.translate_key(ty.type_id, &ty.key, new)?;
    if let Some(sharing) = ty.segments.first().map(|segment| segment.sharing) {
        let before = Encoding::new(Arc::clone(old), ty.type_id, &ty.key, sharing)?;
        let after = Encoding::new(Arc::new(new.clone()), ty.type_id, &key, sharing)?;
        for segment in &mut ty.segments {
            after.rename_extents(&before, &mut segment.extents);
        }
    }
    ty.key = key;
    Ok(())
}

/// Returns the number of live records of a type, readable or not.
pub(crate) fn rows_of(version: &View, record_type: &str) -> u64 {
    version.manifest().record_type(record_type).map_or(0, |ty| ty.rows)
}
