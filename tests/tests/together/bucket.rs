//! A producer and consumers with a bucket between them: what they ask of it, and what a bad link does to them.

use std::time::{Duration, Instant};

use kapok_blobstore::{CacheSettings, Store, StoreOptions, StoreSettings};
use kapok_consumer::{Consumer, ErrorKind};
use kapok_producer::{MergeSchedule, Producer, ProducerSettings};
use kapok_samples::movies_capnp::movie;
use kapok_testing::{BadLink, BucketServer, Harm};

const URL: &str = "s3://films/catalogue";

/// Returns options for a server, or a proxy before it, that is given up on after two seconds.
fn options(endpoint: String) -> StoreOptions {
    let settings = StoreSettings::default().with_timeout(Duration::from_secs(2));
    let options = Store::options().settings(settings).option("aws_endpoint", endpoint).option("allow_http", "true");
    options.option("aws_access_key_id", "key").option("aws_secret_access_key", "secret").cache(CacheSettings::off())
}

async fn producer(endpoint: String) -> Producer {
    let store = options(endpoint).writable().open(URL).await.unwrap();
    let mut settings = ProducerSettings::default();
    settings.merge_schedule = MergeSchedule::Manual;
    Producer::builder(store).settings(settings).open().await.unwrap()
}

async fn consumer(endpoint: String) -> Consumer {
    let store = options(endpoint).open(URL).await.unwrap();
    Consumer::builder(store).open().await.unwrap()
}

/// Publishes films of a year, some of whose titles are long.
async fn publish(producer: &Producer, year: u16, films: u32) -> Result<u64, kapok_producer::Error> {
    let cycle = producer.run_incremental_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        for id in 0..films {
            movies.upsert(|mut film| {
                film.set_id(id);
                film.set_year(year);
                film.set_title(format!("film {id} {}", "of a long title".repeat(20)));
            })?;
        }
        Ok(())
    });
    Ok(cycle.await?.outcome.version())
}

