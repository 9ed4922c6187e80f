//! A process of a host that reads a store through a cache: something to be killed, or to run beside others.
//!
//! `read_through_cache STORE CACHE BYTES_MAX LOG blob ID SIZE` reads one blob, `... follow VERSION` follows the store until that version,
//! reads all films of each view, and now and then starts anew. The store is a folder that is read as a remote one. Each get of a blob
//! is a line of the log.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kapok_blobstore::{BlobKind, CacheSettings, Store};
use kapok_consumer::{Consumer, ConsumerSettings, MergedSegments};
use kapok_samples::movies_capnp::movie;
use kapok_testing::{Intercept, Operation, Request, Verdict, async_trait};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Each get of a blob takes so much longer than the one before, so that there is something to be killed half way.
const DELAY: Duration = Duration::from_millis(40);
const DELAYED_MAX: u32 = 10;

#[derive(Debug)]
struct Log {
    path: PathBuf,
    gets: AtomicU32,
}

#[async_trait]
impl Intercept for Log {
    async fn before(&self, request: &Request<'_>) -> Verdict {
        let is_blob = BlobKind::ALL.iter().any(|kind| request.names(kind.folder()));
        if request.operation == Operation::Get && is_blob {
            let mut file = OpenOptions::new().append(true).create(true).open(&self.path).expect("a log");
            writeln!(file, "{}", request.path).expect("a line");
            tokio::time::sleep(DELAY * (self.gets.fetch_add(1, Ordering::Relaxed) % DELAYED_MAX)).await;
        }
        Verdict::Proceed
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [store, cache, bytes_max, log, "blob", id, size] => {
            let store = open(store, cache, bytes_max, log).await?;
            let bytes = store.blobs().get(BlobKind::Segment, id.parse()?, size.parse()?).await?;
            if kapok_blobstore::BlobId::of(&bytes) == id.parse()? { Ok(()) } else { Err("other bytes".into()) }
        }
        [store, cache, bytes_max, log, "follow", version] => {
            let version = version.parse()?;
            while !follow(&open(store, cache, bytes_max, log).await?, version).await? {}
            Ok(())
        }
        _ => Err("usage: read_through_cache STORE CACHE BYTES_MAX LOG blob ID SIZE | follow VERSION".into()),
    }
}

async fn open(store: &str, cache: &str, bytes_max: &str, log: &str) -> Result<Store, Box<dyn std::error::Error>> {
    let backend: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(store)?);
    let backend = Arc::new(Log { path: log.into(), gets: AtomicU32::new(0) }).over(backend);
    let cache = CacheSettings::in_folder(cache).with_bytes_max(bytes_max.parse()?);
    Ok(Store::options().cache(cache).object_store(backend, "").open("test://read-through-cache").await?)
}

/// Follows for some views, and returns whether the last of them is of the version.
async fn follow(store: &Store, last: u64) -> Result<bool, Box<dyn std::error::Error>> {
    let mut settings = ConsumerSettings::default();
    settings.merged_segments = MergedSegments::Fetch;
    let consumer = Consumer::builder(store.clone()).settings(settings).open().await?;
    for _ in 0..5 {
        let view = consumer.view_arc();
        if view.version() > 0 {
            let films = view.records::<movie::Owned>()?;
            let year = films.iter().next().map(movie::Reader::get_year);
            for film in &films {
                if Some(film.get_year()) != year || film.get_title()?.to_str()?.is_empty() {
                    return Err(format!("version {}: a film of another year", view.version()).into());
                }
            }
        }
        if view.version() == last {
            return Ok(true);
        }
        drop(view);
        tokio::time::sleep(Duration::from_millis(20)).await;
        consumer.refresh().await?;
    }
    Ok(false)
}
