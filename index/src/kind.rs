//! The registry of kinds of indexes: how each is built, opened and checked.

use std::collections::BTreeMap;

use bytes::Bytes;
use kapok_core::key::KeySpec;
use kapok_core::manifest::{IndexSpec, SegmentEntry};
use kapok_core::paths::{FieldNames, Paths, ScalarKind};
use kapok_core::schema::{Schema, StructType};
use kapok_core::segment::Segment;
use kapok_core::{Error, Result};

use crate::alternate::{self, AlternateIndex};
use crate::artifact::Binding;
use crate::declared::{BuiltArtifact, Index};
use crate::hash::{self, HashIndex};
use crate::sorted::{self, SortedIndex};
use crate::text::{self, TextIndex, TextRules};
use crate::unique::{self, UniqueIndex};
use crate::vector::{self, CodesIndex, GraphIndex, GraphProgress, GraphSource, Growth, VectorOptions};

/// A kind of index.
///
/// Bytes of an artifact are a function of its segment and its index, so whoever has a segment may make its artifacts; but for
/// [`Kind::Hnsw`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// From the primary key to a row: [`unique`]. Every record type has one, without a declaration.
    Unique,
    /// From the values of fields to the rows that have them: [`hash`].
    Hash,
    /// From values that no two live records share to the row that has them: [`alternate`].
    Alternate,
    /// The rows in the order of the values of fields: [`sorted`].
    Sorted,
    /// From the terms of a text field to the rows that have them: [`text`].
    Text,
    /// A proximity graph over the vectors of a field: [`vector`]. It may have been grown from that of a segment that was merged.
    Hnsw,
    /// Quantized codes of the vectors of a field, which an index of kind [`Kind::Hnsw`] makes, too.
    Codes,
}

/// An artifact of one segment, opened.
#[derive(Clone, Debug)]
pub(crate) enum OpenIndex {
    Unique(UniqueIndex),
    Alternate(AlternateIndex),
    Hash(HashIndex),
    Sorted(SortedIndex),
    Text(TextIndex),
    Graph(GraphIndex),
    Codes(CodesIndex),
}

/// What an artifact is built beside: only graphs of vectors look at it.
pub(crate) struct Beside<'b> {
    /// Artifacts of the segment that were built before.
    pub earlier: &'b [BuiltArtifact],
    /// What the segment was merged from.
    pub sources: &'b [GraphSource],
    /// Is told how far a graph is.
    pub progress: &'b mut dyn FnMut(GraphProgress<'_>),
}

impl<'b> Beside<'b> {
    pub fn nothing(progress: &'b mut dyn FnMut(GraphProgress<'_>)) -> Self {
        Self { earlier: &[], sources: &[], progress }
    }
}

impl Kind {
    /// Kinds that may be declared.
    pub const DECLARED: [Self; 5] = [Self::Alternate, Self::Hash, Self::Sorted, Self::Text, Self::Hnsw];

