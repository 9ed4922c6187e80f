//! Changes to one record type in an incremental cycle.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use kapok_core::key::Key;
use kapok_core::segment::{Segment, Stage};
use kapok_core::words::StructRef;
use kapok_index::View;

use crate::declarations::DeclaredType;
use crate::error::{Error, Result};
use crate::lock::lock;
use crate::staged_schema::StagedSchema;

/// Changes to one record type.
#[derive(Debug)]
pub(crate) struct ChangedType {
    pub schema: StagedSchema,
    changes: Mutex<ChangeSet>,
}

/// Staged records, and the last change of each key.
#[derive(Debug)]
pub(crate) struct ChangeSet {
    pub stage: Stage,
    pub latest: HashMap<Vec<u8>, Change>,
}

/// Change of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Its record is this row of the stage.
    Put(u32),
    /// Its record is deleted.
    Delete,
}

/// The record of a key as the changes so far leave it.
pub(crate) enum Current<'v> {
    Prior { segment: &'v Segment, row: u32 },
    Staged(Segment),
}

impl Current<'_> {
    pub(crate) fn segment_and_row(&self) -> (&Segment, u32) {
        match self {
            Self::Prior { segment, row } => (segment, *row),
            Self::Staged(segment) => (segment, 0),
        }
    }
}

impl DeclaredType for ChangedType {
    fn schema(&self) -> &StagedSchema {
        &self.schema
    }
}

impl ChangedType {
    pub(crate) fn new(schema: StagedSchema) -> Self {
        let stage = Stage::new(&schema.encoding);
        Self { schema, changes: Mutex::new(ChangeSet { stage, latest: HashMap::new() }) }
    }

    pub(crate) fn into_parts(self) -> (StagedSchema, ChangeSet) {
        (self.schema, self.changes.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn put(&self, record: StructRef<'_>) -> Result<()> {
        lock(&self.changes).put(record)
    }

    pub(crate) fn put_if_absent(&self, prior: &View, record: StructRef<'_>) -> Result<bool> {
        let mut changes = lock(&self.changes);
        changes.stage.add_struct(record)?;
        let row = changes.last_row();
        let key = changes.stage.encoded_key(row);
        let taken = match changes.latest.get(&key) {
            Some(change) => *change != Change::Delete,
            None => self.find_in(prior, &key)?.is_some(),
        };
        if !taken {
            changes.latest.insert(key, Change::Put(row));
        }
        Ok(!taken)
    }

    pub(crate) fn delete(&self, prior: &View, key: Vec<u8>) -> Result<bool> {
        let mut changes = lock(&self.changes);
        let was_there = match changes.latest.get(&key) {
            Some(change) => *change != Change::Delete,
            None => self.find_in(prior, &key)?.is_some(),
        };
        if was_there {
            changes.latest.insert(key, Change::Delete);
        }
        Ok(was_there)
    }

    /// Returns the record of a key as the changes so far leave it.
    pub(crate) fn current<'v>(&self, prior: &'v View, key: &[u8]) -> Result<Option<Current<'v>>> {
        let mut changes = lock(&self.changes);
        match changes.latest.get(key).copied() {
            Some(Change::Put(row)) => {
                let sealed = changes.stage.seal_row(row)?;
                Ok(Some(Current::Staged(Segment::open("changed record", Bytes::from(sealed.bytes), sealed.rows)?)))
            }
            Some(Change::Delete) => Ok(None),
            None => {
                let found = self.find_in(prior, key)?;
                if found.is_some() && self.schema.is_widened {
                    let name = self.schema.encoding.record_type();
                    return Err(Error::Widened { record_type: name.to_string() });
                }
                Ok(found)
            }
        }
    }

    fn find_in<'v>(&self, prior: &'v View, key: &[u8]) -> Result<Option<Current<'v>>> {
        if self.schema.is_new && !self.schema.is_widened {
            return Ok(None);
        }
        let lookup = prior.lookup(self.schema.encoding.record_type())?;
        let Some(row_id) = lookup.find_encoded(key)? else { return Ok(None) };
        let (place, row) = lookup.table().place(row_id)?;
        Ok(Some(Current::Prior { segment: lookup.table().segments()[place].segment(), row }))
    }

    /// Encodes a key; `None` if no record can have it.
    pub(crate) fn encode<K: Key + ?Sized>(&self, key: &K) -> Result<Option<Vec<u8>>> {
        let mut encoded = Vec::new();
        let possible = key.with_parts(|parts| self.schema.encoding.key().encode(parts, &mut encoded))?;
        Ok(possible.then_some(encoded))
    }
}

impl ChangeSet {
    fn last_row(&self) -> u32 {
        u32::try_from(self.stage.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    pub(crate) fn put(&mut self, record: StructRef<'_>) -> Result<()> {
        self.stage.add_struct(record)?;
        let row = self.last_row();
        self.latest.insert(self.stage.encoded_key(row), Change::Put(row));
        Ok(())
    }
}
