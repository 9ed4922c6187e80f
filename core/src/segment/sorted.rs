//! Sorts staged records by key, and drops those that a version has already.
//!
//! [`Stage::sort`] puts records into key order and refuses duplicates. [`SortedStage::compare`] finds which of them a
//! table holds unchanged, so that only the others are written.

use std::cmp::Ordering;
use std::ops::Range;

use roaring::RoaringBitmap;

use super::baseline::UnchangedRun;
use super::live::LiveSegment;
use super::parallel::in_parallel;
use super::seal::{SealSettings, SealedSegment, Segments};
use super::stage::Stage;
use super::staged_keys::StagedKeys;
use crate::error::{Error, Result};
use crate::key::KeySpec;
use crate::words::StructRef;

/// Rows that one thread compares before it takes the next.
const ROWS_AT_ONCE: u32 = 1 << 16;

/// Staged records, or some of them, in key order, each key once.
#[derive(Debug)]
pub struct SortedStage {
    stage: Stage,
    order: Vec<u32>,
}

/// Difference of staged records from those of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// For each of the table's segments the rows that die: replaced or, if all records were staged, removed.
    pub dead: Vec<RoaringBitmap>,
    /// Records whose keys the table does not have.
    pub added: u64,
    /// Records that differ from the table's of the same key.
    pub updated: u64,
    /// Records of the table that were not staged.
    pub removed: u64,
    /// Records that the table has as they are.
    pub unchanged: u64,
}

/// Comparison of a staged row with the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RowStatus {
    Added,
    Updated,
    Unchanged,
}

impl Stage {
    /// Puts all records into key order.
    ///
    /// # Errors
    /// `DuplicateKey`, naming both positions; `KeysAlike`, naming both keys.
    pub fn sort(self) -> Result<SortedStage> {
        let rows = (0..self.row_count).collect();
        self.sort_rows(rows)
    }

    /// Puts some of the records into key order and leaves the others out; rows are counted as they were added.
    ///
    /// # Errors
    /// `DuplicateKey`, naming both positions; `KeysAlike`, naming both keys.
    pub fn sort_rows(mut self, rows: Vec<u32>) -> Result<SortedStage> {
        self.settle();
        let mut order = rows;
        let duplicate = match &self.keys {
            StagedKeys::Numbers(numbers) => {
                let number = |row: &u32| numbers[*row as usize];
                if !order.is_sorted_by_key(number) {
                    let mut pairs: Vec<(u64, u32)> = order.iter().map(|row| (number(row), *row)).collect();
                    // This sort makes use of what is in order already: the records of each writer.
                    pairs.sort_by_key(|pair| *pair);
                    order.iter_mut().zip(&pairs).for_each(|(to, (_, row))| *to = *row);
                }
                order.windows(2).find(|pair| number(&pair[0]) == number(&pair[1]))
            }
            keys @ StagedKeys::Bytes { .. } => {
                if !order.is_sorted_by(|a, b| keys.bytes(*a) <= keys.bytes(*b)) {
                    order.sort_by(|a, b| keys.bytes(*a).cmp(keys.bytes(*b)).then(a.cmp(b)));
                }
                order.windows(2).find(|pair| keys.bytes(pair[0]) == keys.bytes(pair[1]))
            }
        };
        if let Some(pair) = duplicate {
            return Err(self.same_key(pair[0], pair[1]));
        }
        Ok(SortedStage { stage: self, order })
    }

    /// Sorts the records by key and writes them into segments, one at each call of the iterator's `next`.
    ///
    /// # Errors
    /// `DuplicateKey`, naming both positions; from the iterator, for records beyond a limit of the encoding.
    pub fn seal(self, settings: SealSettings) -> Result<Segments> {
        Ok(self.sort()?.seal(settings))
    }

    /// Writes one record, counted as they were added, into a segment of its own: to read again what was staged.
    ///
    /// # Errors
    /// `Limit` for a record beyond a limit of the encoding.
    pub fn seal_row(&mut self, row: u32) -> Result<SealedSegment> {
        self.settle();
        self.write_segment(&[row])
    }

    /// Returns the encoded key of a row, counted as they were added.
    pub fn encoded_key(&self, row: u32) -> Vec<u8> {
        match (&self.keys, self.encoding.key.fixed_bytes()) {
            (StagedKeys::Numbers(numbers), Some(len)) => {
                numbers[row as usize].to_be_bytes()[8 - len as usize..].to_vec()
            }
            (keys, _) => keys.bytes(row).to_vec(),
        }
    }
}

