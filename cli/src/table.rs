//! Prints tables of aligned columns.

use std::io::{self, Write};

use crate::terminal::one_line;

/// Spaces between columns.
const GAP: &str = "  ";

/// Rows of text with a heading; columns of numbers are aligned to the right.
pub struct Table {
    is_right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Makes a table with these headings; those that start with `>` are of columns aligned to the right.
    pub fn new(headings: &[&str]) -> Self {
        let is_right = headings.iter().map(|heading| heading.starts_with('>')).collect();
        let names = headings.iter().map(|heading| heading.trim_start_matches('>').to_owned()).collect();
        Self { is_right, rows: vec![names] }
    }

    /// Adds a row.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        // A cell of several lines would look like other rows.
        self.rows.push(cells.into_iter().map(|cell| one_line(&cell)).collect());
    }

    /// Prints the table.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let width = |cell: &String| cell.chars().count();
        let widths: Vec<usize> = (0..self.is_right.len())
            .map(|column| self.rows.iter().filter_map(|row| row.get(column)).map(width).max().unwrap_or(0))
            .collect();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), is_right) in row.iter().zip(&widths).zip(&self.is_right) {
                if !line.is_empty() {
                    line.push_str(GAP);
                }
                let padding = " ".repeat(width - cell.chars().count());
                let (before, after) = if *is_right { (padding.as_str(), "") } else { ("", padding.as_str()) };
                line.extend([before, cell, after]);
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_lines_end_without_spaces() {
        let mut table = Table::new(&["name", ">rows", "note"]);
        table.push(["a".to_owned(), "10".to_owned(), String::new()]);
        table.push(["longer".to_owned(), "1234567".to_owned(), "é".to_owned()]);
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "name       rows  note\na            10\nlonger  1234567  é\n");
    }
}
