//! An incremental cycle changes what it was told to, and leaves all else as it was.

use std::sync::Arc;

use kapok_blobstore::Store;
use kapok_core::manifest::BlobMap;
use kapok_index::View;
use kapok_producer::{BoxError, CycleReport, Error, ErrorKind, IncrementalCycle, Outcome, Producer, Value};
use kapok_samples::movies_capnp::{movie, rating};
use serde::Serialize;

mod schemas;
use schemas::by_title;

async fn view_of(store: &Store, version: u64) -> View {
    let manifest = store.manifests().read(version).await.unwrap();
    let blobs = store.blobs().load(&manifest, &BlobMap::new()).await.unwrap();
    View::open(Arc::new(manifest), &blobs).unwrap()
}

/// A store whose version 1 has the films 1, 2 and 3.
async fn films(name: &str) -> Producer {
    let producer = Producer::open(&format!("memory://incremental-{name}")).await.unwrap();
    let cycle = producer.run_cycle(|cycle| {
        let mut films = cycle.records::<movie::Owned>()?;
        for id in 1..=3 {
            films.add(|mut film| {
                film.set_id(id);
                film.set_title(format!("film {id}"));
                film.set_year(1900);
            })?;
        }
        cycle.tag("source", "archive");
        Ok(())
    });
    cycle.await.unwrap();
    producer
}

/// Runs a cycle that succeeds; the view, once it has been checked.
async fn change(
    producer: &Producer,
    populate: impl FnOnce(&IncrementalCycle) -> Result<(), BoxError>,
) -> (CycleReport, View) {
    let report = producer.run_incremental_cycle(populate).await.unwrap();
    let view = view_of(producer.store(), report.outcome.version()).await;
    view.verify_keys().unwrap();
    (report, view)
}

/// All films: id, title, year.
fn all(view: &View) -> Vec<(u32, String, u16)> {
    let films = view.records::<movie::Owned>().unwrap();
    let mut all: Vec<_> = films
        .iter()
        .map(|film| (film.get_id(), film.get_title().unwrap().to_string().unwrap(), film.get_year()))
        .collect();
    all.sort();
    all
}

fn film(id: u32, title: &str, year: u16) -> (u32, String, u16) {
    (id, title.to_owned(), year)
}

fn counts(report: &CycleReport) -> Vec<(&str, u64, u64, u64, u64)> {
    report.types.iter().map(|ty| (ty.name.as_str(), ty.rows, ty.added, ty.updated, ty.removed)).collect()
}

#[tokio::test]
async fn typed_operations_change_what_they_say() {
    let producer = films("typed").await;
    let (report, view) = change(&producer, |cycle| {
        assert_eq!((cycle.prior().version(), all(cycle.prior()).len()), (1, 3));
        let mut films = cycle.records::<movie::Owned>()?;
        films.upsert(|mut film| {
            film.set_id(1);
            film.set_title("new");
        })?;
        assert!(films.insert_if_absent(|mut film| film.set_id(4))?);
        assert!(!films.insert_if_absent(|mut film| film.set_id(2))?, "there already");
        assert!(!films.insert_if_absent(|mut film| film.set_id(4))?, "since this cycle");
        assert!(films.update(&2_u32, |mut film| film.set_year(1950))?);
        assert!(!films.update(&9_u32, |_| panic!("there is none"))?);
        assert!(films.delete(&3_u32)?);
        assert!(!films.delete(&3_u32)? && !films.delete(&9_u32)?, "there is none");
        Ok(())
    })
    .await;
    assert_eq!(report.outcome, Outcome::Published { version: 2 });
    assert_eq!(counts(&report), [("Movie", 3, 1, 2, 1)]);
    assert_eq!(all(&view), [film(1, "new", 0), film(2, "film 2", 1950), film(4, "", 0)]);
    assert_eq!(view.manifest().parent, Some(1));
}

