//! Escapes text from a store, so that it cannot control a terminal.
//!
//! Publishers choose names, writers, reasons, tags and values freely. Escape sequences in them could hide lines,
//! rewrite text above, or set a window's title. All output for people goes through [`Terminal`] or, on standard error,
//! [`visible`]. Output for programs (JSON, generated scripts) stays as it is.

use std::io::{self, Write};

/// Returns whether a character is not printed, but controls the terminal or the direction of text.
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes the hidden characters of a text. Line ends stay.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_visible(text, &mut out);
    out
}

/// Escapes a text as one line.
pub fn one_line(text: &str) -> String {
    visible(&text.replace(['\n', '\r', '\t'], " "))
}

/// Joins the lines of a text in one, with a separator.
pub fn joined_lines(text: &str) -> String {
    visible(text.trim_end()).replace('\n', " | ")
}

fn push_visible(text: &str, out: &mut String) {
    for c in text.chars() {
        if is_hidden(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
}

/// Output for people, which escapes hidden characters.
pub struct Terminal<W> {
    out: W,
    /// Whether the output is for programs, and nothing is escaped.
    is_exact: bool,
    /// The beginning of a character whose other bytes are not yet written.
    begun: Vec<u8>,
}

impl<W: Write> Terminal<W> {
    /// Wraps an output; `is_exact` if nothing is escaped.
    pub fn new(out: W, is_exact: bool) -> Self {
        Self { out, is_exact, begun: Vec::new() }
    }
}

impl<W: Write> Write for Terminal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_exact {
            return self.out.write(bytes);
        }
        self.begun.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.begun.len());
        let chunks = self.begun.utf8_chunks();
        let mut left = Vec::new();
        for chunk in chunks {
            push_visible(chunk.valid(), &mut text);
            let broken = chunk.invalid();
            // The next write may bring its other bytes.
            if std::str::from_utf8(broken).is_err_and(|error| error.error_len().is_none()) {
                left = broken.to_vec();
            } else if !broken.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.begun = left;
        self.out.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_commands_a_terminal_is_seen_instead() {
        for (text, seen) in [
            ("plain, größe, 漢字\n", "plain, größe, 漢字\n"),
            ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
            ("a\rb\tc\u{7f}", "a\\rb\\tc\\u{7f}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("abc\u{202e}fed", "abc\\u{202e}fed"),
        ] {
            assert_eq!(visible(text), seen);
            // In pieces of any size.
            for size in 1..4 {
                let mut terminal = Terminal::new(Vec::new(), false);
                text.as_bytes().chunks(size).for_each(|piece| terminal.write_all(piece).unwrap());
                assert_eq!(String::from_utf8(terminal.out).unwrap(), seen);
            }
        }
        assert_eq!(one_line("a\nb\u{1b}\tc"), "a b\\u{1b} c");
        assert_eq!(joined_lines("a\nb\u{1b}\n"), "a | b\\u{1b}");
    }

    #[test]
    fn what_programs_read_stays_as_it_is() {
        let mut terminal = Terminal::new(Vec::new(), true);
        terminal.write_all(b"\x1b\xff\xc2").unwrap();
        assert_eq!(terminal.out, b"\x1b\xff\xc2");
    }
}
