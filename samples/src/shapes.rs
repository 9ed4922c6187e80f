//! Schemas that a few hundred kilobytes can hold and that claim, nest or repeat far more.

#![allow(clippy::cast_possible_truncation, reason = "counts are small")]

use kapok_core::schema::{DefaultValue, EnumType, Enumerant, FieldKind, FieldType, Schema, StructType, Type};

/// The record type's id; its name is `T1`, its key `id`.
pub const RECORD: u64 = 1 << 63 | 1;

/// Makes a schema of about so many types or fields.
pub type Shape = fn(u32) -> Schema;

/// Every shape, by name, of about so many types or fields.
pub const SHAPES: [(&str, Shape); 17] = [
    ("unions that claim 65,535 members", unions_without_members),
    ("sections of 65,535 words without fields", sections_without_fields),
    ("a chain of types", chain),
    ("a chain whose types the record reaches too", near_chain),
    ("a ring of types", ring),
    ("types that all hold each other", clique),
    ("groups twice within groups", doubling_groups),
    ("a chain of groups", chain_of_groups),
    ("a group that is a type too", group_as_type),
    ("one wide type", wide),
    ("numbers that each have a null flag", flags),
    ("many unions", many_unions),
    ("types of one name", namesakes),
    ("an enum of many members", long_enum),
    ("long names", long_names),
    ("defaults that count what is not there", empty_defaults),
    ("a record type that is not there", missing),
];

/// Returns the record type, of its key and these fields.
pub fn record(mut fields: Vec<FieldType>) -> StructType {
    fields.insert(0, FieldType::slot("id", 0, 0, Type::Int64));
    let is_pointer = |field: &&FieldType| matches!(&field.kind, FieldKind::Slot { ty, .. } if ty.is_pointer());
    let pointers = fields.iter().filter(is_pointer).count();
    ty(1, (1, pointers.min(65_535) as u16), fields)
}

fn id(index: u32) -> u64 {
    1 << 63 | u64::from(index)
}

fn ty(index: u32, (data_words, pointer_words): (u16, u16), fields: Vec<FieldType>) -> StructType {
    StructType { data_words, pointer_words, ..StructType::new(id(index), format!("T{index}"), fields) }
}

/// Returns a pointer to a type; the ordinals of a record begin behind its key.
fn to(place: u32, index: u32, first: u32) -> FieldType {
    FieldType::slot(&format!("f{place}"), (place + first) as u16, place, Type::Struct(id(index)))
}

fn schema(types: impl IntoIterator<Item = StructType>) -> Schema {
    let mut schema = Schema::new();
    types.into_iter().for_each(|ty| schema.insert_struct(ty));
    schema
}

fn star(count: u32, mut of: impl FnMut(u32) -> StructType) -> Schema {
    let count = count.min(60_000);
    let all: Vec<_> = (0..count).map(|place| to(place, place + 2, 1)).collect();
    schema((0..count).map(|place| of(place + 2)).chain([record(all)]))
}

fn unions_without_members(count: u32) -> Schema {
    star(count, |index| StructType { discriminant_count: 65_535, ..ty(index, (1, 0), Vec::new()) })
}

fn sections_without_fields(count: u32) -> Schema {
    star(count, |index| ty(index, (65_535, 65_535), Vec::new()))
}

fn link(index: u32, last: u32) -> StructType {
    if index < last { ty(index, (0, 1), vec![to(0, index + 1, 0)]) } else { ty(index, (0, 0), Vec::new()) }
}

fn chain(count: u32) -> Schema {
    schema((2..count + 2).map(|index| link(index, count + 1)).chain([record(vec![to(0, 2, 1)])]))
}

fn near_chain(count: u32) -> Schema {
    let count = count.min(60_000);
    star(count, |index| link(index, count + 1))
}

fn ring(count: u32) -> Schema {
    let count = count.min(60_000);
    star(count, |index| ty(index, (0, 1), vec![to(0, if index == count + 1 { 2 } else { index + 1 }, 0)]))
}

fn clique(count: u32) -> Schema {
    let count = count.isqrt() + 1;
    star(count, |index| {
        ty(index, (0, count as u16), (0..count).map(|place| to(place, place + 2, 0)).collect::<Vec<_>>())
    })
}

fn group(name: &str, index: u32) -> FieldType {
    FieldType { kind: FieldKind::Group(id(index)), ordinal: None, ..FieldType::slot(name, 1, 0, Type::Void) }
}

fn as_group(ty: StructType) -> StructType {
    StructType { is_group: true, scope: RECORD, ..ty }
}

