//! Random conditions that the types of fields allow.

use kapok_core::schema::{FieldKind, Schema, StructType, Type};
use kapok_index::query::Value;
use kapok_samples::random::Random;

use super::naive::{Condition, Operator, Path, Step};
use super::references::{back_references, target_of};

/// What paths begin at.
#[derive(Clone, Copy)]
pub enum Types<'s> {
    Struct(&'s StructType),
    /// And the record type that it refers to.
    Item(&'s Type, Option<&'s str>),
}

/// A random path, and the type of what it leads to; `None` is a struct or group. Then whether that is a map, and the record type
/// that its elements refer to.
pub fn random_path<'s>(
    r: &mut Random,
    schema: &'s Schema,
    types: Types<'s>,
) -> (Path, Option<&'s Type>, bool, Option<&'s str>) {
    let (mut ty, mut path) = match types {
        Types::Item(ty, Some(target)) if !matches!(ty, Type::List(_)) && r.one_in(2) => {
            (target_of(schema, target), vec![Step::It])
        }
        Types::Item(ty, refers) => return (vec![Step::It], Some(ty), false, refers),
        Types::Struct(ty) => (ty, Vec::new()),
    };
    loop {
        if !ty.references.is_empty() && r.one_in(3) {
            let reference = &ty.references[r.below(ty.references.len())];
            path.push(Step::Name(reference.name.clone()));
            if r.one_in(3) {
                return (path, None, false, None);
            }
            ty = target_of(schema, &reference.target);
            continue;
        }
        let field = &ty.fields[r.below(ty.fields.len())];
        path.push(Step::Name(if r.one_in(2) { field.name.clone() } else { field.json_name().to_owned() }));
        let inner = match &field.kind {
            FieldKind::Group(id) | FieldKind::Slot { ty: Type::Struct(id), .. } => *id,
            FieldKind::Slot { ty: Type::List(element), .. } if field.is_map && !r.one_in(4) => {
                path.push(Step::Key(["en", "de", "fr"][r.below(3)].to_owned()));
                let Type::Struct(id) = **element else { panic!("a map of {element:?}") };
                let FieldKind::Slot { ty, .. } = &schema.struct_type(id).unwrap().field("value").unwrap().kind else {
                    panic!("a map of groups")
                };
                return (path, Some(ty), false, None);
            }
            FieldKind::Slot { ty: list @ Type::List(_), .. } => {
                return (path, Some(list), field.is_map, field.reference.as_deref());
            }
            FieldKind::Slot { .. } if path.len() < 6 && field.reference.is_some() && r.one_in(2) => {
                ty = target_of(schema, field.reference.as_ref().unwrap());
                continue;
            }
            FieldKind::Slot { ty, .. } => return (path, Some(ty), field.is_map, None),
        };
        ty = schema.struct_type(inner).unwrap();
        if ty.fields.is_empty() || r.one_in(5) {
            return (path, None, false, None);
        }
    }
}