#[tokio::test]
async fn dynamic_operations_change_what_they_say() {
    #[derive(Serialize)]
    struct Film {
        id: u32,
        title: &'static str,
    }
    let producer = films("dynamic").await;
    let (report, view) = change(&producer, |cycle| {
        let mut films = cycle.values("Movie")?;
        films.upsert_json(br#"{"id": 1, "title": "new"}"#)?;
        films.upsert_serde(&Film { id: 5, title: "five" })?;
        let four = Value::from_json(br#"{"id": 4}"#)?;
        assert!(films.insert_if_absent(&four)? && !films.insert_if_absent(&four)?);
        let year = |value: &mut Value| {
            let Value::Struct(members) = value else { panic!("{value:?}") };
            members.retain(|(name, _)| name != "year");
            members.push(("year".into(), Value::UInt(1950)));
        };
        assert!(films.update(&2_u32, year)? && !films.update(&9_u32, year)?);
        assert!(films.delete(&3_u32)? && !films.delete(&3_u32)?);
        let error = films.upsert_json(br#"{"id": 6, "heft": 1}"#).unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("heft"), "{error}");
        Ok(())
    })
    .await;
    assert_eq!(counts(&report), [("Movie", 4, 2, 2, 1)]);
    assert_eq!(all(&view), [film(1, "new", 0), film(2, "film 2", 1950), film(4, "", 0), film(5, "five", 0)]);
}

#[tokio::test]
async fn the_last_change_of_a_key_holds() {
    let producer = films("last").await;
    let (report, view) = change(&producer, |cycle| {
        let mut films = cycle.records::<movie::Owned>()?;
        let put = |films: &mut kapok_producer::RecordChanges<'_, movie::Owned>, id, title: &str| {
            films.upsert(|mut film| {
                film.set_id(id);
                film.set_title(title);
            })
        };
        put(&mut films, 1, "first")?;
        put(&mut films, 1, "second")?;
        // Updates build on what this cycle has made of a record.
        assert!(films.update(&1_u32, |mut film| film.set_year(7))?);
        put(&mut films, 8, "added and taken back")?;
        assert!(films.delete(&8_u32)?);
        assert!(!films.update(&8_u32, |_| ())?);
        assert!(films.delete(&2_u32)?);
        assert!(!films.update(&2_u32, |_| ())? && !films.delete(&2_u32)?, "it is gone by now");
        assert!(films.insert_if_absent(|mut film| film.set_id(2))?, "it was deleted");
        assert!(films.delete(&3_u32)?);
        // As it was before.
        films.upsert(|mut film| {
            film.set_id(3);
            film.set_title("film 3");
            film.set_year(1900);
        })?;
        Ok(())
    })
    .await;
    assert_eq!(counts(&report), [("Movie", 3, 0, 2, 0)]);
    assert_eq!(all(&view), [film(1, "second", 7), film(2, "", 0), film(3, "film 3", 1900)]);
}

#[tokio::test]
async fn an_update_that_changes_the_key_leaves_the_old_record() {
    let producer = films("rekeyed").await;
    let (_, view) = change(&producer, |cycle| {
        assert!(cycle.records::<movie::Owned>()?.update(&1_u32, |mut film| film.set_id(2))?);
        Ok(())
    })
    .await;
    assert_eq!(all(&view), [film(1, "film 1", 1900), film(2, "film 1", 1900), film(3, "film 3", 1900)]);
}

#[tokio::test]
async fn changes_that_come_to_nothing_make_no_version() {
    let producer = films("nothing").await;
    for attempt in 0..3 {
        let (report, _) = change(&producer, |cycle| {
            let mut films = cycle.records::<movie::Owned>()?;
            if attempt > 0 {
                films.upsert(|mut film| film.set_id(1))?;
                films.upsert(|mut film| {
                    film.set_id(1);
                    film.set_title("film 1");
                    film.set_year(1900);
                })?;
                films.insert_if_absent(|mut film| film.set_id(7))?;
                films.delete(&7_u32)?;
            }
            if attempt > 1 {
                films.update(&2_u32, |mut film| film.set_year(1900))?;
            }
            Ok(())
        })
        .await;
        assert_eq!((report.outcome, report.bytes_written), (Outcome::Unchanged { version: 1 }, 0));
    }
    assert_eq!(change(&producer, |_| Ok(())).await.0.outcome, Outcome::Unchanged { version: 1 });
    assert_eq!(producer.store().manifests().versions().await.unwrap(), [1]);
}

#[tokio::test]
async fn a_key_of_another_type_is_refused_and_one_out_of_range_is_nobodys() {
    let producer = films("keys").await;
    let (report, _) = change(&producer, |cycle| {
        let mut films = cycle.records::<movie::Owned>()?;
        let mut values = cycle.values("Movie")?;
        for error in [
            films.delete("1").unwrap_err(),
            films.update(&(1_u32, 2_u32), |_| ()).unwrap_err(),
            values.delete("1").unwrap_err(),
            values.update("1", |_| ()).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        }
        assert!(!films.delete(&-1_i64)? && !films.delete(&u64::MAX)? && !films.update(&-1_i64, |_| ())?);
        assert_eq!(cycle.values("Film").map(drop).unwrap_err().kind(), ErrorKind::NotFound);
        Ok(())
    })
    .await;
    assert_eq!(report.outcome, Outcome::Unchanged { version: 1 });
}

#[tokio::test]
async fn records_of_a_type_that_is_new_are_added_by_their_composite_key() {
    let producer = films("composite").await;
    let rate = |cycle: &IncrementalCycle, id, source, votes| -> Result<(), Error> {
        cycle.records::<rating::Owned>()?.upsert(|mut rating| {
            rating.set_movie_id(id);
            rating.set_source(source);
            rating.set_votes(votes);
        })
    };
    let (report, view) = change(&producer, |cycle| {
        rate(cycle, 2, rating::Source::Audience, 1)?;
        rate(cycle, 2, rating::Source::Critics, 2)?;
        rate(cycle, 1, rating::Source::Critics, 3)?;
        assert!(cycle.records::<rating::Owned>()?.delete(&(1_u32, 0_u16))?);
        Ok(())
    })
    .await;
    assert_eq!(counts(&report), [("Rating", 2, 2, 0, 0)]);
    assert_eq!(all(&view).len(), 3, "films stay");
    let (_, view) = change(&producer, |cycle| {
        let mut ratings = cycle.records::<rating::Owned>()?;
        assert!(ratings.update(&(2_u32, 1_u16), |mut rating| rating.set_votes(9))?);
        assert!(ratings.delete(&(2_u32, 0_u16))? && !ratings.delete(&(1_u32, 1_u16))?);
        Ok(())
    })
    .await;
    let ratings = view.records::<rating::Owned>().unwrap();
    let votes = |key: (u32, u16)| ratings.by_key(&key).unwrap().map(rating::Reader::get_votes);
    assert_eq!((votes((2, 1)), votes((2, 0)), votes((1, 0))), (Some(9), None, None));
}

#[tokio::test]
async fn a_type_whose_records_are_all_deleted_stays_and_takes_new_ones() {
    let producer = films("emptied").await;
    let delete_all = |cycle: &IncrementalCycle| -> Result<(), BoxError> {
        let mut films = cycle.records::<movie::Owned>()?;
        (1..=3_u32).try_for_each(|id| films.delete(&id).map(drop))?;
        Ok(())
    };
    let (report, view) = change(&producer, delete_all).await;
    assert_eq!(counts(&report), [("Movie", 0, 0, 0, 3)]);
    assert!(all(&view).is_empty() && view.manifest().record_type("Movie").unwrap().segments.is_empty());
    let (_, view) = change(&producer, |cycle| {
        assert!(!cycle.records::<movie::Owned>()?.delete(&1_u32)?);
        cycle.records::<movie::Owned>()?.upsert(|mut film| film.set_id(1))?;
        Ok(())
    })
    .await;
    assert_eq!(all(&view), [film(1, "", 0)]);
}

#[tokio::test]
async fn a_record_without_its_text_key_is_refused() {
    let producer = Producer::open("memory://incremental-null-key").await.unwrap();
    let declaration = by_title();
    let cycle = producer.run_incremental_cycle(|cycle| {
        cycle.declare(&declaration)?;
        let mut films = cycle.values("Film")?;
        let error = films.upsert_json(br#"{"id": 1}"#).unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("title"), "{error}");
        assert_eq!(films.insert_if_absent(&Value::from_json(b"{}")?).unwrap_err().kind(), ErrorKind::Invalid);
        // The ones after it are none the worse.
        films.upsert_json(br#"{"id": 2, "title": ""}"#)?;
        films.upsert_json(br#"{"id": 3, "title": "three"}"#)?;
        assert!(films.delete("")?);
        Ok(())
    });
    let report = cycle.await.unwrap();
    assert_eq!(counts(&report), [("Film", 1, 1, 0, 0)]);
    let view = view_of(producer.store(), 1).await;
    assert!(view.find("Film", "three").unwrap().is_some() && view.find("Film", "").unwrap().is_none());
}

#[tokio::test]
async fn tags_stay_until_they_are_set_anew_or_removed() {
    let producer = films("tags").await;
    let tags = |view: &View| view.manifest().tags.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
    let (_, view) = change(&producer, |cycle| {
        cycle.tag("run", "2");
        Ok(())
    })
    .await;
    assert_eq!((view.version(), tags(&view)), (2, vec!["run=2".to_owned(), "source=archive".to_owned()]));
    let (_, view) = change(&producer, |cycle| {
        cycle.tag("run", "3");
        cycle.remove_tag("source");
        cycle.remove_tag("nobody's");
        Ok(())
    })
    .await;
    assert_eq!((view.version(), tags(&view)), (3, vec!["run=3".to_owned()]));
    let (report, _) = change(&producer, |cycle| {
        cycle.tag("run", "3");
        Ok(())
    })
    .await;
    assert_eq!(report.outcome, Outcome::Unchanged { version: 3 });
}

async fn set_year(producer: &Producer, on: Option<u64>, id: u32, year: u16) -> Result<CycleReport, Error> {
    let populate = |cycle: &IncrementalCycle| -> Result<(), BoxError> {
        cycle.records::<movie::Owned>()?.update(&id, |mut film| film.set_year(year))?;
        Ok(())
    };
    match on {
        Some(version) => producer.run_incremental_cycle_on(version, populate).await,
        None => producer.run_incremental_cycle(populate).await,
    }
}

#[tokio::test]
async fn after_a_rollback_a_cycle_must_say_what_it_builds_on() {
    let producer = films("rollback").await;
    set_year(&producer, None, 1, 2).await.unwrap();
    set_year(&producer, None, 2, 3).await.unwrap();
    producer.store().announcements().rollback(2, "test", "bad").await.unwrap().unwrap();
    let error = set_year(&producer, None, 3, 4).await.unwrap_err();
    assert!(matches!(error, Error::RolledBack { announced: 2, highest: 3 }), "{error}");
    assert_eq!(producer.store().manifests().head().await.unwrap(), Some(3));

    let nothing = set_year(&producer, Some(2), 1, 2).await.unwrap();
    assert_eq!(nothing.outcome, Outcome::Unchanged { version: 2 }, "consumers are there");
    let report = set_year(&producer, Some(2), 3, 4).await.unwrap();
    assert_eq!(report.outcome, Outcome::Published { version: 4 });
    let view = view_of(producer.store(), 4).await;
    assert_eq!(view.manifest().parent, Some(2));
    assert_eq!(all(&view), [film(1, "film 1", 2), film(2, "film 2", 1900), film(3, "film 3", 4)]);
    let latest = producer.store().announcements().latest(None).await.unwrap().unwrap();
    assert_eq!((latest.announced, latest.is_rolled_back()), (4, false));
    set_year(&producer, None, 1, 5).await.unwrap();
}

#[tokio::test]
async fn another_version_than_the_newest_is_published_anew_even_without_a_change() {
    let producer = films("anew").await;
    set_year(&producer, None, 1, 2).await.unwrap();
    let report = producer.run_incremental_cycle_on(1, |_| Ok(())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Published { version: 3 });
    let view = view_of(producer.store(), 3).await;
    assert_eq!((view.manifest().parent, all(&view)[0].2), (Some(1), 1900));
    assert_eq!(producer.store().announcements().latest(None).await.unwrap().unwrap().announced, 3);
    for version in [0, 9] {
        assert_eq!(set_year(&producer, Some(version), 1, 2).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}
