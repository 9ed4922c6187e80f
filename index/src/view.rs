//! Opens a whole version in place, records and indexes together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use kapok_core::field::{Field, FieldValue};
use kapok_core::key::Key;
use kapok_core::manifest::{BlobMap, Id, Manifest, SegmentEntry};
use kapok_core::record::Record;
use kapok_core::schema::{RecordStruct, Schema};
use kapok_core::segment::RowId;
use kapok_core::view::{Table, Tables};
use kapok_core::{Error, Result};
use serde::Deserialize;

use crate::alternate::AlternateLookup;
use crate::declared::{Index, IndexSet};
use crate::hash_lookup::HashLookup;
use crate::kind::{Kind, OpenIndex};
use crate::lookup::{Access, Lookup};
use crate::records::Records;
use crate::sorted_lookup::SortedLookup;
use crate::text_lookup::TextLookup;

/// A whole version, immutable, with its indexes: [`kapok_core::view::Tables`] and lookups by key.
///
/// # Threads and await
/// A view, a [`Table`], a [`Lookup`], a [`Field`], a [`Record`] and a [`RowId`] are `Send` and `Sync`, so they may be
/// shared between threads and held across `.await`. [`Records`] and its readers (`movie::Reader`) are neither, since they
/// count what they read: each thread makes [`Records`] of its own, which is cheap. A task that is spawned on several threads
/// holds an `Arc<View>` and row ids or handles across `.await`, and makes [`Records`] anew behind it:
///
/// ```
/// # use std::sync::Arc;
/// # use kapok_core::Result;
/// # use kapok_index::View;
/// # use kapok_samples::movies_capnp::movie;
/// # async fn fetch_poster(_: u32) {}
/// fn task(view: Arc<View>) -> impl Future<Output = Result<u16>> + Send {
///     async move {
///         let Some(row_id) = view.find("Movie", &2_u32)? else { return Ok(0) };
///         let year = view.field::<u16>("Movie.year")?;
///         fetch_poster(2).await;
///         let movies = view.records::<movie::Owned>()?;
///         assert_eq!(movies.get(row_id)?.get_year(), year.get(row_id)?);
///         year.get(row_id)
///     }
/// }
/// ```
///
/// A generated reader across an `.await` makes the task one that cannot be sent:
///
/// ```compile_fail
/// # use std::sync::Arc;
/// # use kapok_core::Result;
/// # use kapok_index::View;
/// # use kapok_samples::movies_capnp::movie;
/// # async fn fetch_poster(_: u32) {}
/// fn task(view: Arc<View>) -> impl Future<Output = Result<u16>> + Send {
///     async move {
///         let movies = view.records::<movie::Owned>()?;
///         let Some(film) = movies.by_key(&2_u32)? else { return Ok(0) };
///         fetch_poster(2).await;
///         Ok(film.get_year())
///     }
/// }
/// ```
pub struct View {
    tables: Tables,
    /// For each table, for each segment, in the order in which they are searched.
    accesses: Vec<Vec<Access>>,
    /// For each table.
    indexes: Vec<TableIndexes>,
}

/// The indexes of a record type.
pub(crate) struct TableIndexes {
    pub declared: IndexSet,
    /// For each segment of the table, for each index: `None` if the segment has no artifact of it.
    pub opened: Vec<Vec<Option<OpenIndex>>>,
}

/// One index of a table.
#[derive(Clone, Copy)]
pub(crate) struct TableIndex<'v> {
    pub table: &'v Table,
    pub index: &'v Index,
    opened: &'v [Vec<Option<OpenIndex>>],
    /// Among the indexes of the table.
    position: usize,
}

impl<'v> TableIndex<'v> {
    fn new(table: &'v Table, indexes: &'v TableIndexes, position: usize) -> Self {
        Self { table, index: &indexes.declared.indexes()[position], opened: &indexes.opened, position }
    }

    /// Returns the artifact of a segment, if it has one.
    pub fn artifact(&self, place: usize) -> Option<&'v OpenIndex> {
        self.opened.get(place)?.get(self.position)?.as_ref()
    }

    /// Prints the lookup that asks the index.
    pub fn fmt_lookup(&self, lookup: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(lookup).field("table", self.table).field("index", &self.index.name()).finish_non_exhaustive()
    }
}

impl View {
    /// Opens a version over its blobs, in time independent of the number of records.
    ///
    /// # Errors
    /// `NotFound` if a blob is missing, `Corrupt` if one is not what the manifest says.
    pub fn open(manifest: Arc<Manifest>, blobs: &BlobMap) -> Result<Self> {
        Self::open_without(manifest, blobs, BTreeMap::new())
    }

