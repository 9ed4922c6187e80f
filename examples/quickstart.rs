//! Publishes a dataset, reads it in place, publishes again, and moves the reader on.
//!
//! `cargo run -p kapok-examples --example quickstart`

use kapok::publish::{Cycle, CycleReport};
use kapok::{Consumer, Producer};
use movies_capnp::movie;

/// The code that the build script generated. `kapok::capnp::generated_code!(pub mod movies_capnp);` says the same where lints
/// are not strict.
#[allow(missing_docs, unused_qualifications, clippy::all, clippy::pedantic, clippy::unwrap_used)]
pub mod movies_capnp {
    include!(concat!(env!("OUT_DIR"), "/movies_capnp.rs"));
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const CLASSICS: [(u32, &str, u16); 3] = [(1, "Nosferatu", 1922), (2, "Metropolis", 1927), (3, "M", 1931)];
const RESTORED: [(u32, &str, u16); 3] = [(2, "Metropolis (restored)", 1927), (3, "M", 1931), (4, "Laura", 1944)];

#[tokio::main]
async fn main() -> Result<()> {
    // A store is a folder; this one goes when the program ends.
    let folder = tempfile::tempdir()?;
    let url = folder.path().to_str().ok_or("the folder's name is not UTF-8")?;

    // Producer: records in, announced version out.
    let producer = Producer::open(url).await?;
    let report = publish(&producer, &CLASSICS).await?;
    println!("published version {}: {} movies", report.outcome.version(), report.types[0].rows);

    // Consumer: announced version in, current view out. The files are mapped, nothing is parsed.
    let consumer = Consumer::open(url).await?;
    let old = consumer.view_arc();
    assert_eq!(old.version(), 1);

    // One door: the readers that the capnp compiler generated, by key.
    let movies = old.records::<movie::Owned>()?;
    let found = movies.by_key(&2_u32)?.ok_or("no movie 2")?;
    println!("movie 2: {} ({})", found.get_title()?.to_str()?, found.get_year());
    assert_eq!(found.get_title()?, "Metropolis");

    // The other door: one field of all records, at memory speed.
    let mut sum = 0;
    let years = old.field::<u16>("Movie.year")?;
    for year in &years {
        sum += u32::from(year?);
    }
    println!("mean year: {}", sum / 3);
    assert_eq!(sum, 1922 + 1927 + 1931);

    // A new version, and a refresh: one swap of the whole view.
    publish(&producer, &RESTORED).await?;
    let refreshed = consumer.refresh().await?;
    println!("refreshed from version {} to {}", refreshed.from, refreshed.to);
    let new = consumer.view();
    let title = new.field::<&str>("Movie.title")?;
    let second = new.find("Movie", &2_u32)?.ok_or("no movie 2")?;
    println!("movie 2: {}", title.get(second)?);
    assert_eq!(title.get(second)?, "Metropolis (restored)");
    assert_eq!(new.find("Movie", &1_u32)?, None, "what a cycle leaves out is gone");

    // What is held stays as it is.
    assert_eq!((old.version(), found.get_title()?.to_str()?), (1, "Metropolis"));
    println!("who still holds version {} still reads {}", old.version(), found.get_title()?.to_str()?);
    Ok(())
}

/// One cycle: the closure adds the whole record type.
async fn publish(producer: &Producer, films: &[(u32, &str, u16)]) -> Result<CycleReport> {
    let populate = |cycle: &Cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        for &(id, title, year) in films {
            movies.add(|mut film| {
                film.set_id(id);
                film.set_title(title);
                film.set_year(year);
            })?;
        }
        Ok(())
    };
    Ok(producer.run_cycle(populate).await?)
}
