//! A producer, a bucket, and four consumer processes that share one cache: a rollout with a pin, and a rollback.
//!
//! The bucket is served by this program, or is that of a server of S3 such as moto:
//!
//! ```sh
//! cargo run -p kapok-examples --example fleet
//! curl -X PUT http://127.0.0.1:5555/fleet && cargo run -p kapok-examples --example fleet -- http://127.0.0.1:5555
//! ```
//!
//! Hints reach the consumers by their standard input, as they would by a message broker: they poll once a minute beside it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use kapok::publish::{AnnouncementListener, Cycle};
use kapok::store::{CacheSettings, StoreOptions};
use kapok::testing::BucketServer;
use kapok::{Consumer, FollowSettings, Producer, Store};
use movies_capnp::movie;

/// The code that the build script generated.
#[allow(missing_docs, unused_qualifications, clippy::all, clippy::pedantic, clippy::unwrap_used)]
pub mod movies_capnp {
    include!(concat!(env!("OUT_DIR"), "/movies_capnp.rs"));
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const URL: &str = "s3://fleet/catalogue";
const CONSUMERS: usize = 4;
const FILMS: u32 = 20_000;
/// No consumer needs longer for a step.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["consume", endpoint] => consume(endpoint).await,
        [endpoint] => run(endpoint, None).await,
        _ => {
            let server = BucketServer::start("fleet")?;
            run(&server.url(), Some(&server)).await
        }
    }
}

/// Options of the bucket's server, which checks no credentials.
fn options(endpoint: &str) -> StoreOptions {
    let options = Store::options().option("aws_endpoint", endpoint).option("allow_http", "true");
    options.option("aws_access_key_id", "fleet").option("aws_secret_access_key", "fleet")
}

async fn run(endpoint: &str, server: Option<&BucketServer>) -> Result<()> {
    // One folder for all processes of the host. Without this the user's cache folder is taken.
    let cache = tempfile::tempdir()?;
    // The producer is of another host.
    let store = options(endpoint).cache(CacheSettings::off()).writable().open(URL).await?;
    let mut producer = Producer::builder(store).open().await?;
    let (announced, hints) = channel();
    producer.settings_mut().announcement_listener =
        Some(AnnouncementListener::new(move |entry| _ = announced.send(entry.sequence)));

    let first = publish(&producer, FILMS).await?;
    if let Some(server) = server {
        server.forget_requests();
    }
    let mut fleet = Fleet::start(endpoint, cache.path())?;
    fleet.wait_for(first)?;
    println!("{CONSUMERS} consumers are on version {first}");
    if let Some(server) = server {
        let requests = server.requests();
        let blobs: Vec<_> = requests.iter().filter(|it| it.starts_with("GET") && is_blob(it)).collect();
        let distinct = blobs.iter().collect::<std::collections::BTreeSet<_>>().len();
        println!("{distinct} files were downloaded by {} requests, for all consumers together", blobs.len());
        assert_eq!(blobs.len(), distinct, "each file once for the host: {blobs:?}");
    }

    // Held where they are, nobody sees the next version before somebody has looked at it.
    let store = producer.store().clone();
    store.announcements().pin(first, "operator", "the next version is to be looked at first").await?;
    fleet.hint()?;
    let second = publish(&producer, FILMS + 10).await?;
    drain(&hints);
    fleet.hint()?;
    fleet.stays_on(first)?;
    println!("version {second} is announced, and the consumers are held on version {first}");
    store.announcements().unpin("operator", "it is good").await?;
    fleet.hint()?;
    fleet.wait_for(second)?;
    println!("unpinned: all are on version {second}");

    // A version that should not have been: half of the films are missing.
    let bad = publish(&producer, FILMS / 2).await?;
    drain(&hints);
    fleet.hint()?;
    fleet.wait_for(bad)?;
    println!("version {bad} has too few films, and all are on it");
    store.announcements().rollback(second, "operator", "half of the films are missing").await?;
    fleet.hint()?;
    fleet.wait_for(second)?;
    println!("rolled back: all are on version {second}, whose files they still have");
    fleet.end()
}