/// A random condition that the types allow.
pub fn random_condition(r: &mut Random, schema: &Schema, types: Types<'_>, depth: usize) -> Condition {
    if depth > 0 && r.one_in(3) {
        let mut some = (0..r.below(4)).map(|_| random_condition(r, schema, types, depth - 1)).collect::<Vec<_>>();
        return match r.below(3) {
            0 => Condition::And(some),
            1 => Condition::Or(some),
            _ => Condition::Not(Box::new(some.pop().unwrap_or(Condition::Or(Vec::new())))),
        };
    }
    if let Types::Struct(ty) = types
        && r.one_in(3)
        && let Some((path, ty)) = back_references(r, schema, ty)
    {
        let kind = r.below(3);
        let mut inner = || Box::new(random_condition(r, schema, Types::Struct(ty), depth.saturating_sub(1)));
        return match kind {
            0 => Condition::Len(path, random_operator(r, false), Value::from(r.below(4) as u64)),
            1 => Condition::Any(path, inner()),
            _ => Condition::All(path, inner()),
        };
    }
    let (path, ty, is_map, refers) = random_path(r, schema, types);
    let Some(ty) = ty else { return Condition::IsNull(path) };
    if r.one_in(8) {
        return Condition::IsNull(path);
    }
    if matches!(ty, Type::Text | Type::Data | Type::List(_)) && r.one_in(6) {
        return Condition::Len(path, random_operator(r, false), Value::from([0_u64, 1, 2, 5][r.below(4)]));
    }
    match ty {
        Type::Void | Type::Struct(_) => Condition::IsNull(path),
        Type::List(element) => {
            let inner = match **element {
                Type::Struct(id) => Types::Struct(schema.struct_type(id).unwrap()),
                _ => Types::Item(element, refers),
            };
            let is_plain = !matches!(**element, Type::Struct(_) | Type::List(_) | Type::Void);
            match r.below(3) {
                0 if is_plain && !is_map => Condition::Has(path, random_value(r, schema, element)),
                1 => Condition::Any(path, Box::new(random_condition(r, schema, inner, depth.saturating_sub(1)))),
                _ => Condition::All(path, Box::new(random_condition(r, schema, inner, depth.saturating_sub(1)))),
            }
        }
        _ => {
            let value = random_value(r, schema, ty);
            if *ty == Type::Text && r.one_in(4) {
                return Condition::Matches(path, random_pattern(r));
            }
            match r.below(5) {
                0 => Condition::Between(path, value, random_value(r, schema, ty)),
                1 => Condition::In(path, (0..r.below(5)).map(|_| random_value(r, schema, ty)).collect()),
                _ => Condition::Compare(path, random_operator(r, matches!(ty, Type::Text | Type::Data)), value),
            }
        }
    }
}

/// Some words, as `~=` takes them.
fn random_pattern(r: &mut Random) -> String {
    let pieces = [
        "text",
        "te*",
        "TEXT",
        "naïve",
        "NAIVE~1",
        "longer",
        "A",
        "a*",
        "long*",
        "nul",
        "INSIDE",
        "insde~1",
        "sevn7~2",
        "seven77",
        "Unnamed",
        "unamed~1",
        "b~1",
        "a~2",
        "1*",
        "eight888*",
        "nul-inside",
        "star",
        "*",
        "~1",
        "--",
        "strasse",
    ];
    let some: Vec<&str> = (0..r.below(4)).map(|_| pieces[r.below(pieces.len())]).collect();
    some.join([" ", "  "][r.below(2)])
}

fn random_operator(r: &mut Random, is_bytes: bool) -> Operator {
    [
        Operator::Equal,
        Operator::NotEqual,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
        Operator::StartsWith,
        Operator::Contains,
    ][r.below(if is_bytes { 8 } else { 6 })]
}

fn random_value(r: &mut Random, schema: &Schema, ty: &Type) -> Value {
    match ty {
        Type::Bool => Value::Bool(r.one_in(2)),
        Type::Text => {
            let texts = ["", "a", "b", "seven77", "unnamed", "nul\0inside", "star", "Star Wars", "Oslo", "text 1"];
            Value::from(texts[r.below(texts.len())])
        }
        Type::Data => Value::Data((0..r.below(3)).map(|_| r.next().to_le_bytes()[0]).collect()),
        Type::Enum(id) => {
            let enumerants = &schema.get_enum(*id).unwrap().enumerants;
            if r.one_in(4) {
                return Value::from([0_u16, 1, 7][r.below(3)]);
            }
            Value::Name(enumerants[r.below(enumerants.len())].json_name().to_owned())
        }
        _ => match r.below(4) {
            0 => Value::from([0_i64, 1, 3, 7, -5, -7, 200, i64::MIN, i64::MAX, 1 << 63 >> 1, 2, 150][r.below(12)]),
            1 => Value::from([u64::MAX, 1 << 63, u64::from(u32::MAX), 127, 128, 65_535, 4][r.below(7)]),
            2 => {
                let floats =
                    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.5, 1.5, 3.0, 9.007_199_254_740_992e15];
                Value::Float(floats[r.below(8)])
            }
            _ => Value::Float(f64::from_bits(r.next())),
        },
    }
}
