//! Rows of the version before, with which records are compared as they are staged.
//!
//! A cursor in each segment follows the keys of the records, so this is for records in the order of their keys. What comes
//! out of order, or is new or changed, is staged like any other record; if there is little else, comparing pauses.

use std::cmp::Ordering;
use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;

use super::Segment;
use super::live::LiveSegment;
use super::same::is_same;
use super::stage::Encoding;
use crate::key::KeySpec;
use crate::words::{Read, StructRef};

/// Records in a row that are not left out before comparing pauses.
const PATIENCE: u32 = 32;
/// Rows whose objects are loaded into the cache at once.
const ROWS_AT_ONCE: u32 = 64;
/// Records of the shortest and of the longest pause.
const PAUSE: Range<u32> = 256..1 << 16;

/// Rows of the version before, and how far the records have come in them.
#[derive(Debug)]
pub(super) struct Baseline {
    encoding: Encoding,
    key: KeySpec,
    cursors: Vec<Cursor>,
    /// Key of the record at hand.
    wanted: SortedKey,
    /// Key of the last record that was looked for.
    last: SortedKey,
    pace: Pace,
}

/// Rows of one segment that records were equal to.
#[derive(Clone, Debug)]
pub(super) struct UnchangedRun {
    /// Place of the segment.
    pub place: usize,
    pub rows: Range<u32>,
    /// Where the records came from; they count up from the position.
    pub source: Arc<str>,
    pub first_position: u64,
}

/// The first row of a segment whose key is not less than those of the records so far.
#[derive(Debug)]
struct Cursor {
    source: LiveSegment,
    row: u32,
    /// Key of the row; not used behind the last row.
    key: SortedKey,
    /// The objects of the rows before this one were loaded into the cache.
    touched: u32,
}

/// A key that compares quickly: most keys differ in their first bytes.
#[derive(Clone, Debug, Default)]
struct SortedKey {
    /// The number of a key of fixed length, or the first eight bytes.
    head: u64,
    /// All of a key that is not of fixed length.
    bytes: Vec<u8>,
}

/// Whether it pays to compare the next record.
#[derive(Debug)]
struct Pace {
    /// Records that may still be staged in a row.
    patience: u32,
    /// Records left out since the last pause.
    left_out: u32,
    /// Records of the pause that are to come.
    paused: u32,
    next_pause: u32,
}

impl Baseline {
    pub(super) fn new(encoding: &Encoding, key: &KeySpec, segments: &[LiveSegment]) -> Self {
        let cursor =
            |source: &LiveSegment| Cursor { source: source.clone(), row: 0, key: SortedKey::default(), touched: 0 };
        Self {
            encoding: encoding.clone(),
            key: key.clone(),
            cursors: segments.iter().map(cursor).collect(),
            wanted: SortedKey::default(),
            last: SortedKey::default(),
            pace: Pace { patience: PATIENCE, left_out: 0, paused: 1, next_pause: PAUSE.start },
        }
    }

    /// Returns the segment at a place.
    pub(super) fn segment(&self, place: usize) -> &Segment {
        self.cursors[place].source.segment()
    }

    /// Returns the place of a live row that is as this record: its segment's, and its own. `None` if there is none, and
    /// for what cannot be read: whoever stages or compares it next says why.
    #[inline]
    pub(super) fn find_equal(&mut self, record: StructRef<'_>) -> Option<(usize, u32)> {
        if self.pace.paused > 1 {
            self.pace.paused -= 1;
            return None;
        }
        let found = self.look_for(record).ok().flatten();
        self.pace.count(found.is_some());
        found
    }

    fn look_for(&mut self, record: StructRef<'_>) -> Read<Option<(usize, u32)>> {
        let Self { encoding, key, cursors, wanted, last, pace } = self;
        if !wanted.set(&encoding.key, record)? {
            return Ok(None);
        }
        if pace.paused > 0 {
            // Behind a pause the record may be anywhere.
            pace.paused = 0;
            for cursor in cursors.iter_mut() {
                cursor.rewind(key)?;
            }
        } else if wanted <= last {
            return Ok(None);
        }
        last.copy_from(wanted);
        let mut found = None;
        for (place, cursor) in cursors.iter_mut().enumerate() {
            if cursor.advance(key, wanted)? {
                found = Some((place, cursor.row));
            }
        }
        let Some((place, row)) = found else { return Ok(None) };
        cursors[place].touch();
        let Some(before) = cursors[place].source.segment().row(row) else { return Ok(None) };
        Ok(is_same(&encoding.plan, record, before)?.then_some((place, row)))
    }
}

