//! Indexes are declared, kept, dropped and renamed with the versions, and every segment gets them.

use std::collections::BTreeSet;
use std::sync::Arc;

use kapok_blobstore::Store;
use kapok_core::manifest::{BlobMap, RowChanges};
use kapok_core::schema::{Schema, StructType};
use kapok_index::View;
use kapok_ingest::{Inference, InferenceSettings};
use kapok_producer::{Declaration, ErrorKind, Evolution, Outcome, Producer, Value};
use kapok_samples::movies_capnp::movie;

async fn view_of(store: &Store, version: u64) -> View {
    let manifest = store.manifests().read(version).await.unwrap();
    let blobs = store.blobs().load(&manifest, &BlobMap::new()).await.unwrap();
    let view = View::open(Arc::new(manifest), &blobs).unwrap();
    view.verify_new(&blobs, |_| true).unwrap();
    view
}

async fn head(producer: &Producer) -> View {
    let head = producer.store().manifests().head().await.unwrap().unwrap();
    view_of(producer.store(), head).await
}

/// Publishes films, three of each year from 1900 on.
async fn publish(producer: &Producer, declaration: &Declaration, ids: std::ops::Range<u32>) -> Outcome {
    let cycle = producer.run_cycle(|cycle| {
        cycle.declare(declaration)?;
        let mut films = cycle.records::<movie::Owned>()?;
        for id in ids {
            films.add(|mut film| {
                film.set_id(id);
                film.set_title(format!("film {id}"));
                film.set_year(1900 + u16::try_from(id / 3).unwrap());
            })?;
        }
        Ok(())
    });
    cycle.await.unwrap().outcome
}

fn movies() -> Declaration {
    Declaration::of::<movie::Owned>().unwrap()
}

/// The films of a year by an index, and whether every segment has an artifact of it.
fn by_year(view: &View, name: &str, year: u16) -> (u64, bool) {
    let segments = &view.manifest().record_type("Movie").unwrap().segments;
    let has = segments.iter().all(|entry| entry.artifacts.iter().any(|artifact| artifact.name == name));
    (view.hash_lookup("Movie", name).unwrap().count(&[year.into()]).unwrap(), has)
}

fn names(view: &View) -> Vec<&str> {
    view.indexes("Movie").unwrap().iter().skip(1).map(kapok_index::Index::name).collect()
}

#[tokio::test]
async fn a_declared_index_is_built_kept_and_merged() {
    let producer = Producer::open("memory://indexes-declared").await.unwrap();
    publish(&producer, &movies().index("hash(year)"), 0..30).await;
    assert_eq!(by_year(&head(&producer).await, "hash(year)", 1903), (3, true));
    // Who names none keeps it, also by changes.
    publish(&producer, &movies(), 1..31).await;
    assert_eq!(by_year(&head(&producer).await, "hash(year)", 1900), (2, true));
    for id in 100..140 {
        let cycle = producer.run_incremental_cycle(|cycle| {
            Ok(cycle.records::<movie::Owned>()?.upsert(|mut film| {
                film.set_id(id);
                film.set_year(1903);
            })?)
        });
        cycle.await.unwrap();
    }
    let view = head(&producer).await;
    let segments = &view.manifest().record_type("Movie").unwrap().segments;
    assert!(
        segments.len() < 10 && segments.iter().any(|segment| !segment.merged_from.is_empty()),
        "{}",
        segments.len()
    );
    assert_eq!(by_year(&view, "hash(year)", 1903), (43, true));
}

