//! Compares a staged record with one that a segment holds.
//!
//! Objects in segments and in columns have one form per value: bits that fields own, no trailing zeros. So the stored
//! words are compared as they are, and pointers by what they point at, with no look at the schema.

use super::column::{Column, NULL, ObjectId, child_at};
use super::stage::{ColumnBody, Stage};
use crate::words::{ElementSize, Read, StructRef, WORD, Words};

/// The bits of a pointer that give its offset.
const OFFSET: u64 = 0xffff_fffc;

impl Stage {
    /// Returns whether a staged row, counted as they were added, has the same value as a row of a segment of the same
    /// record type, of the same schema or an older one.
    ///
    /// # Errors
    /// The malformed word.
    pub fn row_equals(&self, row: u32, record: StructRef<'_>) -> Read<bool> {
        let plan = &self.encoding.plan.record;
        let data_bytes = plan.data_words as usize * WORD;
        let from = row as usize * data_bytes;
        let own = &self.data[from..from + data_bytes];
        let theirs = record.data();
        let shared = own.len().min(theirs.len());
        let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        if own[..shared] != theirs[..shared] || !is_zero(&own[shared..]) || !is_zero(&theirs[shared..]) {
            return Ok(false);
        }
        let mut pointers = 0;
        for (column, plan) in self.columns.iter().zip(&self.encoding.plan.columns) {
            let root = column.roots[row as usize];
            if root == NULL {
                continue;
            }
            pointers += 1;
            let Some(at) = record.pointer_at(u32::from(plan.slot)) else { return Ok(false) };
            let same = match &column.body {
                ColumnBody::Objects(objects) => objects.is_at(root, record.words(), at)?,
                ColumnBody::Vectors(matrix) => {
                    let (vector, pointer) = (matrix.vector(root), record.words().word(at)?);
                    let is_vector = |words: &[u8]| {
                        let (theirs, rest) = words.split_at(vector.len());
                        theirs == vector && is_zero(rest)
                    };
                    pointer & !OFFSET == matrix.shape()
                        && list_words(record.words(), at, matrix.plan.element.list_size())?.is_some_and(is_vector)
                }
            };
            if !same {
                return Ok(false);
            }
        }
        // What the staged row has is there; is that all?
        let mut theirs = 0;
        for slot in 0..record.pointer_count() {
            if let Some(at) = record.pointer_at(u32::from(slot)) {
                theirs += u32::from(record.words().word(at)? != 0);
            }
        }
        Ok(pointers == theirs)
    }
}

impl Column {
    /// Returns whether the pointer at a word of a segment points at an object equal to this one.
    fn is_at(&self, id: ObjectId, words: Words<'_>, at: u32) -> Read<bool> {
        let pointer = words.word(at)?;
        if id == NULL || pointer == 0 {
            return Ok(id == NULL && pointer == 0);
        }
        let shape = self.shape(id);
        if pointer & !OFFSET != shape {
            return Ok(false);
        }
        let image = self.image(id);
        if image.is_empty() {
            return Ok(true);
        }
        let start = target(at, pointer);
        let Some(found) = start.and_then(|start| object(words, start, image.len())) else {
            return Err(crate::words::Malformed { word: at, expected: "a pointer to within the segment" });
        };
        if !self.has_pointers(id) {
            return Ok(image == found);
        }
        let start = start.unwrap_or_default();
        // Words between pointers first: cheaper than what lies behind them.
        let (mut equal, mut last) = (true, 0);
        self.for_each_pointer_of(id, |byte| {
            equal = equal && image[last..byte] == found[last..byte];
            last = byte + WORD;
        });
        if !equal || image[last..] != found[last..] {
            return Ok(false);
        }
        let mut same = Ok(true);
        self.for_each_pointer_of(id, |byte| {
            if same == Ok(true) {
                #[expect(clippy::cast_possible_truncation, reason = "a segment has fewer than 2^29 words")]
                let word = start + (byte / WORD) as u32;
                same = self.is_at(child_at(image, byte), words, word);
            }
        });
        same
    }
}

/// Returns the word that a pointer aims at.
fn target(at: u32, pointer: u64) -> Option<u32> {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half holds the signed offset")]
    let offset = (pointer as u32).cast_signed() >> 2;
    u32::try_from(i64::from(at) + 1 + i64::from(offset)).ok()
}

fn object(words: Words<'_>, start: u32, size: usize) -> Option<&[u8]> {
    let from = start as usize * WORD;
    words.bytes().get(from..from + size)
}

/// Returns the whole words of the list of numbers that the pointer at a word points at.
fn list_words(words: Words<'_>, at: u32, size: ElementSize) -> Read<Option<&[u8]>> {
    let Some(list) = words.list_of(at, size)? else { return Ok(None) };
    Ok(object(words, list.at(), list.bytes().len().next_multiple_of(WORD)))
}
