//! The indexes of a record type as its manifest declares them, resolved against its schema.

use std::collections::BTreeSet;

use bytes::Bytes;
use kapok_core::key::KeySpec;
use kapok_core::manifest::{Artifact, BlobMap, Id, IndexSpec, RecordType, SegmentEntry};
use kapok_core::paths::{FieldNames, Paths, Scalar};
use kapok_core::schema::{Schema, StructType};
use kapok_core::segment::{Encoding, Segment};
use kapok_core::{Error, Result};

use crate::artifact::Binding;
use crate::kind::{Kind, OpenIndex};
use crate::query::{Filter, SharedSchema};
use crate::row::IndexedRows;
use crate::sorted::SortFields;
use crate::text::TextRules;
use crate::values::Values;
use crate::vector::{CodeChoice, VectorIndex};

mod build;

/// An index of a record type.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    kind: Kind,
    name: String,
    paths: Paths,
    /// For each path, whether the greatest value comes first.
    descending: Vec<bool>,
    text_rules: TextRules,
    filter: Option<Filter>,
    vector: Option<VectorIndex>,
    hash: Id,
}

/// All indexes of a record type, that of the primary key first.
#[derive(Clone, Debug)]
pub struct IndexSet {
    key: KeySpec,
    indexes: Vec<Index>,
    /// Names of indexes of kinds that this release does not know.
    unknown: BTreeSet<String>,
}

/// An artifact of a new segment, not stored yet.
#[derive(Clone, Debug)]
pub struct BuiltArtifact {
    /// How the manifest names it.
    pub artifact: Artifact,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Index {
    /// Resolves an index as somebody declares it, by names of Cap'n Proto or of JSON. Returns how a manifest has it, too.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn declare(schema: &Schema, record: &StructType, spec: &IndexSpec) -> Result<(Self, IndexSpec)> {
        let kind = Self::kind_of(record, spec)?;
        let mut spec = spec.clone();
        spec.fields = kind.paths(schema, record, &spec.fields, FieldNames::Any)?.names().map(str::to_owned).collect();
        spec.revision = kind.revision();
        let shared = SharedSchema::new(schema);
        if !spec.filter.is_empty() {
            // By JSON names, which no other field has.
            let filter = Self::filter_of(&shared, record, &spec)?;
            spec.filter = filter.text_in(schema).ok_or_else(|| {
                let subject = format!("index {} of {}", spec.name, record.name);
                Error::invalid(subject, format!("its filter cannot follow renamed fields: {}", spec.filter))
            })?;
        }
        Ok((Self::resolve_by(&shared, record, &spec)?, spec))
    }

    /// Resolves an index of a record type as its manifest has it.
    ///
    /// # Errors
    /// `NotFound` for a field that there is not, `Invalid` for fields or options that the kind does not take.
    /// `Incompatible` for a kind or a revision of it that this release does not know.
    pub fn resolve(schema: &Schema, record: &StructType, spec: &IndexSpec) -> Result<Self> {
        Self::resolve_by(&SharedSchema::new(schema), record, spec)
    }

    fn resolve_by(shared: &SharedSchema<'_>, record: &StructType, spec: &IndexSpec) -> Result<Self> {
        let schema = shared.schema;
        let subject = || format!("index {} of {}", spec.name, record.name);
        let kind = Self::kind_of(record, spec)?;
        if spec.revision > kind.revision() {
            let detail = format!("revision={} known={}; upgrade this program", spec.revision, kind.revision());
            return Err(Error::incompatible(subject(), detail));
        }
        let paths = kind.paths(schema, record, &spec.fields, FieldNames::Exact)?;
        if let Some(twice) = spec.fields.iter().enumerate().find(|(at, field)| spec.fields[..*at].contains(field)) {
            return Err(Error::invalid(subject(), format!("names {} twice", twice.1)));
        }
        kind.check(&paths, &spec.options).map_err(|problem| Error::invalid(subject(), problem))?;
        let filter = if spec.filter.is_empty() { None } else { Some(Self::filter_of(shared, record, spec)?) };
        let identity = filter.as_ref().and_then(Filter::identity);
        let vector = match kind {
            Kind::Hnsw if !spec.filter.is_empty() => {
                return Err(Error::invalid(subject(), "an index of vectors has no filter; a search has"));
            }
            Kind::Hnsw => {
                let resolved = VectorIndex::resolve(schema, record, &paths, &spec.options);
                Some(resolved.map_err(|problem| Error::invalid(subject(), problem))?)
            }
            _ => None,
        };
        let options = match &vector {
            Some(vector) => vector.identity(),
            None => spec.options.clone().into_iter().collect(),
        };
        let hash = hash(&spec.kind, spec.revision, &paths, &options, identity.as_deref());
        let descending = (0..paths.len()).map(|position| spec.is_descending(position)).collect();
        let text_rules = TextRules::of(&spec.options).unwrap_or_default();
        Ok(Self { kind, name: spec.name.clone(), paths, descending, text_rules, filter, vector, hash })
    }