#[tokio::test]
async fn an_index_is_added_and_dropped_by_versions_that_change_no_record() {
    let producer = Producer::open("memory://indexes-added").await.unwrap();
    publish(&producer, &movies(), 0..30).await;
    let add = || producer.run_incremental_cycle(|cycle| Ok(cycle.add_index("Movie", "years: hash(year)")?));
    assert_eq!(add().await.unwrap().outcome, Outcome::Published { version: 2 });
    let view = head(&producer).await;
    assert_eq!(by_year(&view, "years", 1909), (3, true));
    let ty = view.manifest().record_type("Movie").unwrap();
    assert_eq!(ty.changes, Some(RowChanges::default()));
    let before = view_of(producer.store(), 1).await;
    assert_eq!(before.manifest().record_type("Movie").unwrap().segments[0].id, ty.segments[0].id);
    assert_eq!(add().await.unwrap().outcome, Outcome::Unchanged { version: 2 });

    let drop = |name: &'static str| {
        producer.run_incremental_cycle(move |cycle| {
            cycle.drop_index("Movie", name);
            Ok(())
        })
    };
    let error = drop("year").await.unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("years"), "{error}");
    assert_eq!(drop("years").await.unwrap().outcome, Outcome::Published { version: 3 });
    let view = head(&producer).await;
    assert_eq!(names(&view), [""; 0]);
    assert_eq!(view.manifest().record_type("Movie").unwrap().segments[0].artifacts.len(), 1);
}

#[tokio::test]
async fn what_is_no_index_of_the_type_is_refused_and_nothing_is_published() {
    let producer = Producer::open("memory://indexes-refused").await.unwrap();
    publish(&producer, &movies().index("years: hash(year)"), 0..3).await;
    let add = |record_type: &'static str, index: &'static str| {
        producer.run_incremental_cycle(move |cycle| Ok(cycle.add_index(record_type, index)?))
    };
    for (record_type, index, kind, says) in [
        ("Film", "hash(year)", ErrorKind::NotFound, "Movie"),
        ("Movie", "hash(yaer)", ErrorKind::NotFound, "year"),
        ("Movie", "hash(genres)", ErrorKind::Invalid, "genres[]"),
        ("Movie", "tree(year)", ErrorKind::Incompatible, "hash"),
        ("Movie", "hash(year) by=word", ErrorKind::Invalid, "by"),
        ("Movie", "hash(year) where yaer > 3", ErrorKind::Invalid, "yaer"),
        ("Movie", "years: hash(title)", ErrorKind::Invalid, "hash(year)"),
        ("Movie", "hash(year)", ErrorKind::Invalid, "years"),
        ("Movie", "hash(genres[], genres[])", ErrorKind::Invalid, "twice"),
    ] {
        let error = add(record_type, index).await.unwrap_err();
        assert!(error.kind() == kind && error.to_string().contains(says), "{index}: {error}");
    }
    let error = add("Movie", "hash year").await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("KIND(FIELD"), "{error}");
    assert_eq!(producer.store().manifests().head().await.unwrap(), Some(1));
}

/// The films' schema with an annotation, and with the year under another name.
fn annotated(indexes: &[&str], year: &str) -> Declaration {
    let (mut schema, id) = Schema::of::<movie::Owned>().unwrap();
    let mut ty = StructType::clone(schema.struct_type(id).unwrap());
    ty.indexes = indexes.iter().map(|text| (*text).to_owned()).collect();
    year.clone_into(&mut ty.fields.iter_mut().find(|field| field.name == "year").unwrap().name);
    schema.insert_struct(ty);
    Declaration::new(schema, id).unwrap()
}

