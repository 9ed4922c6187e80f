//! What does a consumer hold? A whole version at once, records and indexes together.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use kapok_core::Result;
use kapok_core::blobs::Blobs;
use kapok_core::key::Key;
use kapok_core::manifest::Manifest;
use kapok_core::record::Record;
use kapok_core::schema::{RecordStruct, Schema};
use kapok_core::view::{self, Ordinal};

use crate::lookup::{Access, Lookup};
use crate::records::Records;

/// A whole version, immutable, with its indexes: [`kapok_core::view::View`] and lookups by key.
#[derive(Debug)]
pub struct View {
    view: view::View,
    /// For each table, for each segment.
    accesses: Vec<Vec<Access>>,
}

impl View {
    /// Opens a version over its blobs, in time independent of the number of records.
    ///
    /// # Errors
    /// `NotFound` where a blob is missing, `Corrupt` where one is not what the manifest says.
    pub fn open(manifest: Arc<Manifest>, blobs: &Blobs) -> Result<Self> {
        Self::open_without(manifest, blobs, BTreeMap::new())
    }

    /// As [`open`](Self::open), without some record types: see [`kapok_core::view::View::open_without`].
    ///
    /// # Errors
    /// Those of [`open`](Self::open), for the other types.
    pub fn open_without(manifest: Arc<Manifest>, blobs: &Blobs, left_out: BTreeMap<String, String>) -> Result<Self> {
        let view = view::View::open_without(manifest, blobs, left_out)?;
        let mut accesses = Vec::with_capacity(view.tables().len());
        for table in view.tables() {
            let entries = &view.manifest().expect_record_type(table.name())?.segments;
            let segments = entries.iter().zip(table.segments());
            let open = segments.map(|(entry, source)| Access::open(table.key(), entry, source, blobs));
            accesses.push(open.collect::<Result<_>>()?);
        }
        Ok(Self { view, accesses })
    }

    /// A version without records.
    pub fn empty() -> Self {
        Self { view: view::View::empty(), accesses: Vec::new() }
    }

    /// Finds records of a type by key: to be kept where many are to be found.
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are.
    pub fn lookup(&self, record_type: &str) -> Result<Lookup<'_>> {
        let index = self.view.table_index(record_type)?;
        Ok(Lookup::new(&self.view.tables()[index], &self.accesses[index]))
    }

    /// The live record of a key.
    ///
    /// # Errors
    /// `NotFound` for a type that there is not, and as [`Lookup::find`].
    pub fn find<K: Key + ?Sized>(&self, record_type: &str, key: &K) -> Result<Option<Ordinal>> {
        self.lookup(record_type)?.find(key)
    }

    /// The records of a generated type, which is found by its unqualified name.
    ///
    /// # Errors
    /// `NotFound` where the view has no such record type, `Incompatible` where the generated code would misread it.
    pub fn records<T: RecordStruct + 'static>(&self) -> Result<Records<'_, T>> {
        let (name, _) = Schema::name_and_id_of::<T>()?;
        let lookup = self.lookup(&name)?;
        Ok(Records::new(lookup.table().records()?, lookup))
    }

    /// The live record of a key, for the dynamic door.
    ///
    /// # Errors
    /// As [`View::find`].
    pub fn record_by_key<K: Key + ?Sized>(&self, record_type: &str, key: &K) -> Result<Option<Record<'_>>> {
        let lookup = self.lookup(record_type)?;
        match lookup.find(key)? {
            Some(ordinal) => lookup.table().record(ordinal).map(Some),
            None => Ok(None),
        }
    }

    /// Checks all that lookups lean on, in time that grows with the records: rows stand in key order, the manifest's first
    /// and last keys are the rows', each index finds each row, and no key has two live rows.
    ///
    /// # Errors
    /// `Corrupt` where that is not so.
    pub fn verify_keys(&self) -> Result<()> {
        self.view
            .tables()
            .iter()
            .zip(&self.accesses)
            .try_for_each(|(table, accesses)| Lookup::new(table, accesses).verify())
    }
}

impl Deref for View {
    type Target = view::View;

    #[inline]
    fn deref(&self) -> &view::View {
        &self.view
    }
}