fn is_blob(request: &str) -> bool {
    ["/segments/", "/indexes/", "/tombstones/"].iter().any(|folder| request.contains(folder))
}

fn drain(hints: &Receiver<u64>) {
    assert!(hints.try_iter().count() > 0, "the producer has told of its announcement");
}

/// Publishes so many films, and returns the version.
async fn publish(producer: &Producer, count: u32) -> Result<u64> {
    let films = |cycle: &Cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        for id in 0..count {
            movies.add(|mut film| {
                film.set_id(id);
                film.set_year(1900 + u16::try_from(id % 120).unwrap_or(0));
                film.set_title(format!("film {id}"));
            })?;
        }
        Ok(())
    };
    Ok(producer.run_cycle(films).await?.outcome.version())
}

/// The consumer processes, and what they tell.
struct Fleet {
    members: Vec<(Child, ChildStdin)>,
    told: Receiver<(usize, u64)>,
    versions: [u64; CONSUMERS],
}

impl Fleet {
    fn start(endpoint: &str, cache: &std::path::Path) -> Result<Self> {
        let (tell, told) = channel();
        let mut members = Vec::new();
        for number in 0..CONSUMERS {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["consume", endpoint]).env("KAPOK_CACHE", cache);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let (input, output) = (child.stdin.take().ok_or("no input")?, child.stdout.take().ok_or("no output")?);
            let tell = tell.clone();
            thread::spawn(move || {
                let versions = lines(output).filter_map(|line| line.parse().ok());
                for version in versions {
                    _ = tell.send((number, version));
                }
            });
            members.push((child, input));
        }
        Ok(Self { members, told, versions: [0; CONSUMERS] })
    }

    /// Tells all to look now.
    fn hint(&mut self) -> Result<()> {
        for (_, input) in &mut self.members {
            writeln!(input, "look")?;
        }
        Ok(())
    }

    fn wait_for(&mut self, version: u64) -> Result<()> {
        while self.versions != [version; CONSUMERS] {
            let (number, version) = self.told.recv_timeout(PATIENCE)?;
            self.versions[number] = version;
        }
        Ok(())
    }

    fn stays_on(&mut self, version: u64) -> Result<()> {
        // Longer than a hint needs.
        thread::sleep(Duration::from_millis(500));
        for (number, version) in self.told.try_iter() {
            self.versions[number] = version;
        }
        if self.versions == [version; CONSUMERS] {
            Ok(())
        } else {
            Err("a consumer has left the pinned version".into())
        }
    }

    /// Closes the inputs, which ends the consumers.
    fn end(self) -> Result<()> {
        for (mut child, input) in self.members {
            drop(input);
            if !child.wait()?.success() {
                return Err("a consumer has failed".into());
            }
        }
        Ok(())
    }
}

fn lines(output: ChildStdout) -> impl Iterator<Item = String> {
    BufReader::new(output).lines().map_while(std::result::Result::ok)
}

/// A consumer process: prints the version that it is on, until its input ends.
async fn consume(endpoint: &str) -> Result<()> {
    let consumer = Consumer::builder(options(endpoint).open(URL).await?).open().await?;
    let (hint, hints) = futures::channel::mpsc::unbounded();
    let input = thread::spawn(move || {
        for _ in std::io::stdin().lines().map_while(std::result::Result::ok) {
            _ = hint.unbounded_send(());
        }
    });
    println!("{}", consumer.view().version());
    let listener = consumer.on_refresh(|swap| println!("{}", swap.new.version()));
    listener.keep();
    let _follower = consumer.follow_hints(FollowSettings::default(), hints);
    tokio::task::spawn_blocking(move || input.join()).await?.map_err(|_| "the input's thread has failed")?;
    Ok(())
}