#[tokio::test]
async fn an_annotation_counts_when_it_first_appears() {
    let producer = Producer::open("memory://indexes-annotated").await.unwrap();
    publish(&producer, &annotated(&["hash(year)"], "year"), 0..3).await;
    assert_eq!(names(&head(&producer).await), ["hash(year)"]);
    let cycle = producer.run_incremental_cycle(|cycle| {
        cycle.drop_index("Movie", "hash(year)");
        Ok(())
    });
    cycle.await.unwrap();
    // Dropped, it stays so, while a new one appears.
    publish(&producer, &annotated(&["hash(year)", "hash(title)"], "year"), 0..4).await;
    let view = head(&producer).await;
    assert_eq!(names(&view), ["hash(title)"]);
    let dropped = &view.manifest().record_type("Movie").unwrap().dropped_indexes;
    assert_eq!(*dropped, BTreeSet::from(["hash(year)".to_owned()]));
    let cycle = producer.run_incremental_cycle(|cycle| Ok(cycle.add_index("Movie", "hash(year)")?));
    cycle.await.unwrap();
    let view = head(&producer).await;
    assert_eq!(names(&view), ["hash(title)", "hash(year)"]);
    assert!(view.manifest().record_type("Movie").unwrap().dropped_indexes.is_empty());
    // The printed schema declares it, with an id of its own.
    let ty = view.manifest().record_type("Movie").unwrap();
    let record = kapok_core::schema::RecordDeclaration { name: "Movie", type_id: ty.type_id, key: &ty.key };
    let idl = view.manifest().schema.to_idl(&[record]).unwrap();
    assert!(
        idl.contains(r#"$indexes(["hash(year)", "hash(title)"])"#) && idl.contains("annotation indexes @0x"),
        "{idl}"
    );
}

#[tokio::test]
async fn an_index_follows_a_renamed_field_with_its_artifacts() {
    let producer = Producer::open("memory://indexes-renamed").await.unwrap();
    publish(&producer, &movies().index("hash(year)"), 0..3).await;
    let before = head(&producer).await;
    let cycle = producer.run_incremental_cycle(|cycle| Ok(cycle.declare(&annotated(&[], "released"))?));
    assert_eq!(cycle.await.unwrap().outcome, Outcome::Published { version: 2 });
    let after = head(&producer).await;
    let (before, ty) =
        (before.manifest().record_type("Movie").unwrap(), after.manifest().record_type("Movie").unwrap());
    assert_eq!((ty.indexes[0].name.as_str(), ty.indexes[0].fields.join(",")), ("hash(year)", "released".to_owned()));
    assert_eq!(ty.segments[0].artifacts, before.segments[0].artifacts);
    assert_eq!(by_year(&after, "hash(year)", 1900), (3, true));
}

#[tokio::test]
async fn the_filter_of_an_index_follows_a_renamed_field_with_its_artifacts() {
    let producer = Producer::open("memory://indexes-filter-renamed").await.unwrap();
    let index = "hash(id) where year >= 1901 and not (year = 1902)";
    publish(&producer, &movies().index(index), 0..12).await;
    let count = |view: &View, id: u32| view.hash_lookup("Movie", index).unwrap().count(&[id.into()]).unwrap();
    let before = head(&producer).await;
    assert_eq!([1, 3, 5, 7, 9].map(|id| count(&before, id)), [0, 1, 1, 0, 1]);
    let cycle = producer.run_incremental_cycle(|cycle| Ok(cycle.declare(&annotated(&[], "released"))?));
    assert_eq!(cycle.await.unwrap().outcome, Outcome::Published { version: 2 });
    let after = head(&producer).await;
    let (before, ty) =
        (before.manifest().record_type("Movie").unwrap(), after.manifest().record_type("Movie").unwrap());
    assert_eq!(ty.indexes[0].filter, "released >= 1901 and not released = 1902");
    assert_eq!(ty.segments[0].artifacts, before.segments[0].artifacts);
    assert_eq!([1, 3, 5, 7, 9].map(|id| count(&after, id)), [0, 1, 1, 0, 1]);
    let rows = after.query("Movie", "id = 9 and released > 1902 and not released = 1902").unwrap();
    assert_eq!(rows.count().unwrap(), 1);
    // What is no filter is refused, and a field that one covers is not dropped.
    for (wrong, why) in [
        ("nothing > 1", "nothing"),
        ("released > $from", "$from"),
        ("title ~= 'a'", "Unicode"),
        ("released >", "column"),
    ] {
        let index = format!("hash(title) where {wrong}");
        let cycle = producer.run_incremental_cycle(move |cycle| Ok(cycle.add_index("Movie", &index)?));
        let error = cycle.await.unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(why), "{error}");
    }
    let error = producer.drop_field("Movie", "released").await.unwrap_err();
    assert!(error.to_string().contains("kapok index drop"), "{error}");
}

