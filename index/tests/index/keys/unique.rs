//! The index of one segment.

use bytes::Bytes;
use kapok_core::key::KeyPart;
use kapok_core::{ErrorKind, Fault};
use kapok_index::{Binding, UniqueIndex, unique};

use super::fixture::{Values, encoding, open, seal, threes};

#[test]
fn every_row_is_found_and_nothing_else_from_no_rows_to_many() {
    for rows in (0..20).chain([31, 32, 33, 1000, 4096]) {
        let (encoding, segment) = threes(rows);
        let key = encoding.key();
        let index = UniqueIndex::open(
            "i",
            unique::build(key, &segment, &Binding::default()).unwrap().into(),
            rows,
            &Binding::default(),
        )
        .unwrap();
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
    let (encoding, segment) = threes(20);
    let bytes = unique::build(encoding.key(), &segment, &Binding::default()).unwrap();
    let mut expected = b"KAPOKUQ2".to_vec();
    expected.extend([20, 0, 0, 0, 5, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0]);
    expected.resize(64, 0);
    // By the definition of the format: two groups of 16 slots.
    let mut slots = [0_u32; 32];
    for (row, hash) in (1..).zip(GOLDEN_HASHES) {
        let mut at = usize::try_from((u128::from(hash) * 2) >> 64).unwrap() * 16;
        while slots[at] != 0 {
            at = (at + 1) % 32;
        }
        slots[at] = u32::try_from(hash & 0xffff_ffe0).unwrap() | row;
    }
    expected.extend(slots.iter().flat_map(|slot| slot.to_le_bytes()));
    assert_eq!(bytes, expected);
}

/// `XXH3_64bits` of the big-endian numbers 0, 3, 6 and so on to 57, worked out apart from the crate that is used.
const GOLDEN_HASHES: [u64; 20] = [
    0x48b2_c926_16fc_193d,
    0xe43e_bf4e_a842_de77,
    0x2877_9258_c768_d37a,
    0x3efe_220f_b358_a4bd,
    0x4c90_3f5e_6485_17e3,
    0x30b1_a439_e5a7_5dec,
    0x711c_c57f_267e_260f,
    0x91b5_3260_7fa4_8632,
    0xdbce_4529_2b71_db36,
    0x348e_bd24_5bb3_6c21,
    0x180f_73be_fa80_2b36,
    0x4bab_2877_1ca3_26e0,
    0xd24f_a5bb_a27b_6723,
    0xc003_c511_4a00_4ac8,
    0x64a1_4bff_63cd_8865,
    0x5488_c06a_cec6_d3f7,
    0x43e9_5f79_ac20_5780,
    0x42df_fd76_6b89_db76,
    0x8e66_fbb9_6817_c53b,
    0x2c71_bf7a_1ab9_8030,
];

#[test]
fn the_same_segment_gives_the_same_bytes() {
    let (encoding, segment) = threes(5000);
    let build = || unique::build(encoding.key(), &segment, &Binding::default()).unwrap();
    let bytes = build();
    assert_eq!(bytes, build());
    // Wherever the segment lies in memory, and whatever it is called.
    let elsewhere = kapok_core::segment::Segment::open("other", Bytes::copy_from_slice(segment.bytes()), 5000).unwrap();
    assert_eq!(bytes, unique::build(encoding.key(), &elsewhere, &Binding::default()).unwrap());
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
        let aim = i64::from_le_bytes(bytes[pointer..pointer + 8].try_into().unwrap())
            - (i64::try_from(stride / 8).unwrap() << 2);
        bytes[pointer..pointer + 8].copy_from_slice(&aim.to_le_bytes());
        let error = unique::build(encoding.key(), &open(&bytes, 3), &Binding::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let Fault::DuplicateKey { first, second, key, .. } = error.fault() else { panic!("{error}") };
        assert_eq!((first.as_str(), second.as_str()), ("row 1", "row 2"));
        assert!(key.contains("11") || key.contains("second"), "{key}");
    }
}

#[test]
fn rows_that_are_not_in_key_order_are_refused() {
    for key in [&["u32"][..], &["code"]] {
        let encoding = encoding(key);
        let codes = ["a", "b", "c"].map(str::to_owned);
        let records: Vec<_> =
            codes.into_iter().zip(0..).map(|(code, u32)| Values { code, u32, ..Values::default() }).collect();
        let mut bytes = seal(&encoding, &records).unwrap().bytes;
        let segment = open(&bytes, 3);
        let (start, stride) = (8 + segment.rows_at(), segment.stride());
        let code = start + 8 * usize::from(segment.row_sizes().0);
        // Rows 1 and 2 change places, and their texts stay where they are.
        bytes[start + stride..start + 3 * stride].rotate_left(stride);
        let words = i64::try_from(stride / 8).unwrap() << 2;
        for (at, by) in [(code + stride, words), (code + 2 * stride, -words)] {
            let pointer = i64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            bytes[at..at + 8].copy_from_slice(&(pointer + by).to_le_bytes());
        }
        let error = unique::build(encoding.key(), &open(&bytes, 3), &Binding::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("in row 2"), "{error}");
    }
}
