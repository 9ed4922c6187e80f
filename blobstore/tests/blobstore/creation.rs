//! A place becomes a store when there is something to put, and not before.

use kapok_blobstore::{BlobId, BlobKind, ErrorKind, Store};

#[tokio::test]
async fn a_place_is_no_store_until_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("a/b/store");
    let url = place.to_str().unwrap();
    let store = Store::options().create_later().open(url).await.unwrap();
    assert_eq!(
        (store.manifests().head().await.unwrap(), store.announcements().latest(None).await.unwrap()),
        (None, None)
    );
    assert!(Store::open(url).await.is_err());
    store.remove_uncreated();
    assert!(!folder.path().join("a").exists());

    let store = Store::options().create_later().open(url).await.unwrap();
    store.create().await.unwrap();
    store.create().await.unwrap();
    store.remove_uncreated();
    Store::open(url).await.unwrap();
}

#[tokio::test]
async fn what_somebody_else_put_there_meanwhile_stays() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("deep/store");
    let url = place.to_str().unwrap();
    let late = Store::options().create_later().open(url).await.unwrap();
    let early = Store::options().writable().open(url).await.unwrap();
    let bytes = bytes::Bytes::from_static(b"rows");
    early.blobs().put(BlobKind::Segment, BlobId::of(&bytes), bytes.clone()).await.unwrap();
    late.remove_uncreated();
    late.create().await.unwrap();
    assert_eq!(late.blobs().size(BlobKind::Segment, BlobId::of(&bytes)).await.unwrap(), Some(4));
}

#[tokio::test]
async fn a_folder_of_other_files_is_refused_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious.txt"), "x").unwrap();
    let refused = Store::options().create_later().open(folder.path().to_str().unwrap()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains("precious.txt"), "{refused}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn an_overlay_keeps_what_it_is_given_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let below = Store::options().writable().open(folder.path().to_str().unwrap()).await.unwrap();
    let token = kapok_blobstore::fresh_token();
    below.manifests().commit_bytes(1, &token, token).await.unwrap();
    let files = below.files().list().await.unwrap();
    let (overlay, other) = (below.overlay(), kapok_blobstore::fresh_token());
    assert_eq!(overlay.manifests().commit_bytes(1, &other, other).await.unwrap(), kapok_blobstore::CommitOutcome::Lost);
    overlay.manifests().commit_bytes(2, &token, token).await.unwrap();
    let large = bytes::Bytes::from(vec![7; 40 << 20]);
    overlay.blobs().put(BlobKind::Segment, BlobId::of(&large), large.clone()).await.unwrap();
    assert_eq!(overlay.blobs().get(BlobKind::Segment, BlobId::of(&large), 40 << 20).await.unwrap(), large);
    assert_eq!(
        (overlay.manifests().versions().await.unwrap(), overlay.manifests().head().await.unwrap()),
        (vec![1, 2], Some(2))
    );
    assert_eq!((below.manifests().versions().await.unwrap(), below.files().list().await.unwrap()), (vec![1], files));
    assert!(overlay.blobs().delete(BlobKind::Segment, BlobId::of(&large)).await.is_err());
}

#[tokio::test]
async fn a_file_is_no_place_for_a_store_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("films.jsonl");
    std::fs::write(&file, "x").unwrap();
    let file = file.to_str().unwrap();
    for url in [file.to_owned(), format!("file://{file}"), format!("{file}/deep/store")] {
        let said = format!("reason={file} is a file, not a folder");
        for options in [Store::options(), Store::options().writable(), Store::options().create_later()] {
            let how = format!("{url} {options:?}");
            let error = options.open(&url).await.expect_err(&how);
            assert_eq!(error.kind(), ErrorKind::NotFound, "{how}: {error}");
            assert!(error.to_string().contains(&said), "{how}: {error}");
        }
        assert!(Store::options().for_repair().open(&url).await.unwrap_err().to_string().contains(&said), "{url}");
    }
    assert_eq!(std::fs::read(file).unwrap(), b"x");
}