    fn filter_of(shared: &SharedSchema<'_>, record: &StructType, spec: &IndexSpec) -> Result<Filter> {
        Filter::resolve(shared.get(), record, &spec.filter).map_err(|error| {
            Error::invalid(format!("index {} of {}", spec.name, record.name), format!("its filter is wrong: {error}"))
        })
    }

    fn kind_of(record: &StructType, spec: &IndexSpec) -> Result<Kind> {
        Kind::named(&spec.kind).ok_or_else(|| {
            let known: Vec<_> = Kind::DECLARED.iter().map(|kind| kind.name()).collect();
            let detail = format!("kind={} is unknown; this release knows {}", spec.kind, known.join(", "));
            Error::incompatible(format!("index {} of {}", spec.name, record.name), detail)
        })
    }

    /// Returns the index of a primary key.
    fn of_key(schema: &Schema, record: &StructType, key: &KeySpec) -> Result<Self> {
        let names: Vec<&str> = key.names().collect();
        let paths = Paths::resolve_exactly(schema, record, &names)?;
        // Keys are hashed as they are encoded.
        let revision = Kind::Unique.revision() + key.revision().number();
        let hash = hash(Kind::Unique.name(), revision, &paths, &[], None);
        let descending = vec![false; paths.len()];
        let text_rules = TextRules::default();
        let name = names.join(",");
        Ok(Self { kind: Kind::Unique, name, paths, descending, text_rules, filter: None, vector: None, hash })
    }

    /// Returns what makes the codes that go with a graph; `None` if there are none.
    fn codes_part(&self) -> Option<Self> {
        if self.vector.as_ref()?.options().codes == CodeChoice::None {
            return None;
        }
        let options = self.vector.as_ref()?.identity();
        let hash = hash(Kind::Codes.name(), Kind::Codes.revision(), &self.paths, &options, None);
        Some(Self { kind: Kind::Codes, hash, ..self.clone() })
    }

    /// Returns the field and the options of an index of vectors.
    ///
    /// # Errors
    /// `Invalid` for another kind.
    pub fn vector(&self) -> Result<&VectorIndex> {
        self.vector.as_ref().ok_or_else(|| Error::invalid(format!("index {}", self.name), "is none of vectors"))
    }

    /// Returns the kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the name, which is that of its artifacts.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the paths of the indexed fields.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Returns the paths of the indexed fields, and the direction of each.
    pub fn fields(&self) -> SortFields<'_> {
        SortFields { paths: &self.paths, descending: &self.descending }
    }

    /// Returns the filter that rows of the index satisfy; `None` if all rows are in it.
    pub(crate) fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// Returns the text of the filter by the names that a later schema gives its fields, empty without a filter; `None` if the
    /// schema lacks one of them.
    pub fn filter_in(&self, schema: &Schema) -> Option<String> {
        self.filter.as_ref().map_or_else(|| Some(String::new()), |filter| filter.text_in(schema))
    }

    /// Returns the rows of a segment that are in the index.
    ///
    /// # Errors
    /// `Corrupt` if a value that its filter asks for cannot be read.
    pub fn rows(&self, segment: &Segment) -> Result<IndexedRows> {
        self.filter.as_ref().map_or(Ok(IndexedRows::ALL), |filter| filter.rows(segment))
    }

    /// Returns what the terms of a text index are.
    pub fn text_rules(&self) -> TextRules {
        self.text_rules
    }

    /// Returns values as the fields hold them; `None` if no record of the type can have them.
    ///
    /// # Errors
    /// `Invalid` if they are not as many as there are fields, or of other kinds.
    pub(crate) fn cast<'s>(&self, record_type: &str, values: &[Scalar<'s>]) -> Result<Option<Values<'s>>> {
        let mut out = Values::new();
        Ok(self.cast_into(record_type, values, &mut out)?.then_some(out))
    }

    /// As [`Self::cast`], into values that were none; false if no record of the type can have them.
    pub(crate) fn cast_into<'s>(&self, record_type: &str, values: &[Scalar<'s>], out: &mut Values<'s>) -> Result<bool> {
        let subject = || format!("index {} of {record_type}", self.name);
        if values.len() != self.paths.len() {
            let detail = format!("{} values for {} fields", values.len(), self.paths.len());
            return Err(Error::invalid(subject(), detail));
        }
        for ((kind, name), value) in self.paths.kinds().zip(self.paths.names()).zip(values) {
            let Ok(cast) = kind.cast(*value) else {
                return Err(Error::invalid(subject(), format!("{name} is {kind:?}, which {value:?} is not")));
            };
            let Some(value) = cast else { return Ok(false) };
            out.push(value);
        }
        Ok(true)
    }

    /// Returns what tells it from other indexes: BLAKE3 of its kind, revision, options and fields. Fields count by type and
    /// ordinal, so that renames do not change it.
    pub fn hash(&self) -> &Id {
        &self.hash
    }

    /// Returns whether an artifact is one of this index. That of the key keeps the names that its fields had once.
    fn owns(&self, artifact: &Artifact) -> bool {
        artifact.kind == self.kind.name() && (self.kind == Kind::Unique || artifact.name == self.name)
    }

    /// Returns the artifact of a segment; `None` if the segment has none.
    pub fn artifact<'e>(&self, entry: &'e SegmentEntry) -> Option<&'e Artifact> {
        entry.artifacts.iter().find(|artifact| self.owns(artifact))
    }
}

