//! Reads records through generated code: by key, by row id, and in order.

use std::fmt;

use capnp::traits::OwnedStruct;
use kapok_core::Result;
use kapok_core::key::Key;
use kapok_core::schema::RecordStruct;
use kapok_core::segment::RowId;
use kapok_core::view::{ReaderIter, Readers, Table};

use crate::lookup::Lookup;

/// Records of one type as generated readers, by row id, in order, and by key.
///
/// Made by [`View::records`](crate::View::records). A loop over them needs no `?`:
///
/// ```
/// # use kapok_core::Result;
/// # use kapok_index::View;
/// # use kapok_samples::movies_capnp::movie;
/// fn print(view: &View) -> Result<()> {
///     let movies = view.records::<movie::Owned>()?;
///     for film in &movies {
///         println!("{}", film.get_year());
///     }
///     if let Some(film) = movies.by_key(&2_u32)? {
///         println!("{}", film.get_year());
///     }
///     Ok(())
/// }
/// ```
///
/// Neither `Send` nor `Sync`: each thread makes its own, which is cheap. See [`View`](crate::View#threads-and-await).
///
/// ```compile_fail
/// fn sent<T: Send>() {}
/// sent::<kapok_index::Records<'static, kapok_samples::movies_capnp::movie::Owned>>();
/// ```
pub struct Records<'v, T> {
    readers: Readers<'v, T>,
    lookup: Lookup<'v>,
}

impl<'v, T: RecordStruct> Records<'v, T> {
    pub(crate) fn new(readers: Readers<'v, T>, lookup: Lookup<'v>) -> Self {
        Self { readers, lookup }
    }

    /// Returns the live record of a key; `None` if there is none.
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

    /// Returns the lookup that finds records of this type.
    pub fn lookup(&self) -> Lookup<'v> {
        self.lookup
    }

    /// Returns the record of a row id, live or dead.
    ///
    /// # Errors
    /// As [`Readers::get`].
    #[inline]
    pub fn get(&self, row_id: RowId) -> Result<<T as OwnedStruct>::Reader<'_>> {
        self.readers.get(row_id)
    }

    /// Iterates over all live records, in the order of their row ids.
    pub fn iter(&self) -> ReaderIter<'_, 'v, T> {
        self.readers.iter()
    }

    /// Returns the table that they are read from.
    pub fn table(&self) -> &'v Table {
        self.readers.table()
    }
}

impl<T> fmt::Debug for Records<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("table", self.lookup.table()).finish_non_exhaustive()
    }
}

impl<'r, 'v, T: RecordStruct> IntoIterator for &'r Records<'v, T> {
    type Item = <T as OwnedStruct>::Reader<'r>;
    type IntoIter = ReaderIter<'r, 'v, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
