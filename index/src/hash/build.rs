//! Builds the hash index of a segment, on all processors.
//!
//! Rows are taken in chunks of 65,536, which are the containers of Roaring bitmaps too: each chunk numbers its tuples and
//! sorts its rows by them. Then the chunks' tuples are joined in the order of their first rows.

use std::ops::Range;

use hashbrown::HashMap;
use kapok_core::paths::{NumberColumn, Paths};
use kapok_core::segment::{Segment, in_parallel};
use kapok_core::{Error, Result};

use super::dictionary::Dictionary;
use super::posting::LENGTH_BYTES;
use super::{GROUP, Locator, MAGIC, SLOT_BYTES, UNIT, fingerprint, home, packed, roaring};
use crate::artifact::{Binding, HEADER_BYTES, Header};
use crate::row::{IndexedRows, expect_row, unreadable};
use crate::tuple;

/// Rows of a chunk: those of a container.
pub(crate) const CHUNK_ROWS: u32 = 1 << 16;

/// Rows of one chunk that have one tuple, by their lower halves.
#[derive(Clone, Copy)]
pub(crate) struct Chunk<'p> {
    pub number: u16,
    pub rows: &'p [u16],
}

/// The tuples of one chunk, and the rows of each.
pub(crate) struct Part {
    pub(crate) tuples: Dictionary,
    /// Where the rows of each tuple begin, and the end of all.
    starts: Vec<u32>,
    rows: Vec<u16>,
}

/// Builds the index of a segment: a function of its rows and of the paths.
///
/// # Errors
/// `Corrupt` if a value cannot be read, `Invalid` if postings would take more than 16 GiB.
pub fn build(paths: &Paths, segment: &Segment, indexed: &IndexedRows, binding: &Binding) -> Result<Vec<u8>> {
    let rows = segment.rows();
    let chunks: Vec<u32> = (0..rows).step_by(CHUNK_ROWS as usize).collect();
    let parts = in_parallel(chunks, |first| {
        Part::of(paths, segment, first..first.saturating_add(CHUNK_ROWS).min(rows), indexed)
    });
    let parts = parts.into_iter().collect::<Result<Vec<_>>>()?;
    let joined = Joined::of(&parts);
    let groups = (joined.len() + joined.len() / 3 + 1).div_ceil(GROUP);
    let width = packed::width(rows);
    let header = Header { rows, word: width, numbers: [(groups * GROUP) as u64, joined.len() as u64] };
    let mut out = header.encode(MAGIC, binding).to_vec();
    let postings_at = HEADER_BYTES + groups * GROUP * SLOT_BYTES;
    out.resize(postings_at, 0);
    let mut used = vec![0_u8; groups];
    let mut chunks = Vec::new();
    for (hash, places) in joined.iter() {
        chunks.clear();
        chunks.extend(places.iter().map(|(part, tuple)| parts[*part as usize].chunk(*part, *tuple)));
        let locator = locate(&chunks, width, postings_at, &mut out)
            .ok_or_else(|| Error::invalid(segment.name(), "its hash index is too long"))?;
        let mut group = home(hash, groups);
        // Ends, since there are more slots than tuples.
        while usize::from(used[group]) == GROUP {
            group = if group + 1 == groups { 0 } else { group + 1 };
        }
        let at = HEADER_BYTES + (group * GROUP + usize::from(used[group])) * SLOT_BYTES;
        used[group] += 1;
        let slot = u64::from(fingerprint(hash)) << 32 | u64::from(locator.encode());
        out[at..at + SLOT_BYTES].copy_from_slice(&slot.to_le_bytes());
    }
    Ok(out)
}

