//! A version of a dataset as a [`Manifest`]: schema, segments, dead rows, indexes and changes.
//!
//! Its Cap'n Proto form is `schemas/manifest.capnp`. Decoding checks all that later code relies on, since a manifest
//! comes from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use capnp::message;
use capnp::serialize;
use kapok_schemas::manifest_capnp as wire;
use roaring::RoaringBitmap;

use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::key::KeyRevision;
use crate::schema::Schema;
use crate::segment::{Extent, Sharing};

mod blob;
mod blob_hash;
mod index_spec;
mod record_key;

pub(crate) use blob::verify_hash;
pub use blob::{Blob, BlobMap, BlobRef, BlobRole};
pub use blob_hash::blob_hash;
pub use index_spec::IndexSpec;

/// Version of the stored format as a whole.
pub const FORMAT_VERSION: u32 = 1;

/// Features that this code knows; a manifest that requires another is refused.
const KNOWN_FEATURES: [&str; 2] = [BOUND_ARTIFACTS, KEY_REVISIONS];

/// The feature that artifacts may be bound: their headers name their segment and what they are an index of.
const BOUND_ARTIFACTS: &str = "bound-artifacts";

/// The feature that record types may have keys of another revision than 0.
const KEY_REVISIONS: &str = "key-revisions";

/// Largest size of a segment: 2^29 words, and the header in front of them.
const SEGMENT_BYTES_MAX: u64 = (1 << 32) + 8;

/// BLAKE3 hash of a blob: its name.
pub type Id = [u8; 32];

/// A version of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Number of the version, from 1.
    pub version: u64,
    /// The version that this one was derived from.
    pub parent: Option<u64>,
    /// Milliseconds since 1970.
    pub created_unix_ms: i64,
    /// Who made it, for people.
    pub writer: String,
    /// Tells the cycle that made it from all others.
    pub writer_token: [u8; 16],
    /// Whether it is to be announced by itself, should its producer have died before it could.
    pub announce_itself: bool,
    /// Types of all record types.
    pub schema: Arc<Schema>,
    /// Sorted by name.
    pub record_types: Vec<RecordType>,
    /// Free to use, sorted by key.
    pub tags: BTreeMap<String, String>,
    /// The last entry of the announcement log when the version that this one builds on was chosen; 0 for an empty log.
    pub log_sequence: u64,
}

/// A record type of a version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordType {
    /// Unqualified name of its struct.
    pub name: String,
    /// Id of its struct.
    pub type_id: u64,
    /// Names of the primary key's fields.
    pub key: Vec<String>,
    /// Live records.
    pub rows: u64,
    /// Segments, in the order in which row ids count them.
    pub segments: Vec<SegmentEntry>,
    /// Against the parent; `None` if they are not listed.
    pub changes: Option<RowChanges>,
    /// Whether its schema was declared, not inferred, so that records do not add to it unless they are told to.
    pub declared: bool,
    /// Hash of the one input that all of its records come from, and of all that decides how they are read; the writer of
    /// records knows how it is made.
    pub input: Option<Id>,
    /// Indexes that every segment is to have beside that of the primary key, sorted by name.
    pub indexes: Vec<IndexSpec>,
    /// Names of indexes that the struct's annotation declares and that were dropped.
    pub dropped_indexes: BTreeSet<String>,
    /// Revision of the rules by which its keys become bytes.
    pub key_revision: KeyRevision,
}

/// A segment of a version.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentEntry {
    /// BLAKE3 of the mapped bytes.
    pub id: Id,
    /// Size of its file, in bytes.
    pub size: u64,
    /// Rows, dead ones included.
    pub rows: u32,
    /// Rows that the tombstones name.
    pub dead: u32,
    /// Encoded key of the first row.
    pub first_key: Vec<u8>,
    /// Encoded key of the last row.
    pub last_key: Vec<u8>,
    /// Rows, then each field that has objects.
    pub extents: Vec<Extent>,
    /// Dead rows.
    pub tombstones: Tombstones,
    /// Indexes of this segment.
    pub artifacts: Vec<Artifact>,
    /// Revision of the rules by which its records became bytes.
    pub writer_revision: u32,
    /// Whether equal values stand once.
    pub sharing: Sharing,
    /// What it was merged from; empty for a segment made from records.
    pub merged_from: Vec<MergeSource>,
}

