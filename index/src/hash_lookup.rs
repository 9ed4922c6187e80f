//! Finds the records that have given values in some fields, in all segments of a record type.

use std::fmt;

use kapok_core::paths::Scalar;
use kapok_core::record::{Record, ValueRef};
use kapok_core::segment::{LiveSegment, RowId};
use kapok_core::view::Table;
use kapok_core::{Error, Result};

use crate::declared::Index;
use crate::hash::{HashIndex, Posting, has_tuple};
use crate::row::{expect_row, unreadable};
use crate::tuple;
use crate::view::TableIndex;

/// Finds records by the values of the fields of a hash index.
///
/// Made by [`View::hash_lookup`](crate::View::hash_lookup). Segments without an artifact of the index are scanned.
///
/// ```
/// # use kapok_core::Result;
/// # use kapok_index::View;
/// fn print(view: &View) -> Result<()> {
///     let by_genre = view.hash_lookup("Movie", "hash(genres[])")?;
///     println!("{} dramas", by_genre.count(&["Drama".into()])?);
///     let title = view.field::<&str>("Movie.title")?;
///     for row_id in by_genre.find(&["Drama".into()])? {
///         println!("{}", title.get(row_id)?);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy)]
pub struct HashLookup<'v> {
    of: TableIndex<'v>,
}

impl<'v> HashLookup<'v> {
    pub(crate) fn new(of: TableIndex<'v>) -> Self {
        Self { of }
    }

