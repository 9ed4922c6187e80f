//! Any schema without unions compiles to what it was laid out as.
#![expect(clippy::cast_possible_truncation, reason = "tests")]

use std::collections::BTreeSet;

use crate::compile::{self, structure, union, without_files};
use kapok_core::schema::{
    DefaultValue, EnumType, Enumerant, FieldKind, FieldType, Metric, RecordDeclaration, Reference, Schema, Type,
    VectorElement, VectorSpace, to_camel_case, unique_name,
};
use proptest::prelude::*;

/// What is drawn for one field.
#[derive(Clone, Debug)]
struct Draw {
    json_name: String,
    kind: u8,
    lists: u8,
    target: prop::sample::Index,
    default: Option<(u64, String)>,
    order: u16,
    metric: u8,
}

fn draw() -> impl Strategy<Value = Draw> {
    let json_name =
        prop_oneof![3 => "[a-z]{1,6}(_[a-z]{1,4})?", 2 => any::<String>(), 1 => "[\"\\\\\n\t\u{0}-\u{1f}$@;{}é]{0,6}"];
    let default = prop::option::of((any::<u64>(), any::<String>()));
    let numbers = (0_u8..17, prop_oneof![4 => Just(0_u8), 1 => 1_u8..3], any::<u16>(), 0_u8..6);
    (json_name, numbers, any::<prop::sample::Index>(), default).prop_map(
        |(json_name, (kind, lists, order, metric), target, default)| Draw {
            json_name,
            kind,
            lists,
            target,
            default,
            order,
            metric,
        },
    )
}

const NUMBERS: [Type; 12] = [
    Type::Void,
    Type::Bool,
    Type::Int8,
    Type::Int16,
    Type::Int32,
    Type::Int64,
    Type::UInt8,
    Type::UInt16,
    Type::UInt32,
    Type::UInt64,
    Type::Float32,
    Type::Float64,
];

fn struct_id(index: usize) -> u64 {
    0x9000_0000_0000_0000 + 0x1357 * index as u64
}

fn enum_id(index: usize) -> u64 {
    0xa000_0000_0000_0000 + 0x2468 * index as u64
}

fn default_of(ty: &Type, draw: &Draw, enumerants: &[usize]) -> DefaultValue {
    let Some((bits, text)) = &draw.default else { return DefaultValue::Zero };
    let bits = match ty {
        Type::Enum(id) => bits % enumerants[((id - enum_id(0)) / 0x2468) as usize] as u64,
        Type::Float32 if f32::from_bits(*bits as u32).is_nan() => 0x7fc0_0000,
        Type::Float64 if f64::from_bits(*bits).is_nan() => 0x7ff8 << 48,
        _ => match ty.data_bits() {
            Some(width) => bits & u64::MAX.checked_shr(64 - width).unwrap_or(0),
            None => 0,
        },
    };
    let mut message = capnp::message::Builder::new_default();
    let mut root: capnp::any_pointer::Builder<'_> = message.init_root();
    match ty {
        Type::Text if !text.is_empty() => root.set_as(text.as_str()).unwrap(),
        Type::Data if !text.is_empty() => root.set_as::<capnp::data::Owned>(text.as_bytes()).unwrap(),
        Type::List(element) if **element == Type::Text => {
            let mut list: capnp::text_list::Builder<'_> = root.initn_as(2);
            list.set(0, text.as_str());
            list.set(1, "");
        }
        _ if bits == 0 => return DefaultValue::Zero,
        _ => return DefaultValue::Bits(bits),
    }
    let words = message.into_reader().canonicalize().unwrap();
    DefaultValue::Pointer(capnp::Word::words_to_bytes(&words).into())
}

