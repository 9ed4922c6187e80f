//! What is done with the records of a query.

use kapok_core::ErrorKind;
use kapok_index::View;
use kapok_index::query::{Order, Page, Selection};

use super::fixture::of_json;

/// Ids 0 to `records` in three segments, in turns.
fn numbered(records: i64, skipped: impl Fn(i64) -> bool) -> View {
    let mut segments = vec![Vec::new(), Vec::new(), Vec::new()];
    for id in (0..records).filter(|id| !skipped(*id)) {
        let segment = usize::try_from(id % 3).unwrap();
        segments[segment].push(format!(r#"{{"id":{id},"tens":{},"name":"n{}"}}"#, id / 10, id % 7));
    }
    of_json(&segments)
}

fn ids(view: &View, page: &Page) -> Vec<i64> {
    let field = view.field::<i64>("Thing.id").unwrap();
    page.row_ids.iter().map(|row_id| field.get(*row_id).unwrap()).collect()
}

#[test]
fn records_come_in_key_order_across_segments() {
    let view = numbered(5000, |_| false);
    let rows = view.query("Thing", "tens >= 100 and name = 'n3'").unwrap();
    let expected: Vec<i64> = (1000..5000).filter(|id| id % 7 == 3).collect();
    let found: Vec<i64> = rows.values::<i64>("id").unwrap().map(Result::unwrap).collect();
    assert_eq!(found, expected);
    let records: Vec<i64> = rows.records().map(|record| record.unwrap().get("id").unwrap().as_i64().unwrap()).collect();
    assert_eq!(records, expected);
    let batches: Vec<usize> = rows.batches(100).map(|batch| batch.unwrap().len()).collect();
    assert_eq!(batches, [100, 100, 100, 100, 100, expected.len() - 500]);
    assert_eq!(rows.clone().limit(7).row_ids().unwrap(), rows.row_ids().unwrap()[..7]);
    assert_eq!(rows.first().unwrap(), rows.row_ids().unwrap().first().copied());
    assert_eq!((rows.clone().limit(7).count().unwrap(), rows.clone().limit(0).count().unwrap()), (7, 0));
    assert_eq!(view.query("Thing", "id < 0").unwrap().first().unwrap(), None);
}

#[test]
fn a_page_goes_on_behind_its_cursor_in_a_later_version() {
    let (old, new) = (numbered(1000, |_| false), numbered(1200, |id| id % 5 == 4));
    for order in [&[][..], &[Order::descending("tens")], &[Order::ascending("name"), Order::descending("tens")]] {
        let rows = |view: &View| -> Vec<i64> {
            let rows = view.query("Thing", "true").unwrap().order_by(order).unwrap();
            rows.values::<i64>("id").unwrap().map(Result::unwrap).collect()
        };
        let query = |view| View::query(view, "Thing", "true").unwrap().order_by(order).unwrap().limit(300);
        let first = query(&old).page(None).unwrap();
        assert_eq!(ids(&old, &first), rows(&old)[..300]);
        let mut seen = ids(&old, &first);
        let mut cursor = first.next;
        while let Some(at) = cursor {
            let page = query(&new).page(Some(&at)).unwrap();
            seen.extend(ids(&new, &page));
            cursor = page.next;
        }
        let mut unchanged: Vec<i64> = seen.iter().copied().filter(|id| *id < 1000 && id % 5 != 4).collect();
        unchanged.sort_unstable();
        assert!(unchanged.into_iter().eq((0..1000).filter(|id| id % 5 != 4)), "{order:?}");
    }
}

#[test]
fn a_cursor_of_something_else_is_refused() {
    let view = numbered(100, |_| false);
    let rows = view.query("Thing", "true").unwrap().limit(10);
    let by_name = rows.clone().order_by(&[Order::ascending("name")]).unwrap();
    let cursor = rows.page(None).unwrap().next.unwrap();
    for wrong in ["", "x", "!", &cursor[..12], &by_name.page(None).unwrap().next.unwrap()] {
        assert_eq!(rows.page(Some(wrong)).unwrap_err().kind(), ErrorKind::Invalid, "{wrong}");
    }
    assert_eq!(by_name.page(Some(&cursor)).unwrap_err().kind(), ErrorKind::Invalid);
    for cut in 0..cursor.len() {
        _ = rows.page(Some(&cursor[..cut]));
    }
    assert!(rows.clone().limit(100).page(None).unwrap().next.is_none());
    assert!(rows.limit(99).page(None).unwrap().next.is_some());
}

#[test]
fn null_is_behind_all_in_both_directions() {
    let view = of_json(&[vec![
        r#"{"id":1,"rate":null,"name":"b"}"#,
        r#"{"id":2,"rate":0.5,"name":null}"#,
        r#"{"id":3,"rate":-1.5,"name":"a"}"#,
        r#"{"id":4,"rate":0.5,"name":""}"#,
    ]]);
    for (order, expected) in [
        (Order::ascending("rate"), [3, 2, 4, 1]),
        (Order::descending("rate"), [2, 4, 3, 1]),
        (Order::ascending("name"), [4, 3, 1, 2]),
        (Order::descending("name"), [1, 3, 4, 2]),
    ] {
        let rows = view.query("Thing", "true").unwrap().order_by(&[order]).unwrap();
        let found: Vec<i64> = rows.values::<i64>("id").unwrap().map(Result::unwrap).collect();
        assert_eq!(found, expected);
    }
    for path in ["nothing", "rate.x", "labels"] {
        assert!(view.query("Thing", "true").unwrap().order_by(&[Order::ascending(path)]).is_err(), "{path}");
    }
}

#[test]
fn a_selection_reads_some_fields() {
    let view = of_json(&[vec![
        r#"{"id":1,"where":{"city":"Oslo"},"labels":{"en":"one"},"tags":["a"]}"#,
        r#"{"id":2,"where":null,"labels":{},"tags":null}"#,
    ]]);
    let selection = Selection::bind(view.table("Thing").unwrap(), &["where.city", "labels[\"en\"]", "tags"]).unwrap();
    let rows = view.query("Thing", "true").unwrap();
    let mut lines = Vec::new();
    for record in rows.records() {
        for (name, value) in selection.read(&record.unwrap()).unwrap() {
            lines.push(format!("{name}={}", value.to_json_string().unwrap()));
        }
    }
    let expected = [
        "where.city=\"Oslo\"",
        "labels[\"en\"]=\"one\"",
        "tags=[\"a\"]",
        "where.city=null",
        "labels[\"en\"]=null",
        "tags=null",
    ];
    assert_eq!(lines, expected);
    assert!(Selection::bind(view.table("Thing").unwrap(), &["where.town"]).is_err());
}

#[test]
fn a_query_explains_itself_with_cheap_conditions_first() {
    let view = numbered(100, |_| false);
    let rows = view.query("Thing", "name *= '3' and (id > 5 or name = 'x') and not tens = 7 and true").unwrap();
    let told = rows.explain().unwrap();
    assert_eq!(told.segments.len(), 3);
    assert_eq!(told.segments.iter().map(|one| one.found).sum::<u64>(), rows.count().unwrap());
    assert_eq!(told.segments[0].conditions, "not tens = 7 and (id > 5 or name = \"x\") and name *= \"3\"");
    assert!(told.to_string().starts_with("segment 0: rows=34 dead=0 scan=34 found=4: not tens = 7"), "{told}");
    assert_eq!(view.query("Thing", "id = 1.5 or id in []").unwrap().explain().unwrap().segments[0].conditions, "false");
}
