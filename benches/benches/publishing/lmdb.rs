//! Full cycles beside LMDB's bulk load of the same films, in turns.
//!
//! The films are on the heap before the clock starts. Kapok's full cycle takes all of them, by as many threads as there are
//! processors: into a new store, and on top of that store with 2 % of them changed; from the first record to the
//! announcement. LMDB takes them in one write transaction, by one thread, since it has one writer: keys ascending, put by
//! `MDB_APPEND`, each record serialized by postcard into a buffer, then a commit. Both sync what they write, and both answers
//! are checked.

use std::path::Path;
use std::time::{Duration, Instant};

use heed::byteorder::BE;
use heed::types::{Bytes, U32};
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, PutFlags};
use kapok_benches::{Movie, Movies};
use kapok_consumer::Consumer;
use kapok_producer::Producer;
use kapok_samples::movies_capnp::movie;
use tokio::runtime::Runtime;

use crate::SEED;

/// One film in so many changes.
const CHANGED: usize = 50;

/// Measures both in turns, and prints the medians.
pub fn compare(runtime: &Runtime, rows: usize, runs: usize, writers: usize) {
    let mut source = Movies::new(SEED);
    let films: Vec<Movie> = (0..rows).map(|_| source.draft().to_movie()).collect();
    let mut changed = films.clone();
    for film in changed.iter_mut().step_by(CHANGED) {
        film.year += 1;
        film.title.push('!');
    }
    let (mut firsts, mut seconds, mut mapped, mut written) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().join("store");
        let producer = runtime.block_on(Producer::open(url.to_str().unwrap())).unwrap();
        firsts.push(cycle(runtime, &producer, &films, writers));
        seconds.push(cycle(runtime, &producer, &changed, writers));
        let consumer = runtime.block_on(Consumer::open(url.to_str().unwrap())).unwrap();
        let view = consumer.view();
        let years = view.field::<u16>("Movie.year").unwrap();
        let titles = view.field::<&str>("Movie.title").unwrap();
        let sums = (
            years.iter().map(|year| u64::from(year.unwrap())).sum(),
            titles.iter().map(|title| title.unwrap().len()).sum(),
        );
        assert_eq!(sums, answer(&changed));
        for (flags, times) in [(EnvFlags::WRITE_MAP, &mut mapped), (EnvFlags::empty(), &mut written)] {
            let folder = tempfile::tempdir().unwrap();
            times.push(bulk_load(folder.path(), &films, flags));
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (first, changed) = (median(&mut firsts), median(&mut seconds));
    let (mapped, written) = (median(&mut mapped), median(&mut written));
    let lmdb = mapped.min(written);
    let ratio = |time: Duration| time.as_secs_f64() / lmdb.as_secs_f64();
    println!("films from the heap, {writers} populating thread(s), in turns with LMDB's bulk load:");
    println!("    first full cycle {first:?}, {:.2} of LMDB's time", ratio(first));
    println!("    full cycle with 2 % changed {changed:?}, {:.2} of LMDB's time", ratio(changed));
    println!("    LMDB's bulk load {mapped:?} with MDB_WRITEMAP, {written:?} without");
}

/// A full cycle of all films.
fn cycle(runtime: &Runtime, producer: &Producer, films: &[Movie], writers: usize) -> Duration {
    let started = Instant::now();
    let cycle = producer.run_cycle(|cycle| {
        std::thread::scope(|scope| {
            for part in films.chunks(films.len().div_ceil(writers)) {
                scope.spawn(move || {
                    let mut movies = cycle.records::<movie::Owned>().unwrap();
                    for film in part {
                        movies.add(|out| film.fill(out)).unwrap();
                    }
                });
            }
        });
        Ok(())
    });
    let report = runtime.block_on(cycle).unwrap();
    let elapsed = started.elapsed();
    assert_eq!(report.types[0].rows, films.len() as u64);
    elapsed
}

/// One write transaction into a new environment, whose only database was made before.
fn bulk_load(folder: &Path, films: &[Movie], flags: EnvFlags) -> Duration {
    let env = open(folder, flags);
    let database: Database<'_, U32<BE>, Bytes> = env
        .create_databases_and_commit(env.write_txn().unwrap(), |opener, transaction| {
            opener.create_database(transaction, None).map(CommitOrAbort::<_, ()>::Commit)
        })
        .unwrap()
        .unwrap_commit();
    let started = Instant::now();
    let mut transaction = env.write_txn().unwrap();
    let mut buffer = [0; 1024];
    for film in films {
        let record = postcard::to_slice(film, &mut buffer).unwrap();
        database.put_with_flags(&mut transaction, PutFlags::APPEND, &film.id, record).unwrap();
    }
    transaction.commit().unwrap();
    let elapsed = started.elapsed();
    let transaction = env.read_txn().unwrap();
    let mut sums = (0, 0);
    for entry in database.iter(&transaction).unwrap() {
        let film: Movie = postcard::from_bytes(entry.unwrap().1).unwrap();
        sums = (sums.0 + u64::from(film.year), sums.1 + film.title.len());
    }
    assert_eq!(sums, answer(films));
    elapsed
}

fn open(folder: &Path, flags: EnvFlags) -> Env {
    let mut options = EnvOpenOptions::new();
    options.map_size(4 << 30);
    // SAFETY: nobody else opens or changes the new folder, and `WRITE_MAP` allows no stray writes of safe code.
    unsafe {
        options.flags(flags);
        options.open(folder).unwrap()
    }
}

/// Sum of the years, and of the lengths of the titles.
fn answer(films: &[Movie]) -> (u64, usize) {
    (films.iter().map(|film| u64::from(film.year)).sum(), films.iter().map(|film| film.title.len()).sum())
}
