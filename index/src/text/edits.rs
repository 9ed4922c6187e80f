//! How many edits lead from a word to the terms that a walk comes by.
//!
//! Each character of a term makes a row of the table of edit distances from the row before. Only the cells near the diagonal
//! can be within two edits, so a row has five. Terms that begin alike share the rows of their beginning.

/// Edits that may lead from one word to another: one character put in, left out or replaced each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edits {
    /// At most one.
    One,
    /// At most two.
    Two,
}

impl Edits {
    /// Returns the number.
    pub fn count(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }
}

/// Cells of a row: those at most two off the diagonal.
const WIDTH: usize = 5;
const MIDDLE: usize = WIDTH / 2;
/// More edits than anybody asks for.
const FAR: u8 = 9;

/// For the beginning of a term, the edits that lead to it from each beginning of the word that is about as long.
type Row = [u8; WIDTH];

/// The rows of a term.
#[derive(Clone, Debug)]
pub(super) struct EditTable {
    word: Vec<char>,
    edits: u8,
    /// Behind each character, the byte where it ends and the row. The first stands before all.
    rows: Vec<(usize, Row)>,
    /// Bytes of the shortest beginning that no term within the edits has, if one was come by.
    dead: Option<usize>,
}

impl EditTable {
    pub fn new(word: &str, edits: Edits) -> Self {
        let word: Vec<char> = word.chars().collect();
        let mut first = [FAR; WIDTH];
        for (at, cell) in first.iter_mut().skip(MIDDLE).enumerate().filter(|(at, _)| *at <= word.len()) {
            *cell = u8::try_from(at).unwrap_or(FAR);
        }
        Self { word, edits: edits.count(), rows: vec![(0, first)], dead: None }
    }

    /// Returns the bytes of the beginning that no term within the edits has, if the last term had one.
    pub fn dead(&self) -> Option<usize> {
        self.dead
    }

    /// Takes the next term, which has its first `common` bytes from the one before. Returns whether it is within the edits;
    /// `None` if it is no text.
    pub fn take(&mut self, term: &[u8], common: usize) -> Option<bool> {
        while self.rows.len() > 1 && self.rows.last().is_some_and(|(end, _)| *end > common) {
            self.rows.pop();
        }
        self.dead = None;
        let (mut at, mut row) = self.rows.last().copied()?;
        while at < term.len() {
            let character = first_character(term.get(at..)?)?;
            at += character.len_utf8();
            row = self.next(row, self.rows.len() - 1, character);
            if row.iter().all(|cell| *cell > self.edits) {
                self.dead = Some(at);
                return Some(false);
            }
            self.rows.push((at, row));
        }
        // The cell of the whole word.
        let cell = (self.word.len() + MIDDLE).checked_sub(self.rows.len() - 1).and_then(|cell| row.get(cell));
        Some(cell.is_some_and(|cell| *cell <= self.edits))
    }

    /// Makes the row behind one more character, of which `taken` were taken before.
    #[inline]
    fn next(&self, before: Row, taken: usize, character: char) -> Row {
        let mut out = [FAR; WIDTH];
        let mut left = FAR;
        for cell in 0..WIDTH {
            // The characters of the word that this cell stands for.
            let Some(len) = (taken + 1 + cell).checked_sub(MIDDLE).filter(|len| *len <= self.word.len()) else {
                continue;
            };
            let put_in = before.get(cell + 1).copied().unwrap_or(FAR) + 1;
            let left_out = left + 1;
            let replaced = match len.checked_sub(1).and_then(|at| self.word.get(at)) {
                Some(of_word) => before[cell] + u8::from(*of_word != character),
                None => FAR,
            };
            left = put_in.min(left_out).min(replaced).min(FAR);
            out[cell] = left;
        }
        out
    }
}

/// Reads the first character of a text; `None` if it is none.
#[inline]
fn first_character(bytes: &[u8]) -> Option<char> {
    let first = *bytes.first()?;
    if first.is_ascii() {
        return Some(char::from(first));
    }
    let len = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    std::str::from_utf8(bytes.get(..len)?).ok()?.chars().next()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// The whole table.
    fn distance(a: &str, b: &str) -> usize {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
        for (at, from) in a.iter().enumerate() {
            let mut row = vec![at + 1];
            for (column, to) in b.iter().enumerate() {
                let replaced = rows[at][column] + usize::from(from != to);
                row.push(replaced.min(rows[at][column + 1] + 1).min(row[column] + 1));
            }
            rows.push(row);
        }
        rows[a.len()][b.len()]
    }

    #[test]
    fn every_term_is_within_as_many_edits_as_the_whole_table_says() {
        let mut terms: Vec<String> = vec![String::new()];
        for len in 0..6 {
            let longest: Vec<_> = terms.iter().filter(|term| term.chars().count() == len).cloned().collect();
            terms.extend(longest.iter().flat_map(|term| ["a", "b", "é"].map(|end| format!("{term}{end}"))));
        }
        terms.sort();
        for word in ["", "a", "ab", "ba", "éa", "abba", "aééab", "bbbbbbb", "aéaéaéaéa"] {
            for edits in [Edits::One, Edits::Two] {
                let (mut table, mut before) = (EditTable::new(word, edits), "");
                for term in &terms {
                    let common = before.bytes().zip(term.bytes()).take_while(|(a, b)| a == b).count();
                    let expected = distance(word, term) <= usize::from(edits.count());
                    if table.dead().is_some_and(|dead| common >= dead) {
                        assert!(!expected, "{word} {term}");
                        continue;
                    }
                    assert_eq!(table.take(term.as_bytes(), common).unwrap(), expected, "{word} {term} {edits:?}");
                    before = term;
                }
            }
        }
    }

    #[test]
    fn what_is_no_text_is_no_term() {
        for bytes in [&b"\xff"[..], b"a\x80", b"\xc3", b"\xe2\x82", b"\xf8aaaa", b"\xed\xa0\x80"] {
            assert_eq!(EditTable::new("ab", Edits::Two).take(bytes, 0), None, "{bytes:?}");
        }
    }
}