/// Dead rows of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tombstones {
    /// None is.
    #[default]
    None,
    /// A serialized roaring bitmap.
    Inline(Vec<u8>),
    /// The id of a blob that holds one.
    Blob(Id),
}

/// An index of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// "unique", for example.
    pub kind: String,
    /// Tells artifacts of one kind apart.
    pub name: String,
    /// BLAKE3 of its bytes.
    pub id: Id,
    /// Size of its file, in bytes.
    pub size: u64,
}

/// A part of what a segment was merged from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeSource {
    /// The input.
    pub segment: Id,
    /// Size of its file, in bytes.
    pub size: u64,
    /// Number of its rows, dropped ones included.
    pub rows: u32,
    /// Rows left behind: a serialized roaring bitmap, empty for none.
    pub dropped: Vec<u8>,
}

/// Rows that a version has and its parent has not, and the reverse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowChanges {
    /// Rows of this version: a serialized roaring bitmap per segment.
    pub added: Vec<(Id, Vec<u8>)>,
    /// Rows of the parent.
    pub removed: Vec<(Id, Vec<u8>)>,
}

/// Returns the bytes of a set of rows, as manifests and tombstones hold it: a serialized roaring bitmap.
pub fn encode_rows(rows: &RoaringBitmap) -> Vec<u8> {
    let mut rows = rows.clone();
    rows.optimize();
    let mut out = Vec::with_capacity(rows.serialized_size());
    // Writing to a Vec does not fail.
    let _ = rows.serialize_into(&mut out);
    out
}

/// Reads the bytes of a set of rows. `name`: what errors call it.
///
/// # Errors
/// `Corrupt` for what is no roaring bitmap, and for bytes behind it.
pub fn decode_rows(name: &str, bytes: &[u8]) -> Result<RoaringBitmap> {
    let mut rest = bytes;
    match RoaringBitmap::deserialize_from(&mut rest) {
        Ok(rows) if rest.is_empty() => Ok(rows),
        Ok(_) => Err(Error::corrupt(name, (bytes.len() - rest.len()) as u64, "nothing after the bitmap", "more bytes")),
        Err(e) => Err(Error::corrupt(name, 0, "a roaring bitmap", e.to_string())),
    }
}

impl MergeSource {
    /// Decodes the rows that were left behind; `None` for none.
    ///
    /// # Errors
    /// `Corrupt` for what is no roaring bitmap.
    pub fn dropped_rows(&self) -> Result<Option<RoaringBitmap>> {
        let is_some = !self.dropped.is_empty();
        is_some.then(|| decode_rows("merge sources in the manifest", &self.dropped)).transpose()
    }
}

