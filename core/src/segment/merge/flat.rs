//! A field of a merge whose objects stand in the segments as they will stand in the merged one: texts, data, lists of numbers.
//!
//! They are compared where they are, and copied when the merged segment is written. Each row keeps the place of its object.

use std::collections::HashMap;
use std::ops::Range;

use super::super::column::{BATCH, ObjectId, aim, hash, list_shape};
use super::super::copy_plan::Target;
use super::super::frame::ITEMS_AT_ONCE;
use super::super::object_table::ObjectTable;
use super::field_place::FieldPlace;
use super::rows::{MergedRow, MergedRows};
use crate::words::{ElementSize, Malformed, Read, WORD, Words, check_text};

/// Objects of more bytes are known again by where they lie, not by their bytes.
const LONG_BYTES: usize = 1 << 10;

/// Bits of a pointer's offset.
const OFFSET: u64 = 0xffff_fffc;

/// Place of a null pointer.
const UNPLACED: u32 = u32::MAX;

/// The objects of a field: what stands where.
pub(super) struct FlatObjects {
    /// Word at which each row's object stands, relative to the extent.
    places: Vec<u32>,
    /// Words before the first object that is new at each [`ITEMS_AT_ONCE`]th row.
    part_places: Vec<u64>,
    pub words: u64,
}

/// An object where it lies.
#[derive(Clone, Copy)]
struct FlatObject<'s> {
    /// The pointer to it, but for the offset.
    shape: u64,
    bytes: &'s [u8],
}

/// What the pointers of a field look like.
struct Survey {
    /// Pointers that aim behind all those before them in their segment: each at another object.
    firsts: usize,
    /// Whether there are others.
    has_others: bool,
}

/// Returns whether the objects of a field are flat.
pub(super) fn is_flat(target: &Target) -> bool {
    // Behind the last bit of a list there may be others.
    matches!(target, Target::Text | Target::Data)
        || matches!(target, Target::Scalars(size) if *size != ElementSize::Bit)
}

impl FlatObjects {
    /// Places each object once, if `is_shared`, else as often as rows point at it.
    ///
    /// `None` if rows of a segment share objects though they are not to.
    pub(super) fn new(rows: &MergedRows<'_>, place: &FieldPlace<'_>, is_shared: bool) -> Read<Option<Self>> {
        let survey = Survey::new(rows, place);
        if !is_shared && survey.has_others {
            return Ok(None);
        }
        let mut out = Self { places: Vec::with_capacity(rows.len()), part_places: Vec::new(), words: 0 };
        let mut known = KnownObjects::new(rows, place, is_shared.then_some(survey.firsts))?;
        for first in (0..rows.len()).step_by(BATCH) {
            if first.is_multiple_of(ITEMS_AT_ONCE) {
                out.part_places.push(out.words);
            }
            known.read(first..rows.len().min(first + BATCH))?;
            for index in 0..known.batch.len() {
                let found = known.find_or_add(first + index, index);
                out.push(found);
            }
        }
        Ok(Some(out))
    }

    fn push(&mut self, found: Found) {
        self.places.push(match found {
            Found::Null => UNPLACED,
            Found::As(row) => self.places[row],
            Found::New { words } => {
                // Past 2^32 words the layout is refused before any place is used.
                let place = u32::try_from(self.words).unwrap_or(UNPLACED - 1);
                self.words += words;
                place
            }
        });
    }

