//! Two threads search while thousands of records come and go: each view holds one version, and an exact search finds what a model does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use kapok_consumer::{Consumer, View};
use kapok_core::schema::{FieldType, Metric, Schema, StructType, Type, VectorElement, VectorSpace};
use kapok_index::nearest::{Effort, SearchSettings};
use kapok_producer::{Declaration, Producer};
use kapok_tests::model::Random;
use kapok_tests::scale::scaled;

const URL: &str = "memory://nearest-swaps";
const RECORD: u64 = 1 << 63 | 0x5a;
const DIMENSION: usize = 6;
/// Inserts and deletes of one cycle.
const CHANGES: u32 = 250;
/// Ids are below this, so that about half of them live.
const IDS: u32 = 2400;

type Vector = [i16; DIMENSION];
type Model = BTreeMap<u32, Vector>;

/// The model of each version.
#[derive(Default)]
struct Versions(Mutex<BTreeMap<u64, Arc<Model>>>);

impl Versions {
    fn get(&self, version: u64) -> Arc<Model> {
        Arc::clone(&self.0.lock().unwrap()[&version])
    }

    /// Before a version is made: its merged ones hold the same.
    fn expect(&self, next: u64, model: &Arc<Model>) {
        let mut versions = self.0.lock().unwrap();
        versions.extend((next..next + 4).map(|version| (version, Arc::clone(model))));
    }
}

fn declaration() -> Declaration {
    let space = VectorSpace { dimension: 6, metric: Metric::L2, element: VectorElement::AsType };
    let ty = Type::List(Box::new(Type::Float32));
    let vector = FieldType { vector: Some(space), ..FieldType::slot("place", 1, 0, ty) };
    let mut record = StructType::new(RECORD, "Hut", vec![FieldType::slot("id", 0, 0, Type::UInt32), vector]);
    record.lay_out().unwrap();
    let mut schema = Schema::new();
    schema.insert_struct(record);
    Declaration::new(schema, RECORD).unwrap().key(["id"])
}

fn vector(r: &mut Random) -> Vector {
    std::array::from_fn(|_| i16::try_from(r.below(60)).unwrap() - 30)
}

/// As the search measures it: sums of small integers are exact.
fn distance(a: &Vector, b: &Vector) -> f32 {
    let sum: i32 = a.iter().zip(b).map(|(a, b)| i32::from(a - b).pow(2)).sum();
    f32::from(u16::try_from(sum).unwrap()).sqrt()
}

/// Searches once; whether the view was one that was not seen before.
fn search(view: &View, versions: &Versions, r: &mut Random) {
    let model = versions.get(view.version());
    let (nearest, ids) = (view.nearest("Hut.place").unwrap(), view.field::<u32>("Hut.id").unwrap());
    assert_eq!(view.table("Hut").unwrap().len(), model.len() as u64);
    for effort in [Effort::Exact, Effort::Default, Effort::Ef(8)] {
        let (query, k) = (vector(r), r.below(20) as usize + 1);
        let numbers = query.map(f32::from);
        let hits = nearest.search(&numbers, &SearchSettings { effort, ..SearchSettings::new(k) }).unwrap();
        let version = view.version();
        assert_eq!(hits.len(), k.min(model.len()), "version {version} {effort:?}");
        let mut keys = Vec::new();
        for hit in &hits {
            let id = ids.get(hit.row_id).unwrap();
            let vector = model.get(&id).unwrap_or_else(|| panic!("{id} is not in version {version}"));
            assert_eq!(hit.distance.to_bits(), distance(&query, vector).to_bits(), "version {version}: {id}");
            keys.push(id);
        }
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), hits.len(), "version {version}: a record is found once");
        if effort == Effort::Exact {
            let mut naive: Vec<f32> = model.values().map(|vector| distance(&query, vector)).collect();
            naive.sort_by(f32::total_cmp);
            let found: Vec<f32> = hits.iter().map(|hit| hit.distance).collect();
            assert_eq!(found, naive[..found.len()], "version {version}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_view_is_torn_while_records_come_and_go_and_two_threads_search() {
    let producer = Producer::open(URL).await.unwrap();
    let (versions, mut r) = (Arc::new(Versions::default()), Random::new(5));
    let mut model: Model = (0..IDS / 2).map(|id| (2 * id, vector(&mut r))).collect();
    versions.expect(1, &Arc::new(model.clone()));
    let full = producer.run_cycle(|cycle| {
        cycle.declare(&declaration())?;
        let mut huts = cycle.values("Hut")?;
        Ok(model.iter().try_for_each(|(id, vector)| huts.add_json(json(*id, vector).as_bytes()))?)
    });
    let mut version = full.await.unwrap().outcome.version();

    let consumer = Consumer::open(URL).await.unwrap();
    let (is_done, searches) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let threads: Vec<_> = (0..2)
        .map(|seed| {
            let (consumer, versions) = (consumer.clone(), Arc::clone(&versions));
            let (is_done, searches) = (Arc::clone(&is_done), Arc::clone(&searches));
            std::thread::spawn(move || {
                let mut r = Random::new(100 + seed);
                while !is_done.load(Ordering::Relaxed) {
                    // A view is held for a few searches, over which it is swapped.
                    let view = consumer.view_arc();
                    (0..3).for_each(|_| search(&view, &versions, &mut r));
                    searches.fetch_add(9, Ordering::Relaxed);
                }
            })
        })
        .collect();

    let (changes, mut done, mut merges) = (scaled(4_000), 0, 0);
    while done < changes && threads.iter().all(|thread| !thread.is_finished()) {
        let mut batch = BTreeMap::new();
        while batch.len() < CHANGES as usize {
            let id = r.below(IDS);
            batch.insert(id, (!model.contains_key(&id)).then(|| vector(&mut r)));
        }
        for (id, vector) in &batch {
            match vector {
                Some(vector) => _ = model.insert(*id, *vector),
                None => _ = model.remove(id),
            }
        }
        versions.expect(version + 1, &Arc::new(model.clone()));
        let cycle = producer.run_incremental_cycle(|cycle| {
            let mut huts = cycle.values("Hut")?;
            for (id, vector) in &batch {
                match vector {
                    Some(vector) => huts.upsert_json(json(*id, vector).as_bytes())?,
                    None => assert!(huts.delete(id)?, "{id} is there"),
                }
            }
            Ok(())
        });
        let report = cycle.await.unwrap();
        merges += u32::from(report.merged.is_some());
        version = report.merged.map_or(report.outcome.version(), |merged| merged.version);
        consumer.refresh().await.unwrap();
        done += CHANGES;
    }
    is_done.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    let searches = searches.load(Ordering::Relaxed);
    println!("{done} inserts and deletes, {merges} merges, {searches} searches");
    assert!(done >= changes && merges > 0 && searches > 0, "{done} {merges} {searches}");
    search(&consumer.view(), &versions, &mut r);
}

fn json(id: u32, vector: &Vector) -> String {
    format!("{{\"id\":{id},\"place\":{vector:?}}}")
}
