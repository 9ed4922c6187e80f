//! What a gc takes and what it leaves, in a store where nothing else happens.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kapok_blobstore::{BlobKind, CommitOutcome, ErrorKind, GcSettings, Store};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use super::dataset::{blobs_of, commit, files, gc, later, load, manifest, now, open, pin_blindly, publish, put, words};

async fn published() -> Store {
    let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store = open(&backend).await;
    publish(&store).await;
    store
}

async fn published_in(folder: &tempfile::TempDir) -> Store {
    let store = Store::options().writable().open(folder.path().to_str().unwrap()).await.unwrap();
    publish(&store).await;
    store
}

#[tokio::test]
async fn what_is_kept_announced_or_pinned_still_loads_completely() {
    let folder = tempfile::tempdir().unwrap();
    for store in [published().await, published_in(&folder).await] {
        let report = gc(&store).await;
        assert_eq!((report.retired.as_slice(), report.kept.as_slice()), (&[1, 3, 4][..], &[2, 5, 6][..]));
        for version in [2, 5, 6] {
            let manifest = store.manifests().read(version).await.unwrap();
            assert_eq!(store.blobs().missing(&manifest).await.unwrap(), []);
            load(&store, version).await.unwrap();
        }
        assert_eq!(load(&store, 3).await.unwrap_err().kind(), ErrorKind::NotFound);
        let mut expected: Vec<_> = ["a", "d"]
            .iter()
            .flat_map(|word| blobs_of(word))
            .map(|(kind, id, it)| (kind, id, it.len() as u64))
            .collect();
        expected.sort();
        assert_eq!(report.deleted, expected);
        assert_eq!(report.bytes_freed, expected.iter().map(|(_, _, bytes)| bytes).sum::<u64>());
        assert_eq!(words(&store).await, "bbbcccefg".replace('e', "eee").replace('f', "fff").replace('g', "ggg"));
        for file in store.files().list().await.unwrap() {
            store.files().check(&file).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_newest_are_kept_as_asked() {
    let store = published().await;
    let report = store.gc(&now().with_keep(3)).await.unwrap();
    assert_eq!((report.retired.as_slice(), report.kept.as_slice()), (&[1, 3][..], &[2, 4, 5, 6][..]));
    load(&store, 4).await.unwrap();
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_says_what_would_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = published_in(&folder).await;
    let (_, id, _) = &blobs_of("a")[0];
    fs::write(folder.path().join(format!("segments/{id}#1")), "half").unwrap();
    fs::write(folder.path().join("notes#1"), "somebody's").unwrap();
    let before = files(&store).await;
    let said = store.gc(&now().with_dry_run()).await.unwrap();
    assert_eq!(files(&store).await, before);
    assert_eq!((said.retired.len(), said.deleted.len(), said.orphans.len()), (3, 6, 1));
    assert_eq!(gc(&store).await, said, "and that goes");
    let names: Vec<_> = files(&store).await.into_iter().map(|(name, _, _)| name).collect();
    assert_eq!(names.len(), before.len() - 7);
    assert!(names.contains(&"notes#1".to_owned()));
}

#[tokio::test]
async fn a_second_gc_finds_nothing() {
    let store = published().await;
    gc(&store).await;
    let before = files(&store).await;
    let report = gc(&store).await;
    assert_eq!((report.retired, report.kept, report.deleted), (vec![], vec![2, 5, 6], vec![]));
    assert_eq!((report.unreadable, report.damaged, report.kept_by_grace), (vec![], vec![], vec![]));
    assert_eq!((report.orphans, report.bytes_freed), (vec![], 0));
    assert_eq!(files(&store).await, before);
}

#[tokio::test]
async fn young_blobs_stay_though_nobody_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = published_in(&folder).await;
    put(&store, "x").await;
    put(&store, "y").await;
    for (word, age_s) in [("a", 61 * 60), ("x", 61 * 60), ("y", 59 * 60), ("b", 61 * 60)] {
        for (kind, id, _) in blobs_of(word) {
            let file = fs::File::open(store.blobs().name(kind, id)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age_s)).unwrap();
        }
    }
    let said = store.gc(&GcSettings::default().with_no_writers().with_dry_run()).await.unwrap();
    let report = store.gc(&GcSettings::default().with_no_writers()).await.unwrap();
    assert_eq!(report, said);
    assert_eq!(report.retired, [1, 3, 4], "made long ago, and consumers were not on them lately");
    assert_eq!(report.deleted.len(), 6);
    assert_eq!(words(&store).await, "bbbcccdddeeefffgggyyy", "d is of no version, but young");
}

#[tokio::test]
async fn versions_that_consumers_left_a_moment_ago_stay() {
    let store = published().await;
    store.announcements().announce(6, "test", "").await.unwrap();
    store.announcements().unpin("test", "").await.unwrap().unwrap();
    let report = store.gc(&later()).await.unwrap();
    assert_eq!((report.retired, report.kept), (vec![1, 3, 4], vec![2, 5, 6]), "2 was pinned, 5 announced");
    assert_eq!((report.kept_by_grace, report.grace), (vec![2, 5], Duration::from_hours(1)));
    assert_eq!(gc(&store).await.kept, [6]);
    load(&store, 6).await.unwrap();
}

#[tokio::test]
async fn a_retired_number_is_never_won_again() {
    let store = published().await;
    gc(&store).await;
    for version in 1..=6 {
        let late = manifest(version, &["z"]);
        assert_eq!(store.manifests().commit(&late).await.unwrap(), CommitOutcome::Lost, "{version}");
    }
    assert_eq!(store.manifests().versions().await.unwrap(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(store.manifests().head().await.unwrap(), Some(6));
    assert_eq!(store.announcements().list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn where_nothing_was_announced_only_orphans_and_nameless_blobs_go() {
    let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store = open(&backend).await;
    commit(&store, 1, &["a"]).await;
    commit(&store, 2, &["b"]).await;
    put(&store, "x").await;
    let report = gc(&store).await;
    assert_eq!((report.retired, report.kept, report.deleted.len()), (vec![], vec![1, 2], 3));
    assert_eq!(words(&store).await, "aaabbb");
}

#[tokio::test]
async fn a_log_that_names_a_retired_version_stops_it_before_a_blob_goes() {
    let store = published().await;
    put(&store, "x").await;
    store.manifests().retire(1).await.unwrap();
    pin_blindly(&store, 1).await;
    let error = store.gc(&now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("version=1"), "{error}");
    assert!(words(&store).await.starts_with("aaa") && words(&store).await.ends_with("xxx"));
    store.announcements().unpin("test", "").await.unwrap();
    gc(&store).await;
    load(&store, 5).await.unwrap();
    assert!(!words(&store).await.contains(['a', 'x']));
}

#[tokio::test]
async fn what_a_version_lacks_is_told() {
    let store = published().await;
    let mut manifest = store.manifests().read(5).await.unwrap();
    assert_eq!(store.blobs().missing(&manifest).await.unwrap(), []);
    let [(_, rows, _), (index_kind, index, _), _] = blobs_of("e");
    store.blobs().delete(index_kind, index).await.unwrap();
    manifest.record_types[0].segments.iter_mut().find(|it| it.id == *rows.as_bytes()).unwrap().size += 1;
    let lacking = store.blobs().missing(&manifest).await.unwrap();
    let mut found: Vec<_> = lacking.iter().map(|it| (BlobKind::from(it.role), it.id)).collect();
    found.sort();
    assert_eq!(found, [(BlobKind::Segment, *rows.as_bytes()), (BlobKind::Index, *index.as_bytes())]);
}
