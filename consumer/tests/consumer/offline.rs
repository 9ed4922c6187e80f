//! A consumer whose store cannot be reached begins with what its host last knew; processes of a host share what one has read.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use kapok_blobstore::{BlobKind, Cache, CacheSettings, Store, StoreSettings};
use kapok_consumer::{Consumer, ConsumerSettings, Error, ErrorKind};
use kapok_testing::object_store::ObjectStore;
use kapok_testing::object_store::memory::InMemory;
use kapok_testing::{Counting, Hooks, Intercept, Operation, refused};

use crate::publisher::{Version, stamp};

/// A bucket that may be gone, and a host with a cache.
struct Host {
    memory: Arc<InMemory>,
    counting: Arc<Counting>,
    is_gone: Arc<AtomicBool>,
    folder: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { memory: Arc::default(), counting: Arc::default(), is_gone: Arc::default(), folder }
    }

    fn cache(&self) -> CacheSettings {
        CacheSettings::in_folder(self.folder.path())
    }

    async fn elsewhere(&self) -> Store {
        let backend = Arc::clone(&self.memory);
        Store::options().writable().object_store(backend, "set").open("test://set").await.unwrap()
    }

    async fn store(&self) -> kapok_blobstore::Result<Store> {
        let is_gone = Arc::clone(&self.is_gone);
        let hooks = Arc::new(Hooks::new(move |_| is_gone.load(Ordering::Relaxed).then(refused)));
        let backend: Arc<dyn ObjectStore> = Arc::clone(&self.memory) as _;
        let backend = self.counting.over(hooks.over(backend));
        Store::options().cache(self.cache()).object_store(backend, "set").open("test://set").await
    }

    async fn open(&self, settings: ConsumerSettings) -> kapok_consumer::Result<Consumer> {
        Consumer::builder(self.store().await?).settings(settings).open().await
    }

    fn set_gone(&self, is_gone: bool) {
        self.is_gone.store(is_gone, Ordering::Relaxed);
    }

    /// Returns the number of blobs that were asked for since this was last called.
    fn gets_of_blobs(&self) -> usize {
        let is_blob = |path: &str| BlobKind::ALL.iter().any(|kind| path.contains(kind.folder()));
        self.counting.take().iter().filter(|(operation, path)| *operation == Operation::Get && is_blob(path)).count()
    }
}

/// Makes the time of the log's last answer so long ago.
fn age(folder: &Path, by: Duration) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path, by);
        } else if path.parent().unwrap().ends_with("announcements") {
            File::open(path).unwrap().set_modified(SystemTime::now() - by).unwrap();
        }
    }
}

#[tokio::test]
async fn a_second_process_asks_for_no_blob() {
    let host = Host::new();
    Version::stamped(1).publish(&host.elsewhere().await, 1).await;
    let first = host.open(ConsumerSettings::default()).await.unwrap();
    let report = first.status().last_refresh.unwrap();
    assert_eq!((report.fetched_blobs, report.cached_blobs, host.gets_of_blobs()), (4, 0, 4));
    let second = host.open(ConsumerSettings::default()).await.unwrap();
    let report = second.status().last_refresh.unwrap();
    assert_eq!((report.fetched_blobs, report.cached_blobs, host.gets_of_blobs()), (0, 4, 0));
    assert!(report.cached_bytes > 0 && stamp(&second.view()) == Some(1));
    drop(first);
    assert!(second.resident_bytes().unwrap().is_some());
}