/// Returns where some rows are: if they are several, in a posting that is appended. `None` if postings would take more than
/// 16 GiB.
pub(crate) fn locate(chunks: &[Chunk<'_>], width: u32, postings_at: usize, out: &mut Vec<u8>) -> Option<Locator> {
    if let [Chunk { number, rows: [row] }] = chunks {
        return Some(Locator::Row(u32::from(*number) << 16 | u32::from(*row)));
    }
    let unit = u32::try_from((out.len() - postings_at) / UNIT).ok().filter(|unit| *unit < u32::MAX >> 1)?;
    write_posting(chunks, width, out);
    Some(Locator::Posting(unit))
}

/// Appends a posting, in the shorter of its two forms.
fn write_posting(chunks: &[Chunk<'_>], width: u32, out: &mut Vec<u8>) {
    let lens = || chunks.iter().map(|chunk| u32::try_from(chunk.rows.len()).unwrap_or(CHUNK_ROWS));
    let count: u32 = lens().sum();
    let roaring_len = roaring::len(lens());
    let is_roaring = packed::len(count, width) > LENGTH_BYTES + roaring_len;
    out.extend_from_slice(&(count << 1 | u32::from(is_roaring)).to_le_bytes());
    if is_roaring {
        out.extend_from_slice(&u32::try_from(roaring_len).unwrap_or(u32::MAX).to_le_bytes());
        roaring::encode(chunks, out);
    } else {
        let row = |chunk: &Chunk<'_>, low: u16| u32::from(chunk.number) << 16 | u32::from(low);
        let rows = chunks.iter().flat_map(|chunk| chunk.rows.iter().map(move |low| row(chunk, *low)));
        packed::encode(rows, width, out);
    }
    out.resize(out.len().next_multiple_of(UNIT), 0);
}

impl Part {
    fn of(paths: &Paths, segment: &Segment, rows: Range<u32>, indexed: &IndexedRows) -> Result<Self> {
        let mut pairs = Pairs::with_room(rows.len());
        let mut encoded = Vec::new();
        let decided = DecidedBy::of(paths, segment);
        // What the tuples are that a number decides, as a range of `numbers`.
        let mut known: HashMap<u64, (u32, u32)> = HashMap::new();
        let mut numbers: Vec<u32> = Vec::new();
        for row in rows.filter(|row| indexed.contains(*row)) {
            #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
            let low = row as u16;
            let decider = decided.number(segment, row);
            if let Some((from, to)) = decider.and_then(|decider| known.get(&decider).copied()) {
                numbers[from as usize..to as usize].iter().for_each(|number| pairs.push(*number, low));
                continue;
            }
            let at = expect_row(segment, row)?;
            let from = numbers.len();
            paths
                .for_each(at, |values| {
                    encoded.clear();
                    tuple::encode(values, &mut encoded);
                    let number = pairs.tuples.number(&encoded);
                    if !numbers[from..].contains(&number) || numbers.len() - from > FEW {
                        numbers.push(number);
                    }
                    Ok(())
                })
                .map_err(|malformed| unreadable(segment, malformed))?;
            if numbers.len() - from > FEW {
                let mut all = numbers.split_off(from);
                all.sort_unstable();
                all.dedup();
                numbers.extend(all);
            }
            numbers[from..].iter().for_each(|number| pairs.push(*number, low));
            match decider {
                Some(decider) => {
                    let end = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
                    known.insert(decider, (end(from), end(numbers.len())));
                }
                None => numbers.truncate(from),
            }
        }
        Ok(pairs.sorted())
    }

    /// Returns the rows of a tuple.
    pub(crate) fn chunk(&self, part: u32, tuple: u32) -> Chunk<'_> {
        let (from, to) = (self.starts[tuple as usize], self.starts[tuple as usize + 1]);
        #[expect(clippy::cast_possible_truncation, reason = "a segment has at most 2^29 rows, so 2^13 chunks")]
        Chunk { number: part as u16, rows: &self.rows[from as usize..to as usize] }
    }
}

/// What alone decides the tuples of a row, so that those of rows alike are read once.
enum DecidedBy<'v> {
    /// A number that lies in the row itself.
    Number(NumberColumn<'v>),
    /// The object that a pointer aims at.
    Object(u32),
    Nothing,
}

impl<'v> DecidedBy<'v> {
    fn of(paths: &Paths, segment: &'v Segment) -> Self {
        match paths.only_pointer() {
            Some(slot) => Self::Object(slot),
            None if paths.len() == 1 && !paths.is_many() => {
                paths.number_column(0, segment).map_or(Self::Nothing, Self::Number)
            }
            None => Self::Nothing,
        }
    }

    /// Returns a number that rows of other tuples do not have; `None` if there is no such number.
    #[inline]
    fn number(&self, segment: &Segment, row: u32) -> Option<u64> {
        match self {
            Self::Number(column) => column.bits(row),
            Self::Object(slot) => Some(segment.row(row)?.object_number(*slot)),
            Self::Nothing => None,
        }
    }
}

/// Tuples of a record that are compared one by one; more are sorted.
const FEW: usize = 16;

/// Tuples and the rows that have them, in the order of rows.
#[derive(Default)]
pub(crate) struct Pairs {
    pub(crate) tuples: Dictionary,
    numbers: Vec<u32>,
    rows: Vec<u16>,
}

impl Pairs {
    fn with_room(count: usize) -> Self {
        Self { tuples: Dictionary::default(), numbers: Vec::with_capacity(count), rows: Vec::with_capacity(count) }
    }

    #[inline]
    fn push(&mut self, number: u32, row: u16) {
        self.numbers.push(number);
        self.rows.push(row);
    }

    pub(crate) fn push_all(&mut self, numbers: &[u32], row: u16) {
        self.numbers.extend_from_slice(numbers);
        self.rows.resize(self.numbers.len(), row);
    }

    /// Sorts the rows by their tuples.
    pub(crate) fn sorted(self) -> Part {
        let mut starts = vec![0_u32; self.tuples.len() + 1];
        for number in &self.numbers {
            starts[*number as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; self.rows.len()];
        for (number, row) in self.numbers.iter().zip(&self.rows) {
            let at = &mut next[*number as usize];
            rows[*at as usize] = *row;
            *at += 1;
        }
        Part { tuples: self.tuples, starts, rows }
    }
}

/// The tuples of all parts, each once, in the order of their first rows.
pub(crate) struct Joined {
    all: Dictionary,
    /// Where the places of each tuple begin, and the end of all.
    starts: Vec<u32>,
    /// Part and number in it, by part.
    places: Vec<(u32, u32)>,
}

impl Joined {
    pub(crate) fn of(parts: &[Part]) -> Self {
        let mut all = Dictionary::default();
        let mut numbers = Vec::new();
        for part in parts {
            numbers.extend(part.tuples.iter().map(|(encoded, hash)| all.number_hashed(encoded, hash)));
        }
        let mut starts = vec![0_u32; all.len() + 1];
        for number in &numbers {
            starts[*number as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut places = vec![(0, 0); numbers.len()];
        let owners =
            (0..).zip(parts).flat_map(|(part, it)| (0..).zip(0..it.tuples.len()).map(move |(at, _)| (part, at)));
        for (number, place) in numbers.iter().zip(owners) {
            let at = &mut next[*number as usize];
            places[*at as usize] = place;
            *at += 1;
        }
        Self { all, starts, places }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns a tuple.
    pub(crate) fn tuple(&self, number: u32) -> &[u8] {
        self.all.get(number)
    }

    /// Returns the parts that have a tuple, and its number in each.
    pub(crate) fn places(&self, number: usize) -> &[(u32, u32)] {
        &self.places[self.starts[number] as usize..self.starts[number + 1] as usize]
    }

    /// Iterates over the tuples: the hash of each, and the parts that have it.
    fn iter(&self) -> impl Iterator<Item = (u64, &[(u32, u32)])> {
        (0..self.len()).map(|number| (self.all.hash(number), self.places(number)))
    }
}
