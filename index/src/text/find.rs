//! Finds terms, and the rows that have them.

use std::ops::Range;

use kapok_core::{Error, Result};

use super::blocks::Walk;
use super::edits::{EditTable, Edits};
use super::{BLOCK_TERMS, TextIndex};
use crate::hash::{Locator, Posting};

/// What a term is to be. Its text is compared as it is: fold the case for an index that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermPattern<'t> {
    /// This text.
    Exact(&'t str),
    /// A text that begins so.
    Prefix(&'t str),
    /// A text that is so many edits away at most.
    Fuzzy(&'t str, Edits),
}

/// How a term is to be like a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    Exact,
    Prefix,
    Fuzzy(Edits),
}

impl Likeness {
    /// Returns the pattern of terms that are like a text.
    pub fn pattern(self, text: &str) -> TermPattern<'_> {
        match self {
            Self::Exact => TermPattern::Exact(text),
            Self::Prefix => TermPattern::Prefix(text),
            Self::Fuzzy(edits) => TermPattern::Fuzzy(text, edits),
        }
    }
}

/// Terms of the index of a segment.
#[derive(Clone, Debug)]
pub struct TermSet<'v> {
    index: &'v TextIndex,
    numbers: Numbers,
}

#[derive(Clone, Debug)]
enum Numbers {
    Range(Range<u32>),
    /// Ascending.
    List(Vec<u32>),
}

/// The rows of a term.
enum Found<'v> {
    Row(u32),
    Posting(Posting<'v>),
}

impl TextIndex {
    /// Finds the terms that are as a pattern says.
    ///
    /// # Errors
    /// `Corrupt` if the index is not as it must be.
    pub fn find(&self, pattern: TermPattern<'_>) -> Result<TermSet<'_>> {
        let numbers = match pattern {
            TermPattern::Exact(term) => Numbers::List(self.exact(term)?.into_iter().collect()),
            TermPattern::Prefix(prefix) => Numbers::Range(self.prefix(prefix)?),
            TermPattern::Fuzzy(word, edits) => Numbers::List(self.fuzzy(word, edits)?),
        };
        Ok(TermSet { index: self, numbers })
    }

    /// Finds some texts, as far as they are terms.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn find_all<T: AsRef<str>>(&self, terms: impl IntoIterator<Item = T>) -> Result<TermSet<'_>> {
        let mut numbers = Vec::new();
        for term in terms {
            numbers.extend(self.exact(term.as_ref())?);
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(TermSet { index: self, numbers: Numbers::List(numbers) })
    }

    /// Returns the numbers of the terms within so many edits of a word.
    fn fuzzy(&self, word: &str, edits: Edits) -> Result<Vec<u32>> {
        let (mut walk, mut table, mut out) = (Walk::from(self, 0), EditTable::new(word, edits), Vec::new());
        while walk.advance(table.dead())? {
            let number = walk.number();
            let is_within = table.take(walk.term(), walk.common()).ok_or_else(|| self.no_text(number))?;
            out.extend(is_within.then_some(number));
        }
        Ok(out)
    }

    /// Hands the terms of some numbers to a function, in order, until it says false.
    ///
    /// # Errors
    /// `Corrupt` if the index is not as it must be, and those of the function.
    pub fn for_each_term(&self, numbers: Range<u32>, mut f: impl FnMut(u32, &str) -> Result<bool>) -> Result<()> {
        let mut walk = Walk::from(self, numbers.start / BLOCK_TERMS);
        while walk.advance(None)? && walk.number() < numbers.end {
            let number = walk.number();
            if number < numbers.start {
                continue;
            }
            let term = std::str::from_utf8(walk.term()).map_err(|_| self.no_text(number))?;
            if !f(number, term)? {
                break;
            }
        }
        Ok(())
    }

    #[cold]
    fn no_text(&self, number: u32) -> Error {
        self.corrupt(number, "terms in UTF-8".to_owned(), "something else".to_owned())
    }
}

impl<'v> TermSet<'v> {
    /// Returns the number of terms.
    pub fn len(&self) -> usize {
        match &self.numbers {
            Numbers::Range(numbers) => numbers.len(),
            Numbers::List(numbers) => numbers.len(),
        }
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over the numbers of the terms.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        let (range, list) = match &self.numbers {
            Numbers::Range(numbers) => (numbers.clone(), &[][..]),
            Numbers::List(numbers) => (0..0, numbers.as_slice()),
        };
        range.chain(list.iter().copied())
    }

