//! How is a record read through generated code, given its key?

use std::ops::Deref;

use capnp::traits::OwnedStruct;
use kapok_core::Result;
use kapok_core::key::Key;
use kapok_core::records;
use kapok_core::schema::RecordStruct;

use crate::lookup::Lookup;

/// Records of one type as generated readers, by ordinal, in order, and by key.
///
/// Made by [`View::records`](crate::View::records); cheap to make, one per thread.
pub struct Records<'v, T> {
    records: records::Records<'v, T>,
    lookup: Lookup<'v>,
}

impl<'v, T: RecordStruct> Records<'v, T> {
    pub(crate) fn new(records: records::Records<'v, T>, lookup: Lookup<'v>) -> Self {
        Self { records, lookup }
    }

    /// The live record of a key; `None` where there is none.
    ///
    /// # Errors
    /// As [`Lookup::find`].
    #[inline]
    pub fn by_key<K: Key + ?Sized>(&self, key: &K) -> Result<Option<<T as OwnedStruct>::Reader<'_>>> {
        match self.lookup.find(key)? {
            Some(ordinal) => self.records.get(ordinal).map(Some),
            None => Ok(None),
        }
    }

    /// Finds records of this type.
    pub fn lookup(&self) -> Lookup<'v> {
        self.lookup
    }
}

impl<'v, T> Deref for Records<'v, T> {
    type Target = records::Records<'v, T>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.records
    }
}
