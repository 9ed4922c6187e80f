//! Keys of changes, kept apart even if the rules of an earlier release encode them alike.

use std::collections::HashMap;

use kapok_core::Fault;
use kapok_core::key::{Key, KeyRevision, KeySpec};
use kapok_core::view::Table;
use kapok_core::words::StructRef;

use crate::error::{Error, Result};

/// An encoded key, and what tells it from others that are encoded alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangedKey {
    pub encoded: Vec<u8>,
    /// What the key has to itself; `None` if no other key can be encoded alike.
    exact: Option<Vec<u8>>,
}

/// What keys have to themselves, by their encodings: of those that others may be encoded as.
#[derive(Debug, Default)]
pub(crate) struct ExactKeys(HashMap<Vec<u8>, Vec<u8>>);

impl ChangedKey {
    /// Makes the key of a record whose encoding is known.
    pub(crate) fn of_record(
        spec: &KeySpec,
        record_type: &str,
        encoded: Vec<u8>,
        record: StructRef<'_>,
    ) -> Result<Self> {
        let mut exact = None;
        if spec.may_be_of_two(&encoded) {
            let mut out = Vec::new();
            exact_rules(spec).encode_row(record, &mut out).map_err(|malformed| malformed.into_error(record_type))?;
            exact = Some(out);
        }
        Ok(Self { encoded, exact })
    }

    /// Makes the key of a stored row as `spec` encodes it, whose integers may be wider.
    pub(crate) fn of_row(table: &Table, row: StructRef<'_>, spec: &KeySpec) -> Result<Self> {
        let encode = |spec: &KeySpec| -> Result<Vec<u8>> {
            let mut out = Vec::new();
            table.key().encode_row_as(row, spec, &mut out).map_err(|malformed| malformed.into_error(table.name()))?;
            Ok(out)
        };
        let encoded = encode(spec)?;
        let exact = spec.may_be_of_two(&encoded).then(|| encode(&exact_rules(spec))).transpose()?;
        Ok(Self { encoded, exact })
    }

    /// Encodes a key; `None` if no record can have it.
    pub(crate) fn encode<K: Key + ?Sized>(spec: &KeySpec, key: &K) -> Result<Option<Self>> {
        let mut encoded = Vec::new();
        if !key.with_parts(|parts| spec.encode(parts, &mut encoded))? {
            return Ok(None);
        }
        let mut exact = None;
        if spec.may_be_of_two(&encoded) {
            let mut out = Vec::new();
            key.with_parts(|parts| exact_rules(spec).encode(parts, &mut out))?;
            exact = Some(out);
        }
        Ok(Some(Self { encoded, exact }))
    }

    /// Returns the key of a row that is encoded alike, if it is another key.
    pub(crate) fn other_key(&self, table: &Table, row: StructRef<'_>, spec: &KeySpec) -> Result<Option<Self>> {
        if self.exact.is_none() {
            return Ok(None);
        }
        let found = Self::of_row(table, row, spec)?;
        Ok((found != *self).then_some(found))
    }

    /// Makes the error of two keys that are encoded alike, of which this one came second.
    pub(crate) fn alike(&self, spec: &KeySpec, record_type: &str, first: &Self) -> Error {
        let described = |key: &Self| exact_rules(spec).describe(key.exact.as_deref().unwrap_or_default());
        let (first, second) = (described(first), described(self));
        kapok_core::Error::from(Fault::KeysAlike { record_type: record_type.to_owned(), first, second }).into()
    }
}

impl ExactKeys {
    /// Notes a key.
    ///
    /// # Errors
    /// `Invalid`, naming both, if another one is noted that is encoded alike.
    pub(crate) fn note(&mut self, spec: &KeySpec, record_type: &str, key: &ChangedKey) -> Result<()> {
        if let Some(first) = self.other_than(key) {
            return Err(key.alike(spec, record_type, &first));
        }
        if let Some(exact) = &key.exact {
            self.0.entry(key.encoded.clone()).or_insert_with(|| exact.clone());
        }
        Ok(())
    }

    /// Returns the key that is noted and encoded alike, if it is another one.
    pub(crate) fn other_than(&self, key: &ChangedKey) -> Option<ChangedKey> {
        key.exact.as_ref()?;
        self.get(&key.encoded).filter(|noted| noted != key)
    }

    /// Returns the key that is noted of an encoding.
    pub(crate) fn get(&self, encoded: &[u8]) -> Option<ChangedKey> {
        let exact = self.0.get(encoded)?;
        Some(ChangedKey { encoded: encoded.to_vec(), exact: Some(exact.clone()) })
    }
}

/// Returns a key as rules encode it that encode no two keys alike.
fn exact_rules(spec: &KeySpec) -> KeySpec {
    spec.clone().with_revision(KeyRevision::R1)
}
