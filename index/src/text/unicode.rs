//! Words and case folding, by the tables of one version of Unicode.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use unicode_segmentation::UnicodeSegmentation;

use super::{Fold, Terms, TextRules};

/// Iterates over the words of a text, case-folded, in order.
pub(crate) fn words(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.unicode_words().map(fold)
}

/// Returns the words of a text as they stand there, in order.
pub(crate) fn words_of(text: &str) -> Vec<&str> {
    text.unicode_words().collect()
}

/// Folds the case of a text.
pub(super) fn fold(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        return CaseMapper::new().fold_string(text);
    }
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    }
}

impl TextRules {
    /// Hands the terms of a text to a function: in order, equal ones as often as they are there.
    pub(super) fn for_each_term(self, text: &str, mut f: impl FnMut(&str)) {
        match self.terms {
            Terms::Whole => f(&self.folded(text)),
            Terms::Words => text.unicode_words().for_each(|word| f(&self.folded(word))),
        }
    }

    /// Returns a text as terms have it.
    pub(crate) fn folded(self, text: &str) -> Cow<'_, str> {
        match self.fold {
            Fold::Full => fold(text),
            Fold::None => Cow::Borrowed(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that terms depend on in the tables of Unicode: what each character folds to, and how it parts and joins letters,
    /// digits and itself.
    fn tables() -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for character in '\0'..=char::MAX {
            let probe =
                format!("{character}{character}a{character}a1{character}1ア{character}ア'{character}.{character}");
            for word in probe.unicode_words() {
                hasher.update(word.as_bytes()).update(b"\xff");
            }
            if let Cow::Owned(folded) = CaseMapper::new().fold_string(character.encode_utf8(&mut [0; 4])) {
                hasher.update(folded.as_bytes()).update(b"\xfe");
            }
        }
        // Texts of ASCII alone have a way of their own.
        for (a, b) in (0..128_u8).flat_map(|a| (0..128_u8).map(move |b| (char::from(a), char::from(b)))) {
            for word in format!("x{a}{b}y1{a}2{b}{a}").unicode_words() {
                hasher.update(word.as_bytes()).update(b"\xfd");
            }
        }
        hasher.finalize()
    }

    #[test]
    fn the_revision_is_that_of_the_unicode_tables() {
        // If this fails, an update of a library brought other tables: terms, so artifacts, are others than those that were
        // published. Raise REVISION, and say so in FORMAT.md.
        assert_eq!((super::super::REVISION, unicode_segmentation::UNICODE_VERSION), (1, (17, 0, 0)));
        assert_eq!(tables().to_hex().as_str(), "da3b3da9b623ab85ac50e1f846ed0c58f2bf15d23ffde452fbf896207d8cc00d");
    }

    #[test]
    fn ascii_folds_as_the_tables_say() {
        for text in ["", "abc", "ABC xyz", "Z9-_.~", "\0\x7f"] {
            assert_eq!(fold(text), CaseMapper::new().fold_string(text), "{text}");
        }
    }
}
