//! What a producer reads of what it has just put.

use std::sync::Arc;

use bytes::Bytes;
use kapok_blobstore::{BlobId, Store};
use kapok_producer::{ErrorKind, MergeSchedule, Producer, ProducerSettings, Verification};
use kapok_samples::movies_capnp::movie;
use kapok_testing::{Counting, Hooks, Intercept, Operation};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

const FOLDERS: [&str; 3] = ["segments/", "indexes/", "tombstones/"];

async fn producer(backend: Arc<dyn ObjectStore>, verification: Verification) -> Producer {
    let store = Store::options().writable().object_store(backend, "").open("test://read-back");
    let mut settings = ProducerSettings::default();
    settings.verification = verification;
    settings.merge_schedule = MergeSchedule::Manual;
    settings.merge_policy.segments_max = 1;
    Producer::builder(store.await.unwrap()).settings(settings).open().await.unwrap()
}

/// Publishes some films over those before.
async fn publish(producer: &Producer, ids: std::ops::Range<u32>) -> kapok_producer::Result<()> {
    let cycle = producer.run_incremental_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        for id in ids {
            movies.upsert(|mut film| {
                film.set_id(id);
                film.set_title(format!("Film {id}"));
            })?;
        }
        Ok(())
    });
    cycle.await.map(drop)
}

#[tokio::test]
async fn what_was_uploaded_is_not_downloaded_again() {
    for verification in [Verification::Full, Verification::Open, Verification::Download] {
        let counting = Arc::<Counting>::default();
        let producer = producer(counting.over(Arc::new(InMemory::new())), verification).await;
        publish(&producer, 0..2_000).await.unwrap();
        publish(&producer, 1_000..3_000).await.unwrap();
        producer.run_incremental_cycle(|cycle| Ok(cycle.add_index("Movie", "sorted(title)")?)).await.unwrap();
        assert!(producer.merge().await.unwrap().is_some());
        let requests = counting.take();
        let of = |wanted: Operation, folder: &str| {
            let mut names: Vec<_> = requests
                .iter()
                .filter(|(it, path)| *it == wanted && path.starts_with(folder))
                .map(|it| &it.1)
                .collect();
            names.sort_unstable();
            names
        };
        for folder in FOLDERS {
            let put = of(Operation::Put, folder);
            assert!(put.len() >= 2 || folder == "tombstones/", "{folder} {put:?}");
            let got = of(Operation::Get, folder);
            if verification == Verification::Download {
                assert!(put.iter().all(|name| got.contains(name)), "{folder} {put:?} {got:?}");
            } else {
                assert!(got.is_empty(), "{verification:?} {got:?}");
                assert!(put.iter().all(|name| of(Operation::Head, folder).contains(name)), "{verification:?} {put:?}");
            }
        }
    }
}

/// Runs a cycle in whose store each blob is spoilt as soon as it is there.
async fn cycle_with_spoilt_blobs(verification: Verification, spoil: fn(Vec<u8>) -> Vec<u8>) -> Option<ErrorKind> {
    let memory = Arc::new(InMemory::new());
    let behind = Arc::clone(&memory);
    let hooks = Hooks::new(move |request| {
        let is_read = matches!(request.operation, Operation::Head | Operation::Get);
        if !is_read || !request.names("segments/") {
            return None;
        }
        let (memory, path) = (Arc::clone(&behind), Path::from(request.path.to_string()));
        Some(Box::pin(async move {
            let Ok(found) = memory.get(&path).await else { return Ok(()) };
            let bytes = found.bytes().await?;
            // Once: a byte that is flipped twice is whole again.
            if path.filename() == Some(&BlobId::of(&bytes).to_string()) {
                memory.put(&path, Bytes::from(spoil(bytes.to_vec())).into()).await?;
            }
            Ok(())
        }))
    });
    let producer = producer(Arc::new(hooks).over(memory), verification).await;
    publish(&producer, 0..100).await.err().map(|error| error.kind())
}

#[tokio::test]
async fn an_upload_of_another_length_is_refused_and_one_of_other_bytes_if_it_is_downloaded() {
    let cut = |mut bytes: Vec<u8>| {
        bytes.pop();
        bytes
    };
    let flip = |mut bytes: Vec<u8>| {
        bytes[40] ^= 1;
        bytes
    };
    for verification in [Verification::Full, Verification::Open, Verification::Download] {
        let refused = cycle_with_spoilt_blobs(verification, cut).await;
        assert_eq!(refused, Some(ErrorKind::Corrupt), "{verification:?}");
    }
    assert_eq!(cycle_with_spoilt_blobs(Verification::Download, flip).await, Some(ErrorKind::Corrupt));
    assert_eq!(cycle_with_spoilt_blobs(Verification::Full, flip).await, None, "that is what the setting is for");
}
