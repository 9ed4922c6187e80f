//! Which rows a search has met.

/// A mark of 8 bits for each row, so that only one search in 255 begins with clearing them.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    marks: Vec<u8>,
    mark: u8,
    rows: u32,
}

impl Visited {
    /// Forgets all, and makes room for rows below a number.
    pub fn reset(&mut self, rows: u32) {
        self.mark = self.mark.wrapping_add(1);
        if self.mark == 0 {
            self.marks.fill(0);
            self.mark = 1;
        }
        // One more, for all that are no rows.
        let len = rows as usize + 1;
        if self.marks.len() < len {
            self.marks.resize(len, 0);
        }
        self.marks[rows as usize] = self.mark;
        self.rows = rows;
    }

    /// Marks a row: whether there is one of this number that was not marked.
    #[inline]
    pub fn insert(&mut self, row: u32) -> bool {
        let Some(mark) = self.marks.get_mut(row.min(self.rows) as usize) else { return false };
        let is_new = *mark != self.mark;
        *mark = self.mark;
        is_new
    }
}
