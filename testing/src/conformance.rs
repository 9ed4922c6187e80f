//! The contract of a backend as functions over a store, and a macro that makes a test of each.
//!
//! ```
//! use kapok_blobstore::Store;
//! use kapok_testing::object_store::memory::InMemory;
//!
//! /// Opens an empty store over the backend to be tested. The name differs from test to test.
//! async fn open(name: &str) -> Store {
//!     let backend = std::sync::Arc::new(InMemory::new()); // yours
//!     let opened = Store::options().writable().object_store(backend, name).open("test://mine").await;
//!     opened.expect("a store")
//! }
//!
//! mod my_backend {
//!     kapok_testing::conformance!(super::open);
//! }
//! ```

#![expect(clippy::unwrap_used, reason = "a contract that is broken is a panic, which is how a test fails")]
#![expect(clippy::missing_panics_doc, reason = "each function panics if its statement does not hold")]

use std::any::Any;
use std::fmt;

use bytes::Bytes;
use kapok_blobstore::{
    Action, Announcement, AnnouncementDraft, BlobId, BlobKind, CommitOutcome, ErrorKind, FileKind, GcSettings,
    PutOutcome, Store, fresh_token,
};

/// Makes a test of each function of the [contract](mod@crate::conformance), for use in a module of its own.
///
/// It takes an async function from the test's name to an empty store that is open for writing, or to a pair of the store and
/// what must live as long, such as a temporary folder. With `ignore = "reason"` the tests run if they are asked for: for a
/// backend that needs a server.
#[macro_export]
macro_rules! conformance {
    ($open:expr) => {
        $crate::conformance! { @all $open; }
    };
    ($open:expr, ignore = $reason:literal) => {
        $crate::conformance! { @all $open; #[ignore = $reason] }
    };
    (@all $open:expr; $(#[$attribute:meta])?) => {
        $crate::with_contract! { [$crate::conformance] @tests $open; $(#[$attribute])?; }
    };
    (@tests $open:expr; ; $($name:ident)*) => {$(
        $crate::conformance! { @test $open; $name; }
    )*};
    (@tests $open:expr; #[$attribute:meta]; $($name:ident)*) => {$(
        $crate::conformance! { @test $open; $name; #[$attribute] }
    )*};
    (@test $open:expr; $name:ident; $(#[$attribute:meta])?) => {
        #[test]
        $(#[$attribute])?
        fn $name() {
            $crate::conformance::run(Box::pin(async {
                let opened = $crate::conformance::Opened::from(($open)(stringify!($name)).await);
                $crate::conformance::boxed::$name(opened.store()).await;
            }));
        }
    };
}

/// Calls a macro with these tokens and the names of the functions of the contract behind them.
#[doc(hidden)]
#[macro_export]
macro_rules! with_contract {
    ([$($callee:tt)*] $($before:tt)*) => {
        $($callee)*! { $($before)*
            a_blob_comes_back_as_it_was_put
            everything_can_be_awaited_on_any_thread
            a_large_blob_comes_back_as_it_was_put
            a_missing_blob_is_not_found
            a_wrong_length_is_corrupt
            deleting_twice_is_fine
            of_eight_racing_commits_one_wins
            committing_the_same_bytes_again_is_still_a_commit
            a_commit_must_be_settleable
            versions_and_head_follow_the_commits
            a_retired_version_keeps_its_number
            eight_racing_announcers_all_land_in_a_log_without_gaps
            nothing_is_announced_where_there_is_nothing_to_do
            the_tail_is_found_from_any_hint
            a_clone_and_a_second_opening_see_the_same
            every_file_is_known_and_passes_its_check
        }
    };
}

/// A store to be tested, and what must live as long.
pub struct Opened {
    store: Store,
    _guard: Box<dyn Any + Send>,
}

impl Opened {
    /// The store.
    pub fn store(&self) -> Store {
        self.store.clone()
    }
}

impl From<Store> for Opened {
    fn from(store: Store) -> Self {
        (store, ()).into()
    }
}

impl<G: Any + Send> From<(Store, G)> for Opened {
    fn from((store, guard): (Store, G)) -> Self {
        Self { store, _guard: Box::new(guard) }
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({})", self.store.url())
    }
}

/// The functions of the contract, compiled once and not in each test.
pub mod boxed {
    use std::pin::Pin;

    use kapok_blobstore::Store;

    macro_rules! boxed {
        ($($name:ident)*) => {$(
            #[doc = concat!("See [`", stringify!($name), "`](super::", stringify!($name), ").")]
            pub fn $name(store: Store) -> Pin<Box<dyn Future<Output = ()> + Send>> {
                Box::pin(super::$name(store))
            }
        )*};
    }
    crate::with_contract! { [boxed] }
}

/// Runs a test to its end on a runtime of four threads.
pub fn run(test: std::pin::Pin<Box<dyn Future<Output = ()> + '_>>) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(4).enable_all().build().unwrap().block_on(test);
}

fn blob(text: &str) -> (BlobId, Bytes) {
    (BlobId::of(text.as_bytes()), Bytes::copy_from_slice(text.as_bytes()))
}

/// A blob is written once, listed once, and comes back as the same bytes, at a multiple of 64.
pub async fn a_blob_comes_back_as_it_was_put(store: Store) {
    for kind in BlobKind::ALL {
        let (id, bytes) = blob("some rows");
        assert_eq!(store.blobs().size(kind, id).await.unwrap(), None);
        assert_eq!(store.blobs().put(kind, id, bytes.clone()).await.unwrap(), PutOutcome::Written);
        assert_eq!(store.blobs().put(kind, id, bytes.clone()).await.unwrap(), PutOutcome::AlreadyThere);
        assert_eq!(store.blobs().size(kind, id).await.unwrap(), Some(9));
        let found = store.blobs().get(kind, id, 9).await.unwrap();
        assert_eq!(found, bytes);
        assert_eq!(found.as_ptr().align_offset(64), 0, "begins at a multiple of 64");
        let listed = store.blobs().list(kind).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].id, listed[0].size), (id, 9));
        assert!(listed[0].modified_unix_ms > 1_600_000_000_000);
    }
}

/// A blob of 36 MB, which is put in parts, comes back as the same bytes.
pub async fn a_large_blob_comes_back_as_it_was_put(store: Store) {
    let bytes: Vec<u8> = (0_u32..9_000_001).flat_map(u32::to_le_bytes).collect();
    let (id, len) = (BlobId::of(&bytes), bytes.len() as u64);
    store.blobs().put(BlobKind::Segment, id, Bytes::from(bytes.clone())).await.unwrap();
    let found = store.blobs().get(BlobKind::Segment, id, len).await.unwrap();
    assert!(found == bytes, "the same bytes");
    assert_eq!(found.as_ptr().align_offset(64), 0, "begins at a multiple of 64");
}

/// What was never put is `NotFound`, by its name.
pub async fn a_missing_blob_is_not_found(store: Store) {
    let (id, _) = blob("never put");
    let error = store.blobs().get(BlobKind::Segment, id, 9).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&store.blobs().name(BlobKind::Segment, id)), "{error}");
    assert_eq!(store.manifests().read_bytes(1).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.announcements().get(1).await.unwrap(), None);
}

/// A blob of another length than expected is `Corrupt`.
pub async fn a_wrong_length_is_corrupt(store: Store) {
    let (id, bytes) = blob("nine byte");
    store.blobs().put(BlobKind::Segment, id, bytes).await.unwrap();
    for expected in [0, 8, 10, u64::MAX] {
        let error = store.blobs().get(BlobKind::Segment, id, expected).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{expected}");
        assert!(error.to_string().contains("found=9 bytes"), "{error}");
    }
}

/// A blob is deleted, a second deletion does nothing, and what was got stays readable.
pub async fn deleting_twice_is_fine(store: Store) {
    let (id, bytes) = blob("short-lived");
    store.blobs().put(BlobKind::Tombstones, id, bytes.clone()).await.unwrap();
    let held = store.blobs().get(BlobKind::Tombstones, id, 11).await.unwrap();
    store.blobs().delete(BlobKind::Tombstones, id).await.unwrap();
    store.blobs().delete(BlobKind::Tombstones, id).await.unwrap();
    assert_eq!(store.blobs().size(BlobKind::Tombstones, id).await.unwrap(), None);
    assert_eq!(held, bytes, "what was got stays readable");
}

/// Of eight writers that commit the same number at once, one wins.
pub async fn of_eight_racing_commits_one_wins(store: Store) {
    for version in 1..=5 {
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    let token = fresh_token();
                    (token, store.manifests().commit_bytes(version, &token, token).await.unwrap())
                })
            })
            .collect();
        let mut winners = Vec::new();
        for racer in racers {
            let (token, outcome) = racer.await.unwrap();
            if outcome == CommitOutcome::Committed {
                winners.push(token);
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(store.manifests().read_bytes(version).await.unwrap(), winners[0].as_slice());
    }
}

