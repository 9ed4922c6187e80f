//! What is done to bytes.

use kapok_samples::random::Random;

/// Does one to four things to a stream-framed message.
pub fn mutate(bytes: &mut Vec<u8>, r: &mut Random) {
    for _ in 0..=r.below(4) {
        match r.below(12) {
            0 => flip(bytes, r),
            1 => resize(bytes, r),
            2 => swap_words(bytes, r),
            3 => with_word(bytes, r, |_, r| [0, 1, u64::MAX, r.next(), 1 << 32, 1 << 35, 1 << 63][r.below(7)]),
            4 | 5 => with_pointer(bytes, r, retarget),
            6 | 7 => with_pointer(bytes, r, reshape),
            8 => with_pointer(bytes, r, |at, _, r| struct_or_list(at, r)),
            9 => copy_word(bytes, r),
            // The head: root, list of rows, tag.
            10 => head(bytes, r),
            _ => with_pointer(bytes, r, |_, word, _| word ^ (word & 3) | [0, 1, 2, 3][(word % 4) as usize]),
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at * 8..at * 8 + 8].try_into().unwrap())
}

fn set_word(bytes: &mut [u8], at: usize, word: u64) {
    bytes[at * 8..at * 8 + 8].copy_from_slice(&word.to_le_bytes());
}

fn flip(bytes: &mut [u8], r: &mut Random) {
    if !bytes.is_empty() {
        let bit = r.below(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

fn resize(bytes: &mut Vec<u8>, r: &mut Random) {
    let len = match r.below(4) {
        0 => r.below(bytes.len() + 1),
        1 => r.below(bytes.len() + 1) & !7,
        2 => bytes.len() + 8 * r.below(20),
        _ => bytes.len() + r.below(20),
    };
    bytes.resize(len, if r.one_in(2) { 0 } else { 0xff });
    // Or the header would always give it away.
    if len >= 8 && !r.one_in(4) {
        let words = (len as u64 / 8).saturating_sub(1);
        set_word(bytes, 0, words << 32);
    }
}

fn with_word(bytes: &mut [u8], r: &mut Random, f: impl Fn(u64, &mut Random) -> u64) {
    if bytes.len() >= 8 {
        let at = r.below(bytes.len() / 8);
        let new = f(word(bytes, at), r);
        set_word(bytes, at, new);
    }
}

fn swap_words(bytes: &mut [u8], r: &mut Random) {
    if bytes.len() >= 8 {
        let (left, right) = (r.below(bytes.len() / 8), r.below(bytes.len() / 8));
        let (old_left, old_right) = (word(bytes, left), word(bytes, right));
        set_word(bytes, left, old_right);
        set_word(bytes, right, old_left);
    }
}

fn copy_word(bytes: &mut [u8], r: &mut Random) {
    if bytes.len() >= 8 {
        let (a, b) = (r.below(bytes.len() / 8), r.below(bytes.len() / 8));
        let x = word(bytes, a);
        set_word(bytes, b, x);
    }
}

fn head(bytes: &mut [u8], r: &mut Random) {
    if bytes.len() >= 32 {
        let at = r.below(4);
        let old = word(bytes, at);
        let new = match r.below(3) {
            0 => old ^ 1 << r.below(64),
            1 => reshape(at, old, r),
            _ => retarget(at, old, r),
        };
        set_word(bytes, at, new);
    }
}

/// Changes a word that looks like a pointer to somewhere near.
fn with_pointer(bytes: &mut [u8], r: &mut Random, f: impl Fn(usize, u64, &mut Random) -> u64) {
    let words = bytes.len() / 8;
    if words == 0 {
        return;
    }
    for _ in 0..50 {
        let at = r.below(words);
        let old = word(bytes, at);
        let target = at as i64 + 1 + i64::from((old as u32).cast_signed() >> 2);
        if old & 2 == 0 && old >> 32 != 0 && (0..words as i64).contains(&target) {
            let new = f(at, old, r);
            set_word(bytes, at, new);
            return;
        }
    }
}

/// Another offset: near, itself, behind, far away.
fn retarget(at: usize, word: u64, r: &mut Random) -> u64 {
    let offset = (word as u32).cast_signed() >> 2;
    let new = match r.below(6) {
        0 => offset.wrapping_add(1),
        1 => offset.wrapping_sub(1),
        2 => -1,
        3 => -(r.below(at + 2) as i32) - 1,
        4 => offset.wrapping_add(r.below(2000) as i32 - 1000),
        _ => r.next() as i32 >> 2,
    };
    word & 0xffff_ffff_0000_0003 | u64::from((new << 2).cast_unsigned())
}

/// Another size of elements, another count, another size of a struct.
fn reshape(_: usize, word: u64, r: &mut Random) -> u64 {
    let upper = word >> 32;
    let new = match r.below(6) {
        0 => upper ^ 1 << r.below(32),
        1 => upper & !7 | r.below(8) as u64,
        2 => upper & 7 | 0xffff_fff8,
        3 => upper.wrapping_add(8) & 0xffff_ffff,
        4 => upper.wrapping_sub(8) & 0xffff_ffff,
        _ => [0, 0xffff_ffff, 0x0001_0000, 1][r.below(4)],
    };
    word & 0xffff_ffff | new << 32
}

/// A new pointer of any kind.
fn struct_or_list(at: usize, r: &mut Random) -> u64 {
    let word = retarget(at, 0, r) | r.below(2) as u64;
    word | (r.below(64) as u64) << 32 | (r.below(4) as u64) << 48
}
