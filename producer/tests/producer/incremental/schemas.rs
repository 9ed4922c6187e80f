//! A cycle whose schema is not quite the dataset's keeps what the two do not share.

use std::sync::Arc;

use kapok_core::schema::{FieldKind, FieldType, Schema, StructType, Type};
use kapok_producer::{Declaration, ErrorKind, Evolution, OlderSchema, Outcome, Producer, Value};
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::movies_capnp::movie;

use super::{all, change, counts, films, set_year};

/// The type of films, changed, with a schema of its own.
fn films_with(change: impl FnOnce(&mut StructType)) -> Declaration {
    let (schema, id) = Schema::of::<movie::Owned>().unwrap();
    let mut ty = (**schema.struct_type(id).unwrap()).clone();
    change(&mut ty);
    let (id, mut schema) = (ty.id, Schema::new());
    schema.insert_struct(ty);
    Declaration::new(schema, id).unwrap()
}

/// Films whose key is their title, as a type of its own.
pub fn by_title() -> Declaration {
    films_with(|ty| (ty.id, ty.name, ty.key) = (0xf00d_f00d_f00d_f00d, "Film".to_owned(), vec!["title".to_owned()]))
}

/// Films with a director, whom this program's generated code does not know.
fn with_director() -> Declaration {
    films_with(|ty| {
        ty.fields.push(FieldType::slot("director", 5, u32::from(ty.pointer_words), Type::Text));
        ty.pointer_words += 1;
    })
}