impl Index {
    /// Opens an artifact of a segment, in O(1).
    fn open(&self, artifact: &Artifact, segment: &Segment, id: &Id, blobs: &BlobMap) -> Result<OpenIndex> {
        let blob = blobs.expect(&artifact.id)?;
        if blob.bytes.len() as u64 != artifact.size {
            let expected = format!("{} bytes", artifact.size);
            let found = format!("{} bytes", blob.bytes.len());
            return Err(Error::corrupt(&*blob.name, blob.bytes.len() as u64, expected, found));
        }
        self.kind.open(&blob.name, blob.bytes.clone(), segment.rows(), self, &Binding::new(id, &self.hash))
    }
}

impl IndexSet {
    /// Resolves the indexes of a record type. Those of unknown kinds are left out.
    ///
    /// # Errors
    /// As [`Index::resolve`], for indexes of known kinds.
    pub fn new(schema: &Schema, ty: &RecordType) -> Result<Self> {
        let record = schema.struct_type(ty.type_id)?;
        let key = ty.key_spec(schema)?;
        let mut indexes = vec![Index::of_key(schema, record, &key)?];
        let (mut unknown, shared) = (BTreeSet::new(), SharedSchema::new(schema));
        for spec in &ty.indexes {
            match Index::resolve_by(&shared, record, spec) {
                Ok(index) => {
                    indexes.extend(index.codes_part());
                    indexes.push(index);
                }
                Err(error) if error.kind() == kapok_core::ErrorKind::Incompatible => {
                    unknown.insert(spec.name.clone());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self { key, indexes, unknown })
    }

    /// Returns the index of the primary key alone, for records of an encoding.
    ///
    /// # Errors
    /// `Invalid` if the schema is broken.
    pub fn of_key(encoding: &Encoding) -> Result<Self> {
        let record = encoding.schema().struct_type(encoding.type_id())?;
        let index = Index::of_key(encoding.schema(), record, encoding.key())?;
        Ok(Self { key: encoding.key().clone(), indexes: vec![index], unknown: BTreeSet::new() })
    }

    /// Returns the primary key.
    pub fn key(&self) -> &KeySpec {
        &self.key
    }

    /// Returns the indexes, that of the primary key first.
    pub fn indexes(&self) -> &[Index] {
        &self.indexes
    }

    /// Returns the names of indexes of kinds, or revisions of kinds, that this release does not know.
    pub fn unknown(&self) -> &BTreeSet<String> {
        &self.unknown
    }

    /// Opens the artifacts of a segment, in the order of [`Self::indexes`], in O(1): `None` for those that it does not have.
    pub(crate) fn open(
        &self,
        segment: &Segment,
        entry: &SegmentEntry,
        blobs: &BlobMap,
    ) -> Result<Vec<Option<OpenIndex>>> {
        let open = |index: &Index| match index.artifact(entry) {
            Some(artifact) => index.open(artifact, segment, &entry.id, blobs).map(Some),
            None => Ok(None),
        };
        self.indexes.iter().map(open).collect()
    }

    /// Checks artifacts of a segment against its rows: those that are asked for.
    pub(crate) fn verify(
        &self,
        segment: &Segment,
        entry: &SegmentEntry,
        blobs: &BlobMap,
        is_asked: impl Fn(&Index, &Artifact) -> bool,
    ) -> Result<()> {
        for index in &self.indexes {
            let Some(artifact) = index.artifact(entry).filter(|artifact| is_asked(index, artifact)) else { continue };
            let opened = index.open(artifact, segment, &entry.id, blobs)?;
            opened.verify(&self.key, index, segment, entry)?;
        }
        Ok(())
    }
}

/// Returns the hash of what an index is.
fn hash(kind: &str, revision: u32, paths: &Paths, options: &[(String, String)], filter: Option<&str>) -> Id {
    let mut hasher = blake3::Hasher::new();
    let text = |hasher: &mut blake3::Hasher, text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    };
    text(&mut hasher, kind);
    hasher.update(&revision.to_le_bytes()).update(&(paths.len() as u64).to_le_bytes());
    for fields in paths.fields() {
        hasher.update(&(fields.len() as u64).to_le_bytes());
        for (id, ordinal) in fields {
            hasher.update(&id.to_le_bytes()).update(&ordinal.to_le_bytes());
        }
    }
    for (key, value) in options {
        text(&mut hasher, key);
        text(&mut hasher, value);
    }
    if let Some(filter) = filter {
        // No option has this name.
        text(&mut hasher, "where");
        text(&mut hasher, filter);
    }
    *hasher.finalize().as_bytes()
}
