#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::schema::FieldType;

/// A key of fields of these types, by revision 0.
pub(super) fn key(types: &[Type]) -> KeySpec {
    let fields = (0..).zip(types).map(|(n, ty)| FieldType::slot(&format!("f{n}"), n, 0, ty.clone()));
    let mut ty = StructType::new(1 << 63, "Thing".to_owned(), fields.collect());
    ty.lay_out().unwrap();
    let names: Vec<_> = ty.fields.iter().map(|field| field.name.clone()).collect();
    KeySpec::new(&Schema::new(), &ty, &names).unwrap()
}

/// A part of a key that orders as it should.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Bool(bool),
    Int(i128),
    Text(String),
    Data(Vec<u8>),
}

impl Part {
    fn key_part(&self) -> KeyPart<'_> {
        match self {
            Self::Bool(v) => KeyPart::Bool(*v),
            Self::Int(v) => KeyPart::Int(*v),
            Self::Text(v) => KeyPart::Text(v),
            Self::Data(v) => KeyPart::Data(v),
        }
    }
}

fn encoded(key: &KeySpec, parts: &[Part]) -> Vec<u8> {
    let mut out = Vec::new();
    let parts: Vec<_> = parts.iter().map(Part::key_part).collect();
    assert!(key.encode(&parts, &mut out).unwrap());
    out
}

/// A value of a type, whose bytes an encoding could take for its own.
fn part_of(ty: &Type) -> BoxedStrategy<Part> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Part::Bool).boxed(),
        Type::UInt8 => select(vec![0, 1, 2, 107, 254, 255]).prop_map(Part::Int).boxed(),
        Type::Int16 => select(vec![-32_768, -1, 0, 1, 0x7eff, 0x7f00, 0x7f01, 0x7fff]).prop_map(Part::Int).boxed(),
        Type::Text => vec(select(vec!['\0', '\u{1}', '\u{2}', 'k', '\u{ff}']), 0..4)
            .prop_map(|text| Part::Text(text.into_iter().collect()))
            .boxed(),
        _ => vec(select(vec![0, 1, 2, 0xfe, 0xff]), 0..4).prop_map(Part::Data).boxed(),
    }
}

/// Types of a key's fields, and two keys.
fn two_keys() -> impl Strategy<Value = (Vec<Type>, Vec<Part>, Vec<Part>)> {
    let types = [Type::Text, Type::Data, Type::UInt8, Type::Int16, Type::Bool];
    vec(select(types.to_vec()), 1..5).prop_flat_map(|types| {
        let parts = || types.iter().map(part_of).collect::<Vec<_>>();
        (Just(types.clone()), parts(), parts())
    })
}

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

#[test]
fn keys_that_revision_0_encodes_alike_are_told_apart_by_revision_1() {
    let old = key(&[Type::Text, Type::UInt8, Type::Text]);
    let new = old.clone().with_revision(KeyRevision::R1);
    let (a, b) = ([text(""), Part::Int(255), text("\0k")], [text("\0"), Part::Int(107), text("")]);
    assert_eq!(encoded(&old, &a), [0, 255, 0, b'k']);
    assert_eq!(encoded(&old, &a), encoded(&old, &b));
    assert!(old.may_be_of_two(&encoded(&old, &a)));
    assert_eq!(encoded(&new, &a), [0, 255, 0, b'k']);
    assert_eq!(encoded(&new, &b), [1, 1, 0, 107]);
    assert!(!new.may_be_of_two(&encoded(&new, &a)));
    assert_eq!(new.describe(&encoded(&new, &b)), "\"\\0\",107,\"\"");
}

#[test]
fn a_key_that_all_revisions_encode_alike_has_revision_0() {
    for types in [&[Type::Text][..], &[Type::UInt8, Type::Text], &[Type::Int64, Type::Bool], &[Type::Data]] {
        assert_eq!(key(types).with_revision(KeyRevision::R1), key(types));
    }
    for types in [&[Type::Text, Type::Text][..], &[Type::UInt8, Type::Data, Type::Bool]] {
        let key = key(types);
        assert_eq!(key.revision(), KeyRevision::R0);
        assert_eq!(key.clone().with_revision(KeyRevision::R1).revision(), KeyRevision::R1);
        assert_eq!(key.clone().with_revision(KeyRevision::R1).with_revision(KeyRevision::R0), key);
    }
}

#[test]
fn numbers_of_revisions_are_theirs() {
    for revision in [KeyRevision::R0, KeyRevision::R1] {
        assert_eq!(KeyRevision::of_number(revision.number()), Some(revision));
    }
    assert_eq!(KeyRevision::of_number(2), None);
}

proptest! {
    #[test]
    fn encoded_keys_order_as_their_parts_do((types, a, b) in two_keys()) {
        let key = key(&types).with_revision(KeyRevision::R1);
        prop_assert_eq!(encoded(&key, &a).cmp(&encoded(&key, &b)), a.cmp(&b));
        let described: Vec<_> = a.iter().map(|part| part.key_part().to_string()).collect();
        prop_assert_eq!(key.describe(&encoded(&key, &a)), described.join(","));
    }

    #[test]
    fn keys_that_revision_0_encodes_alike_are_known_as_such((types, a, b) in two_keys()) {
        let key = key(&types);
        if a != b && encoded(&key, &a) == encoded(&key, &b) {
            prop_assert!(key.may_be_of_two(&encoded(&key, &a)));
        }
    }
}
