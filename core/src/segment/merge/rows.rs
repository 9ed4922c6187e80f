//! The rows of a merge in the order of their keys.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::super::Segment;
use super::super::column::{Interning, LIST_MAX};
use super::super::copy::unreadable;
use super::super::stage::{Encoding, Stage};
use super::MergeInput;
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::words::StructRef;

/// Rows of several segments in the order of their keys, each key once.
pub(super) struct MergedRows<'s> {
    segments: Vec<&'s Segment>,
    /// Number of each segment's first row, if the rows of all segments are counted through.
    first: Vec<u32>,
    /// Numbers of the rows that are merged.
    order: Vec<u32>,
}

/// A row of a merge.
#[derive(Clone, Copy)]
pub(super) struct MergedRow<'s> {
    /// Place of its segment among the inputs.
    pub input: usize,
    /// Its place in that segment.
    pub row: u32,
    pub record: StructRef<'s>,
}

impl<'s> MergedRows<'s> {
    /// # Errors
    /// `DuplicateKey`, `KeysAlike`; `Invalid` if a key cannot be read or no rows are left.
    pub(super) fn new(encoding: &Encoding, inputs: &[MergeInput<'s>]) -> Result<Self> {
        let limit = |needed: u64| {
            let subject = encoding.record_type.to_string();
            Error::from(Fault::Limit { subject, limit: "records staged at once", allowed: LIST_MAX, needed })
        };
        let (mut first, mut all, mut kept) = (Vec::new(), 0_u64, 0);
        for input in inputs {
            first.push(u32::try_from(all).map_err(|_| limit(all))?);
            all += u64::from(input.segment.rows());
            kept += u64::from(input.segment.rows()).saturating_sub(input.dropped.map_or(0, RoaringBitmap::len));
        }
        if kept > LIST_MAX || u32::try_from(all).is_err() {
            return Err(limit(kept.max(LIST_MAX + 1)));
        }
        let order = Vec::with_capacity(usize::try_from(kept).unwrap_or(0));
        let mut out = Self { segments: inputs.iter().map(|input| input.segment).collect(), first, order };
        if encoding.key.fixed_bytes().is_some() {
            out.put_in_order(encoding, inputs, |record, number: &mut u64| {
                *number = encoding.key.row_number(record);
                Ok(())
            })?;
        } else {
            out.put_in_order(encoding, inputs, |record, key: &mut Vec<u8>| {
                key.clear();
                encode(encoding, record, key)
            })?;
        }
        if out.order.is_empty() { Err(Error::invalid("merge", "no rows are left")) } else { Ok(out) }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns the number of segments.
    pub(super) fn inputs(&self) -> usize {
        self.segments.len()
    }

    /// Returns the row at a place.
    #[inline]
    pub(super) fn get(&self, at: usize) -> MergedRow<'s> {
        self.numbered(self.order[at])
    }

    /// Returns the encoded key of the row at a place.
    pub(super) fn encoded_key(&self, encoding: &Encoding, at: usize) -> Result<Vec<u8>> {
        let mut key = Vec::new();
        encode(encoding, self.get(at).record, &mut key)?;
        Ok(key)
    }

    #[inline]
    fn numbered(&self, number: u32) -> MergedRow<'s> {
        let input = self.first.partition_point(|first| *first <= number) - 1;
        let row = number - self.first[input];
        // Opening a segment has checked that all its rows are in it.
        MergedRow { input, row, record: self.segments[input].row(row).unwrap_or_else(StructRef::empty) }
    }

