//! Finds the records whose texts have given words or terms, in all segments of a record type.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use kapok_core::segment::{LiveSegment, RowId};
use kapok_core::view::Table;
use kapok_core::{Error, Result};

use crate::declared::Index;
use crate::text::{Edits, Likeness, Terms, TextIndex, common_rows, words_of};
use crate::view::TableIndex;

/// What texts are to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextMatch<'t> {
    /// This term.
    Exact(&'t str),
    /// A term that begins so.
    Prefix(&'t str),
    /// A term that is so many edits away at most.
    Fuzzy(&'t str, Edits),
    /// All words of this text, in any order.
    Words(&'t str),
    /// All words of this text, in any order; the last of them may be the beginning of one, as long as nothing stands behind it:
    /// what somebody types.
    Typed(&'t str),
}

/// A term, and how many records have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// As the index has it.
    pub text: String,
    /// Live records.
    pub records: u64,
}

/// Finds records by the terms of a text index.
///
/// Made by [`View::text_lookup`](crate::View::text_lookup). What is asked for is case-folded if the index is. If the index
/// goes through a list, the terms may be of several of its elements. For segments without an artifact one is made when they
/// are asked.
///
/// ```
/// # use kapok_core::Result;
/// # use kapok_index::{TextMatch, View};
/// fn print(view: &View) -> Result<()> {
///     let by_word = view.text_lookup("Movie", "text(title)")?;
///     let title = view.field::<&str>("Movie.title")?;
///     for row_id in by_word.find(TextMatch::Typed("star wa"))? {
///         println!("{}", title.get(row_id)?);
///     }
///     for term in by_word.terms("wa", 10)? {
///         println!("{} in {} titles", term.text, term.records);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy)]
pub struct TextLookup<'v> {
    of: TableIndex<'v>,
}

impl<'v> TextLookup<'v> {
    pub(crate) fn new(of: TableIndex<'v>) -> Self {
        Self { of }
    }

    /// Returns the index.
    pub fn index(&self) -> &'v Index {
        self.of.index
    }

    /// Returns the table that is searched.
    pub fn table(&self) -> &'v Table {
        self.of.table
    }

    /// Returns the row ids of the live records that have what is asked for: in key order within each segment. A text without
    /// words finds nothing.
    ///
    /// # Errors
    /// `Invalid` if words are asked of an index of whole texts; `Corrupt` if a segment or its index is not as it must be.
    pub fn find(&self, wanted: TextMatch<'_>) -> Result<Vec<RowId>> {
        let mut out = Vec::new();
        self.for_each_segment(wanted, |place, source, rows| {
            out.reserve(rows.len());
            out.extend(live_ids(place, source, rows));
        })?;
        Ok(out)
    }

    /// Returns the number of live records that have what is asked for.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn count(&self, wanted: TextMatch<'_>) -> Result<u64> {
        let mut count = 0;
        self.for_each_segment(wanted, |_, source, rows| {
            count += match source.dead() {
                None => rows.len(),
                Some(_) => rows.iter().filter(|row| source.is_live(**row)).count(),
            } as u64;
        })?;
        Ok(count)
    }

    /// Hands the row ids of the live records that have what is asked for to a function: in key order within each segment.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn for_each(&self, wanted: TextMatch<'_>, mut f: impl FnMut(RowId)) -> Result<()> {
        self.for_each_segment(wanted, |place, source, rows| live_ids(place, source, rows).for_each(&mut f))
    }

    /// Hands the rows of each segment, live and dead, to a function.
    fn for_each_segment(
        &self,
        wanted: TextMatch<'_>,
        mut f: impl FnMut(usize, &'v LiveSegment, Vec<u32>),
    ) -> Result<()> {
        let wanted = self.patterns(wanted)?;
        for (place, source) in self.of.table.segments().iter().enumerate() {
            let index = self.artifact(place, source)?;
            let sets =
                wanted.iter().map(|(text, likeness)| index.find(likeness.pattern(text))).collect::<Result<Vec<_>>>()?;
            f(place, source, common_rows(&sets)?);
        }
        Ok(())
    }

    /// Returns the first terms that begin so, bytewise in order, with the number of records that have each: suggestions. Terms
    /// of dead rows alone are left out.
    ///
    /// # Errors
    /// `Corrupt` if a segment or its index is not as it must be.
    pub fn terms(&self, prefix: &str, count_max: usize) -> Result<Vec<Term>> {
        let prefix = self.of.index.text_rules().folded(prefix);
        let mut all: BTreeMap<String, u64> = BTreeMap::new();
        for (place, source) in self.of.table.segments().iter().enumerate() {
            let index = self.artifact(place, source)?;
            let mut found = 0;
            index.for_each_term(index.prefix(&prefix)?, |number, term| {
                if found == count_max {
                    return Ok(false);
                }
                let records = live_count(&index, number, source)?;
                if records > 0 {
                    found += 1;
                    *all.entry(term.to_owned()).or_default() += records;
                }
                Ok(true)
            })?;
        }
        Ok(all.into_iter().take(count_max).map(|(text, records)| Term { text, records }).collect())
    }

    /// Returns the texts that terms are to be like, case-folded if the index is.
    fn patterns<'t>(&self, wanted: TextMatch<'t>) -> Result<Vec<(Cow<'t, str>, Likeness)>> {
        let rules = self.of.index.text_rules();
        let (text, is_typed) = match wanted {
            TextMatch::Exact(term) => return Ok(vec![(rules.folded(term), Likeness::Exact)]),
            TextMatch::Prefix(prefix) => return Ok(vec![(rules.folded(prefix), Likeness::Prefix)]),
            TextMatch::Fuzzy(word, edits) => return Ok(vec![(rules.folded(word), Likeness::Fuzzy(edits))]),
            TextMatch::Words(text) => (text, false),
            TextMatch::Typed(text) => (text, true),
        };
        if rules.terms != Terms::Words {
            let subject = format!("index {} of {}", self.of.index.name(), self.of.table.name());
            return Err(Error::invalid(subject, "its terms are whole texts, not words"));
        }
        let words = words_of(text);
        let mut out: Vec<_> = words.iter().map(|word| (rules.folded(word), Likeness::Exact)).collect();
        if let (Some(word), Some((_, likeness))) = (words.last(), out.last_mut())
            && is_typed
            && text.ends_with(word)
        {
            *likeness = Likeness::Prefix;
        }
        Ok(out)
    }

    fn artifact(&self, place: usize, source: &'v LiveSegment) -> Result<Cow<'v, TextIndex>> {
        if let Some(index) = self.of.artifact(place).and_then(|index| index.text()) {
            return Ok(Cow::Borrowed(index));
        }
        let index = self.of.index;
        let (segment, indexed) = (source.segment(), index.rows(source.segment())?);
        TextIndex::of_segment(index.paths(), index.text_rules(), segment, &indexed).map(Cow::Owned)
    }
}

/// Iterates over the row ids of the live ones of some rows.
fn live_ids(place: usize, source: &LiveSegment, rows: Vec<u32>) -> impl Iterator<Item = RowId> + '_ {
    rows.into_iter().filter(|row| source.is_live(*row)).map(move |row| source.mark().row_id(place, row))
}

/// Returns the number of live rows that have a term.
fn live_count(index: &TextIndex, number: u32, source: &LiveSegment) -> Result<u64> {
    let posting = index.posting(number)?;
    if source.dead().is_none() {
        return Ok(posting.len().into());
    }
    let mut count = 0;
    for row in posting {
        count += u64::from(source.is_live(row?));
    }
    Ok(count)
}

impl fmt::Debug for TextLookup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of.fmt_lookup("TextLookup", f)
    }
}
