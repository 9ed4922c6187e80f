#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::schema::FieldType;

/// A key of fields of these types.
pub(super) fn key(types: &[Type]) -> KeySpec {
    let fields = (0..).zip(types).map(|(n, ty)| FieldType::slot(&format!("f{n}"), n, 0, ty.clone()));
    let mut ty = StructType::new(1 << 63, "Thing".to_owned(), fields.collect());
    ty.lay_out().unwrap();
    let names: Vec<_> = ty.fields.iter().map(|field| field.name.clone()).collect();
    KeySpec::new(&Schema::new(), &ty, &names).unwrap()
}

/// Texts whose bytes an encoding could take for its own.
fn tricky() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(vec!['\0', '\u{1}', '\u{2}', 'k', '\u{ff}']), 0..4)
        .prop_map(String::from_iter)
}

fn encoded(key: &KeySpec, (first, second, third): &(String, u8, String)) -> Vec<u8> {
    let mut out = Vec::new();
    let parts = [KeyPart::Text(first), KeyPart::Int(i128::from(*second)), KeyPart::Text(third)];
    assert!(key.encode(&parts, &mut out).unwrap());
    out
}

#[test]
fn keys_that_differ_in_where_a_text_ends_are_not_encoded_alike() {
    let key = key(&[Type::Text, Type::UInt8, Type::Text]);
    let (a, b) = ((String::new(), 255, "\0k".to_owned()), ("\0".to_owned(), 107, String::new()));
    assert_ne!(encoded(&key, &a), encoded(&key, &b));
    assert_eq!(key.describe(&encoded(&key, &b)), "\"\\0\",107,\"\"");
}

proptest! {
    #[test]
    fn encoded_keys_order_as_their_parts(a in (tricky(), any::<u8>(), tricky()), b in (tricky(), any::<u8>(), tricky())) {
        let key = key(&[Type::Text, Type::UInt8, Type::Text]);
        prop_assert_eq!(encoded(&key, &a).cmp(&encoded(&key, &b)), a.cmp(&b));
        let described = format!("{:?},{},{:?}", a.0, a.1, a.2);
        prop_assert_eq!(key.describe(&encoded(&key, &a)), described);
    }
}
