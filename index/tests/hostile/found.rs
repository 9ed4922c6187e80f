//! Artifacts that once took time which did not grow with their length alone.

use kapok_core::ErrorKind;
use kapok_samples::stopwatch::Stopwatch;
use xxhash_rust::xxh3::xxh3_64;

use crate::CASE_MAX;
use crate::dataset::Dataset;

/// More than a container of a Roaring bitmap holds.
const ROWS: u32 = 70_000;
const YEAR: u16 = 1927;
const SLOTS: u32 = 400_000;

/// Returns an artifact whose slots are all alike: each has the fingerprint of a year, and names the one posting.
fn of_slots_alike(dataset: &Dataset, posting: &[u8]) -> Vec<u8> {
    let encoded = [&[3][..], &u64::from(YEAR).to_le_bytes()].concat();
    let mut out = dataset.honest()[..64].to_vec();
    out[16..24].copy_from_slice(&u64::from(SLOTS).to_le_bytes());
    for _ in 0..SLOTS {
        out.extend(2_u32.to_le_bytes());
        out.extend(&xxh3_64(&encoded).to_le_bytes()[..4]);
    }
    out.extend(posting);
    out.resize(out.len().next_multiple_of(8), 0);
    out
}

/// Returns a Roaring bitmap of containers, each with its number, the rows that it says it has, and its bytes.
fn posting(containers: &[(u16, u32, &[u8])]) -> Vec<u8> {
    let mut bitmap = [12346_u32.to_le_bytes(), u32::try_from(containers.len()).unwrap().to_le_bytes()].concat();
    for (number, count, _) in containers {
        bitmap.extend(number.to_le_bytes());
        bitmap.extend(u16::try_from(count - 1).unwrap().to_le_bytes());
    }
    let mut at = 8 + 8 * containers.len();
    for (.., bytes) in containers {
        bitmap.extend(u32::try_from(at).unwrap().to_le_bytes());
        at += bytes.len();
    }
    bitmap.extend(containers.iter().flat_map(|(.., bytes)| *bytes));
    let count: u32 = containers.iter().map(|(_, count, _)| count).sum();
    let head = [(count << 1 | 1).to_le_bytes(), u32::try_from(bitmap.len()).unwrap().to_le_bytes()].concat();
    [head, bitmap].concat()
}

/// Asks for the films of the year. No row of the posting is of it, so that each slot may name another one that is.
fn ask(posting: &[u8]) {
    let dataset = Dataset::films(ROWS, "hash(year)");
    let (view, _) = dataset.open(of_slots_alike(&dataset, posting)).unwrap();
    let lookup = view.hash_lookup("Movie", "hash(year)").unwrap();
    let stopwatch = Stopwatch::start();
    let error = lookup.find(&[YEAR.into()]).unwrap_err();
    stopwatch.assert_within(CASE_MAX, "a lookup");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn a_bitmap_has_no_more_containers_than_rows_need() {
    // Counting them took as long for each slot.
    let row_1 = 1_u16.to_le_bytes();
    let containers: Vec<_> = (0..40_000).map(|number| (number, 1, &row_1[..])).collect();
    ask(&posting(&containers));
}

#[test]
fn a_container_without_a_row_ends_a_posting() {
    // Row 65,537 is found behind a thousand empty words.
    ask(&posting(&[(0, 60_000, &[0; 8192]), (1, 1, &1_u16.to_le_bytes())]));
}
