//! Queries through references agree with a model over histories: changes, deletes, merges, renamed fields, indexes that come and
//! go, references that are withdrawn.

use std::collections::{BTreeMap, BTreeSet};

use kapok_consumer::{Consumer, View};
use kapok_core::schema::{FieldType, Schema, StructType, Type};
use kapok_index::query::Aggregate;
use kapok_producer::{Declaration, MergeSchedule, Producer, ProducerSettings};
use kapok_samples::random::Random;

const PERSON: u64 = 0xf000_0000_0000_0001;
const MOVIE: u64 = 0xf000_0000_0000_0002;

/// Year, director, cast.
type Movie = (usize, Option<usize>, Vec<usize>);

#[derive(Default)]
struct Model {
    /// Names by id.
    people: BTreeMap<usize, String>,
    movies: BTreeMap<usize, Movie>,
}

/// What fields are called in one version.
#[derive(Clone, Copy)]
struct Names {
    name: &'static str,
    director: &'static str,
    cast: &'static str,
}

impl Names {
    const FIRST: Self = Self { name: "name", director: "director", cast: "cast" };
    const LATER: Self = Self { name: "called", director: "by", cast: "actors" };

    fn declarations(self) -> [Declaration; 2] {
        let mut schema = Schema::new();
        let mut add = |id, name: &str, fields| {
            let mut ty = StructType::new(id, name, fields);
            ty.key = vec!["id".to_owned()];
            ty.lay_out().unwrap();
            schema.insert_struct(ty);
        };
        let id = || FieldType::slot("id", 0, 0, Type::UInt32);
        add(PERSON, "Person", vec![id(), FieldType::slot(self.name, 1, 0, Type::Text)]);
        let null = format!("{}IsNull", self.director);
        let null = FieldType { null_of: Some(self.director.to_owned()), ..FieldType::slot(&null, 3, 0, Type::Bool) };
        let refers = |name, ordinal, ty| FieldType {
            reference: Some("Person".to_owned()),
            ..FieldType::slot(name, ordinal, 0, ty)
        };
        // Of other widths than the key.
        let cast = refers(self.cast, 4, Type::List(Box::new(Type::Int16)));
        let year = FieldType::slot("year", 1, 0, Type::UInt16);
        add(MOVIE, "Movie", vec![id(), year, refers(self.director, 2, Type::Int64), null, cast]);
        [PERSON, MOVIE].map(|id| Declaration::new(schema.clone(), id).unwrap())
    }
}

