//! Short lists of rows: ascending numbers of as many bits as the segment's row numbers need.

/// Returns the bits of a row number of a segment of `rows` rows; at least 1.
pub(crate) fn width(rows: u32) -> u32 {
    (u32::BITS - rows.saturating_sub(1).leading_zeros()).max(1)
}

/// Returns the bytes of a list.
pub(crate) fn len(count: u32, width: u32) -> usize {
    (count as usize * width as usize).div_ceil(8)
}

/// Appends a list.
pub(crate) fn encode(rows: impl Iterator<Item = u32>, width: u32, out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0_u64, 0);
    for row in rows {
        bits |= u64::from(row) << count;
        count += width;
        while count >= 8 {
            #[expect(clippy::cast_possible_truncation, reason = "the lowest byte")]
            out.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        #[expect(clippy::cast_possible_truncation, reason = "the lowest byte")]
        out.push(bits as u8);
    }
}

/// Returns a number of a list; 0 behind its end.
#[inline]
pub(crate) fn get(bytes: &[u8], index: u32, width: u32) -> u32 {
    let bit = u64::from(index) * u64::from(width);
    let from = (bit / 8) as usize;
    let mut word = [0; 8];
    if let Some(chunk) = bytes.get(from..).and_then(|rest| rest.first_chunk::<8>()) {
        word = *chunk;
    } else if let Some(rest) = bytes.get(from..) {
        word[..rest.len()].copy_from_slice(rest);
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 32 bits")]
    (((u64::from_le_bytes(word) >> (bit % 8)) & ((1 << width) - 1)) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_come_back() {
        for rows in [1, 2, 3, 255, 256, 257, 1 << 20, (1 << 29) - 1] {
            let width = width(rows);
            let numbers: Vec<u32> = (0..rows).step_by((rows as usize / 37).max(1)).chain([rows - 1]).collect();
            let mut out = Vec::new();
            encode(numbers.iter().copied(), width, &mut out);
            let count = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            assert_eq!(out.len(), len(count, width));
            let back: Vec<u32> = (0..count).map(|index| get(&out, index, width)).collect();
            assert_eq!(back, numbers, "{rows}");
        }
    }
}