impl Manifest {
    /// Iterates over the segments of all record types.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentEntry> {
        self.record_types.iter().flat_map(|ty| &ty.segments)
    }

    /// Returns the record type of a name.
    pub fn record_type(&self, name: &str) -> Option<&RecordType> {
        self.record_types.iter().find(|ty| ty.name == name)
    }

    /// Returns the record type of a name, or an error that lists those that there are.
    ///
    /// # Errors
    /// `NotFound`, listing those that there are.
    pub fn expect_record_type(&self, name: &str) -> Result<&RecordType> {
        self.record_type(name).ok_or_else(|| {
            let names: Vec<_> = self.record_types.iter().map(|ty| ty.name.as_str()).collect();
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let detail = format!("version {} has {there}", self.version);
            Fault::NoRecordType { record_type: name.to_owned(), detail }.into()
        })
    }

    /// Writes the manifest as a Cap'n Proto message.
    ///
    /// # Errors
    /// `Invalid` if a default value of the schema cannot be written.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut message = message::Builder::new_default();
        let mut root: wire::manifest::Builder<'_> = message.init_root();
        root.set_format_version(FORMAT_VERSION);
        let features = self.required_features();
        let mut required = root.reborrow().init_required_features(count(&features));
        for (index, feature) in (0..).zip(&features) {
            required.set(index, *feature);
        }
        root.set_version(self.version);
        root.set_parent(self.parent.unwrap_or(0));
        root.set_created_unix_ms(self.created_unix_ms);
        root.set_writer(self.writer.as_str());
        root.set_writer_token(&self.writer_token);
        root.set_announce_itself(self.announce_itself);
        root.set_log_sequence(self.log_sequence);
        self.schema.encode_nodes(root.reborrow().init_nodes(self.schema.node_count()))?;
        let mut types = root.reborrow().init_record_types(count(&self.record_types));
        for (index, ty) in (0..).zip(&self.record_types) {
            ty.encode(types.reborrow().get(index));
        }
        let mut tags = root.init_tags(u32::try_from(self.tags.len()).unwrap_or(u32::MAX));
        for (index, (key, value)) in (0..).zip(&self.tags) {
            let mut tag = tags.reborrow().get(index);
            tag.set_key(key.as_str());
            tag.set_value(value.as_str());
        }
        Ok(serialize::write_message_to_words(&message))
    }

    /// Returns what a reader must know to read the version correctly.
    fn required_features(&self) -> Vec<&'static str> {
        let has_revisions = self.record_types.iter().any(|ty| ty.key_revision != KeyRevision::R0);
        let revisions = has_revisions.then_some(KEY_REVISIONS);
        [BOUND_ARTIFACTS].into_iter().chain(revisions).collect()
    }

    /// Reads a manifest from its Cap'n Proto message. `name`: what errors call it.
    ///
    /// # Errors
    /// `Corrupt` for what is no manifest, `Incompatible` for one that a newer Kapok made.
    pub fn decode(name: &str, bytes: &Bytes) -> Result<Self> {
        let wire = Wire { name };
        let mut slice: &[u8] = bytes;
        let options = *message::ReaderOptions::new().traversal_limit_in_words(Some(bytes.len() / 2 + 1024));
        let message = wire.read(serialize::read_message_from_flat_slice(&mut slice, options))?;
        if !slice.is_empty() {
            return Err(wire.wrong("nothing after the message", format!("{} bytes", slice.len())));
        }
        let root: wire::manifest::Reader<'_> = wire.read(message.get_root())?;
        if root.get_format_version() != FORMAT_VERSION {
            return Err(Error::incompatible(
                name,
                format!("format_version={} known={FORMAT_VERSION}; upgrade this program", root.get_format_version()),
            ));
        }
        for feature in wire.read(root.get_required_features())? {
            let feature = wire.text(feature)?;
            if !KNOWN_FEATURES.contains(&feature.as_str()) {
                return Err(Error::incompatible(
                    name,
                    format!("required_feature={feature} is unknown; upgrade this program"),
                ));
            }
        }
        let mut schema = Schema::new();
        for node in wire.read(root.get_nodes())? {
            schema.insert_node(node)?;
        }
        let mut record_types = Vec::new();
        for ty in wire.read(root.get_record_types())? {
            record_types.push(wire.record_type(ty)?);
        }
        if !record_types.is_sorted_by(|a, b| a.name < b.name) {
            return Err(wire.wrong("record types sorted by name, each once", "another order".into()));
        }
        // Later code looks types up without asking again.
        schema.check(record_types.iter().map(|ty: &RecordType| ty.type_id))?;
        let mut tags = BTreeMap::new();
        for tag in wire.read(root.get_tags())? {
            tags.insert(wire.text(tag.get_key())?, wire.text(tag.get_value())?);
        }
        let token = wire.read(root.get_writer_token())?;
        Ok(Self {
            version: root.get_version(),
            parent: Some(root.get_parent()).filter(|parent| *parent != 0),
            created_unix_ms: root.get_created_unix_ms(),
            writer: wire.text(root.get_writer())?,
            writer_token: token.try_into().map_err(|_| wire.wrong("a token of 16 bytes", token.len().to_string()))?,
            announce_itself: root.get_announce_itself(),
            schema: Arc::new(schema),
            record_types,
            tags,
            log_sequence: root.get_log_sequence(),
        })
    }
}

