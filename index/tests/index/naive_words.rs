//! Words, case folding and edit distances, the slow way.

use icu_casemap::CaseMapper;
use unicode_segmentation::UnicodeSegmentation;

pub fn fold(text: &str) -> String {
    text.chars().map(|one| CaseMapper::new().fold_string(one.encode_utf8(&mut [0; 4])).into_owned()).collect()
}

pub fn plain_words(text: &str) -> Vec<String> {
    text.unicode_words().map(str::to_owned).collect()
}

pub fn folded_words(text: &str) -> Vec<String> {
    text.unicode_words().map(fold).collect()
}

/// The least number of characters to put in, leave out or replace.
pub fn distance(a: &str, b: &str) -> usize {
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

/// Whether a text has all words of a pattern, as `~=` asks it.
pub fn matches(pattern: &str, text: &str) -> bool {
    let of_text = folded_words(text);
    pattern.split_whitespace().all(|piece| {
        let (piece, edits) = match (piece.strip_suffix("~1"), piece.strip_suffix("~2")) {
            (Some(piece), _) => (piece, 1),
            (_, Some(piece)) => (piece, 2),
            _ => (piece, 0),
        };
        let bare = piece.trim_end_matches('*');
        let is_open = edits == 0 && bare.len() < piece.len();
        let words = folded_words(bare);
        words.iter().enumerate().all(|(at, word)| {
            of_text.iter().any(|of_text| match is_open && at + 1 == words.len() {
                true => of_text.starts_with(word),
                false => distance(of_text, word) <= edits,
            })
        })
    })
}
