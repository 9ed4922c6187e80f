//! What is done to the bytes of an artifact.
#![allow(clippy::cast_possible_truncation, reason = "random values")]

use kapok_samples::random::Random;

/// Bytes of a header; behind them stand slots, fences, rows and the like.
const HEADER: usize = 64;
/// Where a header has numbers: rows, a word, two numbers.
const NUMBERS: [(usize, usize); 4] = [(8, 4), (12, 4), (16, 8), (24, 8)];

/// Does one to four things to an artifact of a segment of so many rows.
pub fn mutate(bytes: &mut Vec<u8>, rows: u32, r: &mut Random) {
    for _ in 0..=r.below(4) {
        match r.below(12) {
            0 | 1 => {
                let at = place(bytes, 1, r);
                bytes[at] ^= 1 << r.below(8);
            }
            2 => {
                let at = place(bytes, 1, r);
                bytes[at] = r.next() as u8;
            }
            3 | 4 => write(bytes, 4, number(rows, r), r),
            5 => write(bytes, 8, number(rows, r), r),
            6 => {
                let len = [1, 4, 8, 64][r.below(4)];
                let (from, to) = (place(bytes, len, r), place(bytes, len, r));
                bytes.copy_within(from..from + len, to);
            }
            7 => {
                let len = [4, 8, 64][r.below(3)];
                let (one, other) = (place(bytes, len, r), place(bytes, len, r));
                (0..len).for_each(|at| bytes.swap(one + at, other + at));
            }
            8 => fill(bytes, r),
            9 => resize(bytes, r),
            10 => header(bytes, r),
            _ => {
                let (at, len) = (place(bytes, 1, r), r.below(200));
                let end = (at + len).min(bytes.len());
                bytes[at..end].fill(if r.one_in(2) { 0 } else { 0xff });
            }
        }
        if bytes.len() < 2 * HEADER {
            return;
        }
    }
}

/// Returns where some bytes begin: mostly behind the header, which refuses all that is not as it must be, and at a multiple
/// of their length.
fn place(bytes: &[u8], len: usize, r: &mut Random) -> usize {
    let first = if r.one_in(16) { 0 } else { HEADER };
    let at = first + r.below(bytes.len() - first);
    let at = if r.one_in(8) { at } else { at / len * len };
    at.min(bytes.len() - len)
}

fn number(rows: u32, r: &mut Random) -> u64 {
    let rows = u64::from(rows);
    let some = [0, 1, rows - 1, rows, rows + 1, 2 * rows, u64::from(u32::MAX), 1 << 31, u64::MAX, 1 << 62];
    if r.one_in(3) { r.next() >> r.below(64) } else { some[r.below(some.len())] }
}

fn write(bytes: &mut [u8], len: usize, number: u64, r: &mut Random) {
    let at = place(bytes, len, r);
    bytes[at..at + len].copy_from_slice(&number.to_le_bytes()[..len]);
}

/// Repeats what stands somewhere: slots that are all alike, rows that come again.
fn fill(bytes: &mut [u8], r: &mut Random) {
    let len = [4, 8][r.below(2)];
    let (from, to) = (place(bytes, len, r), place(bytes, len, r));
    let word = bytes[from..from + len].to_vec();
    let end = if r.one_in(2) { bytes.len() } else { (to + len * r.below(100)).min(bytes.len()) };
    bytes[to..end].chunks_exact_mut(len).for_each(|place| place.copy_from_slice(&word));
}

fn resize(bytes: &mut Vec<u8>, r: &mut Random) {
    let unit = [1, 4, 8, 64][r.below(4)];
    let len = match r.below(3) {
        0 => r.below(bytes.len()) / unit * unit,
        1 => bytes.len() - (unit * r.below(8)).min(bytes.len()),
        _ => bytes.len() + unit * r.below(20),
    };
    let filling = [0, 0xff, r.next() as u8][r.below(3)];
    bytes.resize(len, filling);
}

/// Another number in the header, often with a length that goes with it.
fn header(bytes: &mut Vec<u8>, r: &mut Random) {
    let (at, len) = NUMBERS[r.below(NUMBERS.len())];
    let mut number = [0; 8];
    number[..len].copy_from_slice(&bytes[at..at + len]);
    let less = [1, 8, 16][r.below(3)] * (1 + r.below(4) as u64);
    let old = u64::from_le_bytes(number);
    let new = if r.one_in(2) { old.wrapping_add(less) } else { old.wrapping_sub(less) };
    bytes[at..at + len].copy_from_slice(&new.to_le_bytes()[..len]);
    if r.one_in(2) {
        let unit = [4, 8][r.below(2)];
        let changed = unit * less as usize;
        let len = if new > old { bytes.len() + changed } else { bytes.len().saturating_sub(changed).max(HEADER) };
        bytes.resize(len, 0);
    }
}