    /// Finds the order, in which equal keys are refused. Rows of a segment are in it, as a rule.
    fn put_in_order<K: Ord + Default>(
        &mut self,
        encoding: &Encoding,
        inputs: &[MergeInput<'s>],
        read_key: impl Fn(StructRef<'s>, &mut K) -> Result<()>,
    ) -> Result<()> {
        let mut heads = BinaryHeap::new();
        for (place, input) in inputs.iter().enumerate() {
            let mut numbers = KeptRows { next: self.first[place], row: 0, input };
            if let Some(number) = numbers.next() {
                let mut key = K::default();
                read_key(self.numbered(number).record, &mut key)?;
                heads.push(Head { key, number, numbers });
            }
        }
        let mut last: Option<K> = None;
        while let Some(mut head) = heads.peek_mut() {
            let number = head.number;
            match last.as_ref().map_or(Ordering::Less, |last| last.cmp(&head.key)) {
                Ordering::Less => {}
                Ordering::Equal => return Err(self.same_key(encoding, self.order[self.order.len() - 1], number)),
                Ordering::Greater => return self.sort(encoding, inputs, read_key),
            }
            self.order.push(number);
            let Some(next) = head.numbers.next() else {
                last = Some(PeekMut::pop(head).key);
                continue;
            };
            // The memory of the last key is that of the next one.
            let mut key = last.take().unwrap_or_default();
            read_key(self.numbered(next).record, &mut key)?;
            last = Some(std::mem::replace(&mut head.key, key));
            head.number = next;
        }
        Ok(())
    }

    /// Finds the order if the rows of a segment are not in it.
    #[cold]
    fn sort<K: Ord + Default>(
        &mut self,
        encoding: &Encoding,
        inputs: &[MergeInput<'s>],
        read_key: impl Fn(StructRef<'s>, &mut K) -> Result<()>,
    ) -> Result<()> {
        let mut rows = Vec::with_capacity(self.order.capacity());
        for (place, input) in inputs.iter().enumerate() {
            for number in (KeptRows { next: self.first[place], row: 0, input }) {
                let mut key = K::default();
                read_key(self.numbered(number).record, &mut key)?;
                rows.push((key, number));
            }
        }
        rows.sort_unstable();
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(self.same_key(encoding, pair[0].1, pair[1].1));
        }
        self.order = rows.into_iter().map(|(_, number)| number).collect();
        Ok(())
    }

    /// Makes the error of two rows, by their numbers, whose keys are encoded alike.
    #[cold]
    fn same_key(&self, encoding: &Encoding, first: u32, second: u32) -> Error {
        let mut stage = Stage::interning(encoding, Interning::AtOnce);
        for number in [first.min(second), first.max(second)] {
            let MergedRow { input, row, record } = self.numbered(number);
            stage.set_source(&Arc::from(format!("row of {}:", self.segments[input].name())), u64::from(row));
            if let Err(error) = stage.add_struct(record) {
                return error;
            }
        }
        let alike = || Error::invalid("merge", "two rows have keys alike");
        stage.sort().err().unwrap_or_else(alike)
    }
}

fn encode(encoding: &Encoding, record: StructRef<'_>, out: &mut Vec<u8>) -> Result<()> {
    if encoding.key.encode_row(record, out).map_err(|e| unreadable(&encoding.record_type, e))? {
        return Ok(());
    }
    let fields = encoding.key.names().map(str::to_owned).collect();
    Err(Fault::UnsetKey { record_type: encoding.record_type.to_string(), fields }.into())
}

/// The first row of a segment that is not in the order yet.
struct Head<'i, 's, K> {
    key: K,
    number: u32,
    numbers: KeptRows<'i, 's>,
}

/// The greatest of a heap is the one that comes first.
impl<K: Ord> Ord for Head<'_, '_, K> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key).then(other.number.cmp(&self.number))
    }
}

impl<K: Ord> PartialOrd for Head<'_, '_, K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> PartialEq for Head<'_, '_, K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K: Ord> Eq for Head<'_, '_, K> {}

/// Numbers of the rows of a segment that are not dropped.
struct KeptRows<'i, 's> {
    next: u32,
    row: u32,
    input: &'i MergeInput<'s>,
}

impl Iterator for KeptRows<'_, '_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        while self.row < self.input.segment.rows() {
            let (number, row) = (self.next, self.row);
            self.next = number.wrapping_add(1);
            self.row += 1;
            if self.input.dropped.is_none_or(|dropped| !dropped.contains(row)) {
                return Some(number);
            }
        }
        None
    }
}
