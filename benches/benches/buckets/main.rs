//! A gibibyte between a producer, a bucket and the processes of a host: memory, and time beside `curl`.
//!
//! `KAPOK_ROWS` sets the number of films (default 24,000,000, of which segments and index are 1.2 GiB), `KAPOK_RUNS` that of downloads
//! (default 3). Producer, bucket and consumers are processes of their own, on this host. The downloads need nginx and curl.
#![expect(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]

mod downloads;
mod memory;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use kapok_benches::Movies;
use kapok_blobstore::{CacheSettings, Store, StoreOptions};
use kapok_consumer::Consumer;
use kapok_producer::{MergeSchedule, Producer, ProducerSettings};
use kapok_samples::movies_capnp::movie;
use kapok_testing::BucketServer;
use memory::{Watch, anonymous, mebibytes};
use tokio::runtime::Runtime;

const SEED: u64 = 42;
const BUCKET: &str = "s3://films/catalogue";

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn rows() -> usize {
    number("KAPOK_ROWS", 24_000_000)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = Runtime::new().unwrap();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve"] => serve(),
        ["publish", endpoint, cache] => runtime.block_on(publish(options(endpoint, cache), BUCKET)),
        ["publish-folder", folder] => runtime.block_on(publish(Store::options(), folder)),
        ["open", endpoint, cache] => runtime.block_on(open(options(endpoint, cache))),
        ["read", endpoint, cache] => runtime.block_on(read(options(endpoint, cache), BUCKET)),
        ["download", url, cache] => {
            let options = Store::options().cache(CacheSettings::in_folder(cache));
            runtime.block_on(read(options, url));
        }
        // Cargo adds `--bench`.
        _ => compare(),
    }
}

fn options(endpoint: &str, cache: &str) -> StoreOptions {
    Store::options()
        .option("aws_endpoint", endpoint)
        .option("allow_http", "true")
        .option("aws_access_key_id", "key")
        .option("aws_secret_access_key", "secret")
        .cache(CacheSettings::in_folder(cache))
}

/// Starts this program once more, as another process.
fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Runs such a process to its end, and returns what it printed.
fn run(arguments: &[&str]) -> String {
    let output = start(arguments).wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn compare() {
    let host = tempfile::tempdir().unwrap();
    let place = |name: &str| host.path().join(name).to_str().unwrap().to_owned();
    let mut server = start(&["serve"]);
    let mut endpoint = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut endpoint).unwrap();
    let endpoint = endpoint.trim();
    println!("producer: {}", run(&["publish", endpoint, &place("producer")]));
    println!("process that only opens the store: {}", run(&["open", endpoint, &place("consumer")]));
    println!("first consumer of a host: {}", run(&["read", endpoint, &place("consumer")]));
    for _ in 0..number("KAPOK_RUNS", 3) {
        println!("second consumer of the host: {}", run(&["read", endpoint, &place("consumer")]));
    }
    drop(server.stdin.take());
    server.wait().unwrap();
    println!("producer into a folder: {}", run(&["publish-folder", &place("store")]));
    downloads::compare(host.path(), Path::new(&place("store")));
}

/// Serves a bucket until the input ends.
fn serve() {
    let server = BucketServer::start("films").unwrap();
    println!("{}", server.url());
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

async fn publish(options: StoreOptions, location: &str) {
    let store = options.writable().open(location).await.unwrap();
    let mut settings = ProducerSettings::default();
    settings.merge_schedule = MergeSchedule::Manual;
    let producer = Producer::builder(store).settings(settings).open().await.unwrap();
    let (mut populated, started) = (None, Instant::now());
    let report = producer.run_cycle(|cycle| {
        let mut writer = cycle.records::<movie::Owned>()?;
        let mut source = Movies::new(SEED);
        for _ in 0..rows() {
            writer.add(|film| source.draft().fill(film))?;
        }
        populated = Some((anonymous(), Watch::start()));
        Ok(())
    });
    let report = report.await.unwrap();
    let took = started.elapsed();
    let (populated, watch) = populated.unwrap();
    let ty = &report.types[0];
    println!(
        "segments {:.0} MiB, index {:.0} MiB, {:.1} s; anonymous: {:.0} MiB populated, at most {:.0} MiB above that",
        mebibytes(ty.segment_bytes),
        mebibytes(ty.index_bytes),
        took.as_secs_f64(),
        mebibytes(populated),
        mebibytes(watch.most().saturating_sub(populated)),
    );
}

async fn open(options: StoreOptions) {
    let started = Instant::now();
    let store = options.open(BUCKET).await.unwrap();
    println!("{:.1} ms, anonymous {:.1} MiB", started.elapsed().as_secs_f64() * 1e3, mebibytes(anonymous()));
    drop(store);
}

/// Opens a consumer, and reads every year.
async fn read(options: StoreOptions, location: &str) {
    let started = Instant::now();
    let store = options.open(location).await.unwrap();
    let (opened, before, watch) = (started.elapsed(), anonymous(), Watch::start());
    let started = Instant::now();
    let consumer = Consumer::builder(store).open().await.unwrap();
    let viewed = started.elapsed();
    let most = watch.most().saturating_sub(before);
    let view = consumer.view();
    let years = view.field::<u16>("Movie.year").unwrap();
    assert_eq!(years.iter().filter(|year| year.as_ref().is_ok_and(|year| *year >= 1900)).count(), rows());
    println!(
        "store {:.1} ms, view {:.1} ms; anonymous at most {:.1} MiB above the opened store, {:.1} MiB in the end",
        opened.as_secs_f64() * 1e3,
        viewed.as_secs_f64() * 1e3,
        mebibytes(most),
        mebibytes(anonymous().saturating_sub(before)),
    );
}