    /// Returns how many rows [`rows`](Self::rows) gives at most: exactly, for one term.
    ///
    /// # Errors
    /// `Corrupt` if the index is not as it must be.
    pub fn count_most(&self) -> Result<u64> {
        let mut count = 0;
        self.visit(|found| {
            count += match found {
                Found::Row(_) => 1,
                Found::Posting(posting) => u64::from(posting.len()),
            };
            Ok(())
        })?;
        Ok(count.min(self.index.rows.into()))
    }

    /// Returns the rows, live and dead, that have one of the terms: ascending.
    ///
    /// # Errors
    /// `Corrupt` if the index is not as it must be.
    pub fn rows(&self) -> Result<Vec<u32>> {
        let mut out = Vec::new();
        self.visit(|found| match found {
            Found::Row(row) => {
                out.push(row);
                Ok(())
            }
            Found::Posting(posting) => {
                for row in posting {
                    out.push(row?);
                }
                Ok(())
            }
        })?;
        if self.len() > 1 {
            sort(&mut out, self.index.rows);
        }
        Ok(out)
    }

    /// Hands the rows of each term to a function.
    ///
    /// Postings stand in the order of the terms, apart from each other, so that all of them take no longer than the index is.
    fn visit(&self, mut f: impl FnMut(Found<'v>) -> Result<()>) -> Result<()> {
        let (index, mut from) = (self.index, 0);
        for number in self.numbers() {
            match index.locator(number)? {
                Locator::Row(row) if row < index.rows => f(Found::Row(row))?,
                _ => {
                    let posting = index.posting(number)?;
                    if posting.at() < from {
                        return Err(index.corrupt(number, "postings in order".to_owned(), "another order".to_owned()));
                    }
                    from = posting.end();
                    f(Found::Posting(posting))?;
                }
            }
        }
        Ok(())
    }

    /// Takes the rows that have none of the terms off a list, which ascends.
    fn retain(&self, rows: &mut Vec<u32>) -> Result<()> {
        if let (Some(number), 1) = (self.numbers().next(), self.len()) {
            let posting = self.index.posting(number)?;
            rows.retain(|row| posting.contains(*row));
            return Ok(());
        }
        let mut others = self.rows()?.into_iter().peekable();
        rows.retain(|row| {
            while others.next_if(|other| other < row).is_some() {}
            others.peek() == Some(row)
        });
        Ok(())
    }
}

/// Returns the rows, live and dead, that have a term of each set: ascending. None if there is no set.
///
/// # Errors
/// `Corrupt` if an index is not as it must be.
pub fn common_rows(sets: &[TermSet<'_>]) -> Result<Vec<u32>> {
    let mut counted = sets.iter().map(|set| Ok((set.count_most()?, set))).collect::<Result<Vec<_>>>()?;
    counted.sort_by_key(|(count, _)| *count);
    let Some(((_, first), others)) = counted.split_first() else { return Ok(Vec::new()) };
    let mut rows = first.rows()?;
    for (_, other) in others {
        other.retain(&mut rows)?;
    }
    Ok(rows)
}

/// Sorts rows of a segment of so many, and takes out what is there twice.
fn sort(found: &mut Vec<u32>, rows: u32) {
    // Where rows are many, a bit for each is cheaper.
    if found.len() < rows as usize / 512 {
        found.sort_unstable();
        found.dedup();
        return;
    }
    let mut bits = vec![0_u64; rows.div_ceil(64) as usize];
    for row in found.drain(..) {
        if let Some(word) = bits.get_mut(row as usize / 64) {
            *word |= 1 << (row % 64);
        }
    }
    for (first, word) in (0..).step_by(64).zip(bits) {
        let mut word = word;
        while word != 0 {
            found.push(first + word.trailing_zeros());
            word &= word - 1;
        }
    }
}
