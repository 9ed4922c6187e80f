//! Indexes with random filters, and orders that are theirs, give what a scan gives.

use kapok_core::manifest::IndexSpec;
use kapok_core::schema::{FieldKind, Schema};
use kapok_core::segment::RowId;
use kapok_index::Index;
use kapok_index::query::{Expr, Order, Query};
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::random::Random;
use proptest::prelude::*;

use crate::indexed::Dataset;

use super::conditions::{Types, random_condition};

const FIELDS: [&str; 14] = [
    "hash(u8)",
    "hash(texts[])",
    "key(id)",
    "sorted(u16)",
    "sorted(-i32)",
    "sorted(f32)",
    "sorted(-f64, u8)",
    "sorted(-text, u8)",
    "sorted(flag, -place.lat)",
    "sorted(address.city)",
    "sorted(data)",
    "sorted(count, -colour)",
    "text(text)",
    "text(name) terms=whole",
];

const ORDERS: [&[&str]; 14] = [
    &["u16"],
    &["-i32"],
    &["f32"],
    &["-f64", "u8"],
    &["-text", "u8"],
    &["flag", "-place.lat"],
    &["address.city"],
    &["data"],
    &["count", "-colour"],
    &["text"],
    &["f64"],
    &["id"],
    &["id", "code"],
    &["flag"],
];

fn order(text: &str, is_turned: bool) -> Order {
    let (name, is_descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    if is_descending == is_turned { Order::ascending(name) } else { Order::descending(name) }
}

/// Returns how many queries an index answered, and how many orders were read from one.
fn check(seed: u64) -> (usize, usize) {
    let r = &mut Random::new(seed);
    let (schema, id) = Schema::of::<kinds::Owned>().unwrap();
    let ty = schema.struct_type(id).unwrap();
    let mut filters = Vec::new();
    let mut indexes = Vec::new();
    for field in FIELDS {
        if r.one_in(4) {
            indexes.push(field.to_owned());
        }
        let text = random_condition(r, &schema, Types::Struct(ty), 2).expr().to_string();
        if !text.contains("~=") && !text.contains('$') {
            indexes.push(format!("{field} where {text}"));
            filters.push(text);
        }
    }
    let indexes: Vec<&str> = indexes.iter().map(String::as_str).collect();
    let sizes = [1 + r.below(150), 1 + r.below(100), 1 + r.below(10)];
    let dataset = Dataset::random(&indexes, r, &sizes);
    let view = dataset.open();
    let (mut used, mut walked) = (0, 0);
    for _ in 0..60 {
        let filter = if filters.is_empty() { "true".to_owned() } else { filters[r.below(filters.len())].clone() };
        let extra = random_condition(r, &schema, Types::Struct(ty), 2).expr().to_string();
        let extra = if r.one_in(2) {
            ["u8 = 200", "u16 >= 3", "i32 < 7", "f64 >= 0", "text ^= 'a'", "flag = true", "text ~= 'text'", "count > 0"]
                [r.below(8)]
            .to_owned()
        } else {
            extra
        };
        let text = match r.below(6) {
            0 => filter,
            1 => format!("({filter}) and ({extra})"),
            2 => format!("({filter}) or ({extra})"),
            3 => format!("not ({filter}) and ({extra})"),
            4 => format!("({filter}) and ({extra}) and not text ~= 'nosuch' and not text ~= 'nor'"),
            _ => extra,
        };
        let expr = Expr::parse(&text).unwrap();
        let indexed = Query::bind(&view, "Kinds", &expr).unwrap().rows().unwrap();
        let scanned = Query::bind_table(view.table("Kinds").unwrap(), &expr).unwrap().rows().unwrap();
        assert_eq!(indexed.row_ids().unwrap(), scanned.row_ids().unwrap(), "seed={seed} {text} {indexes:?}");
        used += usize::from(indexed.explain().unwrap().segments.iter().any(|segment| segment.source != "scan"));
        let (turned, all) = (r.one_in(2), ORDERS[r.below(ORDERS.len())]);
        let all = &all[..=r.below(all.len())];
        let order: Vec<Order> = all.iter().map(|text| order(text, turned)).collect();
        let expected = scanned.order_by(&order).unwrap().row_ids().unwrap();
        let limit = 1 + r.below(7);
        let ordered = indexed.order_by(&order).unwrap().limit(limit);
        walked += usize::from(ordered.order_index().unwrap().is_some());
        assert_eq!(
            ordered.row_ids().unwrap(),
            expected[..limit.min(expected.len())],
            "seed={seed} {text} {order:?} {indexes:?}"
        );
        assert_eq!(paged(&ordered), expected, "seed={seed} {text} {order:?} {indexes:?}");
    }
    (used, walked)
}

fn paged(pages: &kapok_index::query::Rows<'_>) -> Vec<RowId> {
    let (mut out, mut cursor) = (Vec::new(), None);
    loop {
        let page = pages.page(cursor.as_deref()).unwrap();
        out.extend(page.row_ids);
        cursor = page.next;
        if cursor.is_none() {
            return out;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: super::random::cases(), ..ProptestConfig::default() })]

    #[test]
    fn indexes_with_random_filters_agree_with_a_scan(seed: u64) {
        check(seed);
    }
}