impl RecordType {
    fn encode(&self, mut out: wire::record_type::Builder<'_>) {
        out.set_name(self.name.as_str());
        out.set_type_id(self.type_id);
        let mut key = out.reborrow().init_key(count(&self.key));
        for (index, name) in (0..).zip(&self.key) {
            key.set(index, name.as_str());
        }
        out.set_rows(self.rows);
        out.set_declared(self.declared);
        out.set_key_revision(self.key_revision.number());
        if let Some(input) = &self.input {
            out.set_input(input);
        }
        let mut indexes = out.reborrow().init_indexes(count(&self.indexes));
        for (index, spec) in (0..).zip(&self.indexes) {
            spec.encode(indexes.reborrow().get(index));
        }
        let dropped = u32::try_from(self.dropped_indexes.len()).unwrap_or(u32::MAX);
        let mut dropped = out.reborrow().init_dropped_indexes(dropped);
        for (index, name) in (0..).zip(&self.dropped_indexes) {
            dropped.set(index, name.as_str());
        }
        let mut segments = out.reborrow().init_segments(count(&self.segments));
        for (index, segment) in (0..).zip(&self.segments) {
            segment.encode(segments.reborrow().get(index));
        }
        if let Some(changes) = &self.changes {
            let mut out = out.init_changes();
            out.set_complete(true);
            encode_row_sets(&changes.added, out.reborrow().init_added(count(&changes.added)));
            encode_row_sets(&changes.removed, out.init_removed(count(&changes.removed)));
        }
    }
}

fn encode_row_sets(sets: &[(Id, Vec<u8>)], mut out: capnp::struct_list::Builder<'_, wire::row_set::Owned>) {
    for (index, (segment, rows)) in (0..).zip(sets) {
        let mut out = out.reborrow().get(index);
        out.set_segment(segment);
        out.set_rows(rows);
    }
}

impl SegmentEntry {
    fn encode(&self, mut out: wire::segment::Builder<'_>) {
        out.set_id(&self.id);
        out.set_size(self.size);
        out.set_rows(self.rows);
        out.set_dead(self.dead);
        out.set_first_key(&self.first_key);
        out.set_last_key(&self.last_key);
        let mut extents = out.reborrow().init_extents(count(&self.extents));
        for (index, extent) in (0..).zip(&self.extents) {
            let mut out = extents.reborrow().get(index);
            out.set_field(extent.field.as_str());
            out.set_offset(extent.offset);
            out.set_size(extent.size);
            out.set_stride(extent.stride);
        }
        match &self.tombstones {
            Tombstones::None => out.reborrow().init_tombstones().set_none(()),
            Tombstones::Inline(bitmap) => out.reborrow().init_tombstones().set_inline(bitmap),
            Tombstones::Blob(id) => out.reborrow().init_tombstones().set_blob(id),
        }
        let mut artifacts = out.reborrow().init_artifacts(count(&self.artifacts));
        for (index, artifact) in (0..).zip(&self.artifacts) {
            let mut out = artifacts.reborrow().get(index);
            out.set_kind(artifact.kind.as_str());
            out.set_name(artifact.name.as_str());
            out.set_id(&artifact.id);
            out.set_size(artifact.size);
        }
        out.set_writer_revision(self.writer_revision);
        out.set_strict_tree(self.sharing == Sharing::StrictTree);
        let mut merged_from = out.init_merged_from(count(&self.merged_from));
        for (index, source) in (0..).zip(&self.merged_from) {
            let mut out = merged_from.reborrow().get(index);
            out.set_segment(&source.segment);
            out.set_dropped(&source.dropped);
            out.set_size(source.size);
            out.set_rows(source.rows);
        }
    }
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

/// Reads parts of a manifest, and names it in errors.
struct Wire<'n> {
    name: &'n str,
}

