//! Index bytes that no build wrote give a typed error or a right answer, and never a panic or a search without end.

use bytes::Bytes;
use kapok_core::key::KeyPart;
use kapok_core::segment::{Encoding, Segment};
use kapok_core::{ErrorKind, Fault};
use kapok_index::{Binding, UniqueIndex, unique};
use proptest::prelude::{any, prop, proptest};

use super::fixture::threes;

const HEADER: usize = 64;

/// Looks up every key and as many that are not there. Whether all answers were those of the true index.
fn search(index: &UniqueIndex, encoding: &Encoding, segment: &Segment) -> bool {
    let key = encoding.key();
    let mut encoded = Vec::new();
    let mut right = true;
    for number in 0..segment.rows() * 3 {
        assert!(key.encode(&[KeyPart::Int(number.into())], &mut encoded).unwrap());
        let expected = (number % 3 == 0).then_some(number / 3);
        match index.find(key, segment, &encoded, key.number(&encoded)) {
            Ok(found) => {
                assert!(found.is_none() || found == expected, "{number}: {found:?}");
                right &= found == expected;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                right = false;
            }
        }
    }
    right
}

#[test]
fn a_flipped_bit_is_refused_in_the_header_and_found_by_verify_in_the_slots() {
    let (encoding, segment) = threes(40);
    let bytes = unique::build(encoding.key(), &segment, &Binding::default()).unwrap();
    assert!(search(
        &UniqueIndex::open("i", bytes.clone().into(), 40, &Binding::default()).unwrap(),
        &encoding,
        &segment
    ));
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let opened = UniqueIndex::open("i", bytes.into(), 40, &Binding::default());
        if bit / 8 < HEADER {
            assert_eq!(opened.unwrap_err().kind(), ErrorKind::Corrupt, "bit {bit}");
            continue;
        }
        let index = opened.unwrap();
        search(&index, &encoding, &segment);
        let error = index.verify(encoding.key(), &segment).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit}");
    }
}

#[test]
fn every_other_length_is_refused() {
    let (encoding, segment) = threes(40);
    let bytes = unique::build(encoding.key(), &segment, &Binding::default()).unwrap();
    for len in 0..bytes.len() {
        let error = UniqueIndex::open("i", Bytes::copy_from_slice(&bytes[..len]), 40, &Binding::default()).unwrap_err();
        let Fault::Corrupt { blob, offset, .. } = error.fault() else { panic!("{error}") };
        assert_eq!((blob.as_str(), *offset), ("i", len as u64));
    }
    for more in 1..10 {
        let longer = [&bytes[..], &vec![0; more]].concat();
        assert_eq!(
            UniqueIndex::open("i", longer.into(), 40, &Binding::default()).unwrap_err().kind(),
            ErrorKind::Corrupt
        );
    }
    for rows in [0, 39, 41, u32::MAX] {
        let error = UniqueIndex::open("i", bytes.clone().into(), rows, &Binding::default()).unwrap_err();
        assert!(error.to_string().contains("offset=8"), "{error}");
    }
}

#[test]
fn a_slot_count_that_overflows_is_refused() {
    let (encoding, segment) = threes(40);
    let mut bytes = unique::build(encoding.key(), &segment, &Binding::default()).unwrap();
    let count = u64::from_le_bytes(bytes[16..24].try_into().unwrap());
    for count in [0, 16, 32, count + 16, 1 << 62, (1 << 62) + count, u64::MAX] {
        bytes[16..24].copy_from_slice(&u64::to_le_bytes(count));
        assert_eq!(
            UniqueIndex::open("i", bytes.clone().into(), 40, &Binding::default()).unwrap_err().kind(),
            ErrorKind::Corrupt
        );
    }
}

#[test]
fn a_slot_of_a_row_beyond_the_last_is_named() {
    let (encoding, segment) = threes(40);
    let mut bytes = unique::build(encoding.key(), &segment, &Binding::default()).unwrap();
    // Row bits: 6. Row 62, with each fingerprint that there is.
    for slot in bytes[HEADER..].chunks_exact_mut(4).filter(|slot| **slot != [0; 4]) {
        slot[0] |= 63;
    }
    let index = UniqueIndex::open("i", bytes.into(), 40, &Binding::default()).unwrap();
    let error = index.find(encoding.key(), &segment, &[0, 0, 0, 3], 3).unwrap_err();
    let Fault::Corrupt { blob, offset, expected, found } = error.fault() else { panic!("{error}") };
    assert_eq!((blob.as_str(), offset % 4), ("i", 0));
    assert!(*offset >= 64 && expected.contains("40 rows") && found.contains("row 62"), "{error}");
    assert!(index.verify(encoding.key(), &segment).is_err());
}

