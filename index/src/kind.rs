//! The registry of kinds of indexes: how each is built, opened and checked.

use std::collections::BTreeMap;

use bytes::Bytes;
use kapok_core::key::KeySpec;
use kapok_core::manifest::IndexSpec;
use kapok_core::paths::{Paths, ScalarKind};
use kapok_core::segment::Segment;
use kapok_core::{Error, Result};

use crate::alternate::{self, AlternateIndex};
use crate::artifact::Binding;
use crate::declared::Index;
use crate::hash::{self, HashIndex};
use crate::sorted::{self, SortedIndex};
use crate::text::{self, TextIndex, TextRules};
use crate::unique::{self, UniqueIndex};

/// A kind of index.
///
/// Bytes of an artifact are a function of its segment and its index, so whoever has a segment may make its artifacts.
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
}

/// An artifact of one segment, opened.
#[derive(Clone, Debug)]
pub(crate) enum OpenIndex {
    Unique(UniqueIndex),
    Alternate(AlternateIndex),
    Hash(HashIndex),
    Sorted(SortedIndex),
    Text(TextIndex),
}

impl Kind {
    /// Kinds that may be declared.
    pub const DECLARED: [Self; 4] = [Self::Alternate, Self::Hash, Self::Sorted, Self::Text];

    /// Returns the name by which manifests call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unique => unique::KIND,
            Self::Alternate => alternate::KIND,
            Self::Hash => hash::KIND,
            Self::Sorted => sorted::KIND,
            Self::Text => text::KIND,
        }
    }

    /// Returns the declarable kind of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::DECLARED.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns whether artifacts of a name of a kind can be opened.
    pub fn is_known(name: &str) -> bool {
        name == unique::KIND || Self::named(name).is_some()
    }

    /// Returns the revision of the rules by which segments become artifacts.
    pub fn revision(self) -> u32 {
        match self {
            Self::Unique | Self::Alternate | Self::Hash | Self::Sorted => 1,
            Self::Text => text::REVISION,
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
        if self == Self::Text {
            TextRules::of(options)?;
            if paths.len() > 1 || paths.kinds().any(|kind| kind != ScalarKind::Text) {
                return Err("a text index is of one field, which is Text or a list of it".to_owned());
            }
        }
        Ok(())
    }

    pub(crate) fn build(self, key: &KeySpec, index: &Index, segment: &Segment, binding: &Binding) -> Result<Vec<u8>> {
        let rows = index.rows(segment)?;
        match self {
            Self::Unique => unique::build(key, segment, binding),
            Self::Alternate => alternate::build(index.paths(), segment, &rows, binding),
            Self::Hash => hash::build(index.paths(), segment, &rows, binding),
            Self::Sorted => sorted::build(index.fields(), segment, &rows, binding),
            Self::Text => text::build(index.paths(), index.text_rules(), segment, &rows, binding),
        }
    }

    pub(crate) fn open(self, name: &str, bytes: Bytes, rows: u32, binding: &Binding) -> Result<OpenIndex> {
        Ok(match self {
            Self::Unique => OpenIndex::Unique(UniqueIndex::open(name, bytes, rows, binding)?),
            Self::Alternate => OpenIndex::Alternate(AlternateIndex::open(name, bytes, rows, binding)?),
            Self::Hash => OpenIndex::Hash(HashIndex::open(name, bytes, rows, binding)?),
            Self::Sorted => OpenIndex::Sorted(SortedIndex::open(name, bytes, rows, binding)?),
            Self::Text => OpenIndex::Text(TextIndex::open(name, bytes, rows, binding)?),
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

    /// Checks all of it against its segment.
    pub(crate) fn verify(&self, key: &KeySpec, index: &Index, segment: &Segment, binding: &Binding) -> Result<()> {
        let (name, bytes) = match self {
            Self::Unique(opened) => return opened.verify(key, segment),
            Self::Alternate(opened) => (opened.name(), opened.bytes()),
            Self::Hash(opened) => (opened.name(), opened.bytes()),
            Self::Sorted(opened) => (opened.name(), opened.bytes()),
            Self::Text(opened) => (opened.name(), opened.bytes()),
        };
        expect_bytes(name, bytes, &index.kind().build(key, index, segment, binding)?)
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
