//! Random queries over random records agree with the naive evaluation.

use std::sync::Arc;

use kapok_core::ErrorKind;
use kapok_core::manifest::{BlobMap, Manifest, RecordType};
use kapok_core::record::ValueRef;
use kapok_core::segment::RowId;
use kapok_index::View;
use kapok_index::query::{Aggregate, Expr, FieldMatch, Order, Query, Value};
use kapok_samples::random::Random;
use kapok_samples::shapes::{RECORD, SHAPES};
use proptest::prelude::*;

use crate::indexed::Dataset;

use super::conditions::{Types, random_condition, random_path};
use super::fixture::{of_damaged_kinds, of_kinds, of_random_json};
use super::naive::{Condition, compare, floats};

/// Of fields that random conditions are about, alone and together.
const INDEXES: [&str; 37] = [
    "key(id)",
    "hash(u8)",
    "hash(i16)",
    "hash(flagOn)",
    "hash(colour)",
    "hash(f64)",
    "hash(text)",
    "hash(data)",
    "hash(place.label, flag)",
    "hash(count)",
    "hash(contact.email)",
    "hash(texts[])",
    "hash(i64s[])",
    "hash(colours[])",
    "hash(addresses[].city)",
    "hash(addresses[].city, addresses[].zip)",
    "sorted(u16)",
    "sorted(-i32)",
    "sorted(f32)",
    "sorted(-text, u8)",
    "sorted(u64, i8)",
    "sorted(address.city)",
    "sorted(name)",
    "sorted(flag, -place.lat)",
    "sorted(data)",
    "hash(u8) where u16 > 100",
    "sorted(i32) where not flag and text is not null",
    "text(text) where u8 < 200 or 'drama' in texts",
    "key(id) where colour = 'red' and len(texts) > 0",
    "text(text)",
    "text(text) terms=whole",
    "text(name) terms=whole fold=none",
    "text(address.city)",
    "text(place.label) fold=none",
    "text(texts[])",
    "text(texts[]) terms=whole fold=none",
    "text(addresses[].city)",
];

fn ids(view: &View, record_type: &str, rows: &[RowId]) -> Vec<i64> {
    let table = view.table(record_type).unwrap();
    let id = |row: &RowId| {
        let id = table.record(*row).unwrap().get("id").unwrap();
        id.as_i64().or(id.as_u64().map(u64::cast_signed)).unwrap()
    };
    rows.iter().map(id).collect()
}

/// The rows that satisfy a condition, in key order.
fn naive_rows(view: &View, record_type: &str, condition: &Condition) -> Vec<RowId> {
    let table = view.table(record_type).unwrap();
    let rows = table.row_ids_in_key_order().unwrap().into_iter();
    rows.filter(|row| condition.holds_for(table.record(*row).unwrap())).collect()
}

fn random_view(r: &mut Random) -> (View, &'static str) {
    let (segments, rows) = (1 + r.below(3), 1 + r.below(60));
    if r.one_in(3) {
        // Two segments with indexes, and one without.
        let sizes = [1 + r.below(80), 1 + r.below(30), 1 + r.below(10)];
        (Dataset::random(&INDEXES, r, &sizes).open(), "Kinds")
    } else if r.one_in(2) {
        (of_kinds(r, u32::try_from(segments).unwrap(), i64::try_from(rows).unwrap()), "Kinds")
    } else {
        (of_random_json(r, segments, rows), "Thing")
    }
}

fn check(seed: u64) {
    let r = &mut Random::new(seed);
    let (view, record_type) = random_view(r);
    let table = view.table(record_type).unwrap();
    let (schema, ty) = (table.schema(), table.struct_type());
    for _ in 0..12 {
        let condition = random_condition(r, schema, Types::Struct(ty), 3);
        let expr = condition.expr();
        let expected = naive_rows(&view, record_type, &condition);
        let query =
            Query::bind(&view, record_type, &expr).unwrap_or_else(|error| panic!("seed={seed} {expr}: {error}"));
        let rows = query.rows().unwrap();
        let found = rows.row_ids().unwrap();
        let show = |rows: &[RowId]| ids(&view, record_type, rows);
        assert_eq!(show(&found), show(&expected), "seed={seed} {expr}");
        assert_eq!(found, expected, "seed={seed} {expr}");
        assert_eq!(rows.count().unwrap(), expected.len() as u64, "seed={seed} {expr}");
        for row in table.row_ids() {
            assert_eq!(rows.contains(row).unwrap(), expected.contains(&row), "seed={seed} {expr}");
        }
        // The text finds the same.
        let parsed = Query::bind(&view, record_type, &Expr::parse(&expr.to_string()).unwrap()).unwrap();
        assert_eq!(parsed.rows().unwrap().row_ids().unwrap(), expected, "seed={seed} {expr}");
        check_order(r, &view, record_type, &rows, &expected, seed);
    }
}

