//! A rollback is never undone by a cycle, a merge or a left-over announcement that was under way.

use std::sync::{Arc, Mutex};

use kapok_blobstore::{Action, Announcement, Store, StoreSettings, fresh_token};
use kapok_producer::{Error, ErrorKind, MergeSchedule, Outcome, Producer, ProducerSettings};
use kapok_testing::Held;
use kapok_tests::faults::checks;
use kapok_tests::faults::films::{Films, assert_films, publish, publish_some};
use kapok_tests::faults::place::Place;
use kapok_tests::scale::scaled;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// What is under way while consumers are sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Full,
    Incremental,
    /// On the version that is announced when it begins.
    On,
    Merges,
    Merge,
    LeftOver,
    /// A full cycle in which nothing differs from a version that was left unannounced.
    Unchanged,
}

const WORKS: [Work; 7] =
    [Work::Full, Work::Incremental, Work::On, Work::Merges, Work::Merge, Work::LeftOver, Work::Unchanged];

/// Versions of the history before the work, announced but for a left-over one.
const VERSIONS: u64 = 4;

async fn producer(store: Store, schedule: MergeSchedule) -> Producer {
    let mut settings = ProducerSettings::default();
    settings.merge_schedule = schedule;
    let policy = &mut settings.merge_policy;
    (policy.segments_max, policy.live_min, policy.small_bytes, policy.segment_bytes_max) = (1, 1.0, 0, 1 << 20);
    Producer::builder(store).settings(settings).open().await.expect("a producer")
}

/// Versions, each announced.
async fn history(store: &Store, seed: u64, versions: u64) {
    let producer = producer(store.clone(), MergeSchedule::Manual).await;
    publish(&producer, &Films::at(seed, 1), 1).await.expect("the first cycle");
    for step in 2..=versions {
        let (before, after) = (Films::at(seed, step - 1), Films::at(seed, step));
        publish_some(&producer, &after, &Films::differing(&[&before, &after]), step).await.expect("a cycle");
    }
}

/// The fourth version, committed by a producer that died before it could announce it. It differs from the third in its
/// tag only.
async fn leave_over(store: &Store) {
    let mut manifest = store.manifests().read(VERSIONS - 1).await.expect("a manifest");
    manifest.parent = Some(manifest.version);
    manifest.version = VERSIONS;
    manifest.writer_token = fresh_token();
    manifest.log_sequence = store.announcements().latest(None).await.expect("a log").expect("an entry").sequence;
    manifest.tags.insert("step".to_owned(), VERSIONS.to_string());
    store.manifests().commit(&manifest).await.expect("a commit");
}

async fn run(work: Work, producer: &Producer, seed: u64) -> Result<Option<u64>, Error> {
    let (before, after) = (Films::at(seed, VERSIONS), Films::at(seed, VERSIONS + 1));
    let changed = Films::differing(&[&before, &after]);
    match work {
        Work::Full | Work::Merges => {
            publish(producer, &after, VERSIONS + 1).await.map(|report| Some(report.outcome.version()))
        }
        Work::Incremental => {
            let report = publish_some(producer, &after, &changed, VERSIONS + 1).await;
            report.map(|report| Some(report.outcome.version()))
        }
        Work::On => {
            let report = producer.run_incremental_cycle_on(VERSIONS, |cycle| {
                cycle.tag("on", "4");
                Ok(())
            });
            report.await.map(|report| Some(report.outcome.version()))
        }
        Work::Merge => producer.merge().await.map(|report| report.map(|report| report.version)),
        Work::LeftOver => producer.announce_left_over().await,
        Work::Unchanged => {
            let report = publish(producer, &Films::at(seed, VERSIONS - 1), VERSIONS).await;
            report.map(|report| Some(report.outcome.version()))
        }
    }
}

