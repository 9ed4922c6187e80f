//! Finds the live record of a key, in one of the segments, each through its index.

use std::cmp::{Ordering, Reverse};
use std::fmt;

use kapok_core::key::{Key, KeyPart, KeySpec};
use kapok_core::manifest::SegmentEntry;
use kapok_core::record::Record;
use kapok_core::segment::{LiveSegment, RowId, Segment};
use kapok_core::view::Table;
use kapok_core::{Error, Result};
use serde::Deserialize;

use crate::row;
use crate::unique::{self, Glance, Guess, UniqueIndex};

mod integers;

use integers::{IntegerColumn, Integers, Sought};

/// Indexes that are looked at together for one key: as many as the bits that say which of them may have it.
const INDEXES_AT_ONCE: usize = u32::BITS as usize;
/// Keys that are looked up together: about as many cache misses as a core waits for at once.
const KEYS_AT_ONCE: usize = 16;

/// Finds records of one type by primary key.
///
/// Cheap to copy and to share between threads. Made by [`View::lookup`](crate::View::lookup).
#[derive(Clone, Copy)]
pub struct Lookup<'v> {
    table: &'v Table,
    /// Those of all segments, the largest first.
    accesses: &'v [Access],
    /// Finds most keys; `None` if they are not integers of 4 or 8 bytes, or there is no index.
    integers: Option<Integers<'v>>,
    /// Length of every encoded key; 0 if it varies.
    key_bytes: u8,
}

/// How the keys of one segment are found.
pub(crate) struct Access {
    /// Where the segment stands in the table.
    place: usize,
    /// `None` if the manifest has none: the rows, which stand in key order, are searched by bisection.
    index: Option<UniqueIndex>,
    first_key: Vec<u8>,
    last_key: Vec<u8>,
    /// Numbers of the two, for keys of fixed length.
    first_number: u64,
    last_number: u64,
    /// Of no rows if the key is not one integer, these rows are too old to have it, or there is no index.
    integers: IntegerColumn,
    source: LiveSegment,
}

impl<'v> Lookup<'v> {
    pub(crate) fn new(table: &'v Table, accesses: &'v [Access]) -> Self {
        let key_bytes = table.key().fixed_bytes().unwrap_or(0);
        let integers = accesses.first().and_then(|largest| Integers::new(key_bytes, largest));
        Self { table, accesses, integers, key_bytes }
    }

