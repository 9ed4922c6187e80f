//! Twenty rounds in which 5 % of the vectors change, with merges as they come, beside a fresh build of what is left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kapok_benches::shuffled;
use kapok_consumer::Consumer;
use kapok_core::vectors::ElementType;
use kapok_index::nearest::{Effort, SearchSettings};
use kapok_ingest::{RecordVectors, VectorInput, VectorTable};
use kapok_producer::Producer;
use tokio::runtime::Runtime;

use crate::sets::{K, Set};

const ROUNDS: usize = 20;
const EF: usize = 40;

/// Publishes a set, changes it, and compares.
pub fn run(runtime: &Runtime, set: &Set, folder: &std::path::Path) {
    let mut now = Set { base: set.base.clone(), ..set.without_answers() };
    let store = folder.join("churn");
    let started = Instant::now();
    let consumer = crate::publish(runtime, &now, &store, "sq4");
    let fresh_publish = started.elapsed();
    let producer = runtime.block_on(Producer::open(store.to_str().unwrap())).unwrap();
    let (mut written, mut changed_bytes, mut cycles, mut merges) = (0, 0, Vec::new(), Vec::new());
    let mut speeds = Vec::new();
    for round in 0..ROUNDS {
        let rows: Vec<u32> = shuffled(u32::try_from(now.rows()).unwrap(), round as u64)[..now.rows() / 20].to_vec();
        now.change(&rows, round);
        let vectors = vectors_of(&now, &rows);
        let started = Instant::now();
        let report = runtime.block_on(producer.run_incremental_cycle(|cycle| {
            let mut items = cycle.values("Item")?;
            items.set_vectors(&vectors)?;
            for (at, row) in (0..).zip(&rows) {
                items.set_vector_row(at);
                items.upsert_json(format!("{{\"id\":{row}}}").as_bytes())?;
            }
            Ok(())
        }));
        let report = report.unwrap();
        let merged = report.merged.as_ref();
        let merging = merged.map_or(Duration::ZERO, |merged| merged.duration);
        cycles.push(started.elapsed().saturating_sub(merging));
        merges.extend(merged.map(|merged| (merged.inputs, merging)));
        let own: u64 = report.types.iter().map(|ty| ty.segment_bytes).sum();
        changed_bytes += own;
        written += own + merged.map_or(0, |merged| merged.segment_bytes);
        runtime.block_on(consumer.refresh()).unwrap();
        speeds.push(speed(&now, &consumer));
    }
    now = now.with_answers();
    let (segments, recall, _) = searched(&now, &consumer);
    let fresh = crate::publish(runtime, &now, &folder.join("anew"), "sq4");
    let (_, fresh_recall, _) = searched(&now, &fresh);
    let mut fresh_speeds: Vec<f64> = (0..5).map(|_| speed(&now, &fresh)).collect();
    let fresh_speed = crate::median(&mut fresh_speeds);
    let late: Vec<f64> = speeds[ROUNDS / 2..].iter().map(|speed| speed / fresh_speed).collect();
    let worst = late.iter().copied().fold(f64::INFINITY, f64::min);
    println!(
        "{}: {ROUNDS} rounds of 5 % changed: {segments} segments; recall {recall:.4}, fresh {fresh_recall:.4}; segment bytes \
         written {:.2} x those changed; QPS at ef {EF} of the last 10 rounds {:.2} x the fresh one's (worst {worst:.2})",
        now.name,
        ratio(written, changed_bytes),
        crate::median(&mut late.clone()),
    );
    println!("cycles {cycles:.1?}");
    println!("merges (segments, time) {merges:.1?}; fresh publish {fresh_publish:.1?}");
}

/// Queries per second.
#[expect(clippy::cast_precision_loss, reason = "a count")]
fn speed(set: &Set, consumer: &Consumer) -> f64 {
    let mut times: Vec<f64> = (0..3).map(|_| set.queries().count() as f64 / searched_once(set, consumer).0).collect();
    crate::median(&mut times)
}

fn searched(set: &Set, consumer: &Consumer) -> (usize, f64, f64) {
    let (seconds, found) = searched_once(set, consumer);
    (consumer.view().table("Item").unwrap().segments().len(), set.recall(K, &found), seconds)
}

/// Searches for all queries: seconds, and ids of what was found.
fn searched_once(set: &Set, consumer: &Consumer) -> (f64, Vec<Vec<usize>>) {
    let view = consumer.view();
    let nearest = view.nearest("Item.embedding").unwrap();
    let ids = view.field::<i64>("Item.id").unwrap();
    let settings = SearchSettings { effort: Effort::Ef(EF), ..SearchSettings::new(K) };
    nearest.search(set.vector(0), &settings).unwrap();
    let started = Instant::now();
    let hits: Vec<_> = set.queries().map(|query| nearest.search(query, &settings).unwrap()).collect();
    let seconds = started.elapsed().as_secs_f64();
    let id = |hit: &kapok_index::nearest::Hit| usize::try_from(ids.get(hit.row_id).unwrap()).unwrap();
    (seconds, hits.iter().map(|hits| hits.iter().map(id).collect()).collect())
}

fn vectors_of(set: &Set, rows: &[u32]) -> Arc<RecordVectors> {
    let numbers = rows.iter().flat_map(|row| set.vector(*row as usize).iter().copied());
    let table = VectorTable::open("changed.fvecs", crate::fvecs(set.dimension, numbers).into()).unwrap();
    assert_eq!(table.element(), ElementType::Float32);
    Arc::new(RecordVectors::new([VectorInput { field: "embedding".into(), table, keys: None }]).unwrap())
}

#[expect(clippy::cast_precision_loss, reason = "bytes, for people")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
