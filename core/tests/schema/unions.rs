//! Groups and unions of any shape survive printing, and any declaration may grow by any number of ordinals.

use std::fmt::Write as _;

use crate::compile::{self, without_files};
use kapok_core::Error;
use kapok_core::schema::{OlderSchema, RecordDeclaration, Schema};
use proptest::prelude::*;

const RECORD: u64 = 0xd1a3_c5e7_f9b8_2642;
const TYPES: [&str; 10] =
    ["Void", "Bool", "Int8 = 5", "UInt16", "Float32 = 0.5", "Int64", "Text", "List(List(R))", "R", "E = b"];

/// A member of a struct, group or union.
#[derive(Clone, Debug)]
enum Member {
    /// Type, and a number that gives its place among the ordinals.
    Field(usize, u32),
    Group(Vec<Member>),
    Union(Vec<Member>),
    Unnamed(Vec<Member>),
}

fn members() -> impl Strategy<Value = Vec<Member>> {
    let field = (0..TYPES.len(), any::<u32>()).prop_map(|(ty, order)| Member::Field(ty, order));
    let member = field.prop_recursive(3, 24, 5, |inner| {
        let some = |count| prop::collection::vec(inner.clone(), count);
        prop_oneof![
            some(1..4).prop_map(Member::Group),
            some(2..5).prop_map(Member::Union),
            some(2..5).prop_map(Member::Unnamed),
        ]
    });
    prop::collection::vec(member, 1..6)
}

fn collect_orders(members: &[Member], orders: &mut Vec<u32>) {
    for member in members {
        match member {
            Member::Field(_, order) => orders.push(*order),
            Member::Group(inner) | Member::Union(inner) | Member::Unnamed(inner) => collect_orders(inner, orders),
        }
    }
}

/// Prints a declaration without the ordinals from `end` on; `None` where that leaves a union of one member.
struct Declaration<'o> {
    orders: &'o [u32],
    end: usize,
    names: u32,
    is_valid: bool,
}

impl Declaration<'_> {
    fn print(members: &[Member], end: usize) -> Option<String> {
        let mut orders = Vec::new();
        collect_orders(members, &mut orders);
        orders.sort_unstable();
        let mut declaration = Declaration { orders: &orders, end, names: 0, is_valid: true };
        let (body, _) = declaration.members(members, false);
        let valid = declaration.is_valid && orders.windows(2).all(|pair| pair[0] != pair[1]);
        valid.then(|| {
            format!(
                "@{:#x};\nstruct R @{RECORD:#x} {{\n{body}}}\nenum E @{:#x} {{ a @0; b @1; }}",
                RECORD - 1,
                RECORD + 1
            )
        })
    }

    /// The members' text, and how many there are.
    fn members(&mut self, members: &[Member], is_in_union: bool) -> (String, usize) {
        let (mut text, mut count, mut has_unnamed) = (String::new(), 0, is_in_union);
        for member in members {
            self.names += 1;
            let name = format!("n{}", self.names);
            let (head, inner, is_union) = match member {
                Member::Field(ty, order) => {
                    let ordinal = self.orders.binary_search(order).unwrap();
                    if ordinal < self.end {
                        writeln!(text, "{name} @{ordinal} :{};", TYPES[*ty]).unwrap();
                        count += 1;
                    }
                    continue;
                }
                Member::Unnamed(inner) if !has_unnamed => {
                    has_unnamed = true;
                    ("union".to_owned(), inner, true)
                }
                Member::Group(inner) => (format!("{name} :group"), inner, false),
                Member::Union(inner) | Member::Unnamed(inner) => (format!("{name} :union"), inner, true),
            };
            let (inner, inner_count) = self.members(inner, is_union);
            self.is_valid &= !is_union || inner_count != 1;
            if inner_count > 0 {
                writeln!(text, "{head} {{\n{inner}}}").unwrap();
                count += 1;
            }
        }
        (text, count)
    }
}

fn compiled(idl: &str) -> Option<Schema> {
    compile::compile("unions", idl).map(|loaded| loaded.record_type("R").unwrap().0)
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
    fn groups_and_unions_survive_printing_and_compiling(members in members()) {
        let Some(idl) = Declaration::print(&members, usize::MAX) else { return Ok(()) };
        let Some(schema) = compiled(&idl) else { return Ok(()) };
        let printed = schema.to_idl(&[RecordDeclaration { name: "R", type_id: RECORD, key: &[] }]).unwrap();
        let again = compiled(&printed).unwrap();
        prop_assert_eq!(without_files(&schema), without_files(&again), "{}", printed);
    }

    #[test]
    fn every_declaration_may_grow(members in members(), end in 1_usize..20) {
        let (whole, part) = (Declaration::print(&members, usize::MAX), Declaration::print(&members, end));
        let (Some(whole), Some(part)) = (whole, part) else { return Ok(()) };
        let failed = |e: Error| TestCaseError::fail(format!("{e}\n{part}\n{whole}"));
        let (Some(new), Some(old)) = (compiled(&whole), compiled(&part)) else { return Ok(()) };
        let old = without_files(&old);
        let new = without_files(&new);
        for (a, b) in [(&old, &new), (&new, &old), (&new, &new)] {
            a.check_readable_as(RECORD, b, RECORD).map_err(failed)?;
        }
        let grown = old.evolve(&new, &[RECORD], OlderSchema::Refuse).map_err(failed)?;
        prop_assert_eq!(&grown, &new.clone().closure(grown.structs().map(|ty| ty.id)).unwrap());
        let kept = new.evolve(&old, &[RECORD], OlderSchema::KeepNewer).map_err(failed)?;
        prop_assert_eq!(kept, new);
    }
}
