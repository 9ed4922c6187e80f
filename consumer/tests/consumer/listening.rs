//! Listeners learn of every step, and keep nobody waiting.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use kapok_consumer::Consumer;

use crate::publisher::{Version, memory, stamp};

const PATIENCE: Duration = Duration::from_mins(1);

async fn three_versions() -> Consumer {
    let store = memory().await;
    for version in 1..=3 {
        Version::stamped(version).publish(&store, version).await;
    }
    let consumer = Consumer::builder(store).open().await.unwrap();
    consumer.refresh_to(1).await.unwrap();
    consumer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_is_called_after_the_swap_with_both_views() {
    let consumer = three_versions().await;
    let (sender, calls) = mpsc::channel();
    let reader = consumer.clone();
    let _listener = consumer.on_refresh(move |swap| {
        sender.send((stamp(&swap.old), stamp(&swap.new), reader.view().version())).unwrap();
    });
    for (from, to) in [(1, 2), (2, 3), (3, 1)] {
        consumer.refresh_to(to).await.unwrap();
        assert_eq!(calls.recv_timeout(PATIENCE).unwrap(), (Some(from), Some(to), to));
    }
    consumer.refresh_to(1).await.unwrap();
    assert!(calls.recv_timeout(Duration::from_millis(50)).is_err(), "nothing was swapped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_listener_delays_nobody_and_gets_the_whole_step() {
    let consumer = three_versions().await;
    let (sender, calls) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    let _listener = consumer.on_refresh(move |swap| {
        sender.send((swap.old.version(), swap.new.version())).unwrap();
        gate.recv().unwrap();
    });
    consumer.refresh_to(2).await.unwrap();
    assert_eq!(calls.recv_timeout(PATIENCE).unwrap(), (1, 2));
    for version in [3, 1, 3] {
        consumer.refresh_to(version).await.unwrap();
        assert_eq!(consumer.view().version(), version, "while the listener is busy");
    }
    go.send(()).unwrap();
    assert_eq!(calls.recv_timeout(PATIENCE).unwrap(), (2, 3));
    go.send(()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_found_within_a_future_that_the_listener_runs() {
    let consumer = three_versions().await;
    let (sender, calls) = mpsc::channel();
    let _listener = consumer.on_refresh(move |swap| {
        let changes = async { swap.changes().map(|changes| changes.types.len()) };
        sender.send(tokio::runtime::Handle::current().block_on(changes)).unwrap();
    });
    consumer.refresh_to(2).await.unwrap();
    assert_eq!(calls.recv_timeout(PATIENCE).unwrap().unwrap(), 2, "films and ratings");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_ends_one_call_and_nothing_else() {
    let consumer = three_versions().await;
    let (sender, calls) = mpsc::channel();
    let (other_sender, other_calls) = mpsc::channel();
    let listener = consumer.on_refresh(move |swap| {
        sender.send(swap.new.version()).unwrap();
        assert_ne!(swap.new.version(), 2, "this panic is part of the test");
    });
    listener.keep();
    consumer.on_refresh(move |swap| other_sender.send(swap.new.version()).unwrap()).keep();
    for version in [2, 3] {
        consumer.refresh_to(version).await.unwrap();
        assert_eq!(calls.recv_timeout(PATIENCE).unwrap(), version);
        assert_eq!(other_calls.recv_timeout(PATIENCE).unwrap(), version);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_do_not_keep_a_consumer_or_a_view_alive() {
    let consumer = three_versions().await;
    let (sender, calls) = mpsc::channel();
    consumer.on_refresh(move |swap| sender.send(swap.new.version()).unwrap()).keep();
    consumer.refresh_to(2).await.unwrap();
    assert_eq!(calls.recv_timeout(PATIENCE).unwrap(), 2);
    let view = Arc::downgrade(&consumer.view_arc());
    drop(consumer);
    assert_eq!(calls.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
    let gone = async {
        while view.upgrade().is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the view is dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_goes_with_its_handle_after_the_call_that_has_begun() {
    let consumer = three_versions().await;
    let (sender, calls) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    let listener = consumer.on_refresh(move |swap| {
        sender.send(swap.new.version()).unwrap();
        gate.recv().unwrap();
        sender.send(0).unwrap();
    });
    consumer.refresh_to(2).await.unwrap();
    assert_eq!(calls.recv_timeout(PATIENCE).unwrap(), 2);
    drop(listener);
    consumer.refresh_to(3).await.unwrap();
    go.send(()).unwrap();
    assert_eq!(calls.recv_timeout(PATIENCE).unwrap(), 0, "the call that had begun went on to its end");
    assert_eq!(calls.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected), "no other followed");
}
