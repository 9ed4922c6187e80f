//! The text index of a segment: the terms of a field, sorted, and the rows that have each.
//!
//! A term is a word of a text or the whole of it, as it is or case-folded: see [`TextRules`]. Terms are found exactly, by how
//! they begin, or within one or two edits. They stand bytewise in order, in blocks of 16; each but the first of a block leaves
//! out what it has in common with the one before. Their rows are postings as in a [hash index](crate::hash). FORMAT.md tells
//! the bytes in its section "Text index".

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::paths::Paths;
use kapok_core::segment::Segment;
use kapok_core::{Error, Result};

use crate::artifact::{Binding, HEADER_BYTES, Header};
use crate::hash::{Locator, Posting, UNIT as POSTING_UNIT, packed};
use crate::row::IndexedRows;

mod blocks;
mod build;
mod edits;
mod find;
mod unicode;

use blocks::Side;
pub use build::build;
pub use edits::Edits;
pub(crate) use find::Likeness;
pub use find::{TermPattern, TermSet, common_rows};
pub(crate) use unicode::{words, words_of};

/// What a manifest calls artifacts of this kind.
pub const KIND: &str = "text";

/// Revision of the rules by which texts become terms: those of Unicode 17.
pub const REVISION: u32 = 1;

const MAGIC: [u8; 8] = *b"KAPOKTX1";
/// Terms of a block.
const BLOCK_TERMS: u32 = 16;
const NUMBER_BYTES: usize = 4;

/// What the terms of a text are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextRules {
    /// Its words or itself.
    pub terms: Terms,
    /// Whether upper and lower case are told apart.
    pub fold: Fold,
}

/// The terms of a text: option `terms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Terms {
    /// Its words: what Unicode's default rules for word boundaries (UAX #29) make of it, if there is a letter or digit in it.
    /// `terms=words`, the default.
    #[default]
    Words,
    /// The whole text. `terms=whole`.
    Whole,
}

/// What becomes of upper and lower case: option `fold`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fold {
    /// Unicode's full case folding, in which `Straße` and `STRASSE` are the same. `fold=full`, the default.
    #[default]
    Full,
    /// Nothing. `fold=none`.
    None,
}

impl TextRules {
    const TERMS: &str = "terms";
    const FOLD: &str = "fold";
    /// Names of the options of an index.
    pub const OPTIONS: [&str; 2] = [Self::TERMS, Self::FOLD];

    /// Reads the options of an index. The error says what is wrong.
    pub(crate) fn of(options: &BTreeMap<String, String>) -> std::result::Result<Self, String> {
        let option = |name: &str| options.get(name).map(String::as_str);
        let wrong = |name: &str, value: &str, values: &str| Err(format!("{name}={value} is neither of {values}"));
        let terms = match option(Self::TERMS) {
            None | Some("words") => Terms::Words,
            Some("whole") => Terms::Whole,
            Some(value) => return wrong(Self::TERMS, value, "words, whole"),
        };
        let fold = match option(Self::FOLD) {
            None | Some("full") => Fold::Full,
            Some("none") => Fold::None,
            Some(value) => return wrong(Self::FOLD, value, "full, none"),
        };
        Ok(Self { terms, fold })
    }
}

/// The text index of one segment, in place.
#[derive(Clone)]
pub struct TextIndex {
    name: Arc<str>,
    bytes: Bytes,
    rows: u32,
    terms: u32,
    /// Where the block directory, the blocks and the postings begin.
    directory_at: usize,
    blocks_at: usize,
    blocks_end: usize,
    postings_at: usize,
}

/// The name and the numbers of rows and terms, not the bytes.
impl fmt::Debug for TextIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextIndex")
            .field("name", &self.name)
            .field("rows", &self.rows)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

impl TextIndex {
    /// Opens the index of a segment of `rows` rows: checks its length and its header, in O(1). `name`: what errors call it.
    ///
    /// # Errors
    /// `Corrupt` if these are not as they must be, or it is another index or that of another segment.
    pub fn open(name: &str, bytes: Bytes, rows: u32, binding: &Binding) -> Result<Self> {
        let Header { word, numbers: [terms, block_bytes], .. } = Header::decode(name, &bytes, MAGIC, rows, binding)?;
        if word != packed::width(rows) {
            let expected = format!("{} bits for a row", packed::width(rows));
            return Err(Error::corrupt(name, 12, expected, word.to_string()));
        }
        let layout = Layout::of(terms, block_bytes).filter(|layout| layout.postings_at <= bytes.len());
        let Some(layout) = layout.filter(|_| bytes.len().is_multiple_of(POSTING_UNIT)) else {
            let found = format!("{terms} terms, {block_bytes} bytes of blocks, {} bytes", bytes.len());
            return Err(Error::corrupt(name, 16, "terms, their blocks and postings within the index", found));
        };
        let Layout { terms, directory_at, blocks_at, blocks_end, postings_at } = layout;
        Ok(Self { name: Arc::from(name), bytes, rows, terms, directory_at, blocks_at, blocks_end, postings_at })
    }