#[tokio::test]
async fn a_field_that_a_filter_asks_is_null_is_dropped_only_after_the_index() {
    for (number, filter) in ["title is null", "not title is null", "len(genres) = 0", "year is null"].iter().enumerate()
    {
        let producer = Producer::open(&format!("memory://indexes-null-filter-{number}")).await.unwrap();
        publish(&producer, &movies().index(format!("some: hash(id) where {filter}")), 0..3).await;
        let field = ["title", "title", "genres", "year"][number];
        let error = producer.drop_field("Movie", field).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("kapok index drop"), "{error}");
        let cycle = producer.run_incremental_cycle(|cycle| {
            cycle.drop_index("Movie", "some");
            Ok(())
        });
        cycle.await.unwrap();
        producer.drop_field("Movie", field).await.unwrap();
    }
}

#[tokio::test]
async fn an_alternate_key_with_a_filter_refuses_a_second_record_that_satisfies_it() {
    let producer = Producer::open("memory://indexes-alternate-filter").await.unwrap();
    publish(&producer, &movies().index("key(title) where id < 100"), 0..30).await;
    let error = retitle(&producer, 99, "film 7").await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("key 99"), "{error}");
    retitle(&producer, 100, "film 7").await.unwrap();
    let view = head(&producer).await;
    let found = view.alternate_lookup("Movie", "key(title) where id < 100").unwrap().find(&["film 7".into()]).unwrap();
    assert_eq!(found.map(|row_id| view.field::<u32>("Movie.id").unwrap().get(row_id).unwrap()), Some(7));
}

#[tokio::test]
async fn a_field_that_an_index_covers_is_dropped_only_after_the_index() {
    let producer = Producer::open("memory://indexes-field").await.unwrap();
    publish(&producer, &movies().index("years: hash(year)"), 0..3).await;
    let error = producer.drop_field("Movie", "year").await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("kapok index drop"), "{error}");
    // Another field moves what the index is of, and it is built anew.
    producer.drop_field("Movie", "runtimeMin").await.unwrap();
    assert_eq!(by_year(&head(&producer).await, "years", 1900), (3, true));
}

/// Publishes one change of a film's title.
async fn retitle(producer: &Producer, id: u32, title: &str) -> Result<Outcome, kapok_producer::Error> {
    let cycle = producer.run_incremental_cycle(|cycle| {
        Ok(cycle.records::<movie::Owned>()?.upsert(|mut film| {
            film.set_id(id);
            if title != "(null)" {
                film.set_title(title);
            }
        })?)
    });
    Ok(cycle.await?.outcome)
}

