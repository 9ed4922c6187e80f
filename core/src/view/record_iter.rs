//! Iterates over the live records of a table: as dynamic records, or as values of a Rust type.

use std::iter::FusedIterator;
use std::marker::PhantomData;

use serde::Deserialize;

use super::Table;
use crate::error::Result;
use crate::record::Record;
use crate::segment::{LiveRows, LiveSegment};

/// Live records of a [`Table`], in the order of their row ids. Made by [`Table::iter`].
#[derive(Clone)]
pub struct RecordIter<'v> {
    table: &'v Table,
    /// The segments after the one at hand.
    segments: std::slice::Iter<'v, LiveSegment>,
    segment: Option<&'v LiveSegment>,
    rows: LiveRows<'v>,
}

/// Live records of a [`Table`] as values of a Rust type, in the order of their row ids. Made by [`Table::deserialize`].
#[derive(Clone)]
pub struct Deserialized<'v, T> {
    records: RecordIter<'v>,
    value: PhantomData<fn() -> T>,
}

impl Table {
    /// Iterates over all live records of any type, in the order of their row ids.
    ///
    /// ```
    /// # use kapok_core::{Result, view::Tables};
    /// fn print(tables: &Tables) -> Result<()> {
    ///     for hut in tables.table("Hut")? {
    ///         println!("{}", hut.get("name")?.as_str().unwrap_or("nameless"));
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter { table: self, segments: self.segments().iter(), segment: None, rows: LiveRows::none() }
    }

    /// Iterates over all live records as values of a Rust type, in the order of their row ids. Each item is a `Result`,
    /// since each record is read when its turn comes: see [`Record::deserialize`]. Texts and bytes may be borrowed.
    ///
    /// ```
    /// # use kapok_core::{Result, view::Tables};
    /// #[derive(serde::Deserialize)]
    /// struct Hut<'v> {
    ///     name: &'v str,
    ///     height_m: Option<i64>,
    /// }
    ///
    /// fn print(tables: &Tables) -> Result<()> {
    ///     for hut in tables.table("Hut")?.deserialize::<Hut>() {
    ///         let Hut { name, height_m } = hut?;
    ///         println!("{name}: {height_m:?}");
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn deserialize<'v, T: Deserialize<'v>>(&'v self) -> Deserialized<'v, T> {
        Deserialized { records: self.iter(), value: PhantomData }
    }
}

impl<'v> IntoIterator for &'v Table {
    type Item = Record<'v>;
    type IntoIter = RecordIter<'v>;

    fn into_iter(self) -> RecordIter<'v> {
        self.iter()
    }
}

impl<'v> Iterator for RecordIter<'v> {
    type Item = Record<'v>;

    fn next(&mut self) -> Option<Record<'v>> {
        loop {
            if let Some(row) = self.rows.next() {
                // Segments are opened only if all of their rows lie within the file.
                return self.segment.and_then(|segment| self.table.record_in(segment, row));
            }
            let segment = self.segments.next()?;
            (self.segment, self.rows) = (Some(segment), segment.live_rows_in(0..u32::MAX));
        }
    }
}

impl FusedIterator for RecordIter<'_> {}

impl<'v, T: Deserialize<'v>> Iterator for Deserialized<'v, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        self.records.next().map(|record| record.deserialize())
    }
}

impl<'v, T: Deserialize<'v>> FusedIterator for Deserialized<'v, T> {}