async fn change(producer: &Producer, names: Names, model: &mut Model, r: &mut Random) {
    let cycle = producer.run_incremental_cycle(|cycle| {
        for declaration in &names.declarations() {
            cycle.declare(declaration)?;
        }
        let (mut people, mut movies) = (cycle.values("Person")?, cycle.values("Movie")?);
        for _ in 0..r.below(30) {
            let id = r.below(25);
            if r.one_in(4) {
                model.people.remove(&id);
                people.delete(&(id as u64))?;
                continue;
            }
            let name = format!("n{}", r.below(6));
            people.upsert_json(format!(r#"{{"id":{id},"{}":"{name}"}}"#, names.name).as_bytes())?;
            model.people.insert(id, name);
        }
        for _ in 0..r.below(80) {
            let id = r.below(200);
            if r.one_in(4) {
                model.movies.remove(&id);
                movies.delete(&(id as u64))?;
                continue;
            }
            let director = if r.one_in(4) { None } else { Some(r.below(30)) };
            let (year, cast): (_, Vec<usize>) = (r.below(20), (0..r.below(4)).map(|_| r.below(30)).collect());
            let shown = director.map_or_else(|| "null".to_owned(), |id| id.to_string());
            let json = format!(r#"{{"id":{id},"year":{year},"{}":{shown},"{}":{cast:?}}}"#, names.director, names.cast);
            movies.upsert_json(json.as_bytes())?;
            model.movies.insert(id, (year, director, cast));
        }
        Ok(())
    });
    cycle.await.unwrap();
}

fn ids(view: &View, record_type: &str, expression: &str) -> BTreeSet<usize> {
    let rows = view.query(record_type, expression).unwrap();
    let ids: BTreeSet<usize> = rows.values::<u32>("id").unwrap().map(|id| id.unwrap() as usize).collect();
    assert_eq!(rows.count().unwrap(), ids.len() as u64, "{record_type}: {expression}");
    rows.explain().unwrap();
    ids
}

fn check(view: &View, names: Names, model: &Model, r: &mut Random) {
    let Names { name, director, cast } = names;
    let (wanted, least) = (format!("n{}", r.below(7)), r.below(22));
    let is_named = |id: &usize| model.people.get(id) == Some(&wanted);
    let movies = |holds: &dyn Fn(&Movie) -> bool| -> BTreeSet<usize> {
        model.movies.iter().filter(|(_, movie)| holds(movie)).map(|(id, _)| *id).collect()
    };
    let people =
        |holds: &dyn Fn(&usize) -> bool| -> BTreeSet<usize> { model.people.keys().copied().filter(holds).collect() };
    for (text, expected) in [
        (format!("{director}.{name} = '{wanted}'"), movies(&|it| it.1.as_ref().is_some_and(is_named))),
        (format!("{director}.{name} is null"), movies(&|it| it.1.is_none_or(|id| !model.people.contains_key(&id)))),
        (format!("any({cast}, it.{name} = '{wanted}')"), movies(&|it| it.2.iter().any(is_named))),
        (
            format!("all({cast}, it.{name} != '{wanted}') and year >= {least}"),
            movies(&|it| !it.2.iter().any(is_named) && it.0 >= least),
        ),
    ] {
        assert_eq!(ids(view, "Movie", &text), expected, "{text}");
    }
    let directed = |id: &usize| model.movies.values().filter(|it| it.1 == Some(*id)).count();
    let acted = |id: &usize| model.movies.values().filter(|it| it.2.contains(id)).collect::<Vec<_>>();
    for (text, expected) in [
        (format!("len(Movie.{director}) >= 3"), people(&|id| directed(id) >= 3)),
        (format!("any(Movie.{cast}[], year = {least})"), people(&|id| acted(id).iter().any(|it| it.0 == least))),
        (format!("all(Movie.{cast}[], year < {least})"), people(&|id| acted(id).iter().all(|it| it.0 < least))),
        (
            format!("any(Movie.{director}, any({cast}, it.{name} = '{wanted}'))"),
            people(&|id| model.movies.values().any(|it| it.1 == Some(*id) && it.2.iter().any(is_named))),
        ),
    ] {
        assert_eq!(ids(view, "Person", &text), expected, "{text}");
    }
    let asked =
        [format!("count(Movie.{cast}[])"), format!("sum(Movie.{cast}[], year)"), format!("count(Movie.{director})")];
    let asked: Vec<Aggregate> = asked.iter().map(|text| text.parse().unwrap()).collect();
    let found = view.query("Person", "true").unwrap().aggregate(&asked).unwrap();
    let years: Vec<u64> = model.people.keys().flat_map(acted).map(|it| it.0 as u64).collect();
    let expected = [years.len() as u64, years.iter().sum(), model.people.keys().map(directed).sum::<usize>() as u64];
    assert_eq!(found, expected.map(Into::into));
}

#[tokio::test]
async fn queries_through_references_agree_with_a_model_over_histories() {
    for seed in 0..6 {
        let (r, mut model, mut names) = (&mut Random::new(seed), Model::default(), Names::FIRST);
        let url = format!("memory://joins-{seed}");
        let mut settings = ProducerSettings::default();
        settings.merge_schedule = MergeSchedule::Manual;
        settings.merge_policy.segments_max = 2;
        settings.merge_policy.small_bytes = 0;
        let store = kapok_blobstore::Store::options().writable().open(&url).await.unwrap();
        let producer = Producer::builder(store).settings(settings).open().await.unwrap();
        for _ in 0..12 {
            change(&producer, names, &mut model, r).await;
            let view = Consumer::open(&url).await.unwrap().view_arc();
            check(&view, names, &model, r);
            let indexes = [
                ("Person", "by_name", format!("hash({})", names.name)),
                ("Movie", "by_cast", format!("hash({}[])", names.cast)),
                ("Movie", "by_director", format!("hash({})", names.director)),
                ("Movie", "by_year", "sorted(year)".to_owned()),
            ];
            let (record_type, name, index) = &indexes[r.below(indexes.len())];
            let has = view.indexes(record_type).unwrap().iter().any(|known| known.name() == *name);
            let changed = producer.run_incremental_cycle(|cycle| {
                if has {
                    cycle.drop_index(record_type, name);
                } else {
                    cycle.add_index(record_type, &format!("{name}: {index}"))?;
                }
                Ok(())
            });
            changed.await.unwrap();
            if r.one_in(3) {
                producer.merge().await.unwrap();
            }
            check(&Consumer::open(&url).await.unwrap().view_arc(), names, &model, r);
            if r.one_in(5) {
                names = Names::LATER;
            }
        }
        producer.drop_reference("Movie", &format!("{}[]", names.cast)).await.unwrap();
        let view = Consumer::open(&url).await.unwrap().view_arc();
        let error = view.query("Movie", &format!("any({}, it.{} is null)", names.cast, names.name)).unwrap_err();
        assert!(error.to_string().contains("not declared to refer"), "{error}");
        // A declaration brings it back.
        names = Names::LATER;
        change(&producer, names, &mut model, r).await;
        check(&Consumer::open(&url).await.unwrap().view_arc(), names, &model, r);
    }
}