/// Orders two values as they are ordered by, null behind all.
fn order(a: ValueRef<'_>, b: ValueRef<'_>, is_descending: bool) -> std::cmp::Ordering {
    let value = match b {
        ValueRef::Null if a.is_null() => return std::cmp::Ordering::Equal,
        ValueRef::Null => return std::cmp::Ordering::Less,
        ValueRef::Enum { value, .. } => Value::from(value),
        ValueRef::Text(text) | ValueRef::Json(text) => Value::from(text),
        ValueRef::Data(bytes) => Value::from(bytes),
        ValueRef::Bool(value) => Value::Bool(value),
        ValueRef::Int(value) => Value::from(value),
        ValueRef::UInt(value) => Value::from(value),
        other => Value::Float(other.as_f64().unwrap()),
    };
    if a.is_null() {
        return std::cmp::Ordering::Greater;
    }
    let order = match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => floats(a, b),
        _ => compare(a, &value),
    };
    if is_descending { order.reverse() } else { order }
}

fn check_order(
    r: &mut Random,
    view: &View,
    record_type: &str,
    rows: &kapok_index::query::Rows<'_>,
    expected: &[RowId],
    seed: u64,
) {
    let table = view.table(record_type).unwrap();
    let fields: Vec<_> = ty_fields(table).filter(|_| r.one_in(4)).take(3).collect();
    let fields: Vec<(String, bool)> = fields.into_iter().map(|name| (name, r.one_in(2))).collect();
    let orders: Vec<Order> = fields
        .iter()
        .map(|(name, is_descending)| {
            let name = format!("`{name}`");
            if *is_descending { Order::descending(name) } else { Order::ascending(name) }
        })
        .collect();
    let mut sorted = expected.to_vec();
    sorted.sort_by(|a, b| {
        let (a, b) = (table.record(*a).unwrap(), table.record(*b).unwrap());
        let orders = fields.iter().map(|(name, is)| order(a.get(name).unwrap(), b.get(name).unwrap(), *is));
        orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    let ordered = rows.clone().order_by(&orders).unwrap();
    assert_eq!(ordered.row_ids().unwrap(), sorted, "seed={seed} {orders:?}");
    let limit = r.below(expected.len() + 2);
    assert_eq!(ordered.clone().limit(limit).row_ids().unwrap(), sorted[..limit.min(sorted.len())], "seed={seed}");
    let (mut paged, mut cursor, pages) = (Vec::new(), None, ordered.limit(1 + r.below(9)));
    loop {
        let page = pages.page(cursor.as_deref()).unwrap();
        paged.extend(page.row_ids);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, sorted, "seed={seed} {orders:?}");
}

/// Names of fields that have an order.
fn ty_fields(table: &kapok_core::view::Table) -> impl Iterator<Item = String> + '_ {
    use kapok_core::schema::{FieldKind, Type};
    let has_order = |kind: &FieldKind| match kind {
        FieldKind::Slot { ty, .. } => !matches!(ty, Type::Void | Type::List(_) | Type::Struct(_)),
        FieldKind::Group(_) => false,
    };
    table.struct_type().fields.iter().filter(move |field| has_order(&field.kind)).map(|field| field.name.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn random_queries_agree_with_the_naive_evaluation(seed: u64) {
        check(seed);
    }

    #[test]
    fn whatever_is_asked_is_answered_or_refused(seed: u64) {
        let r = &mut Random::new(seed);
        let (view, record_type) = random_view(r);
        let table = view.table(record_type).unwrap();
        for _ in 0..20 {
            // Fields of this type, with values of any other.
            let (path, ..) = random_path(r, table.schema(), Types::Struct(table.struct_type()));
            let condition = Condition::IsNull(path);
            let text = condition.expr().to_string();
            let name = text.trim_end_matches(" is null");
            let texts = [
                format!("{name} = 1"), format!("{name} ^= 'a'"), format!("{name} ~= 'a b*'"), format!("'a' in {name}"),
                format!("any({name}, it = 1)"), format!("len({name}) in [1, 2.5]"), name.to_owned(),
                format!("{name} between b\"AA==\" and b\"AB==\""), format!("{name} in [red, blue]"),
            ];
            for text in &texts {
                let Ok(expr) = Expr::parse(text) else { continue };
                if let Ok(query) = Query::bind(&view, record_type, &expr) {
                    query.rows().unwrap().count().unwrap();
                }
            }
            let rows = view.query(record_type, "true").unwrap();
            for aggregate in ["sum", "avg", "min", "max", "count", "count_distinct"] {
                if let Ok(aggregate) = Aggregate::parse(&format!("{aggregate}({name})")) {
                    _ = rows.aggregate(&[aggregate]);
                }
            }
            _ = rows.group_by(&[name], &[Aggregate::count()]);
            _ = rows.clone().order_by(&[Order::ascending(name)]).map(|rows| rows.row_ids());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4 * cases(), ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_are_read_or_refused(seed: u64) {
        let r = &mut Random::new(seed);
        let Some(view) = of_damaged_kinds(r, 2, 20) else { return Ok(()) };
        let table = view.table("Kinds").unwrap();
        for _ in 0..10 {
            let condition = random_condition(r, table.schema(), Types::Struct(table.struct_type()), 3);
            let rows = Query::bind(&view, "Kinds", &condition.expr()).unwrap().rows().unwrap();
            let asked = ["count_distinct(texts[])", "max(addresses[].city)", "sum(matrix[][])", "top_n(3, code)"];
            let asked: Vec<Aggregate> = asked.iter().map(|text| text.parse().unwrap()).collect();
            let ordered = rows.clone().order_by(&[Order::descending("text"), Order::ascending("f64")]).unwrap();
            let answers = [
                rows.count().map(drop),
                rows.row_ids().map(drop),
                rows.group_by(&["addresses[].city"], &asked).map(drop),
                ordered.limit(3).page(None).map(drop),
                view.query("Kinds", "text ~= 'a b*' or any(groups, any(it, street ~= 'x~2'))").unwrap().count().map(drop),
            ];
            for answer in answers {
                if let Err(error) = answer {
                    prop_assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", error);
                }
            }
        }
    }
}

#[test]
fn schemas_of_hostile_shapes_are_asked() {
    for (name, shape) in SHAPES {
        let mut manifest = Manifest::clone(View::empty().manifest());
        (manifest.version, manifest.schema) = (1, Arc::new(shape(2_000)));
        manifest.record_types = vec![RecordType {
            name: "T1".to_owned(),
            type_id: RECORD,
            key: vec!["id".to_owned()],
            rows: 0,
            segments: Vec::new(),
            changes: None,
            ..RecordType::default()
        }];
        let Ok(view) = View::open(Arc::new(manifest), &BlobMap::new()) else { continue };
        let fields = FieldMatch::all(view.table("T1").unwrap(), "1", None);
        assert!(fields.len() <= 4096, "{name}");
        let chains = ["f0", "a", "f1", "b", "g0"].map(|name| vec![name; 300].join("."));
        for path in chains.iter().map(String::as_str).chain(["id", "f0", "f0.f0", "f0.f1", "f1.f0.f0", "a.b.a", "e"]) {
            for text in [format!("{path} is null"), format!("{path} = 1"), format!("any({path}, true)")] {
                if let Ok(rows) = view.query("T1", &text) {
                    assert_eq!(rows.count().unwrap(), 0, "{name}");
                }
            }
        }
    }
}

/// Few in everyday tests; more by an environment variable.
pub fn cases() -> u32 {
    std::env::var("KAPOK_QUERY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}