/// A commit that is sent again is still a commit; one of other bytes has lost.
pub async fn committing_the_same_bytes_again_is_still_a_commit(store: Store) {
    let token = fresh_token();
    assert_eq!(store.manifests().commit_bytes(1, &token, token).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(store.manifests().commit_bytes(1, &token, token).await.unwrap(), CommitOutcome::Committed);
    let other = fresh_token();
    assert_eq!(store.manifests().commit_bytes(1, &other, other).await.unwrap(), CommitOutcome::Lost);
}

/// A commit without its token in its bytes, or of number 0, is `Invalid`.
pub async fn a_commit_must_be_settleable(store: Store) {
    let token = fresh_token();
    let without = store.manifests().commit_bytes(1, b"a manifest without its token", token).await.unwrap_err();
    assert_eq!(without.kind(), ErrorKind::Invalid);
    assert_eq!(store.manifests().commit_bytes(0, &token, token).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(store.manifests().head().await.unwrap(), None);
}

/// The versions and the head are those that were committed.
pub async fn versions_and_head_follow_the_commits(store: Store) {
    assert_eq!(store.manifests().head().await.unwrap(), None);
    for version in [1, 2, 3, 10, 100] {
        let token = fresh_token();
        store.manifests().commit_bytes(version, &token, token).await.unwrap();
        assert_eq!(store.manifests().head().await.unwrap(), Some(version));
    }
    assert_eq!(store.manifests().versions().await.unwrap(), [1, 2, 3, 10, 100]);
}

/// A retired version is gone, and its number is not given again.
pub async fn a_retired_version_keeps_its_number(store: Store) {
    for version in 1..=3 {
        let token = fresh_token();
        store.manifests().commit_bytes(version, &token, token).await.unwrap();
    }
    store.manifests().retire(2).await.unwrap();
    store.manifests().retire(2).await.unwrap();
    assert!(store.manifests().is_retired(2).await.unwrap());
    assert!(!store.manifests().is_retired(3).await.unwrap());
    let error = store.manifests().read_bytes(2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("retired: version=2"), "{error}");
    let late = fresh_token();
    assert_eq!(store.manifests().commit_bytes(2, &late, late).await.unwrap(), CommitOutcome::Lost);
    assert_eq!(store.manifests().versions().await.unwrap(), [1, 2, 3]);
    assert_eq!(store.manifests().live().await.unwrap(), [1, 3]);
    assert_eq!(
        store.manifests().retire(9).await.unwrap_err().kind(),
        ErrorKind::NotFound,
        "no number is taken by retiring it"
    );
    assert_eq!(store.manifests().head().await.unwrap(), Some(3));
}

fn next(latest: Option<&Announcement>, by: &str) -> AnnouncementDraft {
    let version = latest.map_or(1, |entry| entry.announced + 1);
    AnnouncementDraft::announce(latest, version, by, "").unwrap()
}

/// Eight announcers at once all land in a log without gaps.
pub async fn eight_racing_announcers_all_land_in_a_log_without_gaps(store: Store) {
    let racers: Vec<_> = (0..8)
        .map(|racer| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..5 {
                    let by = format!("racer {racer}");
                    store.announcements().append(|latest| Some(next(latest, &by))).await.unwrap().unwrap();
                }
            })
        })
        .collect();
    for racer in racers {
        racer.await.unwrap();
    }
    let log = store.announcements().list().await.unwrap();
    assert_eq!(log.len(), 40);
    for (entry, sequence) in log.iter().zip(1..) {
        assert_eq!((entry.sequence, entry.announced), (sequence, sequence), "each built on the one before");
    }
    for racer in 0..8 {
        let by = format!("racer {racer}");
        assert_eq!(log.iter().filter(|entry| entry.by == by).count(), 5);
    }
}