#[tokio::test]
async fn a_consumer_begins_with_what_its_host_last_knew_and_goes_on_when_the_store_is_back() {
    let host = Host::new();
    let elsewhere = host.elsewhere().await;
    host.set_gone(true);
    assert_eq!(
        host.open(ConsumerSettings::default()).await.unwrap_err().kind(),
        ErrorKind::Unavailable,
        "nothing is known"
    );
    host.set_gone(false);
    Version::stamped(1).publish(&elsewhere, 1).await;
    Version::stamped(2).publish(&elsewhere, 2).await;
    let online = host.open(ConsumerSettings::default()).await.unwrap();
    assert!(!online.status().offline);
    drop(online);
    age(host.folder.path(), Duration::from_hours(1));
    host.set_gone(true);
    let began = Instant::now();
    let consumer = host.open(ConsumerSettings::default()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let status = consumer.status();
    assert_eq!((status.offline, status.current, status.sequence, stamp(&consumer.view())), (true, 2, 2, Some(2)));
    assert!(status.staleness.unwrap() >= Duration::from_hours(1) && status.looked_at.is_some());
    assert_eq!(status.last_error.unwrap().kind(), ErrorKind::Unavailable);
    assert!(consumer.store().unreachable().is_some());
    assert!(consumer.refresh().await.is_err() && consumer.status().offline, "still gone");
    host.set_gone(false);
    Version::stamped(3).publish(&elsewhere, 3).await;
    consumer.refresh().await.unwrap();
    let status = consumer.status();
    assert_eq!((status.offline, status.current), (false, 3));
    assert!(status.staleness.unwrap() < Duration::from_mins(1));
}

#[tokio::test]
async fn a_store_that_never_answers_is_not_waited_for_longer_than_five_seconds() {
    let host = Host::new();
    Version::stamped(1).publish(&host.elsewhere().await, 1).await;
    host.open(ConsumerSettings::default()).await.unwrap();
    let hooks = Arc::new(Hooks::new(|_| Some(Box::pin(std::future::pending()))));
    let backend = hooks.over(Arc::clone(&host.memory) as _);
    let began = Instant::now();
    let options = Store::options().cache(host.cache()).settings(StoreSettings::default());
    let store = options.object_store(backend, "set").open("test://set").await.unwrap();
    let consumer = Consumer::builder(store).open().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(consumer.status().offline && stamp(&consumer.view()) == Some(1));
}

#[tokio::test]
async fn what_is_known_is_not_taken_if_it_is_older_than_the_settings_allow() {
    let host = Host::new();
    Version::stamped(1).publish(&host.elsewhere().await, 1).await;
    host.open(ConsumerSettings::default()).await.unwrap();
    age(host.folder.path(), Duration::from_mins(10));
    host.set_gone(true);
    let mut settings = ConsumerSettings::default();
    settings.max_staleness = Some(Duration::from_mins(5));
    assert_eq!(host.open(settings.clone()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    settings.max_staleness = Some(Duration::from_mins(20));
    let consumer = host.open(settings).await.unwrap();
    assert!(consumer.status().offline && consumer.fresh_view().is_ok());
}

#[tokio::test]
async fn what_is_known_is_of_no_use_without_its_blobs() {
    let host = Host::new();
    Version::stamped(1).publish(&host.elsewhere().await, 1).await;
    host.open(ConsumerSettings::default()).await.unwrap();
    let cache = Cache::open(&host.cache()).unwrap().unwrap();
    // A thread of its own unmaps what the consumer had.
    while cache.prune(0).unwrap().left_bytes > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    host.set_gone(true);
    let error = host.open(ConsumerSettings::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_log_that_is_shorter_than_before_a_restart_is_refused_until_the_store_is_forgotten() {
    let mut host = Host::new();
    let elsewhere = host.elsewhere().await;
    for version in 1..=3 {
        Version::stamped(version).publish(&elsewhere, version).await;
    }
    host.open(ConsumerSettings::default()).await.unwrap();
    host.memory = Arc::default();
    Version::stamped(7).publish(&host.elsewhere().await, 1).await;
    let error = host.open(ConsumerSettings::default()).await.unwrap_err();
    assert!(matches!(error, Error::LogWentBack { seen: 3, found: 1, is_remembered: true, .. }), "{error}");
    assert!(error.to_string().contains("kapok cache forget"), "{error}");
    let cache = Cache::open(&host.cache()).unwrap().unwrap();
    let known = &cache.report().unwrap().stores[0];
    assert_eq!((known.location.as_str(), known.sequence, known.version), ("test://set", 3, Some(3)));
    assert!(cache.forget("test://set/").unwrap() && !cache.forget("test://set").unwrap());
    assert_eq!(stamp(&host.open(ConsumerSettings::default()).await.unwrap().view()), Some(7));
}

#[tokio::test]
async fn a_damaged_file_of_the_cache_is_downloaded_again() {
    let host = Host::new();
    let version = Version::stamped(1);
    version.publish(&host.elsewhere().await, 1).await;
    host.open(ConsumerSettings::default()).await.unwrap();
    let place = host.folder.path().join(format!("segments/{}", version.movies[0].id()));
    let length = std::fs::metadata(&place).unwrap().len();
    std::fs::write(&place, vec![0xee; usize::try_from(length).unwrap()]).unwrap();
    let error = host.open(ConsumerSettings::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let consumer = host.open(ConsumerSettings::default()).await.unwrap();
    assert_eq!((stamp(&consumer.view()), consumer.status().last_refresh.unwrap().fetched_blobs), (Some(1), 1));
}