    /// Opens a version without some record types: see [`Tables::open_without`].
    ///
    /// # Errors
    /// Those of [`open`](Self::open), for the other types.
    pub fn open_without(manifest: Arc<Manifest>, blobs: &BlobMap, left_out: BTreeMap<String, String>) -> Result<Self> {
        let tables = Tables::open_without(manifest, blobs, left_out)?;
        let (mut accesses, mut indexes) = (Vec::new(), Vec::new());
        for table in tables.tables() {
            let ty = tables.manifest().expect_record_type(table.name())?;
            let declared = IndexSet::new(table.schema(), ty)?;
            let (mut by_key, mut opened) = (Vec::new(), Vec::new());
            for (place, (entry, source)) in ty.segments.iter().zip(table.segments()).enumerate() {
                let indexes = declared.open(source.segment(), entry, blobs)?;
                let unique = indexes.first().and_then(|index| index.as_ref()?.unique().cloned());
                by_key.push(Access::open(table.key(), place, entry, source, unique)?);
                opened.push(indexes);
            }
            by_key.sort_by_key(Access::search_order);
            accesses.push(by_key);
            indexes.push(TableIndexes { declared, opened });
        }
        Ok(Self { tables, accesses, indexes })
    }

    /// Makes a version without records.
    pub fn empty() -> Self {
        Self { tables: Tables::empty(), accesses: Vec::new(), indexes: Vec::new() }
    }

    /// Returns the number of the version; 0 for the empty view.
    pub fn version(&self) -> u64 {
        self.tables.version()
    }

    /// Returns the version's manifest.
    pub fn manifest(&self) -> &Arc<Manifest> {
        self.tables.manifest()
    }

    /// Returns the tables of all record types, sorted by name.
    pub fn tables(&self) -> &[Table] {
        self.tables.tables()
    }

    /// Returns the record types that the view was opened without, each with the reason.
    pub fn left_out(&self) -> &BTreeMap<String, String> {
        self.tables.left_out()
    }

    /// Checks texts that readers of an earlier version have had checked: see [`Tables::check_texts_as`].
    pub fn check_texts_as(&self, before: &Self) {
        self.tables.check_texts_as(&before.tables);
    }

    /// Returns the table of a record type.
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are.
    pub fn table(&self, record_type: &str) -> Result<&Table> {
        self.tables.table(record_type)
    }

    /// Resolves a field of a record type, such as `Movie.title`, to a handle: see [`Tables::field`].
    ///
    /// # Errors
    /// Those of [`Tables::field`].
    pub fn field<'v, T: FieldValue<'v>>(&'v self, path: &str) -> Result<Field<'v, T>> {
        self.tables.field(path)
    }

    /// Returns the lookup of a record type, to be kept if many records are to be found.
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are.
    pub fn lookup(&self, record_type: &str) -> Result<Lookup<'_>> {
        let index = self.tables.table_index(record_type)?;
        Ok(Lookup::new(&self.tables.tables()[index], &self.accesses[index]))
    }

    /// Returns the indexes of a record type, that of the primary key first.
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are.
    pub fn indexes(&self, record_type: &str) -> Result<&[Index]> {
        let index = self.tables.table_index(record_type)?;
        Ok(self.indexes[index].declared.indexes())
    }