impl SortedStage {
    /// Returns the number of staged records.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Iterates over the vector fields whose dimension is known, by name.
    pub fn dimensions(&self) -> impl Iterator<Item = (&str, u32)> {
        self.stage.dimensions()
    }

    /// Writes the records into segments, one at each call of the iterator's `next`.
    pub fn seal(self, settings: SealSettings) -> Segments {
        Segments::new(self.stage, self.order, settings)
    }

    /// Drops the records that `segments` hold unchanged, and returns how the others differ.
    ///
    /// The records are taken as all records of the type, so those that were not added count as removed. The segments must
    /// be of the same record type, of the same schema or an older one, and those that the stage was made
    /// [over](Stage::over), if any; `key` is their key.
    ///
    /// Stored words are compared: two records of equal value that revisions of the writer laid out differently count as
    /// different, which costs bytes and is otherwise harmless.
    ///
    /// # Errors
    /// `Corrupt` if a row of the table cannot be read. `DuplicateKey` if a record was added twice, and the first time as the
    /// table has it. `KeysAlike` as [`Stage::sort`].
    pub fn compare(&mut self, key: &KeySpec, segments: &[LiveSegment]) -> Result<Difference> {
        let unchanged = self.unchanged_by_segment(key, segments)?;
        let mut tasks = Vec::new();
        for (place, source) in segments.iter().enumerate() {
            let rows = source.segment().rows();
            tasks.extend((0..rows).step_by(ROWS_AT_ONCE as usize).map(|first| (place, source, first)));
        }
        let compared = in_parallel(tasks, |(place, source, first): (usize, &LiveSegment, u32)| -> Result<_> {
            let rows = first..first.saturating_add(ROWS_AT_ONCE).min(source.segment().rows());
            Ok((place, self.compare_rows(key, source, rows, &unchanged[place])?))
        });
        let mut statuses = vec![RowStatus::Added; self.order.len()];
        let mut out = Difference { dead: vec![RoaringBitmap::new(); segments.len()], ..Difference::default() };
        for chunk in compared {
            let (place, chunk) = chunk?;
            out.removed += chunk.removed;
            out.unchanged += chunk.unchanged;
            out.dead[place] |= chunk.dead;
            for (at, status) in chunk.found {
                statuses[at] = status;
            }
        }
        for status in &statuses {
            match status {
                RowStatus::Added => out.added += 1,
                RowStatus::Updated => out.updated += 1,
                RowStatus::Unchanged => out.unchanged += 1,
            }
        }
        let mut statuses = statuses.into_iter();
        self.order.retain(|_| statuses.next() != Some(RowStatus::Unchanged));
        Ok(out)
    }

    /// Stages the records after all that a stage [over](Stage::over) segments has left out.
    ///
    /// # Errors
    /// As [`Stage::add_struct`] and [`Stage::sort`].
    pub fn take_back(self) -> Result<Self> {
        let mut stage = self.stage;
        stage.take_back()?;
        stage.sort()
    }

    /// Returns the rows of each segment that records were equal to as they were added, in order.
    ///
    /// # Errors
    /// `DuplicateKey` if two records were equal to one row.
    fn unchanged_by_segment(&self, key: &KeySpec, segments: &[LiveSegment]) -> Result<Vec<Vec<&UnchangedRun>>> {
        let mut out = vec![Vec::new(); segments.len()];
        for run in &self.stage.unchanged {
            out[run.place].push(run);
        }
        for (runs, source) in out.iter_mut().zip(segments) {
            runs.sort_by_key(|run| run.rows.start);
            if let Some(pair) = runs.windows(2).find(|pair| pair[0].rows.end > pair[1].rows.start) {
                let row = pair[1].rows.start;
                let [first, second] = [pair[0], pair[1]].map(|run| (&run.source, run.position(row)));
                let (first, second) = (first.min(second), first.max(second));
                let [first, second] = [first, second].map(|(source, position)| format!("{source} {position}"));
                return Err(self.stage.same_key_as((key, source, row), None, first, second));
            }
        }
        Ok(out)
    }