    /// Returns the pointer word at `from` that aims at a row's object, which the pointer in its segment aims at; the extent begins
    /// at `start`.
    #[inline]
    pub(super) fn pointer(&self, at: usize, (words, word): (Words<'_>, u32), from: u32, start: u32) -> u64 {
        let place = self.places[at];
        if place == UNPLACED {
            return 0;
        }
        let shape = words.word(word).unwrap_or(0) & !OFFSET;
        aim(shape, words_of(shape), from, start + place)
    }

    /// Returns the word of the extent at which the objects that are new from a row on begin; a row at which a part begins.
    pub(super) fn part_place(&self, at: usize) -> usize {
        let place = self.part_places.get(at / ITEMS_AT_ONCE).copied().filter(|_| at < self.places.len());
        usize::try_from(place.unwrap_or(self.words)).unwrap_or(usize::MAX)
    }

    /// Writes the objects that are new at some rows.
    pub(super) fn write(
        &self,
        rows: &MergedRows<'_>,
        place: &FieldPlace<'_>,
        part: Range<usize>,
        out: &mut [u8],
    ) -> Read<()> {
        let first = self.part_place(part.start);
        let mut next = 0;
        for at in part {
            // Those that stand further in front are there already.
            if self.places[at] as usize != first + next / WORD {
                continue;
            }
            let record = rows.get(at).record;
            let Some(word) = place.word(record) else { continue };
            if let Some(object) = FlatObject::read_again(&place.pointer.target, record.words(), word)? {
                let Some(out) = out.get_mut(next..next + object.bytes.len()) else {
                    return Err(Malformed { word, expected: "the object that was here a moment ago" });
                };
                out.copy_from_slice(object.bytes);
                next += object.bytes.len().next_multiple_of(WORD);
            }
        }
        debug_assert_eq!(next, out.len(), "bytes of the part");
        Ok(())
    }
}

/// Returns the words that a pointer to a list of numbers or bytes aims at.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "at most 2^29 elements of 8 bytes")]
fn words_of(shape: u64) -> u32 {
    let bits = match (shape >> 32) & 7 {
        0 => 0,
        2 => 8,
        3 => 16,
        4 => 32,
        _ => 64,
    };
    ((shape >> 35) * bits).div_ceil(64) as u32
}

impl Survey {
    fn new(rows: &MergedRows<'_>, place: &FieldPlace<'_>) -> Self {
        let mut out = Self { firsts: 0, has_others: false };
        let mut highest = vec![0; rows.inputs()];
        for at in 0..rows.len() {
            let MergedRow { input, record, .. } = rows.get(at);
            if place.word(record).is_none() {
                continue;
            }
            let number = record.object_number(u32::from(place.pointer.slot));
            // Of no elements: it aims anywhere.
            if number >> 35 == 0 {
                continue;
            }
            let target = number & 0xffff_ffff;
            if target > highest[input] {
                highest[input] = target;
                out.firsts += 1;
            } else {
                out.has_others = true;
            }
        }
        out
    }
}

impl<'s> FlatObject<'s> {
    /// Reads the object that a pointer aims at, and checks that a text is one.
    #[inline]
    fn read(target: &Target, words: Words<'s>, word: u32) -> Read<Option<Self>> {
        let object = Self::read_again(target, words, word)?;
        if let (Target::Text, Some(text)) = (target, object) {
            check_text(word, text.bytes)?;
        }
        Ok(object)
    }

    /// Reads an object that was checked.
    #[inline]
    fn read_again(target: &Target, words: Words<'s>, word: u32) -> Read<Option<Self>> {
        Ok(match target {
            Target::Scalars(size) => words
                .list_of(word, *size)?
                .map(|list| Self { shape: list_shape(*size, u64::from(list.len())), bytes: list.bytes() }),
            _ => words
                .data_of(word)?
                .map(|bytes| Self { shape: list_shape(ElementSize::Byte, bytes.len() as u64), bytes }),
        })
    }

    fn is(&self, other: &FlatObject<'_>) -> bool {
        self.shape == other.shape && self.bytes == other.bytes
    }

    fn hash(&self) -> u32 {
        hash(self.shape, self.bytes)
    }

