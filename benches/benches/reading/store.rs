//! Stores to read: as a full cycle leaves them, and as they are in use.

use std::collections::BTreeMap;

use kapok_benches::{Movie, Movies, shuffled};
use kapok_producer::{Cycle, MergeSchedule, Producer};
use kapok_samples::movies_capnp::movie;
use tokio::runtime::Runtime;

const SEED: u64 = 42;
/// Thousandths of the films that each cycle on a store in use changes: a tenth of all, in cycles of unequal size.
const CHANGED: [usize; 7] = [30, 25, 15, 10, 10, 5, 5];

/// How a store came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// One full cycle: one segment, no dead rows.
    Fresh,
    /// One full cycle and seven incremental ones that were not merged yet: eight segments, a tenth of the first one dead.
    InUse,
}

/// A store, and the films that it holds, in key order.
pub struct Store {
    pub folder: tempfile::TempDir,
    pub movies: Vec<Movie>,
}

impl Age {
    pub fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::InUse => "in use",
        }
    }
}

impl Store {
    /// Makes a store of so many films, each as `film` changes it, with indexes.
    pub fn new(runtime: &Runtime, age: Age, count: usize, indexes: &[&str], film: impl Fn(Movie) -> Movie) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut producer = runtime.block_on(Producer::open(folder.path().to_str().unwrap())).unwrap();
        producer.settings_mut().merge_schedule = MergeSchedule::Manual;
        let mut movies = BTreeMap::new();
        let mut source = Movies::new(SEED);
        let populate = |cycle: &Cycle| {
            let mut writer = cycle.records::<movie::Owned>()?;
            for _ in 0..count {
                let film = film(source.draft().to_movie());
                writer.add(|out| film.fill(out))?;
                movies.insert(film.id, film);
            }
            for index in indexes {
                cycle.add_index("Movie", index)?;
            }
            Ok(())
        };
        runtime.block_on(producer.run_cycle(populate)).unwrap();
        let cycles: &[usize] = if age == Age::InUse { &CHANGED } else { &[] };
        let ids: Vec<u32> = movies.keys().copied().collect();
        let mut order = shuffled(u32::try_from(count).unwrap(), SEED).into_iter();
        for thousandths in cycles {
            let changed: Vec<u32> =
                order.by_ref().take(count * thousandths / 1000).map(|at| ids[at as usize]).collect();
            let cycle = producer.run_incremental_cycle(|cycle| {
                let mut writer = cycle.records::<movie::Owned>()?;
                for id in &changed {
                    let film = movies.get_mut(id).unwrap();
                    film.year = film.year % 2027 + 1;
                    film.title.push('!');
                    writer.upsert(|out| film.fill(out))?;
                }
                Ok(())
            });
            runtime.block_on(cycle).unwrap();
        }
        Self { folder, movies: movies.into_values().collect() }
    }

    pub fn url(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }
}
