//! Keys of staged rows.

/// Keys of the rows, in a form that orders as they do.
#[derive(Debug)]
pub(super) enum StagedKeys {
    Numbers(Vec<u64>),
    Bytes { arena: Vec<u8>, ends: Vec<usize> },
}

impl StagedKeys {
    pub(super) fn truncate(&mut self, rows: usize) {
        match self {
            Self::Numbers(numbers) => numbers.truncate(rows),
            Self::Bytes { arena, ends } => {
                ends.truncate(rows);
                arena.truncate(ends.last().copied().unwrap_or(0));
            }
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Numbers(own), Self::Numbers(other)) => own.extend(other),
            (Self::Bytes { arena, ends }, Self::Bytes { arena: more, ends: more_ends }) => {
                let base = arena.len();
                arena.extend(more);
                ends.extend(more_ends.into_iter().map(|end| end + base));
            }
            _ => {}
        }
    }

    /// Returns the encoded key of a row, for kinds that are not numbers.
    pub(super) fn bytes(&self, row: u32) -> &[u8] {
        match self {
            Self::Numbers(_) => &[],
            Self::Bytes { arena, ends } => {
                let row = row as usize;
                let start = if row == 0 { 0 } else { ends[row - 1] };
                &arena[start..ends[row]]
            }
        }
    }
}