fn year(consumer: &Consumer) -> u16 {
    let view = consumer.view();
    let films = view.records::<movie::Owned>().unwrap();
    films.by_key(&7_u32).unwrap().unwrap().get_year()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_poll_is_one_request_and_a_step_four_beside_its_blobs() {
    let server = BucketServer::start("films").unwrap();
    let producer = producer(server.url()).await;
    publish(&producer, 1900, 100).await.unwrap();
    let consumer = consumer(server.url()).await;
    let before = consumer.status().sequence;
    server.forget_requests();
    assert!(consumer.store().announcements().get(before + 1).await.unwrap().is_none());
    assert_eq!(server.requests().len(), 1, "an idle poll: {:?}", server.requests());
    for next in 1901..1904 {
        publish(&producer, next, 100).await.unwrap();
        server.forget_requests();
        // What a follower does: a poll, and then the step.
        let sequence = consumer.status().sequence;
        assert!(consumer.store().announcements().get(sequence + 1).await.unwrap().is_some());
        consumer.refresh().await.unwrap();
        assert_eq!(year(&consumer), next);
        let requests = server.requests();
        let is_blob =
            |request: &&String| ["/segments/", "/indexes/", "/tombstones/"].iter().any(|kind| request.contains(kind));
        let blobs = requests.iter().filter(is_blob).count();
        assert!(requests.len() - blobs <= 4, "{requests:?}");
        let mut unique: Vec<_> = requests.iter().filter(is_blob).collect();
        unique.dedup();
        assert_eq!(unique.len(), blobs, "each blob once: {requests:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_over_a_bad_link_is_whole_or_an_error() {
    let server = BucketServer::start("films").unwrap();
    let near = producer(server.url()).await;
    publish(&near, 1900, 2000).await.unwrap();
    let link = BadLink::before(server.address()).unwrap();
    let consumer = consumer(link.url()).await;
    let mut version = 1900;
    for (harm, may_fail) in [
        (Harm::Delay(Duration::from_millis(20)), false),
        (Harm::BytesPerSecond(4 << 20), false),
        (Harm::CutAfter(100_000), true),
        (Harm::CutAfter(30_000), true),
        (Harm::CorruptAfter(50_000), true),
        (Harm::CorruptAfter(300), true),
        (Harm::Silence, true),
        (Harm::Refuse, true),
    ] {
        version += 1;
        publish(&near, version, 2000).await.unwrap();
        link.set(harm);
        let opened = async { Consumer::builder(options(link.url()).open(URL).await?).open().await };
        match tokio::time::timeout(Duration::from_secs(30), opened).await.expect("no hang") {
            Ok(other) => assert_eq!(year(&other), version, "{harm:?}"),
            Err(error) => {
                assert!(may_fail, "{harm:?}: {error}");
                assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Corrupt), "{harm:?}: {error}");
            }
        }
        link.set(Harm::None);
        consumer.refresh().await.unwrap();
        assert_eq!(year(&consumer), version, "after {harm:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_over_a_bad_link_is_published_once_or_not_at_all() {
    let server = BucketServer::start("films").unwrap();
    let link = BadLink::before(server.address()).unwrap();
    publish(&producer(server.url()).await, 1900, 2000).await.unwrap();
    let reader = consumer(server.url()).await;
    for (next, harm) in (1901..).zip([
        Harm::CutUploadAfter(200_000),
        Harm::CutUploadAfter(1000),
        Harm::CutAfter(100),
        Harm::Silence,
        Harm::BytesPerSecond(1 << 20),
    ]) {
        link.set(Harm::None);
        let far = producer(link.url()).await;
        link.set(harm);
        let before = year(&reader);
        let published = tokio::time::timeout(Duration::from_mins(1), publish(&far, next, 2000)).await.expect("no hang");
        reader.refresh().await.unwrap();
        match published {
            Ok(_) => assert_eq!(year(&reader), next, "{harm:?}"),
            Err(error) => {
                assert!([before, next].contains(&year(&reader)), "{harm:?}: {error}");
                assert_ne!(error.kind(), ErrorKind::Invalid, "{harm:?}: {error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_of_a_host_download_once_and_begin_without_the_server() {
    let (server, host) = (BucketServer::start("films").unwrap(), tempfile::tempdir().unwrap());
    let cached = |endpoint| options(endpoint).cache(CacheSettings::in_folder(host.path()));
    let producer = producer(server.url()).await;
    publish(&producer, 1900, 2000).await.unwrap();
    let is_blob = |request: &String| ["/segments/", "/indexes/"].iter().any(|kind| request.contains(kind));
    let blobs = || server.requests().iter().filter(|request| is_blob(request)).count();
    server.forget_requests();
    let first = Consumer::builder(cached(server.url()).open(URL).await.unwrap()).open().await.unwrap();
    assert_eq!((year(&first), blobs()), (1900, 2), "a segment and its index");
    let second = Consumer::builder(cached(server.url()).open(URL).await.unwrap()).open().await.unwrap();
    assert_eq!((year(&second), blobs()), (1900, 2), "no blob again");
    let endpoint = server.url();
    drop((first, second, server));
    let began = Instant::now();
    let store = cached(endpoint.clone()).open(URL).await.unwrap();
    let consumer = Consumer::builder(store).open().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!((year(&consumer), consumer.status().offline), (1900, true));
    // Another server is another store, whatever its URL.
    let other = BucketServer::start("films").unwrap();
    let error = cached(other.url()).open(URL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_of_several_parts_comes_over_http_by_ranges() {
    use kapok_blobstore::{BlobId, BlobKind};
    let (server, host) = (BucketServer::start("films").unwrap(), tempfile::tempdir().unwrap());
    let store = options(server.url()).writable().open(URL).await.unwrap();
    let bytes: bytes::Bytes = (0..40_u32 << 18).flat_map(u32::to_le_bytes).collect::<Vec<u8>>().into();
    let id = BlobId::of(&bytes);
    store.blobs().put(BlobKind::Segment, id, bytes.clone()).await.unwrap();
    server.forget_requests();
    let cached = options(server.url()).cache(CacheSettings::in_folder(host.path())).open(URL).await.unwrap();
    let found = cached.blobs().get(BlobKind::Segment, id, bytes.len() as u64).await.unwrap();
    assert!(found == bytes);
    let gets = server.requests().iter().filter(|request| request.contains("/segments/")).count();
    assert_eq!(gets, bytes.len().div_ceil(16 << 20));
}