    fn words(&self) -> u64 {
        self.bytes.len().div_ceil(WORD) as u64
    }
}

/// Objects that rows have already, by their values.
struct KnownObjects<'r, 's, 'p> {
    rows: &'r MergedRows<'s>,
    place: &'r FieldPlace<'p>,
    default: Option<FlatObject<'p>>,
    /// 1 + the first row that has the object; `None` if each row has its own.
    table: Option<ObjectTable>,
    /// First rows that have long objects, by the input and what tells these from others of their segment.
    long: HashMap<(usize, u64), usize>,
    batch: Vec<Entry<'s>>,
    /// Of the batch.
    hashes: Vec<u32>,
}

/// A row's object, as far as it is known before others are looked at.
#[derive(Clone, Copy)]
enum Entry<'s> {
    Null,
    /// That of this row.
    As(usize),
    Object(FlatObject<'s>),
}

/// What came of it.
#[derive(Clone, Copy)]
enum Found {
    Null,
    /// Equal to that of this row.
    As(usize),
    New {
        words: u64,
    },
}

impl<'r, 's, 'p> KnownObjects<'r, 's, 'p> {
    fn new(rows: &'r MergedRows<'s>, place: &'r FieldPlace<'p>, shared: Option<usize>) -> Read<Self> {
        let default = match &place.pointer.default {
            Some(default) => FlatObject::read(&place.pointer.target, Words::new(default), 0)?,
            None => None,
        };
        let table = shared.map(ObjectTable::with_room);
        let (batch, hashes) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        Ok(Self { rows, place, default, table, long: HashMap::new(), batch, hashes })
    }

    /// Reads the objects of some rows, and loads what they are looked up in.
    fn read(&mut self, rows: Range<usize>) -> Read<()> {
        self.batch.clear();
        self.hashes.clear();
        for at in rows {
            let entry = self.entry(at)?;
            self.batch.push(entry);
            self.hashes.push(match entry {
                Entry::Object(object) if self.table.is_some() => object.hash(),
                _ => 0,
            });
        }
        if let Some(table) = &mut self.table {
            table.reserve(self.batch.len());
            table.touch(&self.hashes);
        }
        Ok(())
    }

    fn entry(&self, at: usize) -> Read<Entry<'s>> {
        let row = self.rows.get(at);
        let Some(word) = self.place.word(row.record) else { return Ok(Entry::Null) };
        if !self.long.is_empty()
            && let Some(row) = self.long.get(&self.long_key(row))
        {
            return Ok(Entry::As(*row));
        }
        Ok(match FlatObject::read(&self.place.pointer.target, row.record.words(), word)? {
            Some(object) if self.default.is_none_or(|default| !object.is(&default)) => Entry::Object(object),
            _ => Entry::Null,
        })
    }

    /// Finds the first row that has the object of a row, by its place in the batch.
    fn find_or_add(&mut self, at: usize, index: usize) -> Found {
        let object = match self.batch[index] {
            Entry::Null => return Found::Null,
            Entry::As(row) => return Found::As(row),
            Entry::Object(object) => object,
        };
        let new = Found::New { words: object.words() };
        let Some(table) = &mut self.table else { return new };
        let (rows, place) = (self.rows, self.place);
        let is_equal = |id: ObjectId| {
            let record = rows.get(id as usize - 1).record;
            let word = place.word(record).unwrap_or(0);
            let other = FlatObject::read_again(&place.pointer.target, record.words(), word);
            other.is_ok_and(|other| other.is_some_and(|other| other.is(&object)))
        };
        let hash = self.hashes[index];
        let found = match table.find(hash, is_equal) {
            Ok(id) => Found::As(id as usize - 1),
            Err(free) => {
                table.put(free, hash, ObjectId::try_from(at + 1).unwrap_or(ObjectId::MAX));
                new
            }
        };
        if object.bytes.len() > LONG_BYTES {
            let first = if let Found::As(row) = found { row } else { at };
            self.long.insert(self.long_key(rows.get(at)), first);
        }
        found
    }

    fn long_key(&self, row: MergedRow<'_>) -> (usize, u64) {
        (row.input, row.record.object_number(u32::from(self.place.pointer.slot)))
    }
}
