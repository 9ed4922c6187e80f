//! What a host remembers of a store: damaged, cut short, removed.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kapok_blobstore::{Cache, CacheSettings, Store, StoreOptions, StoreSettings};
use kapok_consumer::Consumer;
use kapok_producer::Producer;
use kapok_samples::movies_capnp::movie;
use kapok_testing::BucketServer;

const URL: &str = "s3://films/catalogue";

fn options(endpoint: String, cache: &Path) -> StoreOptions {
    let settings = StoreSettings::default().with_timeout(Duration::from_secs(2));
    let options = Store::options().settings(settings).option("aws_endpoint", endpoint).option("allow_http", "true");
    let options = options.option("aws_access_key_id", "key").option("aws_secret_access_key", "secret");
    options.cache(CacheSettings::in_folder(cache))
}

async fn publish(server: &BucketServer, years: std::ops::Range<u16>) -> Producer {
    let elsewhere = options(server.url(), Path::new("/")).cache(CacheSettings::off()).writable();
    let producer = Producer::builder(elsewhere.open(URL).await.expect("a store")).open().await.expect("a producer");
    for year in years {
        let cycle = producer.run_cycle(|cycle| {
            cycle.records::<movie::Owned>()?.add(|mut film| {
                film.set_id(7);
                film.set_year(year);
            })?;
            Ok(())
        });
        cycle.await.expect("a cycle");
    }
    producer
}

async fn consumer(server_url: String, cache: &Path) -> Consumer {
    let store = options(server_url, cache).open(URL).await.expect("a store");
    Consumer::builder(store).open().await.expect("a consumer")
}

fn year(consumer: &Consumer) -> u16 {
    let view = consumer.view();
    let films = view.records::<movie::Owned>().expect("films");
    films.by_key(&7_u32).expect("a lookup").expect("a film").get_year()
}

/// Returns the files that are remembered of the one store, without the one that says which it is.
fn remembered(cache: &Path) -> Vec<PathBuf> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
    };
    let [of_store] = list(&cache.join("stores")).try_into().expect("one store");
    let all = list(&of_store).into_iter().flat_map(|path| if path.is_dir() { list(&path) } else { vec![path] });
    all.filter(|path| !path.ends_with("location")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_records_of_a_store_are_errors_and_nothing_else() {
    let (server, host) = (BucketServer::start("films").expect("a server"), tempfile::tempdir().expect("a folder"));
    publish(&server, 1900..1901).await;
    let consumer = consumer(server.url(), host.path()).await;
    let store = consumer.store();
    let files = remembered(host.path());
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(store.last_known().await.expect("it is whole").is_some());
    let mut damages = 0;
    for path in files {
        let sound = fs::read(&path).expect("a file");
        let flips = (0..sound.len()).map(|at| {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (at % 8);
            bytes
        });
        let cuts = (0..sound.len()).step_by(7).map(|len| sound[..len].to_vec());
        let more = [[&sound[..], &[0]].concat(), vec![0xff; 4096], b"<!DOCTYPE html>".repeat(9)];
        for (number, damaged) in flips.chain(cuts).chain(more).enumerate() {
            fs::write(&path, damaged).expect("written");
            let known = store.last_known().await;
            assert!(!matches!(known, Ok(Some(_))), "{} {number}: taken for sound", path.display());
            damages += 1;
        }
        let report = Cache::open(&CacheSettings::in_folder(host.path())).expect("a cache").expect("named").report();
        assert_eq!(report.expect("a report").stores[0].version, None);
        fs::write(&path, sound).expect("written");
        assert!(store.last_known().await.expect("it is whole").is_some());
    }
    println!("damages={damages}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_a_power_cut_left_short_are_written_again() {
    let (server, host) = (BucketServer::start("films").expect("a server"), tempfile::tempdir().expect("a folder"));
    publish(&server, 1900..1901).await;
    drop(consumer(server.url(), host.path()).await);
    for path in remembered(host.path()) {
        fs::write(&path, "").expect("written");
    }
    assert_eq!(year(&consumer(server.url(), host.path()).await), 1900);
    let url = server.url();
    drop(server);
    let offline = consumer(url, host.path()).await;
    assert!(offline.status().offline && year(&offline) == 1900);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_is_removed_under_a_consumer_is_one_again() {
    let (server, host) = (BucketServer::start("films").expect("a server"), tempfile::tempdir().expect("a folder"));
    let cache = host.path().join("cache");
    let producer = publish(&server, 1900..1902).await;
    let consumer = consumer(server.url(), &cache).await;
    assert_eq!(year(&consumer), 1901);
    // Nothing to download with this entry of the log, but something to remember.
    fs::remove_dir_all(&cache).expect("removed");
    producer.store().announcements().pin(2, "test", "to see").await.expect("a pin");
    consumer.refresh().await.expect("a refresh");
    assert!(Cache::open(&CacheSettings::in_folder(&cache)).expect("a cache, not a folder of somebody").is_some());
    // Something to download.
    fs::remove_dir_all(&cache).expect("removed");
    producer.store().announcements().pin(1, "test", "to see").await.expect("a pin");
    consumer.refresh().await.expect("a refresh");
    assert_eq!(year(&consumer), 1900);
    let report = Cache::open(&CacheSettings::in_folder(&cache)).expect("a cache").expect("named").report();
    assert!(report.expect("a report").bytes > 0);
}