#[test]
fn a_table_without_an_empty_slot_ends_the_search() {
    let (encoding, segment) = threes(40);
    let mut bytes = unique::build(encoding.key(), &segment, &Binding::default()).unwrap();
    // Row 0 everywhere, and a fingerprint that no key below has.
    bytes[HEADER..].chunks_exact_mut(4).for_each(|slot| slot.copy_from_slice(&[0x41, 0x32, 0x54, 0x76]));
    let index = UniqueIndex::open("i", bytes.into(), 40, &Binding::default()).unwrap();
    let error = index.find(encoding.key(), &segment, &[0, 0, 0, 3], 3).unwrap_err();
    assert!(error.to_string().contains("expected=an empty slot"), "{error}");
    assert!(!search(&index, &encoding, &segment));
}

#[test]
fn fingerprints_that_are_alike_cost_time_and_nothing_else() {
    let (encoding, segment) = threes(11);
    let bytes = unique::build(encoding.key(), &segment, &Binding::default()).unwrap();
    // One group, and in it every row with the fingerprint of one key: that row is found among all of them.
    for slot in bytes[HEADER..].chunks_exact(4).take(11) {
        let mut alike = bytes.clone();
        for (other, place) in (1..).zip(alike[HEADER..].chunks_exact_mut(4).take(11)) {
            place.copy_from_slice(slot);
            place[0] = slot[0] & 0xf0 | other;
        }
        let index = UniqueIndex::open("i", alike.into(), 11, &Binding::default()).unwrap();
        let row = u32::from(slot[0] & 0xf) - 1;
        let found = index.find(encoding.key(), &segment, &(row * 3).to_be_bytes(), u64::from(row) * 3).unwrap();
        assert_eq!(found, Some(row));
    }
}

#[test]
fn an_index_over_another_segment_gives_errors_or_nothing() {
    let (encoding, segment) = threes(40);
    let index = UniqueIndex::open(
        "i",
        unique::build(encoding.key(), &segment, &Binding::default()).unwrap().into(),
        40,
        &Binding::default(),
    )
    .unwrap();
    let (_, shorter) = threes(20);
    search(&index, &encoding, &shorter);
    assert_eq!(index.verify(encoding.key(), &shorter).unwrap_err().kind(), ErrorKind::Corrupt);
}

proptest! {
    #[test]
    fn any_slots_give_a_right_answer_or_none(
        rows in 0_u32..50,
        groups in 4_usize..6,
        slots in prop::collection::vec(any::<u32>(), 96),
        low in any::<bool>(),
    ) {
        let (encoding, segment) = threes(rows);
        let mut bytes = unique::build(encoding.key(), &segment, &Binding::default()).unwrap();
        bytes.truncate(HEADER);
        bytes[16..24].copy_from_slice(&(groups as u64 * 16).to_le_bytes());
        for slot in &slots[..groups * 16] {
            // Half of the time, rows that there are.
            let slot = if low && rows > 0 { slot & !63 | (slot % rows + 1) } else { *slot };
            bytes.extend(slot.to_le_bytes());
        }
        search(&UniqueIndex::open("i", bytes.into(), rows, &Binding::default()).unwrap(), &encoding, &segment);
    }

    #[test]
    fn any_bytes_are_refused_or_searched(bytes in prop::collection::vec(any::<u8>(), 0..200), rows in any::<u32>()) {
        let (encoding, segment) = threes(5);
        if let Ok(index) = UniqueIndex::open("i", bytes.into(), rows, &Binding::default()) {
            search(&index, &encoding, &segment);
        }
    }
}

/// Mutations per run; `KAPOK_FUZZ_ITERATIONS` sets another number.
const ITERATIONS: u64 = 3000;

/// The next number of a sequence that its start alone decides (`SplitMix64`).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[test]
fn mutated_indexes_give_right_answers_or_none_or_errors() {
    let iterations = std::env::var("KAPOK_FUZZ_ITERATIONS").map_or(ITERATIONS, |text| text.parse().unwrap());
    let (encoding, segment) = threes(40);
    let original = unique::build(encoding.key(), &segment, &Binding::default()).unwrap();
    let (mut refused, mut right, mut wrong) = (0_u64, 0_u64, 0_u64);
    for case in 0..iterations {
        let mut state = case;
        let mut bytes = original.clone();
        let mut pick = |below: usize| usize::try_from(next(&mut state) % below as u64).unwrap();
        // Mostly behind the header, which refuses all that is not as it must be.
        let first = if pick(4) == 0 { 0 } else { HEADER };
        for _ in 0..=pick(8) {
            let at = first + pick(bytes.len() - first);
            bytes[at] = if pick(2) == 0 { bytes[at] ^ (1 << pick(8)) } else { u8::try_from(pick(256)).unwrap() };
        }
        match pick(20) {
            0 => bytes.truncate(pick(original.len())),
            1 => bytes.resize(original.len() + pick(100), 0xa5),
            _ => {}
        }
        match UniqueIndex::open("i", bytes.into(), 40, &Binding::default()) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "case {case}: {error}");
                refused += 1;
            }
            Ok(index) if search(&index, &encoding, &segment) => right += 1,
            Ok(index) => {
                assert!(index.verify(encoding.key(), &segment).is_err(), "case {case}: verified, and yet wrong");
                wrong += 1;
            }
        }
    }
    println!("refused on opening {refused}, all answers right {right}, answers missing or errors {wrong}");
    assert!(refused > 0 && wrong > 0);
}
