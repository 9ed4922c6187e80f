//! Dead rows in every form, a rollback, a pin, an abandoned version and one that is not announced.

use std::fmt::Write;
use std::path::Path;

use super::history::{
    Change, Part, add, changes, changes_on, declared, delete, full, keep_quiet, merge, producer, put, retire,
};

const REQUEST: &[u8] = include_bytes!("../../golden/v1/schemas/rows.cgr");

/// So many that the dead ones take more room than a manifest has for them.
const ROWS: u16 = 1_200;

fn row(id: u16) -> String {
    format!(r#"{{"id":{id},"n":{}}}"#, u32::from(id) % 7)
}

fn run(id: u8) -> String {
    format!(r#"{{"id":{id},"word":"word {}"}}"#, id % 3)
}

fn lines<N>(numbers: impl Iterator<Item = N>, line: impl Fn(N) -> String) -> String {
    numbers.fold(String::new(), |mut all, number| {
        let _ = writeln!(all, "{}", line(number));
        all
    })
}

pub(super) async fn write(folder: &Path) {
    let mut producer = producer(folder).await;
    full(&producer, 1, |cycle| {
        add(cycle, &declared(REQUEST, "Row"), &lines(0..ROWS, row))?;
        add(cycle, &declared(REQUEST, "Run"), &lines(0..=u8::MAX, run))
    })
    .await;
    // Of rows, every other one: a blob. Of runs, a run: within the manifest.
    changes(&producer, 2, |cycle| {
        assert!(cycle.once("feed", "evens"));
        cycle.tag("kept", "by changes and merges");
        (0..ROWS).step_by(2).try_for_each(|id| delete(cycle, "Row", &[Part::Int(id.into())]))?;
        (50..150_u8).try_for_each(|id| delete(cycle, "Run", &[Part::Int(id.into())]))
    })
    .await;
    // Fresh segments, all rows of which live; several of one cycle.
    producer.settings_mut().seal.target_bytes = Some(96);
    changes(&producer, 3, |cycle| {
        assert!(cycle.once("feed", "back"));
        put(cycle, "Row", &lines((0..40).step_by(4), row))?;
        put(cycle, "Run", r#"{"id":60,"word":null}"#)
    })
    .await;
    producer.settings_mut().seal.target_bytes = None;
    let (store, by) = (producer.store().clone(), "golden");
    store.announcements().pin(2, by, "looking into \"version\" 3\n").await.expect("a pin").expect("an entry");
    merge(&producer, 4).await;
    store.announcements().unpin(by, "done").await.expect("an unpin").expect("an entry");
    changes(&producer, 5, |cycle| delete(cycle, "Row", &[Part::Int(1)])).await;
    store.announcements().rollback(4, by, "row 1 was needed").await.expect("a rollback").expect("an entry");
    // On top of version 4: version 5 is abandoned.
    changes_on(&producer, 4, 6, |cycle| {
        put(cycle, "Row", r#"{"id":1,"n":4294967295}"#)?;
        delete(cycle, "Row", &[Part::Int(3)])
    })
    .await;
    keep_quiet(&mut producer);
    changes(&producer, 7, |cycle| {
        cycle.remove_tag("kept");
        delete(cycle, "Run", &[Part::Int(0)])
    })
    .await;
    retire(&producer, 6, &[1]).await;
}

pub(super) fn next_changes() -> Vec<Change> {
    vec![
        Change {
            record_type: "Row",
            put: r#"{"id":2,"n":5}"#.to_owned(),
            printed: r#"{"id":2,"n":5}"#.to_owned(),
            replaced: None,
            delete: vec![Part::Int(1)],
            deleted: r#"{"id":1,"n":4294967295}"#.to_owned(),
        },
        Change {
            record_type: "Run",
            put: r#"{"id":60,"word":"word"}"#.to_owned(),
            printed: r#"{"id":60,"word":"word"}"#.to_owned(),
            replaced: Some(r#"{"id":60}"#.to_owned()),
            delete: vec![Part::Int(255)],
            deleted: run(255),
        },
    ]
}
