//! The same answers as a `BTreeMap`, over random histories of upserts and deletes.

use std::collections::BTreeMap;

use kapok_core::key::{KeyPart, KeyParts};
use kapok_core::segment::RowId;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use roaring::RoaringBitmap;

use super::fixture::{Values, Version, encoding, open, seal};

const KEYS: [&[&str]; 18] = [
    &["id"],
    &["code"],
    &["data"],
    &["u32"],
    &["u64"],
    &["i8"],
    &["i16"],
    &["i32"],
    &["u8"],
    &["u16"],
    &["flag"],
    &["colour"],
    &["flagOn", "u8", "colour"],
    &["i16", "i32", "u16"],
    &["id", "code"],
    &["code", "id"],
    &["data", "code", "flagOn"],
    &["id", "u64"],
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["", "a", "a\0", "\0", "\0\u{ff}", "ab", "b", "sixteen bytes key"])
            .prop_map(str::to_owned),
        prop::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter),
    ]
}

fn values() -> impl Strategy<Value = Values> {
    let narrow = (any::<bool>(), any::<bool>(), -3_i8..4, -9_i16..-4, any::<u8>(), any::<u16>(), 0_u16..3);
    let i32 = prop_oneof![-2..3, any::<i32>(), Just(i32::MIN), Just(i32::MAX)];
    let u32 = prop_oneof![0..5_u32, any::<u32>(), Just(u32::MAX)];
    let id = prop_oneof![-2..3_i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)];
    let u64 = prop_oneof![0..5_u64, any::<u64>(), Just(u64::MAX)];
    let data = text().prop_map(String::into_bytes);
    (narrow, i32, u32, id, u64, text(), data).prop_map(
        |((flag, flag_on, i8, i16, u8, u16, colour), i32, u32, id, u64, code, data)| {
            let payload = 0.0;
            Values {
                id,
                code,
                flag,
                flag_on,
                i8,
                i16,
                i32,
                u8,
                u16,
                u32,
                u64,
                colour,
                data,
                payload,
                texts: Vec::new(),
            }
        },
    )
}

/// One cycle: which records are set, and which of all those that the history has named are deleted.
type Cycle = (Vec<Values>, Vec<prop::sample::Index>);

struct Model<'m> {
    key: &'m [&'m str],
    version: Version,
    /// Encoded key → segment and payload of the live record.
    live: BTreeMap<Vec<u8>, (usize, f64)>,
}

impl<'m> Model<'m> {
    fn encode(&self, values: &Values) -> Vec<u8> {
        let parts: Vec<KeyPart<'_>> = self.key.iter().map(|field| values.part(field)).collect();
        let mut out = Vec::new();
        assert!(self.version.encoding.key().encode(&parts, &mut out).unwrap());
        out
    }

