//! A publish tells if the log names a version that consumers cannot get to, and brings them back.

use kapok_blobstore::{Action, AnnouncementDraft, Store, fresh_token};
use kapok_producer::{CycleReport, Error, ErrorKind, Outcome, Producer};
use kapok_samples::movies_capnp::movie;

async fn store(name: &str) -> Store {
    let store = Store::options().writable().open(&format!("memory://{name}")).await.unwrap();
    for year in 1..=3 {
        publish(&producer(&store).await, year).await.unwrap();
    }
    store
}

async fn producer(store: &Store) -> Producer {
    Producer::builder(store.clone()).open().await.unwrap()
}

async fn publish(producer: &Producer, year: u16) -> Result<CycleReport, Error> {
    let report = producer.run_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        movies.add(|mut movie| movie.set_year(year))?;
        Ok(())
    });
    report.await
}

async fn upsert(producer: &Producer, year: u16) -> Result<CycleReport, Error> {
    let report = producer.run_incremental_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        movies.upsert(|mut movie| movie.set_year(year))?;
        Ok(())
    });
    report.await
}

/// An entry by hand.
async fn announce(store: &Store, announced: u64, pinned: Option<u64>) {
    let (by, reason) = ("somebody".to_owned(), "by hand".to_owned());
    let action = if pinned.is_some() { Action::Pin } else { Action::Announce };
    let draft = AnnouncementDraft { announced, pinned, action, by, reason };
    store.announcements().append(|_| Some(draft.clone())).await.unwrap().unwrap();
}

async fn announced(store: &Store) -> (u64, u64) {
    let latest = store.announcements().latest(None).await.unwrap().unwrap();
    (latest.announced, latest.highest)
}

#[tokio::test]
async fn a_publish_names_the_entry_that_announces_what_was_never_committed_and_comes_back_from_it() {
    for (number, astray) in (0..).zip([4, 99, u64::MAX - 1, u64::MAX]) {
        let store = store(&format!("astray-{number}")).await;
        announce(&store, astray, None).await;
        let report = upsert(&producer(&store).await, 7).await.unwrap();
        assert_eq!(report.outcome, Outcome::Published { version: 4 });
        assert_eq!(report.warnings.len(), 1, "{report:?}");
        assert!(report.warnings[0].contains(&format!("entry 4 of the log announces version {astray}")));
        assert_eq!(announced(&store).await, (4, 4));
        let report = publish(&producer(&store).await, 8).await.unwrap();
        assert_eq!((report.outcome, report.warnings.len()), (Outcome::Published { version: 5 }, 0));
        upsert(&producer(&store).await, 9).await.unwrap();
        assert_eq!(announced(&store).await, (6, 6));
    }
}

#[tokio::test]
async fn a_publish_in_which_nothing_changed_comes_back_from_what_was_never_committed() {
    let store = store("astray-unchanged").await;
    announce(&store, u64::MAX, None).await;
    assert_eq!(producer(&store).await.announce_left_over().await.unwrap(), None);
    assert_eq!(producer(&store).await.merge().await.unwrap(), None);
    let report = publish(&producer(&store).await, 3).await.unwrap();
    assert_eq!(report.outcome, Outcome::Unchanged { version: 3 });
    assert!(report.warnings[0].contains("entry 4 of the log"), "{report:?}");
    assert_eq!(announced(&store).await, (3, 3));
}

#[tokio::test]
async fn a_rollback_by_hand_from_what_was_never_committed_leaves_no_trap() {
    let store = store("astray-by-hand").await;
    announce(&store, 99, None).await;
    store.announcements().rollback(3, "ops", "99 was never there").await.unwrap().unwrap();
    upsert(&producer(&store).await, 7).await.unwrap();
    assert_eq!(announced(&store).await, (4, 4));
}

#[tokio::test]
async fn a_publish_names_the_entry_that_announces_what_cannot_be_read() {
    let store = store("unreadable").await;
    let held = producer(&store).await;
    held.restore().await.unwrap();
    store.manifests().retire(3).await.unwrap();
    for error in [
        publish(&producer(&store).await, 3).await.unwrap_err(),
        publish(&producer(&store).await, 4).await.unwrap_err(),
        upsert(&producer(&store).await, 4).await.unwrap_err(),
        publish(&held, 3).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(matches!(error, Error::Unreadable { sequence: 3, version: 3, .. }), "{error}");
    }
    store.announcements().rollback(2, "ops", "3 is gone").await.unwrap().unwrap();
    let report = publish(&producer(&store).await, 4).await.unwrap();
    assert_eq!((report.outcome, announced(&store).await), (Outcome::Published { version: 4 }, (4, 4)));
}

#[tokio::test]
async fn a_publish_names_the_pin_that_holds_consumers_on_what_is_not_there() {
    for (number, pinned) in (0..).zip([99, u64::MAX]) {
        let store = store(&format!("pinned-{number}")).await;
        announce(&store, 3, Some(pinned)).await;
        for report in
            [publish(&producer(&store).await, 3).await.unwrap(), publish(&producer(&store).await, 4).await.unwrap()]
        {
            assert_eq!(report.warnings.len(), 1, "{report:?}");
            assert!(report.warnings[0].contains(&format!("pins version {pinned}")), "{report:?}");
        }
        store.announcements().unpin("ops", "made up").await.unwrap().unwrap();
        assert_eq!(publish(&producer(&store).await, 5).await.unwrap().warnings, [""; 0]);
    }
}

#[tokio::test]
async fn the_last_number_of_all_is_an_error_and_no_panic() {
    let store = store("last-number").await;
    let mut manifest = store.manifests().read(3).await.unwrap();
    (manifest.version, manifest.writer_token) = (u64::MAX, fresh_token());
    manifest.announce_itself = false;
    store.manifests().commit(&manifest).await.unwrap();
    for outcome in [publish(&producer(&store).await, 4).await, upsert(&producer(&store).await, 4).await] {
        // Where the store looks for its newest version by single names it need not find that one.
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert!(error.to_string().contains("18446744073709551615"), "{error}");
        }
    }
    if let Err(error) = producer(&store).await.merge().await {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
    producer(&store).await.announce_left_over().await.unwrap();
    announce(&store, u64::MAX, None).await;
    for outcome in [publish(&producer(&store).await, 6).await, upsert(&producer(&store).await, 7).await] {
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        }
    }
    store.announcements().announce_own(u64::MAX, u64::MAX, "x", "y").await.unwrap();
}
