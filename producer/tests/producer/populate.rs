//! Records that arrive over time: async closures, streams, and cycles that are spawned.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::stream;
use kapok_producer::{CycleReport, Declaration, Error, Outcome, Producer};
use kapok_samples::movies_capnp::movie;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Serialize, Deserialize)]
struct Reel {
    reel: String,
    metres: u32,
}

fn reels() -> impl futures::Stream<Item = Result<Reel, Infallible>> + Send {
    stream::iter((1..=3).map(|metres| Ok(Reel { reel: format!("reel {metres}"), metres })))
}

/// A source that hands over so many ids, one at a time.
fn source(count: u32) -> mpsc::Receiver<u32> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for id in 0..count {
            if sender.send(id).await.is_err() {
                return;
            }
        }
    });
    receiver
}

fn rows(report: &CycleReport) -> (u64, u64) {
    (report.types[0].rows, report.outcome.version())
}

#[tokio::test(flavor = "multi_thread")]
async fn cycles_of_closures_async_closures_and_streams_can_be_spawned() {
    let producer = Producer::open("memory://spawned").await.unwrap();

    let of_closure = producer.clone();
    let task = tokio::spawn(async move {
        of_closure
            .run_cycle(|cycle| {
                let mut movies = cycle.records::<movie::Owned>()?;
                (0..10).try_for_each(|id| movies.add(|mut film| film.set_id(id)))?;
                Ok(())
            })
            .await
    });
    assert_eq!(rows(&task.await.unwrap().unwrap()), (10, 1));

    let of_async = producer.clone();
    let task = tokio::spawn(async move {
        let mut ids = source(20);
        of_async
            .run_cycle_async(async |cycle| {
                let mut movies = cycle.records::<movie::Owned>()?;
                while let Some(id) = ids.recv().await {
                    movies.add(|mut film| film.set_id(id))?;
                }
                Ok(())
            })
            .await
    });
    assert_eq!(rows(&task.await.unwrap().unwrap()), (20, 2));

    let of_stream = producer.clone();
    let task = tokio::spawn(async move {
        of_stream
            .run_cycle_async(async |cycle| {
                cycle.declare(&Declaration::of_rust_type::<Reel>("Reel", &["reel"])?)?;
                assert_eq!(cycle.values("Reel")?.add_all(reels()).await?, 3);
                let ids = stream::iter((0..30).map(Ok::<u32, Infallible>));
                let mut movies = cycle.records::<movie::Owned>()?;
                assert_eq!(movies.add_all(ids, |id, mut film| film.set_id(id)).await?, 30);
                Ok(())
            })
            .await
    });
    assert_eq!(rows(&task.await.unwrap().unwrap()), (30, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn incremental_cycles_of_closures_async_closures_and_streams_can_be_spawned() {
    let producer = Producer::open("memory://spawned-changes").await.unwrap();

    let of_closure = producer.clone();
    let task = tokio::spawn(async move {
        of_closure
            .run_incremental_cycle(|cycle| {
                cycle.declare(&Declaration::of_rust_type::<Reel>("Reel", &["reel"])?)?;
                Ok(cycle.records::<movie::Owned>()?.upsert(|mut film| film.set_id(0))?)
            })
            .await
    });
    assert_eq!(rows(&task.await.unwrap().unwrap()), (1, 1));

    let of_async = producer.clone();
    let task = tokio::spawn(async move {
        let mut ids = source(20);
        of_async
            .run_incremental_cycle_async(async |cycle| {
                let mut movies = cycle.records::<movie::Owned>()?;
                while let Some(id) = ids.recv().await {
                    movies.upsert(|mut film| film.set_id(id))?;
                }
                Ok(())
            })
            .await
    });
    assert_eq!(rows(&task.await.unwrap().unwrap()), (20, 2));

    let of_stream = producer.clone();
    let task = tokio::spawn(async move {
        of_stream
            .run_incremental_cycle_on_async(1, async |cycle| {
                let ids = stream::iter((0..30).map(Ok::<u32, Infallible>));
                let mut movies = cycle.records::<movie::Owned>()?;
                assert_eq!(movies.upsert_all(ids, |id, mut film| film.set_id(id)).await?, 30);
                assert_eq!(cycle.values("Reel")?.upsert_all(reels()).await?, 3);
                Ok(())
            })
            .await
    });
    let report = task.await.unwrap().unwrap();
    assert_eq!(report.outcome, Outcome::Published { version: 3 });
    assert_eq!(report.types.iter().map(|ty| ty.rows).collect::<Vec<_>>(), [30, 3]);
}

#[tokio::test]
async fn a_stream_is_asked_for_an_item_when_the_one_before_is_staged() {
    let producer = Producer::open("memory://back-pressure").await.unwrap();
    let staged = Arc::new(AtomicU32::new(0));
    let ids = {
        let staged = Arc::clone(&staged);
        stream::unfold(0_u32, move |id| {
            let staged = Arc::clone(&staged);
            async move {
                assert_eq!(staged.load(Ordering::SeqCst), id, "asked for ahead of time");
                (id < 1000).then_some((Ok::<u32, Infallible>(id), id + 1))
            }
        })
    };
    let report = producer
        .run_cycle_async(async |cycle| {
            let mut movies = cycle.records::<movie::Owned>()?;
            let fill = |id, mut film: movie::Builder<'_>| {
                film.set_id(id);
                staged.fetch_add(1, Ordering::SeqCst);
            };
            movies.add_all(ids, fill).await?;
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(rows(&report), (1000, 1));
}

#[tokio::test]
async fn an_error_of_a_stream_publishes_nothing_and_is_the_cycles() {
    let producer = Producer::open("memory://broken-stream").await.unwrap();
    let broken = || {
        let ends = std::io::Error::other("the line went dead");
        stream::iter([Ok(1_u32), Err(ends)])
    };
    let full = producer.run_cycle_async(async |cycle| {
        cycle.records::<movie::Owned>()?.add_all(broken(), |id, mut film| film.set_id(id)).await?;
        Ok(())
    });
    let full = full.await.unwrap_err();
    let incremental = producer.run_incremental_cycle_async(async |cycle| {
        cycle.records::<movie::Owned>()?.upsert_all(broken(), |id, mut film| film.set_id(id)).await?;
        Ok(())
    });
    for error in [full, incremental.await.unwrap_err()] {
        assert!(matches!(error, Error::Populate { .. }), "{error:?}");
        assert!(error.to_string().contains("the line went dead"), "{error}");
    }
    assert!(producer.head().await.unwrap().is_none());
}

#[tokio::test]
async fn a_cycle_that_is_dropped_while_it_waits_for_records_publishes_nothing() {
    let producer = Producer::open("memory://dropped-waiting").await.unwrap();
    let waiting = producer.run_cycle_async(async |cycle| {
        cycle.records::<movie::Owned>()?.add(|mut film| film.set_id(1))?;
        std::future::pending().await
    });
    assert!(tokio::time::timeout(Duration::from_millis(20), waiting).await.is_err());
    assert!(producer.head().await.unwrap().is_none());
}
