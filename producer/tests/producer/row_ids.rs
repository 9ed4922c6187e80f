//! A row id is read in the segment that it is of, and nowhere else.

use std::sync::Arc;

use kapok_blobstore::Store;
use kapok_core::manifest::BlobMap;
use kapok_core::segment::RowId;
use kapok_core::view::Table;
use kapok_core::{Error, ErrorKind};
use kapok_index::View;
use kapok_ingest::Value;
use kapok_ingest::{Inference, InferenceSettings};
use kapok_producer::{Declaration, MergeSchedule, Producer};
use kapok_samples::movies_capnp::movie;

async fn view(store: &Store, version: u64) -> View {
    let manifest = store.manifests().read(version).await.unwrap();
    let blobs = store.blobs().load(&manifest, &BlobMap::new()).await.unwrap();
    View::open(Arc::new(manifest), &blobs).unwrap()
}

/// Version 1: films 0 to 4. Version 2: 10 to 12 in a second segment. Version 3: the first segment is gone.
async fn three_versions(url: &str) -> [View; 3] {
    let mut producer = Producer::open(url).await.unwrap();
    producer.settings_mut().merge_schedule = MergeSchedule::Manual;
    for ids in [0..5, 10..13] {
        let cycle = producer.run_incremental_cycle(|cycle| {
            let mut movies = cycle.records::<movie::Owned>()?;
            for id in ids {
                movies.upsert(|mut movie| {
                    movie.set_id(id);
                    movie.set_title(format!("film {id}"));
                })?;
            }
            Ok(())
        });
        cycle.await.unwrap();
    }
    let deletion = producer.run_incremental_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        for id in 0_u32..5 {
            movies.delete(&id)?;
        }
        Ok(())
    });
    deletion.await.unwrap();
    let store = producer.store();
    [view(store, 1).await, view(store, 2).await, view(store, 3).await]
}

/// What each door reads as the id; `None` where it says that the row id is not of its view.
fn ids(view: &View, row_id: RowId) -> [Option<u32>; 5] {
    fn answer<T>(read: Result<T, Error>) -> Option<T> {
        read.inspect_err(|error| assert_eq!(error.kind(), ErrorKind::Invalid, "{error}")).ok()
    }
    let table = view.table("Movie").unwrap();
    let by_field = view.field::<u32>("Movie.id").unwrap().get(row_id);
    let through_struct = view.field::<Option<u32>>("Movie.id").unwrap().get(row_id).map(Option::unwrap);
    let records = view.records::<movie::Owned>().unwrap();
    let by_reader = records.get(row_id).map(movie::Reader::get_id);
    let by_record = table.record(row_id).map(|record| record.get("id").unwrap().as_u64().unwrap());
    let by_row = table.row(row_id).map(|row| row.data_word(0));
    [
        answer(by_field),
        answer(through_struct),
        answer(by_reader),
        answer(by_record).map(|id| u32::try_from(id).unwrap()),
        answer(by_row).map(|word| u32::try_from(word & 0xffff_ffff).unwrap()),
    ]
}

#[tokio::test]
async fn a_row_id_is_right_wherever_its_segment_is_and_refused_elsewhere() {
    let [first, second, third] = three_versions("memory://row_ids-of-views").await;
    for (id, of_first, of_third) in [(3_u32, true, false), (11, false, true)] {
        let row_id = second.find("Movie", &id).unwrap().unwrap();
        assert_eq!(ids(&second, row_id), [Some(id); 5]);
        assert_eq!(ids(&first, row_id), [of_first.then_some(id); 5]);
        assert_eq!(ids(&third, row_id), [of_third.then_some(id); 5]);
    }
    // The same the other way round: what stands first in one view stands second in the other.
    let row_id = third.find("Movie", &12_u32).unwrap().unwrap();
    assert_eq!(ids(&second, row_id), [Some(12); 5]);
    // Changes name row ids of both views.
    let changes = third.changes_since(&second, &[]).unwrap();
    let removed = &changes.of("Movie").unwrap().removed;
    assert_eq!(removed.iter().map(|at| ids(&second, *at)[0]).collect::<Vec<_>>(), (0..5).map(Some).collect::<Vec<_>>());
    assert!(removed.iter().all(|at| ids(&third, *at) == [None; 5]));
    let error = third.field::<u32>("Movie.id").unwrap().get(removed[0]).unwrap_err();
    assert!(error.to_string().contains("row id of Movie"), "{error}");
}

#[tokio::test]
async fn a_row_id_of_one_record_type_is_refused_by_another_even_of_the_same_bytes() {
    let producer = Producer::open("memory://row_ids-of-types").await.unwrap();
    let records: Vec<Value> = (0..4)
        .map(|id| Value::from_json(format!(r#"{{"id": {id}, "name": "no. {id}"}}"#).as_bytes()).unwrap())
        .collect();
    let declare = |name: &str| {
        let settings = InferenceSettings { key: vec!["id".to_owned()], ..InferenceSettings::default() };
        let mut inference = Inference::new(name, settings).unwrap();
        (1..).zip(&records).try_for_each(|(line, record)| inference.observe(record, line)).unwrap();
        let (schema, type_id) = inference.finish().unwrap();
        Declaration::new(schema, type_id).unwrap()
    };
    let (hut, inn) = (declare("Hut"), declare("Inn"));
    let cycle = producer.run_cycle(|cycle| {
        for declaration in [&hut, &inn] {
            cycle.declare(declaration)?;
            let mut writer = cycle.values(declaration.name())?;
            for record in &records {
                writer.add(record)?;
            }
        }
        Ok(())
    });
    cycle.await.unwrap();
    let view = view(producer.store(), 1).await;
    let bytes = |table: &Table| table.segments()[0].segment().bytes().clone();
    let (hut, inn) = (view.table("Hut").unwrap(), view.table("Inn").unwrap());
    assert_eq!(bytes(hut), bytes(inn), "equal records of equal structs");
    let row_id = view.find("Hut", &2).unwrap().unwrap();
    assert_eq!(hut.record(row_id).unwrap().get("id").unwrap().as_i64(), Some(2));
    assert_eq!(inn.record(row_id).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(view.field::<i64>("Inn.id").unwrap().get(row_id).unwrap_err().kind(), ErrorKind::Invalid);
}
