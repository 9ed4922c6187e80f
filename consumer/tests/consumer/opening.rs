//! Opening takes one blocking thread, and no more.

use std::time::Duration;

use kapok_consumer::{Consumer, ConsumerSettings, ErrorKind, MergedSegments};

use crate::publisher::{Version, folder, stamp};

/// A runtime with one thread that may block: a call that has it and waits for another waits for ever.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build().unwrap()
}

async fn open(url: &str, verify: bool) -> kapok_consumer::Result<Consumer> {
    let mut settings = ConsumerSettings::default();
    (settings.verify, settings.prefault, settings.merged_segments) = (verify, verify, MergedSegments::Make);
    let opening = async {
        let store = kapok_blobstore::Store::open(url).await?;
        Consumer::builder(store).settings(settings).open().await
    };
    tokio::time::timeout(Duration::from_secs(30), opening).await.expect("a thread to open it")
}

#[test]
fn a_folder_is_opened_with_one_blocking_thread_and_so_is_a_damaged_one() {
    let place = tempfile::tempdir().unwrap();
    let url = place.path().to_str().unwrap();
    runtime().block_on(async {
        Version::stamped(1).publish(&folder(place.path()).await, 1).await;
        for verify in [false, true] {
            assert_eq!(stamp(&open(url, verify).await.unwrap().view()), Some(1));
        }
        let opened = tokio::time::timeout(Duration::from_secs(30), Consumer::open(url)).await.expect("a thread");
        assert_eq!(stamp(&opened.unwrap().view()), Some(1));
        for file in std::fs::read_dir(place.path().join("segments")).unwrap() {
            let file = file.unwrap().path();
            let mut bytes = std::fs::read(&file).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, bytes).unwrap();
        }
        assert_eq!(open(url, true).await.unwrap_err().kind(), ErrorKind::Corrupt);
    });
    runtime().block_on(async {
        let memory = crate::publisher::memory().await;
        Version::stamped(2).publish(&memory, 1).await;
        assert_eq!(stamp(&open(memory.url(), true).await.unwrap().view()), Some(2));
        assert_eq!(stamp(&Consumer::open(memory.url()).await.unwrap().view()), Some(2));
    });
}
