//! Random changes of an incremental cycle, made to the dataset and to its model alike; both must agree at each step.

use kapok_core::schema::Schema;
use kapok_producer::{Declaration, Error, Evolution, IncrementalCycle, RecordChanges, Value};
use kapok_samples::movies_capnp::{movie, rating};

use super::{Film, IDS, Model, Random, item_title, source, year};

/// Writes a rating.
pub fn fill_rating((id, from): (u32, u16), votes: u32, mut to: rating::Builder<'_>) {
    to.set_movie_id(id);
    to.set_source(source(from));
    to.set_votes(votes);
}

/// Makes one change to a film, in the cycle and in the model.
pub fn change_movie(random: &mut Random, cycle: &IncrementalCycle, model: &mut Model) -> Result<(), Error> {
    let films = model.movies.get_or_insert_default();
    let mut writer: RecordChanges<'_, movie::Owned> = cycle.records()?;
    let id = random.below(IDS);
    let film = Film::random(random);
    match random.below(5) {
        0 | 1 => {
            writer.upsert(|to| film.fill(id, to))?;
            films.insert(id, film);
        }
        2 => {
            let inserted = writer.insert_if_absent(|to| film.fill(id, to))?;
            assert_eq!(inserted, !films.contains_key(&id), "film {id} is there");
            films.entry(id).or_insert(film);
        }
        3 => {
            let updated = writer.update(&id, |mut to| to.set_year(film.year))?;
            assert_eq!(updated, films.contains_key(&id), "film {id} is there");
            films.entry(id).and_modify(|to| to.year = film.year);
        }
        _ => assert_eq!(writer.delete(&id)?, films.remove(&id).is_some(), "film {id} was there"),
    }
    Ok(())
}

/// Makes one change to a rating, in the cycle and in the model.
pub fn change_rating(random: &mut Random, cycle: &IncrementalCycle, model: &mut Model) -> Result<(), Error> {
    let ratings = model.ratings.get_or_insert_default();
    let mut writer: RecordChanges<'_, rating::Owned> = cycle.records()?;
    let key = (random.below(8), u16::from(random.below(2) == 0));
    let votes = random.below(4);
    match random.below(4) {
        0 | 1 => {
            writer.upsert(|to| fill_rating(key, votes, to))?;
            ratings.insert(key, votes);
        }
        2 => {
            let updated = writer.update(&key, |mut to| to.set_votes(votes))?;
            assert_eq!(updated, ratings.contains_key(&key));
            ratings.entry(key).and_modify(|to| *to = votes);
        }
        _ => assert_eq!(writer.delete(&key)?, ratings.remove(&key).is_some()),
    }
    Ok(())
}

/// Makes one change to an item, in the cycle and in the model.
pub fn change_item(random: &mut Random, cycle: &IncrementalCycle, model: &mut Model) -> Result<(), Error> {
    let Some(items) = &mut model.items else { return Ok(()) };
    let (id, year) = (random.below(IDS), year(random));
    let mut writer = cycle.values("Item")?;
    match random.below(3) {
        0 => {
            writer.upsert(&item_value(id, year))?;
            items.years.insert(id, year);
        }
        1 => {
            let inserted = writer.insert_if_absent(&item_value(id, year))?;
            assert_eq!(inserted, !items.years.contains_key(&id));
            items.years.entry(id).or_insert(year);
        }
        _ => {
            let was_there = items.years.remove(&id).is_some();
            let deleted = if items.by_title { writer.delete(item_title(id).as_str())? } else { writer.delete(&id)? };
            assert_eq!(deleted, was_there);
        }
    }
    Ok(())
}

/// Movies by another name, whose key nobody has annotated.
pub fn item(by_title: bool) -> Declaration {
    let (schema, id) = Schema::of::<movie::Owned>().expect("a declaration, or JSON");
    let mut ty = (**schema.struct_type(id).expect("a declaration, or JSON")).clone();
    (ty.id, ty.name, ty.key) = (0xf00d_f00d_f00d_f00d, "Item".to_owned(), Vec::new());
    let (mut schema, id) = (Schema::new(), ty.id);
    schema.insert_struct(ty);
    let key = if by_title { "title" } else { "id" };
    Declaration::new(schema, id).expect("a declaration, or JSON").key([key]).evolution(Evolution::Republish)
}

/// An item.
pub fn item_value(id: u32, year: u16) -> Value {
    Value::from_json(format!(r#"{{"id": {id}, "title": "{}", "year": {year}}}"#, item_title(id)).as_bytes())
        .expect("a declaration, or JSON")
}