#[test]
fn random_queries_ask_indexes_with_filters_and_walk_them() {
    let (used, walked) = (0..6).map(check).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert!(used > 0 && walked > 0, "used={used} walked={walked}");
}

/// A schema, and the record type in it.
fn kinds() -> (Schema, u64) {
    Schema::of::<kinds::Owned>().unwrap()
}

fn declared(schema: &Schema, id: u64, text: &str) -> (Index, IndexSpec) {
    Index::declare(schema, schema.struct_type(id).unwrap(), &text.parse().unwrap()).unwrap()
}

#[test]
fn a_declared_filter_stays_whole_through_lists_of_lists() {
    let (schema, id) = kinds();
    for filter in ["any(groups, any(it, city = \"b\"))", "any(matrix, any(it, it > 3))", "all(matrix, len(it) > 0)"] {
        let (index, spec) = declared(&schema, id, &format!("hash(u8) where {filter}"));
        assert_eq!(spec.filter, filter);
        assert_eq!(index.filter_in(&schema).as_deref(), Some(filter));
    }
    let hash = |filter: &str| *declared(&schema, id, &format!("hash(u8) where {filter}")).0.hash();
    assert_ne!(hash("any(matrix, any(it, it > 3))"), hash("any(matrix, any(it, it > 4))"));
}

#[test]
fn a_filter_follows_an_enumerant_of_a_list_to_its_new_name() {
    let (schema, id) = kinds();
    let (index, _) = declared(&schema, id, "hash(u8) where any(colours, it = red) and \"red\" in colours");
    let mut renamed = schema.clone();
    let colour = schema.enums().find(|ty| ty.enumerants.iter().any(|one| one.name == "red")).unwrap();
    let mut ty = (**colour).clone();
    ty.enumerants.iter_mut().filter(|one| one.name == "red").for_each(|one| one.name = "crimson".into());
    renamed.insert_enum(ty);
    let filter = "any(colours, it = \"crimson\") and \"crimson\" in colours";
    assert_eq!(index.filter_in(&renamed).as_deref(), Some(filter));
}

#[test]
fn a_group_is_not_taken_for_the_field_whose_ordinal_is_its_place() {
    let (schema, id) = kinds();
    let ty = schema.struct_type(id).unwrap();
    let mut confusable = 0;
    for group in &ty.fields {
        let FieldKind::Group(group_id) = group.kind else { continue };
        let Some(other) = ty.fields.iter().find(|other| other.ordinal == Some(group.code_order)) else { continue };
        confusable += 1;
        let inner = schema.struct_type(group_id).unwrap().fields[0].json_name();
        let inner = format!("{}.{inner}", group.json_name());
        for path in [inner.as_str(), other.json_name()] {
            let filter = format!("{path} is null");
            assert_eq!(declared(&schema, id, &format!("hash(u8) where {filter}")).1.filter, filter);
        }
        let (index, _) = declared(&schema, id, &format!("sorted({inner})"));
        assert_eq!(index.paths().names_in(&schema), [Some(inner)]);
    }
    assert!(confusable > 0);
}

#[test]
fn damaged_indexes_with_filters_are_walked_or_refused() {
    let indexes = [
        "sorted(u16) where u16 > 0",
        "sorted(-text, u8) where text is not null",
        "hash(u8) where u16 > 0",
        "text(text) where u8 < 250",
    ];
    let dataset = Dataset::random(&indexes, &mut Random::new(77), &[90, 1]);
    for name in indexes {
        dataset.flip_bits_of(name, |view| {
            for (text, order) in [
                ("u16 > 0", "u16"),
                ("u16 > 3", "-u16"),
                ("text is not null", "-text"),
                ("text ^= 't'", "text"),
                ("u16 > 0 and u8 in [1, 200, 3]", "u16"),
                ("text ~= 'text* b~1' and u8 < 200", "text"),
                ("u16 > 0 and u8 = 200 or text ~= 'a' and u8 < 9", "f64"),
            ] {
                let rows = view.query("Kinds", text).and_then(|query| query.order_by(&[self::order(order, false)]));
                let answers = match rows {
                    Ok(rows) => [rows.row_ids().map(drop), rows.limit(3).page(None).map(drop)],
                    Err(error) => [Err(error), Ok(())],
                };
                for error in answers.into_iter().filter_map(Result::err) {
                    assert_eq!(error.kind(), kapok_core::ErrorKind::Corrupt, "{name} {text}: {error}");
                }
            }
        });
    }
}
