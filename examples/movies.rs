//! Two record types that change together: no reader ever sees one of them new and the other old.
//!
//! Each cycle makes a new cut of every movie and of its ratings. A consumer follows in the background, and threads read
//! all the while. Each read takes the view once and finds one cut in both types.
//!
//! `cargo run -p kapok-examples --example movies`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use kapok::publish::{Cycle, CycleReport};
use kapok::{Consumer, FollowSettings, Producer};
use movies_capnp::rating::Source;
use movies_capnp::{movie, rating};
use tokio::sync::mpsc;

/// The code that the build script generated.
#[allow(missing_docs, unused_qualifications, clippy::all, clippy::pedantic, clippy::unwrap_used)]
pub mod movies_capnp {
    include!(concat!(env!("OUT_DIR"), "/movies_capnp.rs"));
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const CYCLES: u64 = 6;
const READERS: u32 = 2;
/// How many more movies each cut has.
const MOVIES_PER_CUT: u32 = 500;

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = folder.path().to_str().ok_or("the folder's name is not UTF-8")?;
    let producer = Producer::open(url).await?;

    // Nothing is announced yet: the view is empty, of version 0.
    let consumer = Consumer::open(url).await?;
    assert_eq!(consumer.view().version(), 0);
    let (swapped, mut swaps) = mpsc::unbounded_channel();
    let listener = consumer.on_refresh(move |swap| {
        let (old, new) = (&swap.old, &swap.new);
        let tables: Vec<_> = new.tables().iter().map(|table| format!("{} {}", table.name(), table.len())).collect();
        println!("swap: version {} to {}, {}", old.version(), new.version(), tables.join(", "));
        // Nobody listens any more when the program ends.
        _ = swapped.send(new.version());
    });
    listener.keep();
    let follower = consumer.follow(FollowSettings::default());

    publish(&producer, 1).await?;
    assert_eq!(swaps.recv().await, Some(1));
    let stop = Arc::new(AtomicBool::new(false));
    let start = |seed| {
        let (stop, consumer) = (Arc::clone(&stop), consumer.clone());
        thread::spawn(move || read_until(&stop, &consumer, seed))
    };
    let readers: Vec<_> = (0..READERS).map(start).collect();
    for cut in 2..=CYCLES {
        publish(&producer, cut).await?;
        // The next cycle waits until this swap was printed, and lets the readers read for a while.
        assert_eq!(swaps.recv().await, Some(cut));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Release);
    let mut reads = BTreeMap::new();
    for reader in readers {
        for (version, count) in reader.join().map_err(|_| "a reader saw what it must not see")?? {
            *reads.entry(version).or_default() += count;
        }
    }
    drop(follower);

    assert!(reads.contains_key(&CYCLES), "the last read of each reader is of the last version");
    let by_version: Vec<_> = reads.iter().map(|(version, count)| format!("{count} of version {version}")).collect();
    println!("{} reads, none mixed: {}", reads.values().sum::<u64>(), by_version.join(", "));
    Ok(())
}

/// Reads until told to stop, and once more then. Counts the reads of each version.
fn read_until(stop: &AtomicBool, consumer: &Consumer, seed: u32) -> Result<BTreeMap<u64, u64>> {
    let mut reads = BTreeMap::new();
    let mut id = seed;
    loop {
        let is_last = stop.load(Ordering::Acquire);
        id = id.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *reads.entry(read(consumer, id)?).or_default() += 1;
        if is_last {
            return Ok(reads);
        }
    }
}

/// Reads a movie and its ratings, and asserts that they are of one cut: that of the view.
fn read(consumer: &Consumer, number: u32) -> Result<u64> {
    // One view for everything that belongs together.
    let view = consumer.view();
    let cut = view.version();
    let movies = view.records::<movie::Owned>()?;
    let ratings = view.records::<rating::Owned>()?;
    let count = movies.table().len();
    assert_eq!((count, ratings.table().len()), (cut * u64::from(MOVIES_PER_CUT), 2 * count));

    let id = number % u32::try_from(count)?;
    let film = movies.by_key(&id)?.ok_or("no such movie")?;
    assert_eq!(film.get_title()?.to_str()?, title(id, cut));
    for source in [Source::Critics, Source::Audience] {
        let rating = ratings.by_key(&(id, source as u16))?.ok_or("no such rating")?;
        assert_eq!(u64::from(rating.get_votes()), cut, "movie {id}");
    }
    Ok(cut)
}

/// Publishes a cut of all movies and of their ratings in one cycle.
async fn publish(producer: &Producer, cut: u64) -> Result<CycleReport> {
    let populate = |cycle: &Cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        let mut ratings = cycle.records::<rating::Owned>()?;
        let cut_number = u32::try_from(cut)?;
        for id in 0..cut_number * MOVIES_PER_CUT {
            movies.add(|mut film| {
                film.set_id(id);
                film.set_title(title(id, cut));
            })?;
            for source in [Source::Critics, Source::Audience] {
                ratings.add(|mut rating| {
                    rating.set_movie_id(id);
                    rating.set_source(source);
                    rating.set_votes(cut_number);
                })?;
            }
        }
        Ok(())
    };
    let report = producer.run_cycle(populate).await?;
    assert_eq!(report.outcome.version(), cut);
    Ok(report)
}

fn title(id: u32, cut: u64) -> String {
    format!("film {id}, cut {cut}")
}