/// Structs and enums of any fields but unions and groups, nested in each other at random.
fn random_schema(structs: &[(Vec<Draw>, prop::sample::Index)], enumerants: &[usize]) -> Schema {
    let mut schema = Schema::new();
    for (index, count) in enumerants.iter().enumerate() {
        let member = |n| Enumerant {
            name: format!("e{n}"),
            json_name: (n % 3 == 1).then(|| format!("E \"{n}\"")),
            code_order: n,
        };
        let enumerants = (0..u16::try_from(*count).unwrap()).map(member).collect();
        schema.insert_enum(EnumType { id: enum_id(index), name: format!("E{index}"), scope: 1, enumerants });
    }
    for (index, (draws, scope)) in structs.iter().enumerate() {
        let mut taken = BTreeSet::new();
        let mut fields = Vec::new();
        for (ordinal, draw) in (0..).zip(draws) {
            let mut ty = match draw.kind {
                12 => Type::Text,
                13 => Type::Data,
                14 => Type::Enum(enum_id(draw.target.index(enumerants.len()))),
                15 | 16 => Type::Struct(struct_id(draw.target.index(structs.len()))),
                number => NUMBERS[usize::from(number)].clone(),
            };
            for _ in 0..draw.lists {
                ty = Type::List(Box::new(ty));
            }
            let name = unique_name(&taken, &to_camel_case(&draw.json_name));
            let mut field = FieldType::slot(&name, ordinal, 0, ty.clone());
            field.json_name = (draw.json_name != name).then(|| draw.json_name.clone());
            let metric = [Metric::Unspecified, Metric::L2, Metric::Cosine, Metric::InnerProduct, Metric::Hamming];
            let elements = [VectorElement::AsType, VectorElement::Float16, VectorElement::BFloat16, VectorElement::Bit];
            field.vector =
                metric.get(usize::from(draw.metric)).filter(|_| ty == Type::Data).map(|metric| VectorSpace {
                    dimension: u32::from(draw.order % 5),
                    metric: *metric,
                    element: elements[draw.order as usize % 4],
                });
            field.null_of = (ty == Type::Bool && draw.metric == 0).then(|| draw.json_name.clone());
            field.is_json = ty == Type::Text && draw.metric == 1;
            field.reference = (draw.lists == 0 && draw.metric == 2).then(|| format!("R \"{ordinal}\""));
            field.is_map =
                matches!(&ty, Type::List(element) if matches!(**element, Type::Struct(_))) && draw.metric == 1;
            field.kind = FieldKind::Slot { offset: 0, default: default_of(&ty, draw, enumerants), ty };
            taken.insert(name);
            fields.push(field);
        }
        // The order in which they are written: any permutation.
        let mut order: Vec<usize> = (0..fields.len()).collect();
        order.sort_by_key(|n| (draws[*n].order, *n));
        for (place, n) in order.into_iter().enumerate() {
            fields[n].code_order = u16::try_from(place).unwrap();
        }
        // Nested in an earlier struct, or at the top level.
        let scope = scope.index(index + 1);
        let scope = if scope == index { 1 } else { struct_id(scope) };
        let name = if index < 3 { "Shared".to_owned() } else { format!("S{index}") };
        let is_alone = !schema.structs().any(|ty| ty.scope == scope && ty.name == name);
        let mut ty = structure(struct_id(index), &if is_alone { name } else { format!("T{index}") }, scope, fields);
        ty.references = draws
            .iter()
            .filter(|draw| draw.metric == 3)
            .map(|draw| Reference {
                name: format!("to{}", draw.order),
                target: "S\"0".to_owned(),
                fields: vec![to_camel_case(&draw.json_name), "g.x".to_owned()],
            })
            .collect();
        ty.key = draws.iter().take(2).map(|draw| to_camel_case(&draw.json_name)).collect();
        schema.insert_struct(ty);
    }
    schema.closure((0..structs.len()).map(struct_id)).unwrap()
}

fn cases() -> ProptestConfig {
    // Each runs the tool; PROPTEST_CASES asks for more.
    let config = ProptestConfig::default();
    let few = std::env::var_os("PROPTEST_CASES").is_none();
    ProptestConfig { cases: if few { 24 } else { config.cases }, failure_persistence: None, ..config }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_schema_without_unions_survives_layout_printing_and_compiling(
        structs in prop::collection::vec((prop::collection::vec(draw(), 0..24), any::<prop::sample::Index>()), 1..6),
        enumerants in prop::collection::vec(1_usize..5, 1..3),
    ) {
        let schema = random_schema(&structs, &enumerants);
        let root = schema.struct_type(struct_id(0)).unwrap().clone();
        let declaration = RecordDeclaration { name: &root.name, type_id: root.id, key: &[] };
        let idl = schema.to_idl(&[declaration]).unwrap();
        let Some(loaded) = compile::compile("random", &idl) else { return Ok(()) };
        let mut again = Schema::new();
        for name in loaded.struct_names() {
            again = union(again, &loaded.record_type(name).unwrap().0);
        }
        let again = again.closure((0..structs.len()).map(struct_id)).unwrap();
        prop_assert_eq!(without_files(&schema), without_files(&again), "{}", idl);
    }
}
