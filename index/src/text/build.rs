//! Builds the text index of a segment, on all processors.

use std::ops::Range;

use hashbrown::HashMap;
use kapok_core::paths::{Paths, Scalar};
use kapok_core::segment::{Segment, in_parallel};
use kapok_core::words::Malformed;
use kapok_core::{Error, Result};

use super::blocks::BlockWriter;
use super::{Layout, MAGIC, TextRules};
use crate::artifact::{Binding, Header};
use crate::hash::build::{CHUNK_ROWS, Joined, Pairs, Part, locate};
use crate::hash::packed;
use crate::row::{IndexedRows, expect_row, unreadable};

/// Builds the index of a segment: a function of its rows, of the path and of the rules.
///
/// # Errors
/// `Corrupt` if a text cannot be read, `Invalid` if the terms would take 4 GiB or postings 16 GiB.
pub fn build(
    paths: &Paths,
    rules: TextRules,
    segment: &Segment,
    indexed: &IndexedRows,
    binding: &Binding,
) -> Result<Vec<u8>> {
    let rows = segment.rows();
    let chunks: Vec<u32> = (0..rows).step_by(CHUNK_ROWS as usize).collect();
    let parts = in_parallel(chunks, |first| {
        part(paths, rules, segment, first..first.saturating_add(CHUNK_ROWS).min(rows), indexed)
    });
    let parts = parts.into_iter().collect::<Result<Vec<_>>>()?;
    if parts.iter().map(|part| part.tuples.bytes()).sum::<usize>() >= u32::MAX as usize {
        return Err(too_long(segment));
    }
    let joined = Joined::of(&parts);
    let count = u32::try_from(joined.len()).map_err(|_| too_long(segment))?;
    let mut order: Vec<(u64, u32)> = (0..count).map(|number| (beginning(joined.tuple(number)), number)).collect();
    order.sort_unstable_by(|(a, one), (b, other)| a.cmp(b).then_with(|| joined.tuple(*one).cmp(joined.tuple(*other))));

    let width = packed::width(rows);
    let (mut blocks, mut locators, mut postings) = (BlockWriter::default(), Vec::new(), Vec::new());
    let (mut before, mut chunks): (&[u8], _) = (&[], Vec::new());
    for (_, number) in &order {
        let term = joined.tuple(*number);
        blocks.push(term, before).ok_or_else(|| too_long(segment))?;
        before = term;
        chunks.clear();
        let places = joined.places(*number as usize);
        chunks.extend(places.iter().map(|(part, term)| parts[*part as usize].chunk(*part, *term)));
        let locator = locate(&chunks, width, 0, &mut postings).ok_or_else(|| too_long(segment))?;
        locators.push(locator.encode());
    }
    let numbers = [order.len() as u64, blocks.blocks.len() as u64];
    let layout = Layout::of(numbers[0], numbers[1]).ok_or_else(|| too_long(segment))?;
    let mut out = Vec::with_capacity(layout.postings_at + postings.len());
    out.extend_from_slice(&Header { rows, word: width, numbers }.encode(MAGIC, binding));
    out.extend(locators.iter().flat_map(|locator| locator.to_le_bytes()));
    out.resize(layout.directory_at, 0);
    out.extend(blocks.directory.iter().flat_map(|at| at.to_le_bytes()));
    out.resize(layout.blocks_at, 0);
    out.extend_from_slice(&blocks.blocks);
    out.resize(layout.postings_at, 0);
    out.extend_from_slice(&postings);
    Ok(out)
}

/// Finds the terms of some rows.
fn part(paths: &Paths, rules: TextRules, segment: &Segment, rows: Range<u32>, indexed: &IndexedRows) -> Result<Part> {
    let mut pairs = Pairs::default();
    let objects = paths.only_pointer();
    // What each object's terms are, as a range of `numbers`.
    let mut known: HashMap<u64, Range<usize>> = HashMap::new();
    let mut numbers = Vec::new();
    for row in rows.filter(|row| indexed.contains(*row)) {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
        let low = row as u16;
        let at = expect_row(segment, row)?;
        let object = objects.map(|slot| at.object_number(slot));
        if let Some(range) = object.and_then(|object| known.get(&object)) {
            pairs.push_all(&numbers[range.clone()], low);
            continue;
        }
        let from = numbers.len();
        paths
            .for_each(at, |values| {
                if let [Scalar::Text(text)] = values {
                    let text =
                        std::str::from_utf8(text).map_err(|_| Malformed { word: 0, expected: "text in UTF-8" })?;
                    rules.for_each_term(text, |term| numbers.push(pairs.tuples.number(term.as_bytes())));
                }
                Ok(())
            })
            .map_err(|malformed| unreadable(segment, malformed))?;
        if pairs.tuples.bytes() >= u32::MAX as usize {
            return Err(too_long(segment));
        }
        sort_from(&mut numbers, from);
        pairs.push_all(&numbers[from..], low);
        match object {
            Some(object) => {
                known.insert(object, from..numbers.len());
            }
            None => numbers.truncate(from),
        }
    }
    Ok(pairs.sorted())
}

/// Sorts the numbers from a place on, and takes out those that are there twice.
fn sort_from(numbers: &mut Vec<u32>, from: usize) {
    numbers[from..].sort_unstable();
    let mut end = from;
    for at in from..numbers.len() {
        if end == from || numbers[at] != numbers[end - 1] {
            numbers[end] = numbers[at];
            end += 1;
        }
    }
    numbers.truncate(end);
}

/// Returns what orders terms, but for those that begin alike.
fn beginning(term: &[u8]) -> u64 {
    let mut out = [0; 8];
    let len = term.len().min(out.len());
    out[..len].copy_from_slice(&term[..len]);
    u64::from_be_bytes(out)
}

#[cold]
fn too_long(segment: &Segment) -> Error {
    Error::invalid(segment.name(), "its text index is too long")
}