    /// Merges a range of a segment's live rows with the staged ones, both in key order.
    fn compare_rows(
        &self,
        key: &KeySpec,
        source: &LiveSegment,
        rows: Range<u32>,
        unchanged: &[&UnchangedRun],
    ) -> Result<RowsDifference> {
        let segment = source.segment();
        let unreadable = |malformed: crate::words::Malformed| malformed.into_error(segment.name());
        let mut out = RowsDifference::default();
        let mut encoded = Vec::new();
        let mut at = 0;
        let mut find = |record: StructRef<'_>, at: &mut usize| -> Result<Option<u32>> {
            Ok(match &self.stage.keys {
                StagedKeys::Numbers(numbers) => {
                    let wanted = key.row_number(record);
                    self.advance(at, |row| numbers[row as usize].cmp(&wanted))
                }
                keys @ StagedKeys::Bytes { .. } => {
                    encoded.clear();
                    key.encode_row(record, &mut encoded).map_err(unreadable)?;
                    self.advance(at, |row| keys.bytes(row).cmp(&encoded))
                }
            })
        };
        let mut runs = unchanged[unchanged.partition_point(|run| run.rows.end <= rows.start)..].iter().peekable();
        let mut row = rows.start;
        while row < rows.end {
            if let Some(run) = runs.next_if(|run| run.rows.start <= row) {
                let end = run.rows.end.min(rows.end);
                // No staged record may have the key of such a row.
                let (mut from, mut to) = (at, at);
                for (row, at) in [(row, &mut from), (end - 1, &mut to)] {
                    if let Some(record) = segment.row(row)
                        && find(record, at)?.is_some()
                    {
                        return Err(self.staged_twice(key, source, run, row, *at));
                    }
                }
                if from < to {
                    let mut at = from;
                    for row in row..end {
                        if let Some(record) = segment.row(row)
                            && find(record, &mut at)?.is_some()
                        {
                            return Err(self.staged_twice(key, source, run, row, at));
                        }
                    }
                }
                at = to;
                out.unchanged += u64::from(end - row);
                row = end;
                continue;
            }
            let record = segment.row(row).filter(|_| source.is_live(row));
            row += 1;
            let Some(record) = record else { continue };
            match find(record, &mut at)? {
                Some(staged) if self.stage.row_equals(staged, record).map_err(unreadable)? => {
                    out.found.push((at, RowStatus::Unchanged));
                }
                Some(_) => {
                    out.found.push((at, RowStatus::Updated));
                    out.dead.insert(row - 1);
                }
                None => {
                    out.removed += 1;
                    out.dead.insert(row - 1);
                }
            }
        }
        Ok(out)
    }

    /// Makes the error of a staged record, by its place in the order, whose key is that of an unchanged row.
    #[cold]
    fn staged_twice(&self, key: &KeySpec, source: &LiveSegment, run: &UnchangedRun, row: u32, at: usize) -> Error {
        let staged = self.order[at];
        let left_out = format!("{} {}", run.source, run.position(row));
        let other = self.stage.describe_source(staged);
        // Of one writer the earlier one comes first.
        let is_later = self.stage.position_in(&run.source, staged).is_some_and(|position| position < run.position(row));
        let (first, second) = if is_later { (other, left_out) } else { (left_out, other) };
        self.stage.same_key_as((key, source, row), Some(staged), first, second)
    }

    /// Moves to the first staged row that is not less, in doubling steps; the row if it is equal.
    fn advance(&self, at: &mut usize, compare: impl Fn(u32) -> Ordering) -> Option<u32> {
        let less = |place: usize| self.order.get(place).is_some_and(|row| compare(*row) == Ordering::Less);
        if less(*at) {
            let mut step = 1;
            while less(*at + step) {
                *at += step;
                step *= 2;
            }
            let end = (*at + step).min(self.order.len());
            *at += self.order[*at..end].partition_point(|row| compare(*row) == Ordering::Less);
        }
        self.order.get(*at).copied().filter(|row| compare(*row) == Ordering::Equal)
    }
}

/// Difference of some rows of a segment from the staged ones.
#[derive(Default)]
struct RowsDifference {
    /// Places in the order of staged rows that the segment has a row for.
    found: Vec<(usize, RowStatus)>,
    dead: RoaringBitmap,
    removed: u64,
    /// Rows that were found equal as their records were added.
    unchanged: u64,
}