    /// Returns the name by which manifests call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unique => unique::KIND,
            Self::Alternate => alternate::KIND,
            Self::Hash => hash::KIND,
            Self::Sorted => sorted::KIND,
            Self::Text => text::KIND,
            Self::Hnsw => vector::KIND,
            Self::Codes => vector::CODES_KIND,
        }
    }

    /// Returns the declarable kind of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::DECLARED.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns whether artifacts of a name of a kind can be opened.
    pub fn is_known(name: &str) -> bool {
        name == unique::KIND || name == vector::CODES_KIND || Self::named(name).is_some()
    }

    /// Returns the revision of the rules by which segments become artifacts.
    pub fn revision(self) -> u32 {
        match self {
            Self::Unique | Self::Alternate | Self::Hash | Self::Sorted => 1,
            Self::Text => text::REVISION,
            Self::Hnsw | Self::Codes => vector::REVISION,
        }
    }

    /// Returns whether whoever has a segment can make its artifacts; others are downloaded.
    pub fn is_function_of_segment(self) -> bool {
        self != Self::Hnsw
    }

    /// Resolves the fields of an index.
    pub(crate) fn paths(
        self,
        schema: &Schema,
        record: &StructType,
        fields: &[String],
        names: FieldNames,
    ) -> Result<Paths> {
        match (self, fields, names) {
            (Self::Hnsw, [field], names) => Paths::to_vector(schema, record, field, names),
            (_, fields, FieldNames::Any) => Paths::resolve(schema, record, fields),
            (_, fields, FieldNames::Exact) => Paths::resolve_exactly(schema, record, fields),
        }
    }

    /// Checks fields and options. The error says what is wrong.
    pub(crate) fn check(self, paths: &Paths, options: &BTreeMap<String, String>) -> std::result::Result<(), String> {
        if paths.is_empty() {
            return Err("no fields".to_owned());
        }
        let is_known = |option: &String| match self {
            Self::Sorted => option == IndexSpec::DESCENDING,
            Self::Text => TextRules::OPTIONS.contains(&option.as_str()),
            Self::Hnsw | Self::Codes => VectorOptions::NAMES.contains(&option.as_str()),
            _ => false,
        };
        if let Some(option) = options.keys().find(|option| !is_known(option)) {
            return Err(format!("option {option} is unknown to kind {}", self.name()));
        }
        if self == Self::Sorted && paths.is_many() {
            return Err("a sorted index goes through no list, since a record stands in it once".to_owned());
        }
        if self == Self::Alternate && paths.is_many() {
            return Err("an alternate key goes through no list; a hash index does".to_owned());
        }
        if matches!(self, Self::Hnsw | Self::Codes) && paths.len() > 1 {
            return Err("an index of vectors is of one field".to_owned());
        }
        if self == Self::Text {
            TextRules::of(options)?;
            if paths.len() > 1 || paths.kinds().any(|kind| kind != ScalarKind::Text) {
                return Err("a text index is of one field, which is Text or a list of it".to_owned());
            }
        }
        Ok(())
    }

    /// Builds an artifact.
    pub(crate) fn build(
        self,
        key: &KeySpec,
        index: &Index,
        segment: &Segment,
        entry: &SegmentEntry,
        beside: &mut Beside<'_>,
    ) -> Result<Vec<u8>> {
        let rows = index.rows(segment)?;
        let binding = &Binding::new(&entry.id, index.hash());
        match self {
            Self::Unique => unique::build(key, segment, binding),
            Self::Alternate => alternate::build(index.paths(), segment, &rows, binding),
            Self::Hash => hash::build(index.paths(), segment, &rows, binding),
            Self::Sorted => sorted::build(index.fields(), segment, &rows, binding),
            Self::Text => text::build(index.paths(), index.text_rules(), segment, &rows, binding),
            Self::Codes => index.vector()?.build_codes(segment, entry, binding),
            Self::Hnsw => {
                let is_codes = |built: &&BuiltArtifact| {
                    built.artifact.kind == vector::CODES_KIND && built.artifact.name == index.name()
                };
                let codes = beside.earlier.iter().find(is_codes).map(|built| &*built.bytes);
                let vector = index.vector()?;
                let sources = beside.sources.iter().filter(|source| source.is_of(index.hash()));
                let growth =
                    Growth { codes, sources: sources.collect(), name: index.name(), progress: beside.progress };
                vector.build_graph(key, segment, entry, binding, growth)
            }
        }
    }

    pub(crate) fn open(
        self,
        name: &str,
        bytes: Bytes,
        rows: u32,
        index: &Index,
        binding: &Binding,
    ) -> Result<OpenIndex> {
        Ok(match self {
            Self::Unique => OpenIndex::Unique(UniqueIndex::open(name, bytes, rows, binding)?),
            Self::Alternate => OpenIndex::Alternate(AlternateIndex::open(name, bytes, rows, binding)?),
            Self::Hash => OpenIndex::Hash(HashIndex::open(name, bytes, rows, binding)?),
            Self::Sorted => OpenIndex::Sorted(SortedIndex::open(name, bytes, rows, binding)?),
            Self::Text => OpenIndex::Text(TextIndex::open(name, bytes, rows, binding)?),
            Self::Hnsw => OpenIndex::Graph(GraphIndex::open(name, bytes, rows, binding)?),
            Self::Codes => OpenIndex::Codes(CodesIndex::open(name, bytes, rows, index.vector()?, binding)?),
        })
    }
}

impl OpenIndex {
    pub(crate) fn unique(&self) -> Option<&UniqueIndex> {
        if let Self::Unique(index) = self { Some(index) } else { None }
    }

    pub(crate) fn alternate(&self) -> Option<&UniqueIndex> {
        if let Self::Alternate(index) = self { Some(index.table()) } else { None }
    }

    pub(crate) fn hash(&self) -> Option<&HashIndex> {
        if let Self::Hash(index) = self { Some(index) } else { None }
    }

    pub(crate) fn sorted(&self) -> Option<&SortedIndex> {
        if let Self::Sorted(index) = self { Some(index) } else { None }
    }

    pub(crate) fn text(&self) -> Option<&TextIndex> {
        if let Self::Text(index) = self { Some(index) } else { None }
    }

    pub(crate) fn graph(&self) -> Option<&GraphIndex> {
        if let Self::Graph(index) = self { Some(index) } else { None }
    }

    pub(crate) fn codes(&self) -> Option<&CodesIndex> {
        if let Self::Codes(index) = self { Some(index) } else { None }
    }

    /// Checks all of it against its segment.
    pub(crate) fn verify(&self, key: &KeySpec, index: &Index, segment: &Segment, entry: &SegmentEntry) -> Result<()> {
        let (name, bytes) = match self {
            Self::Unique(opened) => return opened.verify(key, segment),
            // It may have been grown from another segment's, so that it is checked for what it must be.
            Self::Graph(opened) => return index.vector()?.verify_graph(opened, key, segment, entry),
            Self::Codes(opened) => (opened.name(), opened.bytes()),
            Self::Alternate(opened) => (opened.name(), opened.bytes()),
            Self::Hash(opened) => (opened.name(), opened.bytes()),
            Self::Sorted(opened) => (opened.name(), opened.bytes()),
            Self::Text(opened) => (opened.name(), opened.bytes()),
        };
        expect_bytes(name, bytes, &index.kind().build(key, index, segment, entry, &mut Beside::nothing(&mut |_| {}))?)
    }
}

/// Checks that the bytes of an artifact are those that its segment gives.
fn expect_bytes(name: &str, found: &[u8], expected: &[u8]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let at = found.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let byte = |bytes: &[u8]| bytes.get(at).map_or_else(|| "the end".to_owned(), |byte| format!("byte {byte:#04x}"));
    let expected = format!("{}, which the rows of its segment give", byte(expected));
    Err(Error::corrupt(name, at as u64, expected, byte(found)))
}