fn doubling_groups(_: u32) -> Schema {
    let twice = |index| vec![group("a", index + 1), group("b", index + 1)];
    let groups = (2..60).map(|index| as_group(ty(index, (1, 0), if index < 59 { twice(index) } else { Vec::new() })));
    schema(groups.chain([record(vec![group("g", 2)])]))
}

fn chain_of_groups(count: u32) -> Schema {
    let value = FieldType::slot("value", 1, 1, Type::Int64);
    let within = |index| vec![if index < count + 1 { group("g", index + 1) } else { value.clone() }];
    let groups = (2..count + 2).map(|index| as_group(ty(index, (2, 0), within(index))));
    let record = StructType { data_words: 2, ..record(vec![group("g", 2)]) };
    schema(groups.chain([record]))
}

fn group_as_type(_: u32) -> Schema {
    let inner = as_group(ty(2, (1, 1), vec![FieldType::slot("far", 0, 0, Type::Text)]));
    schema([inner, record(vec![group("g", 2), to(0, 2, 1)])])
}

fn wide(count: u32) -> Schema {
    let count = count.min(65_000);
    let fields = (1..count).map(|place| FieldType::slot(&format!("f{place}"), place as u16, place, Type::Int64));
    let mut ty = record(fields.collect());
    (ty.data_words, ty.pointer_words) = (count as u16, 0);
    schema([ty])
}

fn flags(count: u32) -> Schema {
    let count = count.min(60_000) / 2;
    let mut fields = Vec::new();
    for place in 0..count {
        fields.push(FieldType::slot(&format!("f{place}"), (place + 1) as u16, (place + 1) * 2, Type::Int32));
    }
    for place in 0..count {
        let mut flag = FieldType::slot(&format!("n{place}"), (place + count + 1) as u16, place * 64 + 96, Type::Bool);
        flag.null_of = Some(format!("f{place}"));
        fields.push(flag);
    }
    let mut ty = record(fields);
    (ty.data_words, ty.pointer_words) = (count as u16 + 2, 0);
    schema([ty])
}

fn many_unions(count: u32) -> Schema {
    let count = count.min(15_000);
    let mut groups = Vec::new();
    for place in 0..count {
        let member = |value: u16| {
            let ordinal = place * 2 + u32::from(value) + 1;
            let mut field = FieldType::slot(&format!("m{value}"), ordinal as u16, place * 2 + 2, Type::Int32);
            field.discriminant = Some(value);
            field
        };
        let union = StructType {
            discriminant_count: 2,
            discriminant_offset: place * 4 + 6,
            ..ty(place + 2, (count as u16 + 2, 0), vec![member(0), member(1)])
        };
        groups.push(as_group(union));
    }
    let mut ty = record((0..count).map(|place| group(&format!("u{place}"), place + 2)).collect());
    (ty.data_words, ty.pointer_words) = (count as u16 + 2, 0);
    schema(groups.into_iter().chain([ty]))
}

fn namesakes(count: u32) -> Schema {
    star(count, |index| StructType { name: "Same".to_owned(), ..ty(index, (0, 0), Vec::new()) })
}

fn long_enum(count: u32) -> Schema {
    let enumerants =
        (0..count.min(65_000)).map(|n| Enumerant { name: format!("e{n}"), json_name: None, code_order: n as u16 });
    let mut schema = schema([record(vec![FieldType::slot("list", 1, 0, Type::List(Box::new(Type::Enum(id(2)))))])]);
    schema.insert_enum(EnumType { id: id(2), name: "E".to_owned(), scope: 0, enumerants: enumerants.collect() });
    schema
}

fn long_names(count: u32) -> Schema {
    let long = "l".repeat(100 + count as usize);
    let fields = (0..count).map(|place| FieldType::slot(&format!("f{place}"), place as u16, place, Type::Text));
    let mut inner = ty(2, (0, count.min(65_535) as u16), fields.collect());
    inner.name = format!("T{long}");
    let mut outer = to(0, 2, 1);
    outer.name = long;
    schema([inner, record(vec![outer])])
}

fn empty_defaults(count: u32) -> Schema {
    let count = count.min(60_000);
    // A list of 2^29 - 1 Voids, and one of as many structs of no size.
    let voids: Vec<u8> = (1_u64 | ((1 << 29) - 1) << 35).to_le_bytes().to_vec();
    let fields = (0..count).map(|place| {
        let list = Type::List(Box::new(Type::Void));
        let default = DefaultValue::Pointer(voids.clone().into());
        FieldType {
            kind: FieldKind::Slot { offset: place, ty: list, default },
            ..FieldType::slot(&format!("f{place}"), (place + 1) as u16, place, Type::Void)
        }
    });
    schema([record(fields.collect())])
}

fn missing(_: u32) -> Schema {
    schema([record(vec![to(0, 9, 1)])])
}