#[tokio::test]
async fn an_alternate_key_finds_its_record_and_refuses_a_second_one() {
    let producer = Producer::open("memory://indexes-alternate").await.unwrap();
    publish(&producer, &movies().index("key(title)"), 0..30).await;
    let find = async |title: &str| {
        let view = head(&producer).await;
        let found = view.alternate_lookup("Movie", "key(title)").unwrap().find(&[title.into()]).unwrap();
        found.map(|row_id| view.field::<u32>("Movie.id").unwrap().get(row_id).unwrap())
    };
    assert_eq!((find("film 7").await, find("film 70").await), (Some(7), None));
    // Of another segment.
    let error = retitle(&producer, 100, "film 7").await.unwrap_err();
    let text = error.to_string();
    assert!(error.kind() == ErrorKind::Invalid && text.contains(r#""film 7""#), "{text}");
    assert!(text.contains("key 7") && text.contains("key 100") && text.contains("key(title)"), "{text}");
    assert_eq!(producer.store().manifests().head().await.unwrap(), Some(1));
    // A record that is replaced frees its value; null is no value.
    retitle(&producer, 7, "Laura").await.unwrap();
    retitle(&producer, 100, "film 7").await.unwrap();
    retitle(&producer, 101, "(null)").await.unwrap();
    retitle(&producer, 102, "(null)").await.unwrap();
    assert_eq!((find("film 7").await, find("Laura").await), (Some(100), Some(7)));
    // Of one segment.
    let cycle = producer.run_incremental_cycle(|cycle| {
        let mut films = cycle.records::<movie::Owned>()?;
        for id in [200, 201] {
            films.upsert(|mut film| {
                film.set_id(id);
                film.set_title("twin");
            })?;
        }
        Ok(())
    });
    assert_eq!(cycle.await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn an_alternate_key_is_added_only_if_no_two_records_share_a_value() {
    let producer = Producer::open("memory://indexes-alternate-added").await.unwrap();
    publish(&producer, &movies(), 0..30).await;
    let add = |index: &'static str| producer.run_incremental_cycle(move |cycle| Ok(cycle.add_index("Movie", index)?));
    let error = add("key(year)").await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("1900"), "{error}");
    assert_eq!(add("key(title, year)").await.unwrap().outcome, Outcome::Published { version: 2 });
    let view = head(&producer).await;
    let rows = view.query("Movie", r#"title = "film 9" and year = 1903"#).unwrap();
    assert_eq!(rows.explain().unwrap().segments[0].source, "key(title, year)");
    assert_eq!(rows.count().unwrap(), 1);
}

/// Publishes JSON lines as the whole of the type `Thing`, by a schema inferred from them.
async fn publish_lines(
    producer: &Producer,
    lines: &[&str],
    evolution: Evolution,
) -> Result<Outcome, kapok_producer::Error> {
    let settings = InferenceSettings { key: vec!["id".to_owned()], ..InferenceSettings::default() };
    let mut inference = Inference::new("Thing", settings)?;
    for line in lines {
        inference.observe(&Value::from_json(line.as_bytes())?, 1)?;
    }
    let (schema, id) = inference.finish()?;
    let declaration = Declaration::new(schema, id)?.key(["id"]).inferred().evolution(evolution);
    let cycle = producer.run_cycle(|cycle| {
        cycle.declare(&declaration)?;
        let mut things = cycle.values("Thing")?;
        Ok(lines.iter().try_for_each(|line| things.add_json(line.as_bytes()))?)
    });
    Ok(cycle.await?.outcome)
}

#[tokio::test]
async fn an_index_stays_with_the_name_of_its_field_if_the_type_is_published_anew() {
    let producer = Producer::open("memory://indexes-anew").await.unwrap();
    publish_lines(&producer, &[r#"{"id":1,"b":1}"#, r#"{"id":2,"b":2}"#], Evolution::Append).await.unwrap();
    let add = producer.run_incremental_cycle(|cycle| Ok(cycle.add_index("Thing", "key(b)")?));
    add.await.unwrap();
    // Its ordinal is another one now, and the other field holds a value twice.
    let lines = [r#"{"id":1,"c":7,"b":1}"#, r#"{"id":2,"c":7,"b":2}"#];
    publish_lines(&producer, &lines, Evolution::Republish).await.unwrap();
    let view = head(&producer).await;
    assert_eq!(view.manifest().record_type("Thing").unwrap().indexes[0].fields, ["b"]);
    let twice = [r#"{"id":1,"c":7,"b":1}"#, r#"{"id":2,"c":8,"b":1}"#];
    let error = publish_lines(&producer, &twice, Evolution::Append).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_json_name_of_another_field_is_not_taken_for_the_indexed_one() {
    let producer = Producer::open("memory://indexes-names").await.unwrap();
    // In Cap'n Proto the first is aB and the second aB2.
    let lines = [r#"{"id":1,"a_b":"x","aB":"same"}"#, r#"{"id":2,"a_b":"y","aB":"same"}"#];
    publish_lines(&producer, &lines, Evolution::Append).await.unwrap();
    let add = producer.run_incremental_cycle(|cycle| {
        cycle.add_index("Thing", "key(a_b)")?;
        Ok(cycle.add_index("Thing", "hash(aB)")?)
    });
    add.await.unwrap();
    let view = head(&producer).await;
    assert!(view.alternate_lookup("Thing", "key(a_b)").unwrap().find(&["y".into()]).unwrap().is_some());
    assert_eq!(view.hash_lookup("Thing", "hash(aB)").unwrap().count(&["same".into()]).unwrap(), 2);
    assert_eq!(view.query("Thing", r#"a_b = "y""#).unwrap().count().unwrap(), 1);
    assert_eq!(view.query("Thing", r#"aB = "same""#).unwrap().count().unwrap(), 2);
}
