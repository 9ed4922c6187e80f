//! Rows beside what they are sorted by.

/// A row, and where a value of it begins in the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub beginning: u64,
    pub row: u32,
}

const BYTE: usize = 1 << u8::BITS;
/// Bytes by which entries differ, above which they are compared: each takes a pass over all of them.
const PASSES_MAX: usize = 3;
/// Entries below which they are compared.
const FEW: usize = 256;

/// Sorts entries, which are given in the order of their rows, by their beginnings, then by their rows.
pub(super) fn sort(mut entries: Vec<Entry>) -> Vec<Entry> {
    let first = entries.first().copied().unwrap_or_default();
    let differing = entries.iter().fold(0, |bits, entry| bits | (entry.beginning ^ first.beginning));
    let passes = (0..u64::BITS).step_by(8).filter(|shift| differing >> shift & 0xff != 0);
    if entries.len() < FEW || passes.clone().count() > PASSES_MAX {
        entries.sort_unstable_by_key(|entry| (entry.beginning, entry.row));
        return entries;
    }
    let mut other = Vec::new();
    for shift in passes {
        other.resize(entries.len(), Entry::default());
        scatter(&entries, &mut other, shift);
        std::mem::swap(&mut entries, &mut other);
    }
    entries
}

/// Moves entries to where a byte of their beginnings puts them: those of equal bytes stay in order.
fn scatter(from: &[Entry], to: &mut [Entry], shift: u32) {
    let byte = |entry: &Entry| (entry.beginning >> shift & 0xff) as usize;
    let mut next = [0_usize; BYTE];
    for entry in from {
        next[byte(entry)] += 1;
    }
    let mut sum = 0;
    for next in &mut next {
        sum += std::mem::replace(next, sum);
    }
    for entry in from {
        let at = &mut next[byte(entry)];
        to[*at] = *entry;
        *at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_by_beginnings_then_rows() {
        for (mask, count) in [(0, 1000), (0xff, 1000), (0xff_0000_ff00, 1000), (u64::MAX, 1000), (u64::MAX, 3), (0, 0)]
        {
            let beginning = |row: u32| u64::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask;
            let entries: Vec<Entry> = (0..count).map(|row| Entry { beginning: beginning(row), row }).collect();
            let mut expected = entries.clone();
            expected.sort_by_key(|entry| (entry.beginning, entry.row));
            assert_eq!(sort(entries), expected, "{mask:x}, {count}");
        }
    }
}
