//! A consumer takes what its settings say, and is as careful as they say.

use std::time::{Duration, Instant};

use kapok_blobstore::BlobKind;
use kapok_consumer::{Consumer, ConsumerSettings, Error, ErrorKind, TypeFilter};
use kapok_testing::{Damage, DamagedFile};

use crate::publisher::{Version, announce, folder, memory, movies, polling, stamp};

fn types(types: TypeFilter) -> ConsumerSettings {
    let mut settings = ConsumerSettings::default();
    settings.types = types;
    settings
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn record_types_that_are_left_out_are_not_even_fetched() {
    let store = memory().await;
    let first = Version::stamped(1);
    first.publish(&store, 1).await;
    store.blobs().delete(BlobKind::Segment, first.ratings[0].id()).await.unwrap();
    assert_eq!(Consumer::builder(store.clone()).open().await.unwrap_err().kind(), ErrorKind::NotFound);
    for filter in [TypeFilter::Only(names(&["Movie"])), TypeFilter::Except(names(&["Rating"]))] {
        let consumer = Consumer::builder(store.clone()).settings(types(filter)).open().await.unwrap();
        let view = consumer.view();
        assert_eq!(view.tables().iter().map(kapok_core::view::Table::name).collect::<Vec<_>>(), ["Movie"]);
        assert_eq!(view.lookup("Rating").unwrap_err().kind(), ErrorKind::NotFound);
        assert!(view.find("Movie", &3_u32).unwrap().is_some());
        assert_eq!(consumer.status().left_out, ["Rating"]);
        assert_eq!(consumer.status().last_refresh.unwrap().fetched_blobs, 2, "a segment and its index");
    }
}

#[tokio::test]
async fn a_name_that_no_version_has_yet_is_reported_and_is_no_failure() {
    let store = memory().await;
    Version::stamped(1).publish(&store, 1).await;
    let settings = types(TypeFilter::Only(names(&["Film", "Rating"])));
    let consumer = Consumer::builder(store).settings(settings.clone()).open().await.unwrap();
    let status = consumer.status();
    assert_eq!((status.unknown_types, status.left_out), (names(&["Film"]), names(&["Movie"])));
    assert_eq!(consumer.settings(), &settings);
    consumer.refresh_to(0).await.unwrap();
    assert!(consumer.status().left_out.is_empty(), "the empty view leaves nothing out");
}

#[tokio::test]
async fn a_damaged_segment_is_refused_before_the_swap_if_verification_is_asked_for() {
    let path = tempfile::tempdir().unwrap();
    let store = folder(path.path()).await;
    Version::stamped(1).publish(&store, 1).await;
    let mut settings = ConsumerSettings::default();
    let careless = Consumer::builder(store.clone()).settings(settings.clone()).open().await.unwrap();
    settings.verify = true;
    let careful = Consumer::builder(store.clone()).settings(settings).open().await.unwrap();
    let second = Version::stamped(2);
    second.commit(&store, 2).await;
    let file = store.blobs().name(BlobKind::Segment, second.movies[0].id());
    let damaged = DamagedFile::new(&file, Damage::Flipped).unwrap();
    announce(&store, 2).await;
    let error = careful.refresh().await.unwrap_err();
    assert_eq!((error.kind(), careful.view().version()), (ErrorKind::Corrupt, 1), "{error}");
    assert!(error.to_string().contains(&file) && error.to_string().contains("hash"), "{error}");
    assert_eq!(careless.refresh().await.unwrap().to, 2);
    damaged.restore().unwrap();
    assert_eq!(careful.refresh().await.unwrap().to, 2);
    assert_eq!(stamp(&careful.view()), Some(2));
}

#[tokio::test]
async fn a_segment_that_is_not_what_its_manifest_says_is_refused_although_its_hash_is_right() {
    let store = memory().await;
    let version = Version::stamped(1);
    let mut manifest = version.manifest(1);
    manifest.record_types[0].segments[0].extents.pop();
    version.commit_as(&store, &manifest).await;
    announce(&store, 1).await;
    let mut settings = ConsumerSettings::default();
    assert!(Consumer::builder(store.clone()).settings(settings.clone()).open().await.is_ok());
    settings.verify = true;
    let error = Consumer::builder(store).settings(settings).open().await.unwrap_err();
    assert!(matches!(error, Error::Open { version: 1, .. }), "{error}");
}

#[tokio::test]
async fn an_index_of_another_segment_with_as_many_rows_is_refused_when_it_is_opened() {
    let store = memory().await;
    let (version, other) = (Version::stamped(1), Version { movies: vec![movies(20..30, 1)], ratings: Vec::new() });
    let mut manifest = version.manifest(1);
    let ours = std::mem::replace(
        &mut manifest.record_types[0].segments[0].artifacts,
        other.manifest(1).record_types[0].segments[0].artifacts.clone(),
    );
    other.put(&store).await;
    version.commit_as(&store, &manifest).await;
    announce(&store, 1).await;
    let error = Consumer::builder(store.clone()).open().await.unwrap_err();
    assert!(matches!(error, Error::Open { version: 1, .. }) && error.to_string().contains("indexes/"), "{error}");
    // A consumer that has the segment already looks at an index that is new to it.
    let foreign = std::mem::replace(&mut manifest.record_types[0].segments[0].artifacts, ours);
    manifest.version = 2;
    version.commit_as(&store, &manifest).await;
    announce(&store, 2).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    manifest.record_types[0].segments[0].artifacts = foreign;
    manifest.version = 3;
    version.commit_as(&store, &manifest).await;
    announce(&store, 3).await;
    assert!(consumer.refresh().await.unwrap_err().to_string().contains("indexes/"));
    assert_eq!(consumer.view().version(), 2);
}

/// Adds up the resident bytes of the maps of a file.
#[cfg(target_os = "linux")]
fn resident_bytes(file: &str) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut ours, mut sum) = (false, 0);
    for line in maps.lines() {
        let (first, rest) = line.split_once(' ').unwrap();
        if !first.ends_with(':') {
            ours = rest.ends_with(file);
        } else if ours && first == "Rss:" {
            sum += 1024 * rest.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap();
        }
    }
    sum
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn prefaulted_blobs_are_in_memory_when_the_view_is_swapped_in() {
    let path = tempfile::tempdir().unwrap();
    let store = folder(path.path()).await;
    let many = Version { movies: vec![movies(0..150_000, 1)], ratings: Vec::new() };
    many.publish(&store, 1).await;
    let file = store.blobs().name(BlobKind::Segment, many.movies[0].id());
    let bytes = std::fs::metadata(&file).unwrap().len();
    let mut settings = ConsumerSettings::default();
    let lazy = Consumer::builder(store.clone()).settings(settings.clone()).open().await.unwrap();
    let resident = resident_bytes(&file);
    assert!(resident < bytes, "{resident} of {bytes} bytes");
    drop(lazy);
    settings.prefault = true;
    let eager = Consumer::builder(store).settings(settings).open().await.unwrap();
    assert!(resident_bytes(&file) >= bytes, "of {bytes} bytes");
    let all = eager.resident_bytes().unwrap().expect("a folder, on Linux");
    assert!(all >= bytes && all < 2 * bytes, "{all} with the index, of {bytes} bytes");
}

