//! A cycle publishes what it was given, all of it or nothing.

use std::sync::{Arc, Mutex};

use kapok_blobstore::Store;
use kapok_core::record::Record;
use kapok_index::View;
use kapok_producer::{
    AnnouncementListener, CycleReport, Declaration, Error, ErrorKind, Evolution, Outcome, Producer, ProducerSettings,
    Value,
};
use kapok_samples::movies_capnp::{movie, rating};
use serde::{Deserialize, Serialize};

async fn view(store: &Store, version: u64) -> View {
    let manifest = store.manifests().read(version).await.unwrap();
    let blobs = store.blobs().load(&manifest, &kapok_core::manifest::BlobMap::new()).await.unwrap();
    View::open(std::sync::Arc::new(manifest), &blobs).unwrap()
}

async fn publish_movies(producer: &Producer, ids: impl Iterator<Item = u32>) -> Result<CycleReport, Error> {
    producer
        .run_cycle(|cycle| {
            let mut movies = cycle.records::<movie::Owned>()?;
            for id in ids {
                movies.add(|mut movie| {
                    movie.set_id(id);
                    movie.set_title(format!("film {id}"));
                })?;
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn types_that_a_cycle_does_not_touch_are_carried_over() {
    let producer = Producer::open("memory://carried-over").await.unwrap();
    publish_movies(&producer, [3, 1, 2].into_iter()).await.unwrap();
    let report = producer
        .run_cycle(|cycle| {
            let mut ratings = cycle.records::<rating::Owned>()?;
            ratings.add(|mut rating| rating.set_movie_id(2))?;
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(report.outcome, Outcome::Published { version: 2 });
    let view = view(producer.store(), 2).await;
    assert_eq!(
        view.tables().iter().map(|table| (table.name(), table.len())).collect::<Vec<_>>(),
        [("Movie", 3), ("Rating", 1)]
    );
    assert_eq!(view.records::<movie::Owned>().unwrap().by_key(&2_u32).unwrap().unwrap().get_title().unwrap(), "film 2");
    assert_eq!(producer.store().announcements().latest(None).await.unwrap().unwrap().announced, 2);
}

#[tokio::test]
async fn each_announcement_is_told_and_a_cycle_without_one_tells_nothing() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (tell, mut settings) = (Arc::clone(&told), ProducerSettings::default());
    settings.announcement_listener =
        Some(AnnouncementListener::new(move |entry| tell.lock().unwrap().push((entry.sequence, entry.announced))));
    let store = Store::options().writable().open("memory://told").await.unwrap();
    let producer = Producer::builder(store).settings(settings).open().await.unwrap();
    publish_movies(&producer, 0..3).await.unwrap();
    publish_movies(&producer, 0..3).await.unwrap();
    publish_movies(&producer, 0..4).await.unwrap();
    assert_eq!(*told.lock().unwrap(), [(1, 1), (2, 2)]);
}

#[tokio::test]
async fn a_type_is_kept_declared_or_dropped_and_no_two_of_these() {
    let producer = Producer::open("memory://kept").await.unwrap();
    publish_movies(&producer, 0..3).await.unwrap();
    let cycle = producer.run_cycle(|cycle| {
        cycle.keep_type("Movie")?;
        assert!(matches!(cycle.records::<movie::Owned>(), Err(Error::DeclaredTwice { .. })));
        assert!(matches!(cycle.drop_type("Movie"), Err(Error::DeclaredAndDropped { .. })));
        Ok(())
    });
    assert_eq!(cycle.await.unwrap().outcome, Outcome::Unchanged { version: 1 });
    let cycle = producer.run_cycle(|cycle| {
        cycle.drop_type("Movie")?;
        assert!(matches!(cycle.keep_type("Movie"), Err(Error::DeclaredAndDropped { .. })));
        Ok(())
    });
    assert_eq!(cycle.await.unwrap().outcome, Outcome::Published { version: 2 });
    assert_eq!(view(producer.store(), 2).await.tables().len(), 0);
}

#[tokio::test]
async fn a_cycle_in_which_nothing_changed_publishes_nothing() {
    let producer = Producer::open("memory://unchanged").await.unwrap();
    publish_movies(&producer, 0..10).await.unwrap();
    let report = publish_movies(&producer, (0..10).rev()).await.unwrap();
    assert_eq!((report.outcome, report.bytes_written), (Outcome::Unchanged { version: 1 }, 0));
    assert_eq!(producer.store().manifests().versions().await.unwrap(), [1]);
}

#[tokio::test]
async fn a_duplicate_key_is_refused_and_leaves_nothing_announced() {
    let producer = Producer::open("memory://duplicate").await.unwrap();
    let error = publish_movies(&producer, [5, 6, 5].into_iter()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let text = error.to_string();
    assert!(text.contains("type=Movie key=5 first=record 1 second=record 3"), "{text}");
    assert_eq!(producer.store().manifests().head().await.unwrap(), None);
    publish_movies(&producer, [5, 6].into_iter()).await.unwrap();
}

#[tokio::test]
async fn an_error_of_the_closure_publishes_nothing() {
    let producer = Producer::open("memory://populate").await.unwrap();
    let error = producer
        .run_cycle(|cycle| {
            cycle.records::<movie::Owned>()?.add(|mut movie| movie.set_id(1))?;
            Err("the database went away".into())
        })
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Populate { .. }) && error.to_string().contains("the database went away"));
    assert_eq!(producer.store().manifests().head().await.unwrap(), None);
}

#[tokio::test]
async fn several_threads_write_one_type_at_once() {
    let producer = Producer::open("memory://threads").await.unwrap();
    producer
        .run_cycle(|cycle| {
            std::thread::scope(|scope| {
                for part in 0..4_u32 {
                    scope.spawn(move || {
                        let mut movies = cycle.records::<movie::Owned>().unwrap();
                        (0..1000).for_each(|id| movies.add(|mut movie| movie.set_id(id * 4 + part)).unwrap());
                    });
                }
            });
            Ok(())
        })
        .await
        .unwrap();
    let view = view(producer.store(), 1).await;
    let ids: Vec<u32> = view.field::<u32>("Movie.id").unwrap().iter().map(Result::unwrap).collect();
    assert_eq!(ids, (0..4000).collect::<Vec<_>>());
}

#[tokio::test]
async fn two_producers_of_one_version_have_one_winner() {
    let first = Producer::open("memory://race").await.unwrap();
    let second = first.clone();
    let error = first
        .run_cycle(|cycle| {
            cycle.records::<movie::Owned>()?.add(|mut movie| movie.set_id(1))?;
            // The other producer is faster.
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(publish_movies(&second, 0..3)).unwrap();
                });
            });
            Ok(())
        })
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { version: 1, .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(view(first.store(), 1).await.table("Movie").unwrap().len(), 3);
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Sensor {
    id: u64,
    name: String,
    #[serde(rename = "unit")]
    measured_in: Unit,
    limit: Option<f32>,
    readings: Vec<f64>,
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Unit {
    DegreesCelsius,
    Pascal,
}

#[tokio::test]
async fn serde_values_come_back_as_they_went_in() {
    let sensors = [
        Sensor {
            id: 1,
            name: "roof".into(),
            measured_in: Unit::DegreesCelsius,
            limit: Some(40.5),
            readings: vec![1.0, f64::NAN],
        },
        Sensor { id: u64::MAX, name: String::new(), measured_in: Unit::Pascal, limit: None, readings: vec![] },
    ];
    let producer = Producer::open("memory://serde").await.unwrap();
    producer
        .run_cycle(|cycle| {
            cycle.declare(&Declaration::of_rust_type::<Sensor>("Sensor", &["id"])?)?;
            let mut writer = cycle.values("Sensor")?;
            sensors.iter().try_for_each(|sensor| writer.add_serde(sensor))?;
            Ok(())
        })
        .await
        .unwrap();
    let view = view(producer.store(), 1).await;
    let table = view.table("Sensor").unwrap();
    for (sensor, row_id) in sensors.iter().zip(table.row_ids()) {
        let record: Record<'_> = table.record(row_id).unwrap();
        // NaN is not equal to itself.
        assert_eq!(format!("{:?}", record.deserialize::<Sensor>().unwrap()), format!("{sensor:?}"));
    }
}

#[tokio::test]
async fn a_changed_kind_is_refused_until_the_type_is_republished() {
    #[derive(Serialize, Deserialize)]
    struct Old {
        id: u32,
        size: u32,
    }
    #[derive(Serialize, Deserialize)]
    struct New {
        id: u32,
        size: String,
    }
    let producer = Producer::open("memory://republish").await.unwrap();
    let publish = |declaration: Declaration, value: Value| {
        let producer = producer.clone();
        async move {
            let record = |cycle: &kapok_producer::Cycle| {
                cycle.declare(&declaration)?;
                cycle.values("Item")?.add(&value)?;
                Ok(())
            };
            producer.run_cycle(record).await
        }
    };
    let old = Declaration::of_rust_type::<Old>("Item", &["id"]).unwrap();
    let new = Declaration::of_rust_type::<New>("Item", &["id"]).unwrap();
    publish(old, Value::from_serde(&Old { id: 1, size: 2 }).unwrap()).await.unwrap();
    let value = Value::from_serde(&New { id: 1, size: "large".into() }).unwrap();
    let error = publish(new.clone(), value.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.to_string().contains("Item.size"), "{error}");
    publish(new.evolution(Evolution::Republish), value).await.unwrap();
    let view = view(producer.store(), 2).await;
    assert_eq!(view.field::<&str>("Item.size").unwrap().iter().next().unwrap().unwrap(), "large");
}

#[tokio::test]
async fn a_publish_to_a_folder_leaves_no_other_file_behind() {
    let folder = tempfile::tempdir().unwrap();
    let producer = Producer::open(folder.path().to_str().unwrap()).await.unwrap();
    publish_movies(&producer, 0..100).await.unwrap();
    let mut files: Vec<_> = producer.store().files().list().await.unwrap().into_iter().map(|file| file.name).collect();
    files.sort();
    let folders: Vec<_> = files.iter().map(|name| name.split('/').next().unwrap()).collect();
    assert_eq!(folders, ["announcements", "dataset", "indexes", "manifests", "segments"], "{files:?}");
}

#[tokio::test]
async fn a_scan_in_parallel_sees_each_record_once_and_in_order() {
    let producer = Producer::open("memory://parallel").await.unwrap();
    publish_movies(&producer, 0..1000).await.unwrap();
    let view = view(producer.store(), 1).await;
    for threads in [1, 2, 3, 1001] {
        let ids = view
            .table("Movie")
            .unwrap()
            .scan_in_parallel::<movie::Owned, Vec<u32>>(threads.try_into().unwrap(), |films| {
                films.map(movie::Reader::get_id).collect()
            })
            .unwrap();
        assert_eq!(ids.len(), threads);
        assert_eq!(ids.concat(), (0..1000).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_record_larger_than_the_writers_buffer_is_published_whole() {
    let producer = Producer::open("memory://large").await.unwrap();
    let long = "long ".repeat(20_000);
    producer
        .run_cycle(|cycle| {
            let mut movies = cycle.records::<movie::Owned>()?;
            movies.add(|mut film| {
                film.set_id(1);
                film.set_title(&long);
                film.init_genres(1).set(0, "drama");
            })?;
            // The next one finds the buffer as clean as the first did, and one comes from a message of its own.
            movies.add(|mut film| film.set_id(2))?;
            let mut message = capnp::message::Builder::new_default();
            let mut film: movie::Builder<'_> = message.init_root();
            film.set_id(3);
            film.set_title(&long);
            movies.add_reader(film.into_reader())?;
            Ok(())
        })
        .await
        .unwrap();
    let view = view(producer.store(), 1).await;
    let titles: Vec<&str> = view.field("Movie.title").unwrap().iter().map(Result::unwrap).collect();
    assert_eq!(titles, [long.as_str(), "", long.as_str()]);
    let films = view.records::<movie::Owned>().unwrap();
    let film = films.by_key(&1_u32).unwrap().unwrap();
    assert_eq!(film.get_genres().unwrap().get(0).unwrap(), "drama");
}