    /// Builds the version that a history ends in.
    fn new(key: &'m [&'m str], history: &[Cycle]) -> Self {
        let mut model = Self { key, version: Version::new(key), live: BTreeMap::new() };
        let mut named = Vec::new();
        let mut rows: Vec<BTreeMap<Vec<u8>, Values>> = Vec::new();
        let mut dead: Vec<RoaringBitmap> = Vec::new();
        let mut payload = 0.0;
        for (upserts, deletes) in history {
            let mut fresh = BTreeMap::new();
            let mut gone: Vec<Vec<u8>> = Vec::new();
            for values in upserts {
                payload += 1.0;
                let encoded = model.encode(values);
                gone.push(encoded.clone());
                named.push(encoded.clone());
                fresh.insert(encoded, Values { payload, ..values.clone() });
            }
            gone.extend(deletes.iter().filter(|_| !named.is_empty()).map(|at| named[at.index(named.len())].clone()));
            for encoded in gone {
                if let Some((segment, _)) = model.live.remove(&encoded) {
                    let row = rows[segment].keys().position(|other| *other == encoded).unwrap();
                    dead[segment].insert(u32::try_from(row).unwrap());
                }
            }
            if !fresh.is_empty() {
                let segment = rows.len();
                model.live.extend(fresh.iter().map(|(encoded, values)| (encoded.clone(), (segment, values.payload))));
                rows.push(fresh);
                dead.push(RoaringBitmap::new());
            }
        }
        for (rows, dead) in rows.iter().zip(&dead) {
            model.version.push(&rows.values().cloned().collect::<Vec<_>>(), dead);
        }
        model
    }

    /// Compares a view with the model at every key of the history and at some others.
    fn check(&self, history: &[Cycle], others: &[Values]) {
        let view = self.version.open().unwrap();
        view.verify_keys().unwrap();
        if self.version.segments.is_empty() {
            return;
        }
        let payload = view.field::<f64>("Kinds.f64").unwrap();
        let lookup = view.lookup("Kinds").unwrap();
        let mut all = Vec::new();
        for values in history.iter().flat_map(|(upserts, _)| upserts).chain(others) {
            let parts: Vec<KeyPart<'_>> = self.key.iter().map(|field| values.part(field)).collect();
            let encoded = self.encode(values);
            let expected = self.live.get(&encoded);
            let found = lookup.find(&KeyParts(&parts)).unwrap();
            assert_eq!(found.map(|at| payload.get(at).unwrap()), expected.map(|(_, payload)| *payload), "{parts:?}");
            let place = |at: RowId| lookup.table().place(at).unwrap().0;
            assert_eq!(found.map(place), expected.map(|(segment, _)| *segment));
            assert_eq!(lookup.find_encoded(&encoded).unwrap(), found);
            assert_eq!(view.find("Kinds", &KeyParts(&parts)).unwrap(), found);
            all.push((values, found));
        }
        let parts: Vec<Vec<KeyPart<'_>>> =
            all.iter().map(|(values, _)| self.key.iter().map(|field| values.part(field)).collect()).collect();
        let keys: Vec<KeyParts<'_>> = parts.iter().map(|parts| KeyParts(parts)).collect();
        let found: Vec<_> = all.iter().map(|(_, found)| *found).collect();
        assert_eq!(lookup.find_many(&keys).unwrap(), found);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn lookups_agree_with_a_map_with_and_without_indexes(
        key in prop::sample::select(KEYS.to_vec()),
        history in prop::collection::vec(
            (prop::collection::vec(values(), 0..25), prop::collection::vec(any::<prop::sample::Index>(), 0..6)),
            1..12,
        ),
        others in prop::collection::vec(values(), 0..20),
    ) {
        let mut model = Model::new(key, &history);
        // By bisection alone, then by indexes, one segment after another.
        model.check(&history, &others);
        for place in 0..model.version.segments.len() {
            model.version.index(place);
            model.check(&history, &others);
        }
    }
}

proptest! {
    #[test]
    fn a_key_of_one_integer_has_the_same_number_by_its_word_as_by_its_row(
        field in prop::sample::select(vec!["id", "u32", "u64", "i8", "i16", "i32", "u8", "u16", "colour"]),
        values in values(),
        other in any::<i128>(),
    ) {
        let encoding = encoding(&[field]);
        let (key, integer) = (encoding.key(), encoding.key().integer().unwrap());
        let sealed = seal(&encoding, std::slice::from_ref(&values)).unwrap();
        let segment = open(&sealed.bytes, 1);
        let row = segment.row(0).unwrap();
        let number = key.row_number(row);
        assert_eq!(integer.number_in(row.data_word(integer.word_at() / 8)), number);
        let KeyPart::Int(value) = values.part(field) else { panic!("{field}") };
        assert_eq!(integer.encode(value), Some(number));
        for value in [other, other >> 64, other >> 96, value + (1 << 64), value - (1 << 64), i128::MAX, i128::MIN] {
            assert_eq!(integer.encode(value), key.encode_number(&[KeyPart::Int(value)]).unwrap());
        }
    }
}