#[tokio::test]
async fn a_view_is_refused_as_stale_only_if_the_log_was_silent_for_too_long() {
    let store = memory().await;
    Version::stamped(1).publish(&store, 1).await;
    let mut settings = ConsumerSettings::default();
    let patient = Consumer::builder(store.clone()).settings(settings.clone()).open().await.unwrap();
    settings.max_staleness = Some(Duration::from_secs(1));
    let strict = Consumer::builder(store.clone()).settings(settings.clone()).open().await.unwrap();
    settings.max_staleness = Some(Duration::from_mins(10));
    let mild = Consumer::builder(store.clone()).settings(settings).open().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let error = strict.fresh_view().unwrap_err();
    assert!(matches!(error, Error::Stale { version: 1, .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(strict.view().version(), 1, "whoever does not ask is not refused");
    assert!(strict.status().staleness.unwrap() >= Duration::from_millis(1_050));
    assert!(patient.fresh_view().is_ok() && mild.fresh_view().is_ok());
    strict.refresh().await.unwrap();
    assert!(strict.fresh_view().is_ok(), "the log answered, although there is nothing new");
}

#[tokio::test]
async fn a_poll_without_news_is_an_answer_of_the_log() {
    let store = memory().await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store).open().await.unwrap();
    // Without news, the log is read to its end every sixty polls only: long after this test.
    let settings = polling(Duration::from_millis(100));
    let _follower = consumer.follow(settings);
    let three_answers = async {
        for _ in 0..3 {
            let (begun, before) = (Instant::now(), consumer.status());
            while consumer.status().looked_at == before.looked_at {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(consumer.status().staleness.unwrap() < begun.elapsed(), "the log answered since then");
        }
    };
    tokio::time::timeout(Duration::from_mins(1), three_answers).await.expect("polls are answered");
}

#[tokio::test]
async fn the_status_says_how_far_behind_and_how_old_the_view_is() {
    let store = memory().await;
    let first = Version::stamped(1);
    let mut manifest = first.manifest(1);
    let hour_ago = std::time::SystemTime::now() - Duration::from_hours(1);
    manifest.created_unix_ms = hour_ago.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    first.commit_as(&store, &manifest).await;
    announce(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    assert_eq!(consumer.status().lag, 0);
    let age = consumer.status().age.unwrap();
    assert!((Duration::from_hours(1)..Duration::from_mins(61)).contains(&age), "{age:?}");
    for version in 2..=4 {
        Version::stamped(version).commit(&store, version).await;
    }
    announce(&store, 4).await;
    store.blobs().delete(BlobKind::Segment, Version::stamped(4).movies[0].id()).await.unwrap();
    consumer.refresh().await.unwrap_err();
    assert_eq!((consumer.status().lag, consumer.status().is_behind()), (3, true));
    consumer.refresh_to(0).await.unwrap();
    assert_eq!(consumer.status().age, None);
}
