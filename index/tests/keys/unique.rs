//! The index of one segment.

use bytes::Bytes;
use kapok_core::key::KeyPart;
use kapok_core::{ErrorKind, Fault};
use kapok_index::{UniqueIndex, unique};

use super::fixture::{Values, encoding, open, seal, threes};

#[test]
fn every_row_is_found_and_nothing_else_from_no_rows_to_many() {
    for rows in (0..20).chain([31, 32, 33, 1000, 4096]) {
        let (encoding, segment) = threes(rows);
        let key = encoding.key();
        let index = UniqueIndex::open("i", unique::build(key, &segment).unwrap().into(), rows).unwrap();
        index.verify(key, &segment).unwrap();
        let mut encoded = Vec::new();
        for number in 0..rows * 3 + 10 {
            assert!(key.encode(&[KeyPart::Int(number.into())], &mut encoded).unwrap());
            let expected = (number % 3 == 0 && number / 3 < rows).then_some(number / 3);
            assert_eq!(index.find(key, &segment, &encoded, key.number(&encoded)).unwrap(), expected, "of {rows}");
        }
    }
}

#[test]
fn bytes_are_those_that_the_format_tells() {
    let (encoding, segment) = threes(3);
    let bytes = unique::build(encoding.key(), &segment).unwrap();
    let mut expected = b"KAPOKUQ1".to_vec();
    expected.extend([3, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
    expected.resize(64, 0);
    // By the definition of the format, with XXH3_64bits of 00000000, 00000003 and 00000006.
    let mut slots = [0_u32; 5];
    for (row, hash) in (1..).zip(GOLDEN_HASHES) {
        let mut at = usize::try_from((u128::from(hash) * 5) >> 64).unwrap();
        while slots[at] != 0 {
            at = (at + 1) % 5;
        }
        slots[at] = u32::try_from(hash & 0xffff_fffc).unwrap() | row;
    }
    expected.extend(slots.iter().flat_map(|slot| slot.to_le_bytes()));
    assert_eq!(bytes, expected);
}

/// As the reference implementation has them.
const GOLDEN_HASHES: [u64; 3] = [0x48b2_c926_16fc_193d, 0xe43e_bf4e_a842_de77, 0x2877_9258_c768_d37a];

#[test]
fn the_same_segment_gives_the_same_bytes() {
    let (encoding, segment) = threes(5000);
    let build = || unique::build(encoding.key(), &segment).unwrap();
    let bytes = build();
    assert_eq!(bytes, build());
    // Wherever the segment lies in memory, and whatever it is called.
    let elsewhere = kapok_core::segment::Segment::open("other", Bytes::copy_from_slice(segment.bytes()), 5000).unwrap();
    assert_eq!(bytes, unique::build(encoding.key(), &elsewhere).unwrap());
}

#[test]
fn a_duplicate_key_is_refused_and_named() {
    for key in [&["u32"][..], &["code"], &["u32", "code"]] {
        let encoding = encoding(key);
        let records: Vec<_> = ["first", "second", "third!"]
            .iter()
            .zip(10..)
            .map(|(code, u32)| Values { code: (*code).into(), ..Values::with_u32(u32) })
            .collect();
        let sealed = seal(&encoding, &records).unwrap();
        let mut bytes = sealed.bytes;
        let segment = open(&bytes, 3);
        let (rows_at, stride) = (8 + segment.rows_at(), segment.stride());
        let row = |row: usize| rows_at + row * stride..rows_at + (row + 1) * stride;
        // The rows' data alike; the third text in the place and length of the second.
        bytes.copy_within(row(1), row(2).start);
        let code = 8 * usize::from(segment.row_sizes().0);
        let pointer = row(2).start + code;
        let aim = i64::from_le_bytes(bytes[pointer..pointer + 8].try_into().unwrap()) - ((stride as i64 / 8) << 2);
        bytes[pointer..pointer + 8].copy_from_slice(&aim.to_le_bytes());
        let error = unique::build(encoding.key(), &open(&bytes, 3)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let Fault::DuplicateKey { first, second, key, .. } = error.fault() else { panic!("{error}") };
        assert_eq!((first.as_str(), second.as_str()), ("row 1", "row 2"));
        assert!(key.contains("11") || key.contains("second"), "{key}");
    }
}
