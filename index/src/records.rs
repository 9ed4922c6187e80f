//! How is a record read through generated code, given its key?

use capnp::traits::OwnedStruct;
use kapok_core::Result;
use kapok_core::key::Key;
use kapok_core::schema::RecordStruct;
use kapok_core::segment::RowId;
use kapok_core::view::{Readers, Table};

use crate::lookup::Lookup;

/// Records of one type as generated readers, by row id, in order, and by key.
///
/// Made by [`View::records`](crate::View::records); cheap to make, one per thread.
pub struct Records<'v, T> {
    readers: Readers<'v, T>,
    lookup: Lookup<'v>,
}

impl<'v, T: RecordStruct> Records<'v, T> {
    pub(crate) fn new(readers: Readers<'v, T>, lookup: Lookup<'v>) -> Self {
        Self { readers, lookup }
    }

    /// The live record of a key; `None` where there is none.
    ///
    /// # Errors
    /// As [`Lookup::find`].
    #[inline]
    pub fn by_key<K: Key + ?Sized>(&self, key: &K) -> Result<Option<<T as OwnedStruct>::Reader<'_>>> {
        match self.lookup.find(key)? {
            Some(row_id) => self.readers.get(row_id).map(Some),
            None => Ok(None),
        }
    }

    /// Finds records of this type.
    pub fn lookup(&self) -> Lookup<'v> {
        self.lookup
    }

    /// A record, dead or alive.
    ///
    /// # Errors
    /// As [`Readers::get`].
    #[inline]
    pub fn get(&self, row_id: RowId) -> Result<<T as OwnedStruct>::Reader<'_>> {
        self.readers.get(row_id)
    }

    /// All live records, in the order of their row ids.
    ///
    /// # Errors
    /// As [`Readers::iter`].
    #[expect(clippy::iter_not_returning_iterator, reason = "an iterator, once the lists are found to be there")]
    pub fn iter(&self) -> Result<impl Iterator<Item = <T as OwnedStruct>::Reader<'_>>> {
        self.readers.iter()
    }

    /// The table that they are read from.
    pub fn table(&self) -> &'v Table {
        self.readers.table()
    }
}
