//! Some of these tests, shorter, at a server of S3 that others wrote: `.ci/clouds` starts moto and runs them.

use kapok_consumer::MergedSegments;
use kapok_producer::MergeSchedule;
use kapok_testing::Fault;
use kapok_tests::bucket;
use kapok_tests::faults::place::Place;

use crate::faults::{Which, Work, spoil_each, spoil_refresh};
use crate::races::Race;
use crate::{histories, races, torn};

fn url(name: &str) -> String {
    bucket::url(&bucket::prefix(name))
}

#[test]
#[ignore = "needs moto: .ci/clouds"]
fn four_producers_that_merge_lose_nothing() {
    races::run(&url("races"), Race { racers: 4, cycles: 20, schedule: MergeSchedule::AfterCycles });
}

#[tokio::test]
#[ignore = "needs moto: .ci/clouds"]
async fn every_road_to_a_version_leads_to_the_same_view() {
    for seed in [1, 2] {
        let seen = histories::play(url("histories"), seed, 20).await;
        assert_eq!(seen, histories::play(format!("memory://short-histories-{seed}"), seed, 20).await);
        println!("{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: .ci/clouds"]
async fn no_view_is_ever_torn() {
    // Each of the two readers sees a swap once.
    torn::assert_none_torn(&url("torn"), |tally| tally.swaps_seen() >= 40).await;
}

/// Every tenth request is spoilt, by each of the three faults in turn.
const EVERY_TENTH: [(Which, Fault); 3] = [
    (Which { first: 1, step: 30 }, Fault::Refused),
    (Which { first: 11, step: 30 }, Fault::ReplyLost),
    (Which { first: 21, step: 30 }, Fault::DoneCutOff),
];

async fn spoil_every_tenth(what: Work, spoilt_min: usize) {
    let mut spoilt = 0;
    for (which, fault) in EVERY_TENTH {
        spoilt += spoil_each(Place::bucket, fault, what, which).await.0;
    }
    println!("{what:?} spoilt={spoilt}");
    assert!(spoilt >= spoilt_min, "{what:?} spoilt={spoilt}");
}

#[tokio::test]
#[ignore = "needs moto: .ci/clouds"]
async fn whichever_tenth_request_of_a_full_cycle_is_spoilt_nothing_is_lost() {
    spoil_every_tenth(Work::Full, 4).await;
}

#[tokio::test]
#[ignore = "needs moto: .ci/clouds"]
async fn whichever_tenth_request_of_a_cycle_that_merges_is_spoilt_nothing_is_lost() {
    spoil_every_tenth(Work::Merges, 6).await;
}

#[tokio::test]
#[ignore = "needs moto: .ci/clouds"]
async fn whichever_tenth_request_of_a_merge_is_spoilt_nothing_is_lost() {
    spoil_every_tenth(Work::Merge, 4).await;
}

#[tokio::test]
#[ignore = "needs moto: .ci/clouds"]
async fn whichever_tenth_request_of_a_gc_is_spoilt_nothing_is_lost() {
    spoil_every_tenth(Work::Gc, 2).await;
}

#[tokio::test]
#[ignore = "needs moto: .ci/clouds"]
async fn whichever_tenth_request_of_a_refresh_is_spoilt_the_next_refresh_succeeds() {
    let mut spoilt = 0;
    for merges in [MergedSegments::Make, MergedSegments::Fetch] {
        for (which, fault) in EVERY_TENTH {
            spoilt += spoil_refresh(Place::bucket, fault, merges, which).await;
        }
    }
    println!("refresh spoilt={spoilt}");
    assert!(spoilt >= 2, "spoilt={spoilt}");
}