/// Consumers are sent back while the work's `number`-th request is held. False where it makes fewer.
async fn send_back(work: Work, number: usize, held: Held, seed: u64) -> bool {
    let place = Place::memory();
    let faults = place.faults();
    let store = place.faulty(&faults, StoreSettings::default()).await.expect("a store");
    let mut random = SmallRng::seed_from_u64(seed);
    let is_left_over = matches!(work, Work::LeftOver | Work::Unchanged);
    let announced = if is_left_over { VERSIONS - 1 } else { VERSIONS };
    history(&store, seed, announced).await;
    let schedule = if work == Work::Merges { MergeSchedule::AfterCycles } else { MergeSchedule::Manual };
    // Opened before that: to open a producer announces what is left over.
    let worker = producer(store.clone(), schedule).await;
    if is_left_over {
        leave_over(&store).await;
    }
    let clean = place.store().await.expect("a store");
    if random.random_bool(0.3) {
        clean.announcements().pin(random.random_range(1..=3), "ops", "hold").await.expect("a pin");
    }
    if random.random_bool(0.5) && !is_left_over {
        worker.restore().await.expect("a view");
    }

    let (to, pinned) = (random.random_range(1..announced), random.random_bool(0.3));
    let made: Arc<Mutex<Option<Announcement>>> = Arc::default();
    let act = {
        let (clean, made) = (clean.clone(), Arc::clone(&made));
        async move {
            let entry = clean.announcements().rollback(to, "ops", "bad data").await.expect("a rollback");
            *made.lock().expect("sound") = entry;
            if pinned {
                clean.announcements().pin(1, "ops", "and hold").await.expect("a pin");
            }
        }
    };
    faults.hold(number, held, act);
    let outcome = run(work, &worker, seed).await;
    let requests = faults.requests();
    let struck = faults.disarm();
    let when = format!("{work:?} seed={seed} request={number} {held:?} {struck:?} {outcome:?}");
    let Some(rollback) = made.lock().expect("sound").take() else {
        assert!(number > requests, "{when}");
        return false;
    };
    let log = clean.announcements().list().await.expect("the log");
    for entry in &log {
        if entry.sequence > rollback.sequence && entry.action == Action::Announce {
            let manifest = clean.manifests().read(entry.announced).await.expect("a manifest");
            assert!(manifest.log_sequence >= rollback.sequence, "entry {} undid it: {when}", entry.sequence);
        }
    }
    let latest = log.last().expect("entries");
    let head = clean.manifests().head().await.expect("a head").expect("a version");
    let held_back =
        latest.announced == rollback.announced && head > log.iter().map(|entry| entry.announced).max().unwrap_or(0);
    match &outcome {
        Err(error) if held_back && !is_left_over => {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{when}");
            assert!(matches!(error, Error::Committed { version, .. } if *version == head), "{when}");
            assert!(error.to_string().contains(&format!("kapok announce {head}")), "says what to do: {when}");
        }
        Err(Error::RolledBack { .. } | Error::UnannouncedHead { .. }) => {
            assert!(matches!(work, Work::Incremental | Work::Merges), "{when}");
        }
        Err(error) => panic!("{error}: {when}"),
        // A merge after the cycle may be what was held back: the cycle's own version was out before the rollback.
        Ok(version) => assert!(!held_back || is_left_over || work == Work::Merges || *version != Some(head), "{when}"),
    }
    aftermath(&clean, &rollback, head, held_back, seed, &when).await;
    true
}