    /// Returns the lookup of an alternate key, by the name of its index.
    ///
    /// # Errors
    /// `NotFound`, listing the types or the alternate keys that there are.
    pub fn alternate_lookup(&self, record_type: &str, name: &str) -> Result<AlternateLookup<'_>> {
        self.index(record_type, Kind::Alternate, name).map(AlternateLookup::new)
    }

    /// Checks that no live record of new segments has the values of an alternate key that another live record has.
    ///
    /// A segment is new, too, if its artifact of the key is: then the key was added.
    ///
    /// # Errors
    /// `Invalid` with the values and both primary keys.
    pub fn verify_alternate_keys(&self, is_new: impl Fn(&Id) -> bool) -> Result<()> {
        for (table, indexes) in self.tables().iter().zip(&self.indexes) {
            let entries = &self.manifest().expect_record_type(table.name())?.segments;
            for (position, index) in indexes.declared.indexes().iter().enumerate() {
                if index.kind() == Kind::Alternate {
                    let is_due = |entry: &SegmentEntry| {
                        is_new(&entry.id) || index.artifact(entry).is_none_or(|artifact| is_new(&artifact.id))
                    };
                    let places: Vec<bool> = entries.iter().map(is_due).collect();
                    AlternateLookup::new(TableIndex::new(table, indexes, position)).check(&places)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the lookup of a hash index, by its name.
    ///
    /// # Errors
    /// `NotFound`, listing the types or the hash indexes that there are.
    pub fn hash_lookup(&self, record_type: &str, name: &str) -> Result<HashLookup<'_>> {
        self.index(record_type, Kind::Hash, name).map(HashLookup::new)
    }

    /// Returns the lookup of a sorted index, by its name.
    ///
    /// # Errors
    /// `NotFound`, listing the types or the sorted indexes that there are.
    pub fn sorted_lookup(&self, record_type: &str, name: &str) -> Result<SortedLookup<'_>> {
        self.index(record_type, Kind::Sorted, name).map(SortedLookup::new)
    }

    /// Returns the lookup of a text index, by its name.
    ///
    /// # Errors
    /// `NotFound`, listing the types or the text indexes that there are.
    pub fn text_lookup(&self, record_type: &str, name: &str) -> Result<TextLookup<'_>> {
        self.index(record_type, Kind::Text, name).map(TextLookup::new)
    }

    /// Finds an index of a kind by its name.
    fn index(&self, record_type: &str, kind: Kind, name: &str) -> Result<TableIndex<'_>> {
        let at = self.tables.table_index(record_type)?;
        let indexes = self.indexes[at].declared.indexes();
        let position = indexes.iter().position(|index| index.kind() == kind && index.name() == name);
        if let Some(position) = position {
            return Ok(TableIndex::new(&self.tables.tables()[at], &self.indexes[at], position));
        }
        let known: Vec<_> = indexes.iter().filter(|index| index.kind() == kind).map(Index::name).collect();
        let there = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let subject = format!("{} index {name} of {record_type}", kind.name());
        Err(Error::not_found(subject, format!("there is {there}")))
    }

    /// Returns a table and its indexes.
    pub(crate) fn table_with_indexes(&self, record_type: &str) -> Result<(&Table, &TableIndexes)> {
        let at = self.tables.table_index(record_type)?;
        Ok((&self.tables.tables()[at], &self.indexes[at]))
    }

    pub(crate) fn table_indexes(&self) -> &[TableIndexes] {
        &self.indexes
    }

    /// Returns the row id of the live record of a key; `None` if there is none.
    ///
    /// # Errors
    /// `NotFound` for a type that there is not, and as [`Lookup::find`].
    pub fn find(&self, record_type: &str, key: &(impl Key + ?Sized)) -> Result<Option<RowId>> {
        self.lookup(record_type)?.find(key)
    }

    /// Reads records as a generated type, whose unqualified name is that of the record type.
    ///
    /// # Errors
    /// `NotFound` if the view has no such record type, `Incompatible` if the generated code would misread it.
    pub fn records<T: RecordStruct + 'static>(&self) -> Result<Records<'_, T>> {
        let (name, _) = Schema::name_and_id_of::<T>()?;
        let lookup = self.lookup(&name)?;
        Ok(Records::new(lookup.table().records()?, lookup))
    }

    /// Returns the live record of a key, whatever its type; `None` if there is none.
    ///
    /// # Errors
    /// As [`View::find`].
    pub fn record_by_key(&self, record_type: &str, key: &(impl Key + ?Sized)) -> Result<Option<Record<'_>>> {
        self.lookup(record_type)?.record_by_key(key)
    }

    /// Returns the live record of a key as a value of a Rust type; `None` if there is none. Texts and bytes may be
    /// borrowed. [`Table::deserialize`] does the same for all records.
    ///
    /// ```
    /// # use kapok_core::Result;
    /// # use kapok_index::View;
    /// #[derive(serde::Deserialize)]
    /// struct Hut<'v> {
    ///     name: &'v str,
    /// }
    ///
    /// fn print(view: &View) -> Result<()> {
    ///     if let Some(hut) = view.deserialize_by_key::<Hut>("Hut", "hut-1")? {
    ///         println!("{}", hut.name);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`View::find`] and [`Record::deserialize`].
    pub fn deserialize_by_key<'v, T: Deserialize<'v>>(
        &'v self,
        record_type: &str,
        key: &(impl Key + ?Sized),
    ) -> Result<Option<T>> {
        self.lookup(record_type)?.deserialize_by_key(key)
    }

    /// Checks all that lookups rely on, in time that grows with the records: rows stand in key order, the manifest's
    /// first and last keys are the rows', each index finds each row, and no key has two live rows.
    ///
    /// # Errors
    /// `Corrupt` if that is not so.
    pub fn verify_keys(&self) -> Result<()> {
        self.tables
            .tables()
            .iter()
            .zip(&self.accesses)
            .try_for_each(|(table, accesses)| Lookup::new(table, accesses).verify())
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("version", &self.version()).field("tables", &self.tables()).finish_non_exhaustive()
    }
}