async fn films_with_directors(name: &str) -> Producer {
    let producer = Producer::open(&format!("memory://incremental-{name}")).await.unwrap();
    let cycle = producer.run_incremental_cycle(|cycle| {
        cycle.declare(&with_director())?;
        cycle.values("Movie")?.upsert_json(br#"{"id": 1, "title": "Metropolis", "director": "Lang"}"#)?;
        cycle.values("Movie")?.upsert_json(br#"{"id": 2, "title": "Nosferatu", "director": "Murnau"}"#)?;
        Ok(())
    });
    cycle.await.unwrap();
    producer
}

#[tokio::test]
async fn an_older_schema_is_refused_unless_it_says_that_newer_fields_stay() {
    let producer = films_with_directors("older").await;
    let error = set_year(&producer, None, 1, 1927).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Incompatible && error.to_string().contains("director"), "{error}");
    let (report, view) = change(&producer, |cycle| {
        cycle.declare(&Declaration::of::<movie::Owned>()?.older_schema(OlderSchema::KeepNewer))?;
        let mut films = cycle.records::<movie::Owned>()?;
        assert!(films.update(&1_u32, |mut film| film.set_year(1927))?);
        // Twice, the second time over a record of this cycle.
        assert!(films.update(&1_u32, |mut film| film.set_runtime_min(153))?);
        films.upsert(|mut film| film.set_id(3))?;
        Ok(())
    })
    .await;
    assert_eq!(counts(&report), [("Movie", 3, 1, 1, 0)]);
    let json = |id: u32| view.record_by_key("Movie", &id).unwrap().unwrap().to_json_string().unwrap();
    assert!(json(1).contains(r#""director":"Lang""#), "an unknown field stays: {}", json(1));
    assert!(json(1).contains("1927") && json(1).contains("153") && json(2).contains("Murnau"), "{}", json(1));
    assert!(!json(3).contains("director"), "{}", json(3));
}

#[tokio::test]
async fn a_field_that_is_added_reads_as_absent_in_the_records_before() {
    let producer = films("appended").await;
    let (_, view) = change(&producer, |cycle| {
        cycle.declare(&with_director())?;
        cycle.values("Movie")?.upsert_json(br#"{"id": 4, "director": "Lang"}"#)?;
        Ok(())
    })
    .await;
    let director = view.field::<Option<&str>>("Movie.director").unwrap();
    let of = |id: u32| director.get(view.find("Movie", &id).unwrap().unwrap()).unwrap();
    assert_eq!((of(1), of(4)), (None, Some("Lang")));
    assert_eq!(all(&view).len(), 4);
}

/// A type that holds films, whose fields it calls by other names.
fn shelf_of_renamed_films() -> Declaration {
    let rename = |ty: &mut StructType| {
        for field in &mut ty.fields {
            field.name = format!("{}Renamed", field.name);
        }
        ty.key = vec!["idRenamed".to_owned()];
    };
    let films = films_with(rename);
    let film = Arc::clone(films.schema().struct_type(films.type_id()).unwrap());
    let mut shelf = (*film).clone();
    (shelf.id, shelf.name, shelf.key) = (0xf00d_f00d_f00d_beef, "Shelf".to_owned(), vec!["number".to_owned()]);
    let film_field = FieldType::slot("film", 1, 0, Type::Struct(film.id));
    shelf.fields = vec![FieldType::slot("number", 0, 0, Type::UInt32), film_field];
    (shelf.data_words, shelf.pointer_words) = (1, 1);
    let (mut schema, id) = (films.schema().clone(), shelf.id);
    schema.insert_struct(shelf);
    Declaration::new(schema, id).unwrap()
}

#[tokio::test]
async fn a_type_that_is_carried_over_takes_the_new_names_of_its_fields() {
    for is_empty in [false, true] {
        let producer = films(if is_empty { "renamed-empty" } else { "renamed" }).await;
        if is_empty {
            let cycle = producer.run_cycle(|cycle| {
                drop(cycle.records::<movie::Owned>()?);
                Ok(())
            });
            cycle.await.unwrap();
        }
        let (_, view) = change(&producer, |cycle| {
            cycle.declare(&shelf_of_renamed_films())?;
            cycle.values("Shelf")?.upsert_json(br#"{"number": 1, "film": {"idRenamed": 7}}"#)?;
            Ok(())
        })
        .await;
        let table = view.table("Movie").unwrap();
        assert!(table.key().names().eq(["idRenamed"]));
        let titles: Vec<&str> = view.field("Movie.titleRenamed").unwrap().iter().map(Result::unwrap).collect();
        assert_eq!(titles.len(), if is_empty { 0 } else { 3 });
        // Verified as a cycle verifies what it has written.
        let entry = view.manifest().record_type("Movie").unwrap();
        for (source, segment) in table.segments().iter().zip(&entry.segments) {
            let schema = Arc::clone(table.schema());
            let encoding =
                kapok_core::segment::Encoding::new(schema, entry.type_id, &entry.key, segment.sharing).unwrap();
            encoding.verify(source.segment(), segment).unwrap();
        }
        let (_, view) = change(&producer, |cycle| {
            cycle.values("Movie")?.upsert_json(br#"{"idRenamed": 1, "titleRenamed": "again"}"#)?;
            Ok(())
        })
        .await;
        assert_eq!(view.table("Movie").unwrap().len(), if is_empty { 1 } else { 3 });
    }
}

#[tokio::test]
async fn a_type_that_is_published_anew_leaves_all_its_records_behind() {
    let producer = films("republished").await;
    let with_text = films_with(|ty| {
        let year = ty.fields.iter_mut().find(|field| field.name == "year").unwrap();
        let FieldKind::Slot { ty, .. } = &mut year.kind else { panic!("a slot") };
        *ty = Type::Int16;
    });
    let refused = producer.run_incremental_cycle(|cycle| Ok(cycle.declare(&with_text)?)).await.unwrap_err();
    assert!(refused.kind() == ErrorKind::Incompatible && refused.to_string().contains("year"), "{refused}");
    let (report, view) = change(&producer, |cycle| {
        cycle.declare(&with_text.clone().evolution(Evolution::Republish))?;
        let mut films = cycle.values("Movie")?;
        films.upsert_json(br#"{"id": 3, "year": -5}"#)?;
        assert!(!films.delete(&1_u32)?, "it is left behind anyway");
        Ok(())
    })
    .await;
    assert_eq!(counts(&report), [("Movie", 1, 1, 0, 3)]);
    assert_eq!(view.field::<i16>("Movie.year").unwrap().iter().next().unwrap().unwrap(), -5);
}

#[tokio::test]
async fn a_dynamic_update_keeps_values_of_every_kind() {
    let producer = Producer::open("memory://incremental-kinds").await.unwrap();
    let fill = |mut to: kinds::Builder<'_>, i8: i8| {
        to.set_id(i64::MIN);
        to.set_code("a\u{0}b\"\\\u{1f600}");
        to.set_i8(i8);
        to.set_u64(u64::MAX);
        to.set_f32(f32::NAN);
        to.set_f64(f64::NEG_INFINITY);
        to.set_text("");
        to.set_data(&[0, 255, 1]);
        to.reborrow().init_address().set_zip(9);
        to.reborrow().get_place().set_lat(-0.0);
        to.reborrow().init_span().set_from(3);
        to.reborrow().get_contact().set_phone(u64::MAX);
        to.reborrow().init_voids(2);
        to.reborrow().init_f64s(2).set(0, f64::INFINITY);
        to.reborrow().init_i64s(1).set(0, i64::MIN);
        to.reborrow().init_texts(2).set(1, "x");
        to.reborrow().init_datas(2).set(1, &[7]);
        to.reborrow().init_addresses(2);
        to.reborrow().init_matrix(2).init(1, 2).set(0, -4);
        to.reborrow().init_tree().init_children(1).get(0).set_value(8);
        let mut embedding = to.reborrow().init_embedding(4);
        (0..4).for_each(|at| embedding.set(at, 0.1));
        to.set_codes(&[1, 2, 3, 4, 5, 6]);
    };
    let cycle = producer.run_cycle(|cycle| Ok(cycle.records::<kinds::Owned>()?.add(|to| fill(to, 1))?));
    cycle.await.unwrap();
    let key = (i64::MIN, "a\u{0}b\"\\\u{1f600}");
    let nothing = change(&producer, |cycle| {
        assert!(cycle.values("Kinds")?.update(&key, |_| ())?);
        Ok(())
    })
    .await;
    assert_eq!(nothing.0.outcome, Outcome::Unchanged { version: 1 }, "{:?}", nothing.0.types);
}

#[tokio::test]
async fn a_type_is_not_declared_in_two_ways_in_one_cycle() {
    let producer = Producer::open("memory://incremental-two-ways").await.unwrap();
    let shorter = films_with(|ty| {
        ty.fields.truncate(3);
        ty.pointer_words = 1;
    });
    change(&producer, |cycle| {
        cycle.declare(&shorter)?;
        cycle.values("Movie")?.upsert_json(br#"{"id": 1, "title": "Metropolis"}"#)?;
        Ok(())
    })
    .await;
    change(&producer, |cycle| {
        cycle.declare(&shorter)?;
        cycle.declare(&shorter)?;
        let error = cycle.declare(&with_director()).unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("Movie"), "{error}");
        Ok(())
    })
    .await;
    // The dataset's type lacks fields that the generated one has: they must not get lost on the way.
    change(&producer, |cycle| {
        cycle.values("Movie")?.upsert_json(br#"{"id": 2}"#)?;
        let error = cycle.records::<movie::Owned>().map(drop).unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("Movie"), "{error}");
        Ok(())
    })
    .await;
    let (_, view) = change(&producer, |cycle| {
        cycle.records::<movie::Owned>()?.upsert(|mut film| {
            film.set_id(3);
            film.set_runtime_min(153);
        })?;
        cycle.values("Movie")?.upsert_json(br#"{"id": 4, "runtimeMin": 90}"#)?;
        Ok(())
    })
    .await;
    let minutes = view.field::<u16>("Movie.runtimeMin").unwrap();
    let of = |id: u32| minutes.get(view.find("Movie", &id).unwrap().unwrap()).unwrap();
    assert_eq!((of(1), of(3), of(4)), (0, 153, 90));
}

#[tokio::test]
async fn where_integers_become_floats_the_records_that_stay_are_written_anew_and_none_is_changed_in_place() {
    let producer = films("widened").await;
    let wider = || {
        let wider = films_with(|ty| {
            for field in ty.fields.iter_mut().filter(|field| field.name == "year") {
                field.kind = FieldType::slot("year", 2, 0, Type::Float64).kind;
            }
            ty.lay_out().unwrap();
        });
        wider.evolution(Evolution::Widen)
    };
    let in_place = producer.run_incremental_cycle(|cycle| {
        cycle.declare(&wider())?;
        cycle.values("Movie")?.update(&1_u32, |_| {})?;
        Ok(())
    });
    let error = in_place.await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("in place"), "{error}");
    let (_, view) = change(&producer, |cycle| {
        cycle.declare(&wider())?;
        let mut films = cycle.values("Movie")?;
        films.upsert_json(br#"{"id": 99, "title": "Half", "year": 1927.5}"#)?;
        assert!(films.delete(&1_u32)?);
        assert!(!films.delete(&98_u32)?);
        Ok(())
    })
    .await;
    let table = view.table("Movie").unwrap();
    assert_eq!(table.len(), 3);
    let text = |row_id| table.record(row_id).unwrap().to_json_string().unwrap();
    let records: Vec<String> = table.row_ids_in_key_order().unwrap().into_iter().map(text).collect();
    assert!(records[0].contains("\"id\":2") && records.last().unwrap().contains("1927.5"), "{records:?}");
    assert!(view.manifest().record_type("Movie").unwrap().declared);
}

#[tokio::test]
async fn a_key_that_becomes_wider_leads_to_the_records_of_before() {
    let producer = films("wider-keys").await;
    let wider = films_with(|ty| {
        for field in ty.fields.iter_mut().filter(|field| field.name == "id") {
            field.kind = FieldType::slot("id", 0, 0, Type::Int64).kind;
        }
        ty.lay_out().unwrap();
    });
    let far = i64::from(u32::MAX) + 1;
    let (report, view) = change(&producer, |cycle| {
        cycle.declare(&wider.clone().evolution(Evolution::Widen))?;
        let mut films = cycle.values("Movie")?;
        assert!(films.delete(&1_u32)?);
        assert!(!films.delete(&far)?);
        assert!(!films.insert_if_absent(&Value::from_json(br#"{"id": 2, "title": "Second"}"#)?)?);
        let new = format!(r#"{{"id": {far}, "title": "Far"}}"#);
        assert!(films.insert_if_absent(&Value::from_json(new.as_bytes())?)?);
        Ok(())
    })
    .await;
    assert_eq!(report.types[0].rows, 3);
    let title = |id: i64| {
        let row_id = view.find("Movie", &id).unwrap()?;
        Some(view.field::<&str>("Movie.title").unwrap().get(row_id).unwrap().to_owned())
    };
    assert_eq!(title(1), None);
    for (id, expected) in [(2, "film 2"), (3, "film 3"), (far, "Far")] {
        assert_eq!(title(id).as_deref(), Some(expected));
    }
    let refused = view.records::<movie::Owned>().map(|_| ()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Incompatible, "{refused}");
    // Only that way: anything else is another type.
    let error = producer.run_incremental_cycle(|cycle| Ok(cycle.declare(&films_with(|_| {}))?)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
}