/// Nobody announces by himself what was held back, and nobody builds on it unless he is told to.
async fn aftermath(store: &Store, rollback: &Announcement, head: u64, held_back: bool, seed: u64, when: &str) {
    let before = store.announcements().latest(None).await.expect("a log").expect("an entry");
    let fresh = producer(store.clone(), MergeSchedule::AfterCycles).await;
    assert_eq!(store.announcements().latest(None).await.expect("a log").as_ref(), Some(&before), "{when}");
    assert_eq!(fresh.announce_left_over().await.expect("a look"), None, "{when}");
    if before.announced == rollback.announced {
        assert_eq!(fresh.merge().await.expect("a look"), None, "{when}");
        let films = Films::at(seed, 9);
        let refused = publish_some(&fresh, &films, &Films::differing(&[&films, &Films::default()]), 9).await;
        let error = refused.expect_err("an incremental cycle does not know what to build on");
        assert!(
            error.to_string().contains(&format!("run_incremental_cycle_on({}, ", before.announced)),
            "{error}: {when}"
        );
        // The rollback is taken back, and the version held back stays so.
        if held_back {
            store.announcements().rollback(before.highest, "ops", "on again").await.expect("a rollback");
            assert_eq!(fresh.announce_left_over().await.expect("a look"), None, "{when}");
            assert_eq!(fresh.merge().await.expect("a look"), None, "{when}");
            let refused = publish_some(&fresh, &films, &Films::differing(&[&films, &Films::default()]), 9).await;
            let error = refused.expect_err("the newest version is held back");
            assert!(error.to_string().contains(&format!("version {head} ")), "{error}: {when}");
            assert_eq!(fresh.restore().await.expect("a view"), before.highest, "{when}");
        }
    }
    let films = Films::at(seed, 12);
    let report =
        publish(&fresh, &films, 12).await.unwrap_or_else(|error| panic!("the next full cycle: {error}: {when}"));
    assert_eq!(report.outcome, Outcome::Published { version: head + 1 }, "{when}");
    let latest = store.announcements().latest(None).await.expect("a log").expect("an entry");
    assert!(latest.announced > head, "{latest:?}: {when}");
    let manifest = store.manifests().read(latest.announced).await.expect("a manifest");
    let view = kapok_consumer::View::open(
        Arc::new(manifest.clone()),
        &store.blobs().load(&manifest, &kapok_core::manifest::BlobMap::new()).await.expect("blobs"),
    );
    assert_films(&view.expect("a view"), &films, when);
    let view = checks::announced(store, when).await;
    checks::assert_sound(&view, when);
}

async fn at_every_request(work: Work) {
    let mut held = 0;
    for when in [Held::Before, Held::After] {
        for number in 1.. {
            if !send_back(work, number, when, 7).await {
                break;
            }
            held += 1;
        }
    }
    println!("{work:?}: held={held}");
    assert!(held >= 6, "{work:?} {held}");
}

#[tokio::test]
async fn a_rollback_is_not_undone_by_a_full_cycle_whichever_request_it_meets() {
    at_every_request(Work::Full).await;
}

#[tokio::test]
async fn a_rollback_is_not_undone_by_an_incremental_cycle_whichever_request_it_meets() {
    at_every_request(Work::Incremental).await;
    at_every_request(Work::On).await;
}

#[tokio::test]
async fn a_rollback_is_not_undone_by_a_cycle_that_merges_whichever_request_it_meets() {
    at_every_request(Work::Merges).await;
}

#[tokio::test]
async fn a_rollback_is_not_undone_by_a_merge_whichever_request_it_meets() {
    at_every_request(Work::Merge).await;
}

#[tokio::test]
async fn a_rollback_is_not_undone_by_a_left_over_announcement_whichever_request_it_meets() {
    at_every_request(Work::LeftOver).await;
    at_every_request(Work::Unchanged).await;
}

#[tokio::test]
async fn rollbacks_at_random_points_of_random_histories_are_never_undone() {
    let mut met = [0_u32; WORKS.len()];
    let runs = scaled(20);
    for seed in 1..=u64::from(runs) {
        let mut random = SmallRng::seed_from_u64(seed);
        let place = random.random_range(0..WORKS.len());
        let held = if random.random_bool(0.5) { Held::Before } else { Held::After };
        // Few works make as many requests: where there are fewer, an earlier one is held.
        let mut number = random.random_range(1..60);
        while !send_back(WORKS[place], number, held, seed).await {
            number = number.div_ceil(2);
        }
        met[place] += 1;
    }
    println!("rollbacks={runs} {:?}", WORKS.iter().zip(met).collect::<Vec<_>>());
}