/// An announcer that has nothing to say leaves the log as it is.
pub async fn nothing_is_announced_where_there_is_nothing_to_do(store: Store) {
    assert_eq!(store.announcements().append(|_| None).await.unwrap(), None);
    let pinned =
        store.announcements().append(|latest| AnnouncementDraft::pin(latest, 3, "ops", "hold")).await.unwrap().unwrap();
    assert_eq!((pinned.sequence, pinned.action, pinned.pinned), (1, Action::Pin, Some(3)));
    assert_eq!(
        store.announcements().append(|latest| AnnouncementDraft::pin(latest, 3, "ops", "again")).await.unwrap(),
        None
    );
    assert_eq!(store.announcements().list().await.unwrap().len(), 1);
}

/// The end of the log is found from any hint, right or wrong.
pub async fn the_tail_is_found_from_any_hint(store: Store) {
    let mut written = 0;
    for entries in [0, 1, 2, 3, 7, 8, 9, 100] {
        while written < entries {
            store.announcements().append(|latest| Some(next(latest, "writer"))).await.unwrap();
            written += 1;
        }
        let hints = [None, Some(0), Some(1), Some(2), Some(entries), Some(entries + 1), Some(1_000), Some(u64::MAX)];
        for hint in hints {
            let latest = store.announcements().latest(hint).await.unwrap();
            let found = latest.map_or(0, |entry| entry.sequence);
            assert_eq!(found, entries, "hint={hint:?}");
        }
    }
}

