//! What of a view may be shared between threads, and what may be held across `.await`.

use std::sync::Arc;

use kapok_core::field::Field;
use kapok_core::record::{Record, ValueRef};
use kapok_core::segment::RowId;
use kapok_core::view::{RecordIter, Table, Tables};
use kapok_index::{Changes, Lookup, View};
use kapok_samples::kinds_capnp::kinds;
use roaring::RoaringBitmap;

use crate::keys::fixture::{Values, Version};

#[test]
fn all_but_generated_readers_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<View>();
    shared::<Arc<View>>();
    shared::<Tables>();
    shared::<&Table>();
    shared::<Lookup<'_>>();
    shared::<Field<'_, &str>>();
    shared::<RowId>();
    shared::<Record<'_>>();
    shared::<ValueRef<'_>>();
    shared::<RecordIter<'_>>();
    shared::<Changes>();
}

/// What an executor of many threads asks of a task.
fn spawnable<F: Future + Send + 'static>(task: F) -> F {
    task
}

#[tokio::test]
async fn a_task_holds_its_view_and_row_ids_across_await() {
    let mut version = Version::new(&["u32"]);
    version.push(&[1, 2, 3].map(Values::with_u32), &RoaringBitmap::new());
    let view = Arc::new(version.open().unwrap());
    let task = spawnable(async move {
        let lookup = view.lookup("Kinds").unwrap();
        let numbers = view.field::<u32>("Kinds.u32").unwrap();
        let row_id = lookup.find(&2).unwrap().unwrap();
        tokio::task::yield_now().await;
        // Readers are made anew behind each `.await`, and dropped before the next.
        let read = {
            let records = view.records::<kinds::Owned>().unwrap();
            records.get(row_id).unwrap().get_u32()
        };
        tokio::task::yield_now().await;
        (read, numbers.get(row_id).unwrap(), lookup.record_by_key(&3).unwrap().map(|record| format!("{record:?}")))
    });
    let (by_reader, by_field, record) = tokio::spawn(task).await.unwrap();
    assert_eq!((by_reader, by_field), (2, 2));
    assert!(record.unwrap().contains(r#""u32":3"#));
}