impl Cursor {
    /// Returns to the first row.
    fn rewind(&mut self, spec: &KeySpec) -> Read<()> {
        (self.row, self.touched) = (0, 0);
        self.read_key(spec, 0)
    }

    /// Loads what the row and those behind it point at into the cache, if nobody has: the loads overlap.
    #[inline]
    fn touch(&mut self) {
        if self.row < self.touched {
            return;
        }
        self.touched = self.row.saturating_add(ROWS_AT_ONCE);
        let segment = self.source.segment();
        let mut sum = 0;
        for row in (self.row..self.touched).map_while(|row| segment.row(row)) {
            for at in (0..u32::from(row.pointer_count())).filter_map(|slot| row.pointer_at(slot)) {
                sum ^= row.words().aimed_at(at);
            }
        }
        black_box(sum);
    }

    fn rows(&self) -> u32 {
        self.source.segment().rows()
    }

    fn read_key(&mut self, spec: &KeySpec, row: u32) -> Read<()> {
        if let Some(at) = self.source.segment().row(row) {
            self.key.set(spec, at)?;
        }
        Ok(())
    }

    /// Moves to the first row whose key is not less than the wanted one, in doubling steps; whether it is equal and lives.
    fn advance(&mut self, spec: &KeySpec, wanted: &SortedKey) -> Read<bool> {
        if self.row >= self.rows() {
            return Ok(false);
        }
        if self.key < *wanted {
            let (mut less, mut step) = (self.row, 1);
            // The first row beyond `less` that may not be less.
            let mut end = loop {
                let next = less.saturating_add(step);
                if next >= self.rows() {
                    break self.rows();
                }
                self.read_key(spec, next)?;
                if self.key >= *wanted {
                    break next;
                }
                (less, step) = (next, step.saturating_mul(2));
            };
            let mut at_end = true;
            while less + 1 < end {
                let middle = less + (end - less) / 2;
                self.read_key(spec, middle)?;
                at_end = self.key >= *wanted;
                if at_end {
                    end = middle;
                } else {
                    less = middle;
                }
            }
            self.row = end;
            if !at_end || end == self.rows() {
                self.read_key(spec, end)?;
            }
        }
        Ok(self.row < self.rows() && self.key == *wanted && self.source.is_live(self.row))
    }
}

impl Ord for SortedKey {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match self.head.cmp(&other.head) {
            // Keys of fixed length have no bytes.
            Ordering::Equal if self.bytes.len() | other.bytes.len() > 0 => self.bytes.cmp(&other.bytes),
            ordering => ordering,
        }
    }
}

impl PartialOrd for SortedKey {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortedKey {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SortedKey {}

impl SortedKey {
    fn copy_from(&mut self, other: &Self) {
        self.head = other.head;
        self.bytes.clone_from(&other.bytes);
    }

    /// Takes the key of a record; false if a part is null.
    #[inline]
    fn set(&mut self, spec: &KeySpec, record: StructRef<'_>) -> Read<bool> {
        if spec.fixed_bytes().is_some() {
            self.head = spec.row_number(record);
            return Ok(true);
        }
        self.bytes.clear();
        let is_whole = spec.encode_row(record, &mut self.bytes)?;
        let mut head = [0; 8];
        let len = self.bytes.len().min(head.len());
        head[..len].copy_from_slice(&self.bytes[..len]);
        self.head = u64::from_be_bytes(head);
        Ok(is_whole)
    }
}

impl Pace {
    fn count(&mut self, is_left_out: bool) {
        if is_left_out {
            self.patience = PATIENCE;
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.patience -= 1;
        if self.patience == 0 {
            // Longer from time to time, if nothing was gained between.
            let gained = self.left_out >= PATIENCE;
            self.next_pause = if gained { PAUSE.start } else { (self.next_pause * 2).min(PAUSE.end) };
            *self = Self { patience: PATIENCE, left_out: 0, paused: self.next_pause, next_pause: self.next_pause };
        }
    }
}

impl UnchangedRun {
    /// Returns whether a row and its record come next.
    pub(super) fn continues(&self, place: usize, row: u32, source: Option<&Arc<str>>, position: u64) -> bool {
        self.place == place
            && self.rows.end == row
            && source.is_none_or(|source| Arc::ptr_eq(source, &self.source))
            && self.first_position + u64::from(self.rows.end - self.rows.start) == position
    }

    /// Returns the position of a row's record.
    pub(super) fn position(&self, row: u32) -> u64 {
        self.first_position + u64::from(row - self.rows.start)
    }
}
