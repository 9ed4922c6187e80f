//! Words of texts, and patterns of words: `~=`.
//!
//! A word is what Unicode's default rules for word boundaries (UAX #29) make of a text, if it has a letter or digit, with
//! full case folding. Two words differ by one edit if one character is put in, left out or replaced.

use crate::text::{Edits, Likeness, TermPattern, words};

/// Words of which a text must have all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WordPattern(Vec<Word>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    /// Case-folded.
    text: String,
    /// `word`, `word*`, or `word~1` and `word~2`.
    kind: Likeness,
}

impl WordPattern {
    /// Parses words with blanks between. At the end of one, `*` asks for words that begin so, `~1` and `~2` for words
    /// within so many edits. If a piece between blanks is several words, `*` is of the last of them.
    pub fn parse(pattern: &str) -> Self {
        let mut out = Vec::new();
        for piece in pattern.split_whitespace() {
            let (piece, kind) = match piece {
                _ if piece.ends_with('*') => (piece.trim_end_matches('*'), Likeness::Prefix),
                _ if piece.ends_with("~1") => (&piece[..piece.len() - 2], Likeness::Fuzzy(Edits::One)),
                _ if piece.ends_with("~2") => (&piece[..piece.len() - 2], Likeness::Fuzzy(Edits::Two)),
                _ => (piece, Likeness::Exact),
            };
            let from = out.len();
            let inner = if kind == Likeness::Prefix { Likeness::Exact } else { kind };
            out.extend(words(piece).map(|text| Word { text: text.into_owned(), kind: inner }));
            if out.len() > from
                && let Some(last) = out.last_mut()
            {
                last.kind = kind;
            }
        }
        Self(out)
    }

    /// Iterates over what a text must have a word like, each.
    pub fn patterns(&self) -> impl Iterator<Item = TermPattern<'_>> {
        self.0.iter().map(|word| word.kind.pattern(&word.text))
    }

    /// Returns whether a text has all the words, in any order; one word of the text may stand for several.
    pub fn matches(&self, text: &str) -> bool {
        let mut missing: Vec<&Word> = self.0.iter().collect();
        for word in words(text) {
            missing.retain(|wanted| !wanted.matches(&word));
            if missing.is_empty() {
                break;
            }
        }
        missing.is_empty()
    }
}

impl Word {
    fn matches(&self, word: &str) -> bool {
        match self.kind {
            Likeness::Exact => word == self.text,
            Likeness::Prefix => word.starts_with(&self.text),
            Likeness::Fuzzy(edits) => is_within(&self.text, word, edits.count().into()),
        }
    }
}

/// Returns whether so many edits lead from one word to another.
fn is_within(a: &str, b: &str, edits: usize) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > edits {
        return false;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, from) in (1..).zip(&a) {
        let mut diagonal = row[0];
        row[0] = line;
        let mut least = line;
        for (column, to) in (1..).zip(&b) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[column];
            row[column] = replaced.min(diagonal + 1).min(row[column - 1] + 1);
            least = least.min(row[column]);
        }
        if least > edits {
            return false;
        }
    }
    row[b.len()] <= edits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        WordPattern::parse(pattern).matches(text)
    }

    #[test]
    fn a_text_has_all_words_in_any_order() {
        for (pattern, text, expected) in [
            ("star wars", "Wars of the STARS, a star", true),
            ("star wars", "Star Trek", false),
            ("star wa*", "The Star Wanderer", true),
            ("wa* star", "The Star Wanderer", true),
            ("sta", "The Star", false),
            ("straße", "STRASSE 7", true),
            ("STRASSE", "Straße", true),
            ("spider-man*", "spider and manners", true),
            ("spider-man*", "spiders and manners", false),
            ("", "anything", true),
            ("*", "anything", true),
            ("-- ~1", "anything", true),
            ("ÉCOLE", "école", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn fuzzy_words_are_within_so_many_edits() {
        for (pattern, text, expected) in [
            ("wars~1", "was", true),
            ("wars~1", "wares", true),
            ("wars~1", "wart", true),
            ("wars~1", "awrs", false),
            ("wars~2", "awrs", true),
            ("wars~2", "rasw", false),
            ("a~2", "xyz", false),
            ("a~2", "xy", true),
            ("naïve~1", "naive", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
