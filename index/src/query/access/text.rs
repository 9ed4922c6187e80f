//! Asks text indexes.
//!
//! An index of case-folded words answers `~=`, one of whole texts equality and the beginning of a text; if that one is
//! case-folded, it gives candidates. Where it goes through a list, a condition about an element (`any(tags, it ~= "star wars")`)
//! is answered if it is one that asks for one term: of several, different elements may have one each.

use kapok_core::Result;

use super::super::check::{Check, Ready};
use super::super::expr::Quantifier;
use super::super::place::Place;
use super::super::test::BytesTest;
use super::super::tree::Tree;
use super::{Access, Answer, Rows};
use crate::text::{Fold, TermPattern, TermSet, Terms, TextIndex, TextRules};

/// What a condition asks of the terms of a text.
struct Found<'v> {
    /// Of each of these it must have one.
    sets: Vec<TermSet<'v>>,
    /// Whether nothing else is asked.
    is_all: bool,
}

impl<'v> Access<'v> {
    pub(super) fn ask_text(&self, all: &[Ready<'v>], index: &'v TextIndex) -> Result<Option<Answer<'v>>> {
        let [end] = self.ends.as_slice() else { return Ok(None) };
        let rules = self.index.text_rules();
        let (mut sets, mut answered) = (Vec::new(), Vec::new());
        for (at, one) in all.iter().enumerate() {
            let Some(list) = &self.list else {
                if let Some(found) = find(one, end, index, rules)? {
                    answered.extend(found.is_all.then_some(at));
                    sets.extend(found.sets);
                }
                continue;
            };
            let Tree::Leaf(leaf) = one else { continue };
            let Check::Each(Quantifier::Any, place, inner) = &leaf.what else { continue };
            if **place != *list {
                continue;
            }
            let inner = if let Tree::And(all) = &**inner { all.as_slice() } else { std::slice::from_ref(&**inner) };
            for one in inner {
                if let Some(found) = find(one, end, index, rules)? {
                    let is_all = found.is_all && inner.len() == 1 && found.sets.len() == 1;
                    answered.extend(is_all.then_some(at));
                    sets.extend(found.sets);
                }
            }
        }
        if sets.is_empty() {
            return Ok(None);
        }
        let mut count = u64::MAX;
        for set in &sets {
            count = count.min(set.count_most()?);
        }
        Ok(Some(Answer { index: self.index, count, answered, rows: Rows::Terms(sets) }))
    }
}

/// Finds the terms that a condition asks for; `None` if the index has no answer.
fn find<'v>(
    condition: &Ready<'v>,
    end: &Place<'v>,
    index: &'v TextIndex,
    rules: TextRules,
) -> Result<Option<Found<'v>>> {
    let Tree::Leaf(leaf) = condition else { return Ok(None) };
    let sets = match (&leaf.what, rules) {
        (Check::Words(place, pattern), TextRules { terms: Terms::Words, fold: Fold::Full }) if **place == *end => {
            pattern.patterns().map(|pattern| index.find(pattern)).collect::<Result<Vec<_>>>()?
        }
        (Check::Bytes(place, test), TextRules { terms: Terms::Whole, .. }) if **place == *end => {
            let Some(set) = find_whole(test, index, rules)? else { return Ok(None) };
            vec![set]
        }
        _ => return Ok(None),
    };
    // Without a word every text is asked for, also one without terms.
    let is_all = matches!(leaf.what, Check::Words(..)) || rules.fold == Fold::None;
    Ok((!sets.is_empty()).then_some(Found { sets, is_all }))
}

/// Finds the terms that are what is asked of a text, or become so if their case is folded.
fn find_whole<'v>(test: &BytesTest, index: &'v TextIndex, rules: TextRules) -> Result<Option<TermSet<'v>>> {
    let text = |bytes| std::str::from_utf8(bytes).ok().map(|text| rules.folded(text));
    Ok(match test {
        BytesTest::Equal(bytes) => Some(index.find_all(text(bytes))?),
        BytesTest::Set(all) => Some(index.find_all(all.iter().filter_map(|bytes| text(bytes)))?),
        BytesTest::StartsWith(bytes) => match text(bytes) {
            // The case of each character is folded by itself, so beginnings stay beginnings.
            Some(prefix) => Some(index.find(TermPattern::Prefix(&prefix))?),
            None => None,
        },
        BytesTest::Range { .. } | BytesTest::Contains(_) => None,
    })
}