    /// Builds the index of a segment that has no artifact of it.
    ///
    /// # Errors
    /// As [`build`].
    pub(crate) fn of_segment(
        paths: &Paths,
        rules: TextRules,
        segment: &Segment,
        indexed: &IndexedRows,
    ) -> Result<Self> {
        let binding = Binding::default();
        Self::open(segment.name(), build(paths, rules, segment, indexed, &binding)?.into(), segment.rows(), &binding)
    }

    /// Returns what errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the number of terms, those of dead rows included. They are numbered from 0 on, bytewise in order.
    pub fn terms(&self) -> u32 {
        self.terms
    }

    /// Returns the number of a term; `None` if no row has it.
    ///
    /// # Errors
    /// `Corrupt` if the index is not as it must be.
    pub fn exact(&self, term: &str) -> Result<Option<u32>> {
        let (number, is_term) = self.position(term.as_bytes(), Side::Before)?;
        Ok(is_term.then_some(number))
    }

    /// Returns the numbers of the terms that begin so.
    ///
    /// # Errors
    /// As [`exact`](Self::exact).
    pub fn prefix(&self, prefix: &str) -> Result<Range<u32>> {
        let (from, _) = self.position(prefix.as_bytes(), Side::Before)?;
        let (to, _) = self.position(prefix.as_bytes(), Side::Behind)?;
        Ok(from..to.max(from))
    }

    /// Returns the rows, live and dead, that have a term.
    ///
    /// # Errors
    /// `Invalid` if there is no term of this number; `Corrupt` if the index is not as it must be.
    pub fn posting(&self, number: u32) -> Result<Posting<'_>> {
        match self.locator(number)? {
            Locator::Row(row) if row < self.rows => Ok(Posting::one(row)),
            Locator::Row(row) => Err(self.corrupt(number, format!("a row of {}", self.rows), format!("row {row}"))),
            Locator::Posting(unit) => {
                let at = self.postings_at.saturating_add((unit as usize).saturating_mul(POSTING_UNIT));
                Posting::open(&self.name, &self.bytes, at, self.rows)
            }
        }
    }

    /// Returns where the rows of a term are.
    #[inline]
    fn locator(&self, number: u32) -> Result<Locator> {
        if number >= self.terms {
            return Err(Error::invalid(&*self.name, format!("term {number} of {}", self.terms)));
        }
        let half = number_at(&self.bytes, HEADER_BYTES + number as usize * NUMBER_BYTES);
        Locator::decode(half).ok_or_else(|| self.corrupt(number, "a row or a posting".to_owned(), "0".to_owned()))
    }

    #[cold]
    fn corrupt(&self, number: u32, expected: String, found: String) -> Error {
        Error::corrupt(&*self.name, (HEADER_BYTES + number as usize * NUMBER_BYTES) as u64, expected, found)
    }
}

/// Where the parts of an index begin.
struct Layout {
    terms: u32,
    directory_at: usize,
    blocks_at: usize,
    blocks_end: usize,
    postings_at: usize,
}

impl Layout {
    /// Lays out an index of so many terms; `None` if that is not possible.
    fn of(terms: u64, block_bytes: u64) -> Option<Self> {
        let (terms, block_bytes) = (u32::try_from(terms).ok()?, usize::try_from(block_bytes).ok()?);
        let numbers = |count: u32| (count as usize).checked_mul(NUMBER_BYTES)?.checked_next_multiple_of(POSTING_UNIT);
        let directory_at = HEADER_BYTES.checked_add(numbers(terms)?)?;
        let blocks_at = directory_at.checked_add(numbers(terms.div_ceil(BLOCK_TERMS))?)?;
        let blocks_end = blocks_at.checked_add(block_bytes)?;
        let postings_at = blocks_end.checked_next_multiple_of(POSTING_UNIT)?;
        Some(Self { terms, directory_at, blocks_at, blocks_end, postings_at })
    }
}

/// Returns a number in place; 0 behind the end.
#[inline]
fn number_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |number| u32::from_le_bytes(*number))
}
