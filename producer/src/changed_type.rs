//! Changes to one record type in an incremental cycle.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use kapok_core::key::Key;
use kapok_core::segment::{RowId, Segment, Stage};
use kapok_core::view::Table;
use kapok_core::words::StructRef;
use kapok_index::View;

use crate::changed_key::{ChangedKey, ExactKeys};
use crate::declarations::DeclaredType;
use crate::error::{Error, Result};
use crate::lock::lock;
use crate::staged_schema::StagedSchema;

/// Changes to one record type.
#[derive(Debug)]
pub(crate) struct ChangedType {
    pub schema: StagedSchema,
    changes: Mutex<ChangeSet>,
    /// Rows of the version before, if its keys become wider.
    wider_keys: OnceLock<HashMap<Vec<u8>, RowId>>,
}

/// Staged records, and the last change of each key.
#[derive(Debug)]
pub(crate) struct ChangeSet {
    pub stage: Stage,
    pub latest: HashMap<Vec<u8>, Change>,
    /// What tells these keys from others.
    pub exact: ExactKeys,
    /// Records that a later one of the same key took the place of.
    pub superseded: u64,
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
        let changes =
            Mutex::new(ChangeSet { stage, latest: HashMap::new(), exact: ExactKeys::default(), superseded: 0 });
        Self { schema, changes, wider_keys: OnceLock::new() }
    }

    pub(crate) fn into_parts(self) -> (StagedSchema, ChangeSet) {
        (self.schema, self.changes.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn put(&self, record: StructRef<'_>) -> Result<()> {
        lock(&self.changes).put(record)
    }

    pub(crate) fn put_if_absent(&self, prior: &View, record: StructRef<'_>) -> Result<bool> {
        let mut changes = lock(&self.changes);
        let (key, row) = changes.stage(record)?;
        let taken = match changes.latest.get(&key.encoded) {
            Some(change) => *change != Change::Delete,
            // If the row found is of another key, the end of the cycle says so.
            None => self.find_in(prior, &key)?.is_some(),
        };
        if !taken {
            changes.latest.insert(key.encoded, Change::Put(row));
        }
        Ok(!taken)
    }

    pub(crate) fn delete(&self, prior: &View, key: ChangedKey) -> Result<bool> {
        let mut changes = lock(&self.changes);
        if changes.exact.other_than(&key).is_some() {
            return Ok(false);
        }
        let was_there = match changes.latest.get(&key.encoded) {
            Some(change) => *change != Change::Delete,
            None => self.find_in(prior, &key)?.is_some(),
        };
        if was_there {
            changes.exact.note(self.schema.encoding.key(), self.schema.encoding.record_type(), &key)?;
            changes.latest.insert(key.encoded, Change::Delete);
        }
        Ok(was_there)
    }

    /// Returns the record of a key as the changes so far leave it.
    pub(crate) fn current<'v>(&self, prior: &'v View, key: &ChangedKey) -> Result<Option<Current<'v>>> {
        let mut changes = lock(&self.changes);
        if changes.exact.other_than(key).is_some() {
            return Ok(None);
        }
        match changes.latest.get(&key.encoded).copied() {
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

    /// Returns the row of a key in the version before, and of no key that is encoded alike.
    fn find_in<'v>(&self, prior: &'v View, key: &ChangedKey) -> Result<Option<Current<'v>>> {
        if self.schema.is_new && !self.schema.is_widened {
            return Ok(None);
        }
        let lookup = prior.lookup(self.schema.encoding.record_type())?;
        let found = match self.schema.is_widened {
            true => self.rows_by_wider_key(lookup.table())?.get(&key.encoded).copied(),
            false => lookup.find_encoded(&key.encoded)?,
        };
        let Some(row_id) = found else { return Ok(None) };
        if key.other_key(lookup.table(), lookup.table().row(row_id)?, self.schema.encoding.key())?.is_some() {
            return Ok(None);
        }
        let (place, row) = lookup.table().place(row_id)?;
        Ok(Some(Current::Prior { segment: lookup.table().segments()[place].segment(), row }))
    }

    /// Returns the rows of before by their keys as the wider type encodes them, which no index has.
    fn rows_by_wider_key(&self, table: &Table) -> Result<&HashMap<Vec<u8>, RowId>> {
        if let Some(rows) = self.wider_keys.get() {
            return Ok(rows);
        }
        let (mut rows, mut exact) = (HashMap::new(), ExactKeys::default());
        let spec = self.schema.encoding.key();
        for row_id in table.row_ids() {
            let key = ChangedKey::of_row(table, table.row(row_id)?, spec)?;
            exact.note(spec, table.name(), &key)?;
            rows.insert(key.encoded, row_id);
        }
        Ok(self.wider_keys.get_or_init(|| rows))
    }

    /// Encodes a key; `None` if no record can have it.
    pub(crate) fn encode<K: Key + ?Sized>(&self, key: &K) -> Result<Option<ChangedKey>> {
        ChangedKey::encode(self.schema.encoding.key(), key)
    }
}

impl ChangeSet {
    pub(crate) fn put(&mut self, record: StructRef<'_>) -> Result<()> {
        let (key, row) = self.stage(record)?;
        let before = self.latest.insert(key.encoded, Change::Put(row));
        self.superseded += u64::from(matches!(before, Some(Change::Put(_))));
        Ok(())
    }

    /// Stages a record, and returns its key and row.
    fn stage(&mut self, record: StructRef<'_>) -> Result<(ChangedKey, u32)> {
        self.stage.add_struct(record)?;
        let row = u32::try_from(self.stage.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let encoding = self.stage.encoding();
        let (spec, record_type) = (encoding.key(), encoding.record_type());
        let key = ChangedKey::of_record(spec, record_type, self.stage.encoded_key(row), record)?;
        self.exact.note(spec, record_type, &key)?;
        Ok((key, row))
    }
}