impl Wire<'_> {
    fn wrong(&self, expected: &str, found: String) -> Error {
        Error::corrupt(self.name, 0, expected, found)
    }

    fn read<T>(&self, result: capnp::Result<T>) -> Result<T> {
        result.map_err(|e| self.wrong("a manifest", e.to_string()))
    }

    fn text(&self, text: capnp::Result<capnp::text::Reader<'_>>) -> Result<String> {
        self.read(text)?.to_string().map_err(|_| self.wrong("text in UTF-8", "other bytes".into()))
    }

    fn id(&self, id: capnp::Result<&[u8]>) -> Result<Id> {
        let id = self.read(id)?;
        id.try_into().map_err(|_| self.wrong("an id of 32 bytes", id.len().to_string()))
    }

    fn record_type(&self, ty: wire::record_type::Reader<'_>) -> Result<RecordType> {
        let key = self.texts(ty.get_key())?;
        let mut segments = Vec::new();
        for segment in self.read(ty.get_segments())? {
            segments.push(self.segment(segment)?);
        }
        let live: u64 = segments.iter().map(|segment| u64::from(segment.rows - segment.dead)).sum();
        if live != ty.get_rows() {
            return Err(self.wrong("as many rows as the segments have", format!("{} instead of {live}", ty.get_rows())));
        }
        let changes = if ty.has_changes() { Some(self.read(ty.get_changes())?) } else { None };
        let changes = match changes.filter(|changes| changes.get_complete()) {
            Some(changes) => Some(RowChanges {
                added: self.row_sets(changes.get_added())?,
                removed: self.row_sets(changes.get_removed())?,
            }),
            None => None,
        };
        Ok(RecordType {
            name: self.text(ty.get_name())?,
            type_id: ty.get_type_id(),
            key,
            rows: live,
            segments,
            changes,
            declared: ty.get_declared(),
            input: if ty.has_input() { Some(self.id(ty.get_input())?) } else { None },
            indexes: self.indexes(ty.get_indexes())?,
            dropped_indexes: self.texts(ty.get_dropped_indexes())?.into_iter().collect(),
            key_revision: self.key_revision(ty.get_key_revision())?,
        })
    }

    fn row_sets(
        &self,
        sets: capnp::Result<capnp::struct_list::Reader<'_, wire::row_set::Owned>>,
    ) -> Result<Vec<(Id, Vec<u8>)>> {
        let mut out = Vec::new();
        for set in self.read(sets)? {
            out.push((self.id(set.get_segment())?, self.read(set.get_rows())?.to_vec()));
        }
        Ok(out)
    }

    fn segment(&self, segment: wire::segment::Reader<'_>) -> Result<SegmentEntry> {
        if segment.get_size() > SEGMENT_BYTES_MAX {
            let expected = format!("a segment of at most {SEGMENT_BYTES_MAX} bytes");
            return Err(self.wrong(&expected, format!("{} bytes", segment.get_size())));
        }
        let mut extents = Vec::new();
        for extent in self.read(segment.get_extents())? {
            let end = extent.get_offset().checked_add(extent.get_size());
            if end.is_none_or(|end| end > segment.get_size()) {
                return Err(self.wrong("extents within their segment", "one that ends beyond".into()));
            }
            extents.push(Extent {
                field: self.text(extent.get_field())?,
                offset: extent.get_offset(),
                size: extent.get_size(),
                stride: extent.get_stride(),
            });
        }
        let tombstones = match segment.get_tombstones().which() {
            Ok(wire::segment::tombstones::None(())) => Tombstones::None,
            Ok(wire::segment::tombstones::Inline(bitmap)) => Tombstones::Inline(self.read(bitmap)?.to_vec()),
            Ok(wire::segment::tombstones::Blob(id)) => Tombstones::Blob(self.id(id)?),
            Err(e) => return Err(Error::incompatible(self.name, format!("unknown kind of tombstones: {e}"))),
        };
        if segment.get_dead() > segment.get_rows() || (segment.get_dead() == 0) != (tombstones == Tombstones::None) {
            return Err(self.wrong("tombstones for as many rows as are dead", segment.get_dead().to_string()));
        }
        let mut artifacts = Vec::new();
        for artifact in self.read(segment.get_artifacts())? {
            artifacts.push(Artifact {
                kind: self.text(artifact.get_kind())?,
                name: self.text(artifact.get_name())?,
                id: self.id(artifact.get_id())?,
                size: artifact.get_size(),
            });
        }
        let mut merged_from = Vec::new();
        for source in self.read(segment.get_merged_from())? {
            merged_from.push(MergeSource {
                segment: self.id(source.get_segment())?,
                size: source.get_size(),
                rows: source.get_rows(),
                dropped: self.read(source.get_dropped())?.to_vec(),
            });
        }
        Ok(SegmentEntry {
            id: self.id(segment.get_id())?,
            size: segment.get_size(),
            rows: segment.get_rows(),
            dead: segment.get_dead(),
            first_key: self.read(segment.get_first_key())?.to_vec(),
            last_key: self.read(segment.get_last_key())?.to_vec(),
            extents,
            tombstones,
            artifacts,
            writer_revision: segment.get_writer_revision(),
            sharing: if segment.get_strict_tree() { Sharing::StrictTree } else { Sharing::Shared },
            merged_from,
        })
    }
}