    /// Returns the table that is searched.
    pub fn table(&self) -> &'v Table {
        self.table
    }

    /// Returns the row id of the live record of a key (an integer, Bool, text, bytes, or a tuple of them); `None` if
    /// there is none.
    ///
    /// # Errors
    /// `Invalid` if the number of parts or their types are not the key's, `Corrupt` if a segment or its index is not
    /// as it must be.
    #[expect(clippy::inline_always, reason = "the less a lookup is, the more of them a processor overlaps")]
    #[inline(always)]
    pub fn find<K: Key + ?Sized>(&self, key: &K) -> Result<Option<RowId>> {
        // Nothing but this is laid out where keys are looked up: see [`Integers`].
        if let Some(integers) = &self.integers
            && let Some(sought) = integers.seek(key)
        {
            return match integers.confirm(sought) {
                Some(row_id) => Ok(Some(row_id)),
                None => self.find_elsewhere(sought),
            };
        }
        self.find_any(key)
    }

    #[inline(never)]
    fn find_any<K: Key + ?Sized>(&self, key: &K) -> Result<Option<RowId>> {
        key.with_parts(|parts| self.find_parts(parts))
    }

    /// Returns what [`Lookup::find`] returns for each of many keys, in their order.
    ///
    /// Keys of fixed length are looked up 16 at a time, so that the processor waits for the memory of all of them at once:
    /// faster than one by one, if the rows are not in its caches.
    ///
    /// # Errors
    /// As [`Lookup::find`].
    pub fn find_many<K: Key>(&self, keys: &[K]) -> Result<Vec<Option<RowId>>> {
        let Some(integers) = &self.integers else {
            let number = |key: &K| key.with_parts(|parts| self.table.key().encode_number(parts));
            return self.find_each(keys, |key| self.find(key), number);
        };
        let mut out = vec![None; keys.len()];
        for (keys, found) in keys.chunks(KEYS_AT_ONCE).zip(out.chunks_mut(KEYS_AT_ONCE)) {
            let mut sought = [Sought::default(); KEYS_AT_ONCE];
            // A bit for each key that is not one integer, or does not fit the field.
            let mut others = 0_u32;
            for ((place, sought), key) in (0..).zip(&mut sought).zip(keys) {
                match integers.seek(key) {
                    Some(one) => *sought = one,
                    None => others |= 1 << place,
                }
            }
            for (((place, found), sought), key) in (0..).zip(found).zip(sought).zip(keys) {
                *found = match integers.confirm(sought) {
                    None if others >> place & 1 == 0 => self.find_elsewhere(sought)?,
                    None => self.find_any(key)?,
                    some => some,
                };
            }
        }
        Ok(out)
    }

    /// Finds a key of fixed length by its number, if it has one, and any other by itself.
    fn find_each<K>(
        &self,
        keys: &[K],
        find: impl Fn(&K) -> Result<Option<RowId>>,
        number: impl Fn(&K) -> Result<Option<u64>>,
    ) -> Result<Vec<Option<RowId>>> {
        if self.key_bytes == 0 {
            return keys.iter().map(find).collect();
        }
        let mut out = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_AT_ONCE) {
            let mut numbers = [None; KEYS_AT_ONCE];
            for (known, key) in numbers.iter_mut().zip(keys) {
                *known = number(key)?;
            }
            self.find_numbers(&numbers[..keys.len()], &mut out)?;
        }
        Ok(out)
    }

    /// Looks up at most [`KEYS_AT_ONCE`] keys, each step for all of them: none of a step's loads waits for another.
    fn find_numbers(&self, numbers: &[Option<u64>], out: &mut Vec<Option<RowId>>) -> Result<()> {
        let Some((largest, others)) = self.accesses.split_first() else {
            out.extend(numbers.iter().map(|_| None));
            return Ok(());
        };
        let mut glances = [(0, Glance::NOTHING); KEYS_AT_ONCE];
        for ((hash, glance), number) in glances.iter_mut().zip(numbers) {
            if let Some(number) = *number {
                *hash = unique::hash_number(number, self.key_bytes);
                if largest.spans(number) {
                    *glance = largest.glance(*hash);
                }
            }
        }
        let mut guesses = [Guess::Absent; KEYS_AT_ONCE];
        for ((guess, (_, glance)), number) in guesses.iter_mut().zip(&glances).zip(numbers) {
            if let Some(number) = *number
                && !glance.is_absent()
            {
                *guess = largest.guess(*glance, number);
            }
        }
        for ((guess, (hash, _)), number) in guesses.into_iter().zip(glances).zip(numbers) {
            let mut found = None;
            if let Some(number) = *number {
                found = self.confirm(largest, hash, number, guess)?;
                if found.is_none() && !others.is_empty() {
                    found = self.find_number_among(others, hash, number)?;
                }
            }
            out.push(found);
        }
        Ok(())
    }

    /// Returns the live record of a key, whatever its type; `None` if there is none.
    ///
    /// # Errors
    /// As [`Lookup::find`].
    pub fn record_by_key(&self, key: &(impl Key + ?Sized)) -> Result<Option<Record<'v>>> {
        match self.find(key)? {
            Some(row_id) => self.table.record(row_id).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the live record of a key as a value of a Rust type; `None` if there is none.
    ///
    /// # Errors
    /// As [`Lookup::find`] and [`Record::deserialize`].
    pub fn deserialize_by_key<T: Deserialize<'v>>(&self, key: &(impl Key + ?Sized)) -> Result<Option<T>> {
        match self.record_by_key(key)? {
            Some(record) => record.deserialize().map(Some),
            None => Ok(None),
        }
    }

    #[inline(never)]
    pub(crate) fn find_parts(&self, parts: &[KeyPart<'_>]) -> Result<Option<RowId>> {
        let key = self.table.key();
        match key.fixed_bytes() {
            Some(_) => match key.encode_number(parts)? {
                Some(number) => self.find_number(number),
                None => Ok(None),
            },
            None => self.find_long(parts),
        }
    }

    fn find_long(&self, parts: &[KeyPart<'_>]) -> Result<Option<RowId>> {
        let key = self.table.key();
        if let Some(encoded) = key.plain_bytes(parts) {
            return self.find_bytes(encoded);
        }
        let mut encoded = Vec::with_capacity(64);
        if key.encode(parts, &mut encoded)? { self.find_bytes(&encoded) } else { Ok(None) }
    }

    /// Returns the row id of the live record of an encoded key; `None` if there is none. See [`kapok_core::key`].
    ///
    /// # Errors
    /// `Corrupt` if a segment or its index is not as it must be.
    pub fn find_encoded(&self, encoded: &[u8]) -> Result<Option<RowId>> {
        let key = self.table.key();
        match key.fixed_bytes() {
            Some(key_bytes) if encoded.len() != key_bytes as usize => Ok(None),
            Some(_) => self.find_number(key.number(encoded)),
            None => self.find_bytes(encoded),
        }
    }

    /// Returns what [`Lookup::find_encoded`] returns for each of many encoded keys, in their order, as
    /// [`Lookup::find_many`] does it.
    ///
    /// # Errors
    /// As [`Lookup::find_encoded`].
    pub fn find_many_encoded(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Option<RowId>>> {
        let spec = self.table.key();
        let has_number = |key: &[u8]| key.len() == usize::from(self.key_bytes);
        let number = |key: &[u8]| Ok(has_number(key).then(|| spec.number(key)));
        self.find_each(keys, |key| self.find_bytes(key.as_ref()), |key| number(key.as_ref()))
    }

    /// Finds what [`Integers::confirm`] did not.
    #[inline(never)]
    fn find_elsewhere(&self, sought: Sought) -> Result<Option<RowId>> {
        let hash = unique::hash_number(sought.number, self.key_bytes);
        match (&self.integers, self.accesses) {
            (Some(integers), [_, others @ ..]) if integers.shows_none(sought, hash) => {
                if others.is_empty() {
                    Ok(None)
                } else {
                    self.find_number_among(others, hash, sought.number)
                }
            }
            _ => self.find_unconfirmed(hash, sought.number),
        }
    }

    #[inline]
    fn find_number(&self, number: u64) -> Result<Option<RowId>> {
        self.find_unconfirmed(unique::hash_number(number, self.key_bytes), number)
    }

    /// Searches the largest segment first: most keys are there.
    #[inline(never)]
    fn find_unconfirmed(&self, hash: u64, number: u64) -> Result<Option<RowId>> {
        let Some((largest, others)) = self.accesses.split_first() else { return Ok(None) };
        if let Some(row_id) = self.confirm(largest, hash, number, largest.look(hash, number))? {
            return Ok(Some(row_id));
        }
        if others.is_empty() { Ok(None) } else { self.find_number_among(others, hash, number) }
    }

    /// Glances at several indexes before it looks at what one of them shows, so that the processor waits for all of them at
    /// once, and foresees what comes next: few of them have anything to show.
    fn find_number_among(&self, accesses: &[Access], hash: u64, number: u64) -> Result<Option<RowId>> {
        for accesses in accesses.chunks(INDEXES_AT_ONCE) {
            let mut candidates = 0_u32;
            for (place, access) in (0..).zip(accesses) {
                candidates |= u32::from(access.integers.index.may_have(hash)) << place;
            }
            while let Some(access) = accesses.get(candidates.trailing_zeros() as usize) {
                candidates &= candidates - 1;
                if access.integers.index.may_have_behind(hash)
                    && let Some(row_id) = self.confirm(access, hash, number, access.look(hash, number))?
                {
                    return Ok(Some(row_id));
                }
            }
        }
        Ok(None)
    }

    /// Returns the row id of a key in one segment, if its row is there and live. `guess`: what the segment's index says of it.
    #[inline]
    fn confirm(&self, access: &Access, hash: u64, number: u64, guess: Guess) -> Result<Option<RowId>> {
        let row = match guess {
            Guess::Row(row) => row,
            Guess::Absent => return Ok(None),
            Guess::Unclear => match self.find_number_in(access, hash, number)? {
                Some(row) => row,
                None => return Ok(None),
            },
        };
        Ok(access.live(row))
    }

    /// Searches by the slow path: keys of several parts, no index, or a home group that does not decide.
    #[inline(never)]
    fn find_number_in(&self, access: &Access, hash: u64, number: u64) -> Result<Option<u32>> {
        let (segment, key) = (access.source.segment(), self.table.key());
        let number_of = |row| row::expect_row(segment, row).map(|row| key.row_number(row));
        match &access.index {
            Some(index) => index.probe(hash, |row| Ok(number_of(row)? == number)),
            None => bisect(segment, |row| Ok(number_of(row)?.cmp(&number))),
        }
    }

    fn find_bytes(&self, encoded: &[u8]) -> Result<Option<RowId>> {
        let key = self.table.key();
        let hash = unique::hash(encoded);
        for access in self.accesses {
            if encoded < access.first_key.as_slice() || encoded > access.last_key.as_slice() {
                continue;
            }
            let segment = access.source.segment();
            let found = if let Some(index) = &access.index {
                index.find_hashed(key, segment, hash, encoded, 0)?
            } else {
                let mut row_key = Vec::new();
                bisect(segment, |row| {
                    row::encode_row(key, segment, row, &mut row_key)?;
                    Ok(row_key.as_slice().cmp(encoded))
                })?
            };
            if let Some(row_id) = found.and_then(|row| access.live(row)) {
                return Ok(Some(row_id));
            }
        }
        Ok(None)
    }

    /// Checks everything that lookups rely on: rows in key order, first and last keys, indexes, one live row per key.
    pub(crate) fn verify(&self) -> Result<()> {
        let key = self.table.key();
        let mut encoded = Vec::new();
        for access in self.accesses {
            let segment = access.source.segment();
            access.verify(key, segment)?;
            for row in access.source.live_rows() {
                row::encode_row(key, segment, row, &mut encoded)?;
                if self.find_encoded(&encoded)? != Some(access.row_id(row)) {
                    let expected = format!("the only live row of key {}", key.describe(&encoded));
                    return Err(row::corrupt_row(segment, row, &expected, "another one in a later segment than"));
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Lookup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("table", self.table).finish_non_exhaustive()
    }
}

/// Returns the row for which `compare` finds its key equal, among rows in key order.
fn bisect(segment: &Segment, mut compare: impl FnMut(u32) -> Result<Ordering>) -> Result<Option<u32>> {
    let (mut low, mut high) = (0, segment.rows());
    while low < high {
        let middle = low.midpoint(high);
        match compare(middle)? {
            Ordering::Less => low = middle + 1,
            Ordering::Equal => return Ok(Some(middle)),
            Ordering::Greater => high = middle,
        }
    }
    Ok(None)
}

impl Access {
    pub(crate) fn open(
        key: &KeySpec,
        place: usize,
        entry: &SegmentEntry,
        source: &LiveSegment,
        index: Option<UniqueIndex>,
    ) -> Result<Self> {
        let segment = source.segment();
        let misfit = |bound: &[u8]| key.fixed_bytes().is_some_and(|len| len as usize != bound.len());
        if entry.rows > 0 && (misfit(&entry.first_key) || misfit(&entry.last_key) || entry.first_key > entry.last_key) {
            let found = format!("{:02x?} and {:02x?}", entry.first_key, entry.last_key);
            let subject = format!("manifest entry of {}", segment.name());
            return Err(Error::corrupt(subject, 0, "a first and a last key, in order", found));
        }
        let numbers = (key.number(&entry.first_key), key.number(&entry.last_key));
        let (first_key, last_key) = (entry.first_key.clone(), entry.last_key.clone());
        let integers =
            key.integer().zip(index.clone()).and_then(|(key, index)| IntegerColumn::new(key, segment, index));
        let integers = integers.unwrap_or_else(IntegerColumn::none);
        let (first_number, last_number) = numbers;
        let source = source.clone();
        Ok(Self { place, index, first_key, last_key, first_number, last_number, integers, source })
    }

    /// Returns what sorts the largest first, and the newest first among equals.
    pub(crate) fn search_order(&self) -> impl Ord + use<> {
        Reverse((self.source.segment().rows(), self.place))
    }

    #[inline]
    fn spans(&self, number: u64) -> bool {
        self.first_number <= number && number <= self.last_number
    }

    /// Returns what the segment shows of a key by itself.
    #[inline]
    fn look(&self, hash: u64, number: u64) -> Guess {
        if self.spans(number) { self.guess(self.glance(hash), number) } else { Guess::Absent }
    }

    /// Returns what the index shows for a hash, with one load from it and no branch on what is loaded.
    #[inline]
    fn glance(&self, hash: u64) -> Glance {
        self.integers.index.glance(hash)
    }

    /// Returns what a glance means for a key: the row's key is compared.
    #[inline]
    fn guess(&self, glance: Glance, number: u64) -> Guess {
        match self.integers.index.guess(glance) {
            Guess::Row(row) if self.integers.number(row) != Some(number) => Guess::Unclear,
            guess => guess,
        }
    }

    /// Returns the row id of a row that there is, if it is live.
    #[inline]
    fn live(&self, row: u32) -> Option<RowId> {
        (!self.source.is_dead(row)).then(|| self.row_id(row))
    }

    #[inline]
    fn row_id(&self, row: u32) -> RowId {
        self.source.mark().row_id(self.place, row)
    }

    fn verify(&self, key: &KeySpec, segment: &Segment) -> Result<()> {
        let (mut before, mut encoded) = (Vec::new(), Vec::new());
        for row in 0..segment.rows() {
            row::encode_row(key, segment, row, &mut encoded)?;
            if row == 0 && encoded != self.first_key || row + 1 == segment.rows() && encoded != self.last_key {
                let found = key.describe(&encoded);
                return Err(row::corrupt_row(segment, row, "the manifest's first and last key", &found));
            }
            if row > 0 && encoded <= before {
                let expected = format!("a key after {}", key.describe(&before));
                return Err(row::corrupt_row(segment, row, &expected, &key.describe(&encoded)));
            }
            std::mem::swap(&mut before, &mut encoded);
        }
        self.index.as_ref().map_or(Ok(()), |index| index.verify(key, segment))
    }
}