    /// Returns the index.
    pub fn index(&self) -> &'v Index {
        self.of.index
    }

    /// Returns the table that is searched.
    pub fn table(&self) -> &'v Table {
        self.of.table
    }

    /// Returns the number of live records that have the values. Where no row of a segment is dead, only the one row that
    /// confirms the values is read.
    ///
    /// # Errors
    /// `Invalid` if the values are not as many as the index has fields, or of other kinds; `Corrupt` if a segment or its
    /// index is not as it must be.
    pub fn count(&self, values: &[Scalar<'_>]) -> Result<u64> {
        let mut count = 0;
        self.visit(values, |source, found| {
            count += match (found, source.dead()) {
                (Found::Posting(posting), None) => u64::from(posting.len()),
                (Found::Posting(posting), Some(dead)) if dead.len() < u64::from(posting.len()) => {
                    let dead = dead.iter().filter(|row| posting.contains(*row)).count() as u64;
                    u64::from(posting.len()) - dead
                }
                (found, _) => {
                    let mut live = 0;
                    found.for_each_live(source, |_| live += 1)?;
                    live
                }
            };
            Ok(())
        })?;
        Ok(count)
    }

    /// Returns whether a live record has the values.
    ///
    /// # Errors
    /// As [`count`](Self::count), and `Invalid` for a row id of another view or record type.
    pub fn contains(&self, values: &[Scalar<'_>], row_id: RowId) -> Result<bool> {
        let (place, row) = self.of.table.place(row_id)?;
        let source = &self.of.table.segments()[place];
        let Some(values) = self.of.index.cast(self.of.table.name(), values)? else { return Ok(false) };
        Ok(source.is_live(row)
            && match self.find_in(place, source, &values)? {
                Some(Found::Posting(posting)) => posting.contains(row),
                Some(Found::Rows(rows)) => rows.binary_search(&row).is_ok(),
                None => false,
            })
    }

    /// Returns the row ids of the live records that have the values: in key order within each segment.
    ///
    /// # Errors
    /// As [`count`](Self::count).
    pub fn find(&self, values: &[Scalar<'_>]) -> Result<Vec<RowId>> {
        let mut out = Vec::new();
        self.for_each(values, |row_id| out.push(row_id))?;
        Ok(out)
    }

    /// Hands the row ids of the live records that have the values to a function: in key order within each segment.
    ///
    /// # Errors
    /// As [`count`](Self::count).
    pub fn for_each(&self, values: &[Scalar<'_>], mut f: impl FnMut(RowId)) -> Result<()> {
        let mut place = 0;
        self.visit_places(values, |at, source, found| {
            place = at;
            found.for_each_live(source, |row| f(source.mark().row_id(place, row)))
        })
    }

    /// Returns the elements of a list that have the values, of live records: in key order within each segment, and in the order of
    /// the list. Elements without any bytes are all alike, and the first stands for all.
    ///
    /// `list` is a beginning of the index's paths that ends in a list, as `items[]` is of `items[].productId`, by names of
    /// Cap'n Proto or of JSON. Records that have the values without an element of it (null, an empty list) are left out.
    ///
    /// ```
    /// # use kapok_core::Result;
    /// # use kapok_index::View;
    /// fn print(view: &View) -> Result<()> {
    ///     let by_product = view.hash_lookup("Order", "hash(items[].productId)")?;
    ///     for item in by_product.select("items[]", &[3.into()])? {
    ///         println!("{:?}: {}", item.row_id, item.element.to_json_string()?);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`count`](Self::count), and `Invalid` for a list that the index does not go through.
    pub fn select(&self, list: &str, values: &[Scalar<'_>]) -> Result<Vec<SelectedElement<'v>>> {
        let (paths, table) = (self.of.index.paths(), self.of.table);
        let list = ListPath::of(self.of.index, table, list)?;
        let Some(values) = self.of.index.cast(table.name(), values)? else { return Ok(Vec::new()) };
        let (mut encoded, mut scratch, mut out) = (Vec::new(), Vec::new(), Vec::new());
        tuple::encode(&values, &mut encoded);
        for row_id in self.find(&values)? {
            let (place, row) = table.place(row_id)?;
            let segment = table.segments()[place].segment();
            let mut elements: Vec<Vec<u32>> = Vec::new();
            let visited = paths.for_each_element(expect_row(segment, row)?, |indexes, values| {
                scratch.clear();
                tuple::encode(values, &mut scratch);
                if scratch == encoded
                    && let Some(indexes) = indexes.get(..list.depth)
                    && elements.last().is_none_or(|last| last != indexes)
                {
                    elements.push(indexes.to_vec());
                }
                Ok(())
            });
            visited.map_err(|malformed| unreadable(segment, malformed))?;
            for indexes in elements {
                if let Some(element) = list.element(table.record(row_id)?, &indexes)? {
                    out.push(SelectedElement { row_id, indexes, element });
                }
            }
        }
        Ok(out)
    }

    fn visit(&self, values: &[Scalar<'_>], mut f: impl FnMut(&LiveSegment, Found<'_>) -> Result<()>) -> Result<()> {
        self.visit_places(values, |_, source, found| f(source, found))
    }

    fn visit_places(
        &self,
        values: &[Scalar<'_>],
        mut f: impl FnMut(usize, &LiveSegment, Found<'_>) -> Result<()>,
    ) -> Result<()> {
        let Some(values) = self.of.index.cast(self.of.table.name(), values)? else { return Ok(()) };
        for (place, source) in self.of.table.segments().iter().enumerate() {
            if let Some(found) = self.find_in(place, source, &values)? {
                f(place, source, found)?;
            }
        }
        Ok(())
    }

    /// Finds the rows of one segment.
    fn find_in(&self, place: usize, source: &'v LiveSegment, values: &[Scalar<'_>]) -> Result<Option<Found<'v>>> {
        let (paths, segment) = (self.of.index.paths(), source.segment());
        if let Some(index) = self.artifact(place) {
            return Ok(index.find(paths, segment, values)?.map(Found::Posting));
        }
        let (mut encoded, mut scratch, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        tuple::encode(values, &mut encoded);
        let indexed = self.of.index.rows(segment)?;
        for row in source.live_rows().filter(|row| indexed.contains(*row)) {
            let has = has_tuple(paths, expect_row(segment, row)?, &encoded, &mut scratch);
            if has.map_err(|malformed| unreadable(segment, malformed))? {
                rows.push(row);
            }
        }
        Ok((!rows.is_empty()).then_some(Found::Rows(rows)))
    }

    fn artifact(&self, place: usize) -> Option<&'v HashIndex> {
        self.of.artifact(place)?.hash()
    }
}

/// An element of a list that has the values of a hash index: see [`HashLookup::select`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SelectedElement<'v> {
    /// The record that it is in.
    pub row_id: RowId,
    /// Its index in the list; if lists stand within one another, that in each, from the outermost on.
    pub indexes: Vec<u32>,
    /// The element.
    pub element: ValueRef<'v>,
}

/// The way from a record to the elements of a list.
struct ListPath {
    /// Cap'n Proto names, each with the number of lists behind it.
    steps: Vec<(String, usize)>,
    /// Lists that it goes through.
    depth: usize,
}

impl ListPath {
    /// Resolves the beginning of an index's paths.
    fn of(index: &Index, table: &Table, list: &str) -> Result<Self> {
        let is_beginning = |path: &str| match path.strip_prefix(list) {
            Some(rest) => list.ends_with("[]") && (rest.is_empty() || rest.starts_with(['.', '['])),
            None => false,
        };
        let by_json = |steps: Vec<(String, usize)>| {
            steps.into_iter().map(|(name, lists)| format!("{name}{}", "[]".repeat(lists))).collect::<Vec<_>>().join(".")
        };
        let json = index.paths().json_steps(table.schema()).into_iter().map(|steps| steps.map(by_json));
        let found = index
            .paths()
            .names()
            .zip(json)
            .find(|(name, json)| is_beginning(name) || json.as_deref().is_some_and(is_beginning));
        let Some((name, _)) = found else {
            let subject = format!("index {} of {}", index.name(), table.name());
            return Err(Error::invalid(
                subject,
                format!("goes through no list {list}; give a beginning of its paths, as items[]"),
            ));
        };
        // As many steps as the list has, by exact names.
        let (mut steps, mut depth): (Vec<(String, usize)>, usize) = (Vec::new(), 0);
        for (part, asked) in name.split('.').zip(list.split('.')) {
            let lists = asked.matches("[]").count();
            steps.push((part.trim_end_matches("[]").to_owned(), lists));
            depth += lists;
        }
        Ok(Self { steps, depth })
    }

    /// Returns the element at some indexes; `None` if there is none.
    fn element<'v>(&self, record: Record<'v>, indexes: &[u32]) -> Result<Option<ValueRef<'v>>> {
        let (mut value, mut indexes) = (ValueRef::Struct(record), indexes.iter());
        for (name, lists) in &self.steps {
            let ValueRef::Struct(record) = value else { return Ok(None) };
            let Some(field) = record.struct_type().field(name) else { return Ok(None) };
            value = record.value(field)?;
            for _ in 0..*lists {
                let (ValueRef::List(list), Some(index)) = (value, indexes.next()) else { return Ok(None) };
                let Some(element) = list.get(*index)? else { return Ok(None) };
                value = element;
            }
        }
        Ok(Some(value))
    }
}

/// Rows of one segment that have the values.
enum Found<'v> {
    /// Live and dead ones.
    Posting(Posting<'v>),
    /// Live ones.
    Rows(Vec<u32>),
}

impl Found<'_> {
    fn for_each_live(&self, source: &LiveSegment, mut f: impl FnMut(u32)) -> Result<()> {
        match self {
            Self::Rows(rows) => {
                for row in rows {
                    f(*row);
                }
                Ok(())
            }
            Self::Posting(posting) if source.dead().is_none() => posting.for_each(f),
            Self::Posting(posting) => posting.for_each(|row| {
                if !source.is_dead(row) {
                    f(row);
                }
            }),
        }
    }
}

impl fmt::Debug for HashLookup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of.fmt_lookup("HashLookup", f)
    }
}