/// A clone and a second opening of the same URL see the same store.
pub async fn a_clone_and_a_second_opening_see_the_same(store: Store) {
    let token = fresh_token();
    store.clone().manifests().commit_bytes(1, &token, token).await.unwrap();
    assert_eq!(store.manifests().head().await.unwrap(), Some(1));
    if store.local_path().is_some() || store.url().starts_with("memory://") {
        for second in [Store::open(store.url()).await, Store::options().writable().open(store.url()).await] {
            assert_eq!(second.unwrap().manifests().read_bytes(1).await.unwrap(), token.as_slice());
        }
    }
}

/// All futures of a store are `Send`.
pub async fn everything_can_be_awaited_on_any_thread(store: Store) {
    let task = async move {
        let (id, bytes) = blob("rows");
        store.blobs().put(BlobKind::Segment, id, bytes).await?;
        store.blobs().get(BlobKind::Segment, id, 4).await?;
        store.announcements().list().await?;
        store.manifests().live().await?;
        store.gc(&GcSettings::default().with_dry_run()).await?;
        for file in store.files().list().await? {
            store.files().check(&file).await?;
        }
        store.blobs().delete(BlobKind::Segment, id).await
    };
    tokio::spawn(task).await.unwrap().unwrap();
}

/// Every file of a store is known and passes its check.
pub async fn every_file_is_known_and_passes_its_check(store: Store) {
    let token = fresh_token();
    let (id, bytes) = blob("rows");
    for kind in BlobKind::ALL {
        store.blobs().put(kind, id, bytes.clone()).await.unwrap();
    }
    for version in 1..=2 {
        store.manifests().commit_bytes(version, &token, token).await.unwrap();
    }
    store.manifests().retire(1).await.unwrap();
    store.announcements().append(|latest| Some(next(latest, "writer"))).await.unwrap();
    let files = store.files().list().await.unwrap();
    let kinds: Vec<_> = files.iter().map(|file| file.what).collect();
    let expected = [
        FileKind::Announcement(1),
        FileKind::Marker,
        FileKind::Blob(BlobKind::Index, id),
        FileKind::Manifest(1),
        FileKind::Manifest(2),
        FileKind::Blob(BlobKind::Segment, id),
        FileKind::Blob(BlobKind::Tombstones, id),
    ];
    assert_eq!(kinds, expected, "these and nothing else");
    for file in &files {
        store.files().check(file).await.unwrap();
    }
}
