//! Does a place become a store when there is something to put, and not before?

use kapok_blobstore::{BlobId, BlobKind, ErrorKind, Store};

#[tokio::test]
async fn a_place_is_no_store_until_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("a/b/store");
    let url = place.to_str().unwrap();
    let store = Store::open_or_prepare(url).await.unwrap();
    assert_eq!((store.head().await.unwrap(), store.latest_announcement(None).await.unwrap()), (None, None));
    assert!(Store::open(url).await.is_err());
    store.abandon();
    assert!(!folder.path().join("a").exists());

    let store = Store::open_or_prepare(url).await.unwrap();
    store.make().await.unwrap();
    store.make().await.unwrap();
    store.abandon();
    Store::open(url).await.unwrap();
}

#[tokio::test]
async fn what_somebody_else_put_there_meanwhile_stays() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("deep/store");
    let url = place.to_str().unwrap();
    let late = Store::open_or_prepare(url).await.unwrap();
    let early = Store::open_for_writing(url).await.unwrap();
    let bytes = bytes::Bytes::from_static(b"rows");
    early.put(BlobKind::Segment, BlobId::of(&bytes), bytes.clone()).await.unwrap();
    late.abandon();
    late.make().await.unwrap();
    assert_eq!(late.contains(BlobKind::Segment, BlobId::of(&bytes)).await.unwrap(), Some(4));
}

#[tokio::test]
async fn a_folder_of_other_files_is_refused_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious.txt"), "x").unwrap();
    let refused = Store::open_or_prepare(folder.path().to_str().unwrap()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains("precious.txt"), "{refused}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn an_overlay_keeps_what_it_is_given_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let below = Store::open_for_writing(folder.path().to_str().unwrap()).await.unwrap();
    let token = kapok_blobstore::fresh_token();
    below.commit(1, &token, token).await.unwrap();
    let files = below.files().await.unwrap();
    let (overlay, other) = (below.overlay(), kapok_blobstore::fresh_token());
    assert_eq!(overlay.commit(1, &other, other).await.unwrap(), kapok_blobstore::CommitOutcome::Lost);
    overlay.commit(2, &token, token).await.unwrap();
    let large = bytes::Bytes::from(vec![7; 40 << 20]);
    overlay.put(BlobKind::Segment, BlobId::of(&large), large.clone()).await.unwrap();
    assert_eq!(overlay.get(BlobKind::Segment, BlobId::of(&large), 40 << 20).await.unwrap(), large);
    assert_eq!((overlay.versions().await.unwrap(), overlay.head().await.unwrap()), (vec![1, 2], Some(2)));
    assert_eq!((below.versions().await.unwrap(), below.files().await.unwrap()), (vec![1], files));
    assert!(overlay.delete(BlobKind::Segment, BlobId::of(&large)).await.is_err());
}
