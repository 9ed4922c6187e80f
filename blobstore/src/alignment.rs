//! Aligns bytes to words, as Cap'n Proto reads them.

use bytes::Bytes;

/// Cap'n Proto reads words of this many bytes.
const WORD_BYTES: usize = 8;

/// Returns the same bytes, starting at a multiple of eight; copied only if they do not yet.
pub(crate) fn aligned(bytes: Bytes) -> Bytes {
    if bytes.is_empty() || bytes.as_ptr().align_offset(WORD_BYTES) == 0 {
        return bytes;
    }
    let mut copy = vec![0; bytes.len() + WORD_BYTES];
    let start = copy.as_ptr().align_offset(WORD_BYTES);
    copy[start..start + bytes.len()].copy_from_slice(&bytes);
    Bytes::from(copy).slice(start..start + bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_at_any_address_come_out_aligned_and_unchanged() {
        let whole = Bytes::from((0..64).collect::<Vec<u8>>());
        for start in 0..16 {
            let part = whole.slice(start..);
            let out = aligned(part.clone());
            assert_eq!(out, part);
            assert_eq!(out.as_ptr().align_offset(WORD_BYTES), 0);
        }
    }

    #[test]
    fn bytes_that_are_aligned_are_not_copied() {
        let bytes = aligned(Bytes::from(vec![1; 100]));
        assert_eq!(aligned(bytes.clone()).as_ptr(), bytes.as_ptr());
    }
}
