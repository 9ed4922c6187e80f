//! A model of the records that a version should hold, and how a producer is given them.

use std::collections::{BTreeMap, BTreeSet};

use kapok_consumer::View;
use kapok_producer::{CycleReport, Error, IncrementalCycle, Producer};
use kapok_samples::movies_capnp::{movie, rating};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// The films of a version by id, with their year. Each has a title and a rating that follow from these.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Films(pub BTreeMap<u32, u16>);

impl Films {
    /// The films of a history after so many steps: the same seed and step give the same films.
    pub fn at(seed: u64, step: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut films = Self((0..40).map(|id| (id, random.random_range(1900..2000))).collect());
        for _ in 0..step {
            films.change(&mut random);
        }
        films
    }

    /// So many films, for versions that take room.
    pub fn many(count: u32) -> Self {
        Self((0..count).map(|id| (id, 1950)).collect())
    }

    /// About a tenth of them other, a new one or two, one less.
    fn change(&mut self, random: &mut SmallRng) {
        for _ in 0..4 {
            self.0.insert(random.random_range(0..60), random.random_range(1900..2000));
        }
        self.0.remove(&random.random_range(0..60));
    }

    /// The ids of which the films are not the same in all of these.
    pub fn differing(versions: &[&Self]) -> BTreeSet<u32> {
        let ids = versions.iter().flat_map(|films| films.0.keys().copied());
        ids.filter(|id| versions.windows(2).any(|pair| pair[0].0.get(id) != pair[1].0.get(id))).collect()
    }
}

fn title(id: u32, year: u16) -> String {
    format!("film {id} of {year}")
}

/// Gives a producer all of the films.
pub async fn publish(producer: &Producer, films: &Films, step: u64) -> Result<CycleReport, Error> {
    producer
        .run_cycle(|cycle| {
            cycle.tag("step", step.to_string());
            let mut movies = cycle.records::<movie::Owned>()?;
            let mut ratings = cycle.records::<rating::Owned>()?;
            for (&id, &year) in &films.0 {
                movies.add(|film| fill(film, id, year))?;
                ratings.add(|rating| rate(rating, id, year))?;
            }
            Ok(())
        })
        .await
}

/// Gives a producer these films of a version, those that it does not have to be deleted.
pub async fn publish_some(
    producer: &Producer,
    films: &Films,
    ids: &BTreeSet<u32>,
    step: u64,
) -> Result<CycleReport, Error> {
    producer
        .run_incremental_cycle(|cycle| {
            cycle.tag("step", step.to_string());
            Ok(change(cycle, films, ids)?)
        })
        .await
}

fn change(cycle: &IncrementalCycle, films: &Films, ids: &BTreeSet<u32>) -> Result<(), Error> {
    let mut movies = cycle.records::<movie::Owned>()?;
    let mut ratings = cycle.records::<rating::Owned>()?;
    for &id in ids {
        if let Some(&year) = films.0.get(&id) {
            movies.upsert(|film| fill(film, id, year))?;
            ratings.upsert(|rating| rate(rating, id, year))?;
        } else {
            movies.delete(&id)?;
            ratings.delete(&(id, 0_u16))?;
        }
    }
    Ok(())
}

fn fill(mut film: movie::Builder<'_>, id: u32, year: u16) {
    film.set_id(id);
    film.set_title(title(id, year));
    film.set_year(year);
}

fn rate(mut rating: rating::Builder<'_>, id: u32, year: u16) {
    rating.set_movie_id(id);
    rating.set_votes(u32::from(year));
}

/// The step of the history that a view is of; 0 for the empty view.
///
/// # Panics
/// Where the version was tagged by somebody else.
pub fn step_of(view: &View) -> u64 {
    view.manifest().tags.get("step").map_or(0, |step| step.parse().expect("a number"))
}

/// Walks all records of a view, by scan and by key, and asserts that they are these films and no others.
///
/// # Panics
/// Where they are not, saying `when`.
pub fn assert_films(view: &View, films: &Films, when: &str) {
    if view.version() == 0 {
        assert!(films.0.is_empty(), "the view is empty: {when}");
        return;
    }
    let movies = view.records::<movie::Owned>().expect("films");
    let mut scanned = Vec::new();
    for film in &movies {
        let (id, year) = (film.get_id(), film.get_year());
        let text = film.get_title().expect("a title").to_str().expect("text");
        assert_eq!(text, title(id, year), "{when}");
        scanned.push((id, year));
    }
    scanned.sort_unstable();
    let expected: Vec<_> = films.0.iter().map(|(id, year)| (*id, *year)).collect();
    assert_eq!(scanned, expected, "version={} {when}", view.version());
    for (id, year) in &expected {
        let film = movies.by_key(id).expect("a lookup").unwrap_or_else(|| panic!("no film {id}: {when}"));
        assert_eq!((film.get_id(), film.get_year()), (*id, *year), "{when}");
    }
    assert!(movies.by_key(&9_999_999_u32).expect("a lookup").is_none(), "{when}");
    let ratings = view.records::<rating::Owned>().expect("ratings");
    let mut votes: Vec<_> = ratings.iter().map(|it| (it.get_movie_id(), it.get_votes())).collect();
    votes.sort_unstable();
    let expected: Vec<_> = films.0.iter().map(|(id, year)| (*id, u32::from(*year))).collect();
    assert_eq!(votes, expected, "version={} {when}", view.version());
}
