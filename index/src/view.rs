//! What does a consumer hold? A whole version at once, records and indexes together.

use std::collections::BTreeMap;
use std::sync::Arc;

use kapok_core::Result;
use kapok_core::field::{Field, FieldValue};
use kapok_core::key::Key;
use kapok_core::manifest::BlobMap;
use kapok_core::manifest::Manifest;
use kapok_core::record::Record;
use kapok_core::schema::{RecordStruct, Schema};
use kapok_core::segment::RowId;
use kapok_core::view::{Table, Tables};

use crate::lookup::{Access, Lookup};
use crate::records::Records;

/// A whole version, immutable, with its indexes: [`kapok_core::view::Tables`] and lookups by key.
#[derive(Debug)]
pub struct View {
    tables: Tables,
    /// For each table, for each segment.
    accesses: Vec<Vec<Access>>,
}

impl View {
    /// Opens a version over its blobs, in time independent of the number of records.
    ///
    /// # Errors
    /// `NotFound` where a blob is missing, `Corrupt` where one is not what the manifest says.
    pub fn open(manifest: Arc<Manifest>, blobs: &BlobMap) -> Result<Self> {
        Self::open_without(manifest, blobs, BTreeMap::new())
    }

    /// As [`open`](Self::open), without some record types: see [`Tables::open_without`].
    ///
    /// # Errors
    /// Those of [`open`](Self::open), for the other types.
    pub fn open_without(manifest: Arc<Manifest>, blobs: &BlobMap, left_out: BTreeMap<String, String>) -> Result<Self> {
        let tables = Tables::open_without(manifest, blobs, left_out)?;
        let mut accesses = Vec::with_capacity(tables.tables().len());
        for table in tables.tables() {
            let entries = &tables.manifest().expect_record_type(table.name())?.segments;
            let segments = entries.iter().zip(table.segments());
            let open = segments.map(|(entry, source)| Access::open(table.key(), entry, source, blobs));
            accesses.push(open.collect::<Result<_>>()?);
        }
        Ok(Self { tables, accesses })
    }

    /// A version without records.
    pub fn empty() -> Self {
        Self { tables: Tables::empty(), accesses: Vec::new() }
    }

    /// Number of the version; 0 for the empty view.
    pub fn version(&self) -> u64 {
        self.tables.version()
    }

    /// What the version is made of.
    pub fn manifest(&self) -> &Arc<Manifest> {
        self.tables.manifest()
    }

    /// Its record types.
    pub fn tables(&self) -> &[Table] {
        self.tables.tables()
    }

    /// Record types of the version that the view was opened without, and why.
    pub fn left_out(&self) -> &BTreeMap<String, String> {
        self.tables.left_out()
    }

    /// The records of a type.
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are.
    pub fn table(&self, record_type: &str) -> Result<&Table> {
        self.tables.table(record_type)
    }

    /// A handle to a field of a record type, such as `Movie.title`: see [`Tables::field`].
    ///
    /// # Errors
    /// Those of [`Tables::field`].
    pub fn field<'v, T: FieldValue<'v>>(&'v self, path: &str) -> Result<Field<'v, T>> {
        self.tables.field(path)
    }

    /// Finds records of a type by key: to be kept where many are to be found.
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are.
    pub fn lookup(&self, record_type: &str) -> Result<Lookup<'_>> {
        let index = self.tables.table_index(record_type)?;
        Ok(Lookup::new(&self.tables.tables()[index], &self.accesses[index]))
    }

    /// The live record of a key.
    ///
    /// # Errors
    /// `NotFound` for a type that there is not, and as [`Lookup::find`].
    pub fn find<K: Key + ?Sized>(&self, record_type: &str, key: &K) -> Result<Option<RowId>> {
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
            Some(row_id) => lookup.table().record(row_id).map(Some),
            None => Ok(None),
        }
    }

    /// Checks all that lookups lean on, in time that grows with the records: rows stand in key order, the manifest's first
    /// and last keys are the rows', each index finds each row, and no key has two live rows.
    ///
    /// # Errors
    /// `Corrupt` where that is not so.
    pub fn verify_keys(&self) -> Result<()> {
        self.tables
            .tables()
            .iter()
            .zip(&self.accesses)
            .try_for_each(|(table, accesses)| Lookup::new(table, accesses).verify())
    }
}
