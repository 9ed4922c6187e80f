//! A gc in a store that lacks something, or of which something cannot be read.

use std::fs;
use std::path::Path;
use std::time::Duration;

use kapok_blobstore::{BlobKind, ErrorKind, GcSettings, Store};
use kapok_samples::sealed::{MANIFEST, seal};

use super::dataset::{blobs_of, commit, files, gc, load, now, pin_blindly, publish, words};

async fn published_in(folder: &Path) -> Store {
    let store = Store::options().writable().open(folder.to_str().unwrap()).await.unwrap();
    publish(&store).await;
    store
}

fn manifest_of(folder: &Path, version: u64) -> std::path::PathBuf {
    folder.join(format!("manifests/{version:020}"))
}

fn retiring(versions: &[u64]) -> GcSettings {
    now().with_retire_unreadable(versions.to_vec())
}

/// Returns the versions that cannot be read, and the kind of error of each.
fn unreadable(report: &kapok_blobstore::GcReport) -> Vec<(u64, ErrorKind)> {
    report.unreadable.iter().map(|it| (it.version, it.kind)).collect()
}

#[tokio::test]
async fn a_version_that_cannot_be_read_is_named_and_the_rest_goes_on_but_no_blob_goes() {
    let whole = {
        let folder = tempfile::tempdir().unwrap();
        published_in(folder.path()).await;
        fs::read(manifest_of(folder.path(), 3)).unwrap()
    };
    let mut flipped = whole.clone();
    flipped[100] ^= 1;
    let strange = seal(MANIFEST, b"strange");
    for damaged in [&[][..], &whole[..63], &whole[..65], &flipped, &strange] {
        let folder = tempfile::tempdir().unwrap();
        let store = published_in(folder.path()).await;
        fs::write(manifest_of(folder.path(), 3), damaged).unwrap();
        let before = words(&store).await;
        let said = store.gc(&now().with_dry_run()).await.unwrap();
        let report = gc(&store).await;
        assert_eq!(report, said);
        assert_eq!(unreadable(&report), [(3, ErrorKind::Corrupt)]);
        assert!(report.unreadable[0].reason.contains("00003"), "{:?}", report.unreadable);
        assert_eq!((report.retired, report.kept), (vec![1, 4], vec![2, 3, 5, 6]));
        assert_eq!((report.deleted, words(&store).await), (vec![], before));

        let report = store.gc(&retiring(&[3])).await.unwrap();
        assert_eq!((report.retired, report.unreadable), (vec![3], vec![]));
        assert_eq!(report.deleted.len(), 6, "a and d");
        assert_eq!(gc(&store).await.retired, [0; 0]);
        for version in [2, 5, 6] {
            load(&store, version).await.unwrap();
        }
        for file in store.files().list().await.unwrap() {
            store.files().check(&file).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_manifest_cut_to_the_length_of_a_stub_counts_as_retired_unless_something_points_to_it() {
    for (version, goes_on) in [(3, true), (2, false), (5, false)] {
        let folder = tempfile::tempdir().unwrap();
        let store = published_in(folder.path()).await;
        let path = manifest_of(folder.path(), version);
        fs::write(&path, &fs::read(&path).unwrap()[..64]).unwrap();
        let before = files(&store).await;
        match store.gc(&now()).await {
            Ok(report) => assert_eq!((report.kept, goes_on), (vec![2, 5, 6], true)),
            Err(error) => {
                assert!(!goes_on && error.kind() == ErrorKind::Corrupt, "{error}");
                let blobs = |files: Vec<(String, u64, i64)>| {
                    files.into_iter().filter(|it| !it.0.starts_with("manifests")).collect::<Vec<_>>()
                };
                assert_eq!(blobs(files(&store).await), blobs(before));
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = published_in(folder.path()).await;
    let path = manifest_of(folder.path(), 6);
    fs::write(&path, &fs::read(&path).unwrap()[..64]).unwrap();
    let report = gc(&store).await;
    assert_eq!((unreadable(&report), report.retired, report.deleted), (vec![(6, ErrorKind::Corrupt)], vec![], vec![]));
}

#[tokio::test]
async fn what_consumers_are_sent_to_is_never_retired_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let store = published_in(folder.path()).await;
    for version in [2, 5] {
        fs::write(manifest_of(folder.path(), version), "damaged").unwrap();
    }
    let before = files(&store).await;
    for version in [2, 5] {
        let error = store.gc(&retiring(&[version])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert!(error.to_string().contains(&format!("version={version}; roll back")), "{error}");
    }
    assert_eq!(files(&store).await, before);
    let report = gc(&store).await;
    assert_eq!((report.retired.as_slice(), report.kept.as_slice()), (&[][..], &[1, 2, 3, 4, 5, 6][..]));
    store.announcements().unpin("test", "").await.unwrap();
    store.announcements().rollback(4, "test", "").await.unwrap();
    let report = store.gc(&retiring(&[2, 5])).await.unwrap();
    assert_eq!((report.retired, report.kept), (vec![1, 2, 3, 5], vec![4, 6]));
    load(&store, 4).await.unwrap();
}

#[tokio::test]
async fn a_version_that_is_of_use_is_not_retired_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let store = published_in(folder.path()).await;
    let before = files(&store).await;
    for version in [0, 3, 6, 7, u64::MAX] {
        let error = store.gc(&retiring(&[version])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(&format!("retire_unreadable={version}")), "{error}");
    }
    assert_eq!(files(&store).await, before);
}

#[tokio::test]
async fn a_version_of_a_newer_release_is_kept_with_all_that_it_may_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = published_in(folder.path()).await;
    let mut words = store.manifests().read(3).await.unwrap().encode().unwrap();
    // The format version is the first word of the root struct.
    words[16..20].copy_from_slice(&99_u32.to_le_bytes());
    fs::write(manifest_of(folder.path(), 3), seal(MANIFEST, &words)).unwrap();
    let report = gc(&store).await;
    assert_eq!((unreadable(&report), report.deleted), (vec![(3, ErrorKind::Incompatible)], vec![]));
    let error = store.gc(&retiring(&[3])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
}

#[tokio::test]
async fn a_gap_in_the_numbers_stops_it_before_anything_changes_and_is_closed_by_its_number() {
    for gap in [1, 3, 5] {
        let folder = tempfile::tempdir().unwrap();
        let store = published_in(folder.path()).await;
        fs::remove_file(manifest_of(folder.path(), gap)).unwrap();
        let before = files(&store).await;
        let error = store.gc(&now()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let text = error.to_string();
        assert!(text.contains(&format!("version={gap} ")) && text.contains("before it changed anything"), "{text}");
        assert_eq!(files(&store).await, before);
        if gap == 5 {
            store.announcements().rollback(4, "test", "").await.unwrap();
        }
        let report = store.gc(&retiring(&[gap])).await.unwrap();
        assert!(report.retired.contains(&gap) && !report.kept.contains(&gap), "{report:?}");
        gc(&store).await;
        load(&store, 6).await.unwrap();
    }
}

#[tokio::test]
async fn a_highest_announced_version_that_is_not_there_stops_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = published_in(folder.path()).await;
    for version in [5, 6] {
        fs::remove_file(manifest_of(folder.path(), version)).unwrap();
    }
    let before = files(&store).await;
    let error = store.gc(&now()).await.unwrap_err();
    assert!(error.to_string().contains("version=5 "), "{error}");
    assert_eq!(files(&store).await, before);
}

#[tokio::test]
async fn a_store_that_is_being_copied_arrives_whole_though_gc_runs_all_the_time() {
    let origin = tempfile::tempdir().unwrap();
    let names: Vec<_> = {
        let store = published_in(origin.path()).await;
        store.files().list().await.unwrap().into_iter().map(|file| file.name).collect()
    };
    // As tools copy that go by names: the log before manifests, manifests before segments.
    for at in 1..names.len() {
        let folder = tempfile::tempdir().unwrap();
        let copy = |names: &[String]| {
            for name in names {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::copy(origin.path().join(name), &path).unwrap();
            }
        };
        copy(&names[..at]);
        if let Ok(store) = Store::open(folder.path().to_str().unwrap()).await {
            let _ = store.gc(&now()).await;
            copy(&names[at..]);
            for version in [2, 5, 6] {
                load(&store, version).await.unwrap_or_else(|error| panic!("after {at} of {names:?}: {error}"));
            }
        }
    }
}

#[tokio::test]
async fn nothing_whole_goes_while_a_version_that_stays_is_not_whole() {
    for (word, kind) in
        [("f", BlobKind::Segment), ("g", BlobKind::Index), ("e", BlobKind::Tombstones), ("c", BlobKind::Segment)]
    {
        for cut in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let store = published_in(folder.path()).await;
            let (_, id, bytes) = blobs_of(word).into_iter().find(|it| it.0 == kind).unwrap();
            let path = store.blobs().name(kind, id);
            // Dead rows have no length in a manifest.
            if cut && kind != BlobKind::Tombstones {
                fs::write(&path, &bytes[1..]).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
            let before = words(&store).await;
            let report = gc(&store).await;
            let lost: Vec<_> = report.damaged.iter().map(|it| (it.version, it.blobs.clone())).collect();
            let stay: &[u64] = match word {
                "f" => &[5, 6],
                "g" => &[6],
                "e" => &[5],
                _ => &[2],
            };
            assert_eq!(lost, stay.iter().map(|version| (*version, vec![(kind, id)])).collect::<Vec<_>>(), "{word}");
            let retired: &[u64] = if word == "e" {
                &[4]
            } else if word == "c" {
                &[3]
            } else {
                &[]
            };
            assert_eq!((report.retired.as_slice(), report.deleted.len()), (retired, 0), "{word}: not whole themselves");
            assert_eq!(words(&store).await, before);
        }
    }
}

#[tokio::test]
async fn a_version_that_is_not_whole_goes_as_any_other_and_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let store = published_in(folder.path()).await;
    let lose = async |word: &str| {
        let (kind, id, _) = blobs_of(word)[0].clone();
        store.blobs().delete(kind, id).await.unwrap();
    };
    lose("d").await;
    let report = gc(&store).await;
    assert_eq!((report.retired, report.damaged), (vec![1, 3, 4], vec![]));
    lose("g").await;
    commit(&store, 7, &["h"]).await;
    let report = store.gc(&retiring(&[6]).with_keep(2)).await.unwrap();
    assert_eq!((report.retired, report.kept, report.damaged), (vec![6], vec![2, 5, 7], vec![]));
    assert_eq!(report.deleted.len(), 2, "what is left of g; f is in 5");
}

#[tokio::test]
async fn a_shorter_grace_period_than_the_producers_is_to_be_asked_for_twice() {
    let folder = tempfile::tempdir().unwrap();
    let store = published_in(folder.path()).await;
    let before = files(&store).await;
    for seconds in [0, 1, 3_599] {
        let hasty = GcSettings::default().with_grace(Duration::from_secs(seconds));
        let error = store.gc(&hasty).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("--no-writers"), "{error}");
    }
    assert_eq!(files(&store).await, before);
    store.gc(&GcSettings::default().with_grace(Duration::from_hours(1))).await.unwrap();
}

#[tokio::test]
async fn a_pin_on_a_number_that_never_was_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = published_in(folder.path()).await;
    pin_blindly(&store, 99).await;
    assert_eq!(gc(&store).await.kept, [5, 6]);
}
