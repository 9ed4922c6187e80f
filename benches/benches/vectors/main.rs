//! Searches for vectors: Kapok beside hnswlib, faiss and usearch, in turns, at equal recall.
//!
//! `KAPOK_RUNS` sets the number of runs (default 5; medians are printed), `KAPOK_PEERS=0` leaves the others out,
//! `KAPOK_CHURN=only` all but the rounds of changes. All are built with
//! m = 16 and `ef_construction` = 200, and asked for the 10 nearest by one thread. Queries per second at a recall are read off a line
//! between the points of a sweep over `ef`, on a logarithmic scale.
#![expect(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]

mod churn;
mod peer;
mod sets;

use std::path::Path;
use std::time::{Duration, Instant};

use kapok_benches::results::Results;
use kapok_consumer::Consumer;
use kapok_core::schema::Metric;
use kapok_index::View;
use kapok_index::nearest::{Effort, Nearest, SearchSettings};
use kapok_ingest::{Inference, InferenceSettings, RecordVectors, Value, VectorInput, VectorSetting, VectorTable};
use kapok_producer::{Declaration, Producer};
use peer::Peers;
use sets::{K, Set};
use tokio::runtime::Runtime;

const EFS: [usize; 12] = [10, 13, 16, 20, 26, 32, 40, 50, 64, 80, 110, 160];
const CODES: [&str; 3] = ["sq8", "sq4", "none"];
const PEERS: [&str; 5] = ["hnswlib", "faiss HNSW", "faiss HNSW-SQ8 + refine", "usearch f32", "usearch i8"];
const RECALLS: [f64; 2] = [0.95, 0.99];

/// Recall and seconds of runs, by `ef`.
type Sweep = Vec<(f64, Vec<f64>)>;

fn main() {
    let runs: usize = std::env::var("KAPOK_RUNS").map_or(5, |text| text.parse().unwrap());
    let has_peers = std::env::var("KAPOK_PEERS").as_deref() != Ok("0");
    let mut results = Results::new(0);
    println!("{}", results.machine);
    let runtime = Runtime::new().unwrap();
    for set in sets::all() {
        println!("\n{}: {} vectors of {}", set.name, set.rows(), set.dimension);
        let folder = tempfile::tempdir().unwrap();
        if std::env::var("KAPOK_CHURN").as_deref() != Ok("only") {
            measure(&runtime, &set, folder.path(), runs, has_peers, &mut results);
        }
        churn::run(&runtime, &set, folder.path());
    }
    if has_peers && std::env::var("KAPOK_CHURN").as_deref() != Ok("only") {
        results.write("vectors").unwrap();
    }
}

fn measure(runtime: &Runtime, set: &Set, folder: &Path, runs: usize, has_peers: bool, results: &mut Results) {
    let consumers: Vec<(String, Consumer)> = CODES
        .map(|codes| (format!("Kapok {codes}"), publish_timed(runtime, set, &folder.join(codes), codes, results)))
        .into();
    let mut peers = has_peers.then(|| start_peers(set, folder, results)).flatten();
    let names: Vec<&str> = if peers.is_some() { PEERS.to_vec() } else { Vec::new() };
    let mut kapok: Vec<Sweep> = consumers.iter().map(|_| vec![(0.0, Vec::new()); EFS.len()]).collect();
    let mut others: Vec<Sweep> = names.iter().map(|_| vec![(0.0, Vec::new()); EFS.len()]).collect();
    let views: Vec<_> = consumers.iter().map(|(_, consumer)| consumer.view()).collect();
    let nearest: Vec<Nearest<'_>> = views.iter().map(|view| view.nearest("Item.embedding").unwrap()).collect();
    println!("Kapok measures by {}", nearest[0].kernels());
    for (at, ef) in EFS.iter().enumerate() {
        for _ in 0..runs {
            for (way, nearest) in nearest.iter().enumerate() {
                let (seconds, found) = search(set, &views[way], nearest, K, Effort::Ef(*ef));
                kapok[way][at].0 = set.recall(K, &found);
                kapok[way][at].1.push(seconds);
            }
            for (way, name) in names.iter().enumerate() {
                let answer = peers.as_mut().unwrap().ask(&["search", name, &ef.to_string(), "1"]);
                let found: Vec<Vec<usize>> = answer
                    .found
                    .iter()
                    .map(|rows| rows.iter().filter_map(|row| usize::try_from(*row).ok()).collect())
                    .collect();
                others[way][at].0 = set.recall(K, &found);
                others[way][at].1.push(answer.seconds);
            }
        }
    }
    for ((name, _), (view, nearest)) in consumers.iter().zip(views.iter().zip(&nearest)) {
        for k in sets::KS {
            let (seconds, found) = search(set, view, nearest, k, Effort::Default);
            let recall = set.recall(k, &found);
            println!("{name}, default effort: recall@{k} {recall:.4}, {:.0} QPS", 1e3 / seconds);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let queries = set.queries().count() as f64;
    let all = consumers.iter().map(|(name, _)| name.as_str()).zip(kapok).chain(names.iter().copied().zip(others));
    println!("| | QPS at recall {} | at {} | best recall |", RECALLS[0], RECALLS[1]);
    println!("|---|---|---|---|");
    for (name, sweep) in all {
        let points: Vec<(f64, f64)> =
            sweep.into_iter().map(|(recall, mut seconds)| (recall, queries / median(&mut seconds))).collect();
        let at = RECALLS.map(|recall| qps_at(&points, recall));
        let told = at.map(|qps| qps.map_or("not reached".to_owned(), |qps| format!("{qps:.0}")));
        let best = points.iter().map(|(recall, _)| *recall).fold(0.0, f64::max);
        println!("| {name} | {} | {} | {best:.4} |", told[0], told[1]);
        for (recall, qps) in RECALLS.iter().zip(at) {
            results.add_number(&format!("{} {name} qps at {recall}", set.name), qps.unwrap_or(0.0));
        }
    }
}

fn publish_timed(runtime: &Runtime, set: &Set, folder: &Path, codes: &str, results: &mut Results) -> Consumer {
    let started = Instant::now();
    let consumer = publish(runtime, set, folder, codes);
    results.add(&format!("{} Kapok {codes} build", set.name), started.elapsed());
    consumer
}

/// Publishes the set, and opens it as a consumer does.
fn publish(runtime: &Runtime, set: &Set, folder: &Path, codes: &str) -> Consumer {
    let table = VectorTable::open("base.fvecs", fvecs(set.dimension, set.base.iter().copied()).into()).unwrap();
    let setting = VectorSetting {
        path: "embedding".to_owned(),
        metric: set.metric,
        held: Some((table.element(), table.dimension())),
    };
    let settings = InferenceSettings { key: vec!["id".into()], vectors: vec![setting], ..InferenceSettings::default() };
    let mut inference = Inference::new("Item", settings).unwrap();
    inference.observe(&Value::from_serde(&serde_json::json!({"id": 0})).unwrap(), 1).unwrap();
    let (schema, type_id) = inference.finish().unwrap();
    let declaration =
        Declaration::new(schema, type_id).unwrap().key(["id"]).index(format!("hnsw(embedding) codes={codes}"));
    let vectors = std::sync::Arc::new(
        RecordVectors::new([VectorInput { field: "embedding".into(), table, keys: None }]).unwrap(),
    );
    let started = Instant::now();
    let producer = runtime.block_on(Producer::open(folder.to_str().unwrap())).unwrap();
    let report = runtime.block_on(producer.run_cycle(|cycle| {
        cycle.declare(&declaration)?;
        let mut writer = cycle.values("Item")?;
        writer.set_vectors(&vectors)?;
        for row in 0..set.rows() as u64 {
            writer.set_vector_row(row);
            writer.add_json(format!("{{\"id\":{row}}}").as_bytes())?;
        }
        Ok(())
    }));
    report.unwrap();
    let published = started.elapsed();
    let started = Instant::now();
    let consumer = runtime.block_on(Consumer::open(folder.to_str().unwrap())).unwrap();
    let opened = started.elapsed();
    let view = consumer.view();
    let started = Instant::now();
    let nearest = view.nearest("Item.embedding").unwrap();
    nearest.search(set.queries().next().unwrap(), &SearchSettings::new(K)).unwrap();
    println!(
        "Kapok {codes}: published in {published:.1?}, opened in {opened:.2?}, first query {:.2?}",
        started.elapsed()
    );
    drop(nearest);
    consumer
}

fn search(set: &Set, view: &View, nearest: &Nearest<'_>, k: usize, effort: Effort) -> (f64, Vec<Vec<usize>>) {
    let settings = SearchSettings { effort, ..SearchSettings::new(k) };
    let mut hits = Vec::with_capacity(set.queries().count());
    let started = Instant::now();
    for query in set.queries() {
        hits.push(nearest.search(query, &settings).unwrap());
    }
    let seconds = started.elapsed().as_secs_f64();
    // One segment in the order of the keys, which are the rows of the set.
    assert_eq!(view.table("Item").unwrap().segments().len(), 1);
    let rows = |hits: &Vec<kapok_index::nearest::Hit>| hits.iter().map(|hit| hit.row_id.row() as usize).collect();
    (seconds, hits.iter().map(rows).collect())
}

/// Reads the queries per second at a recall off the line between two points of a sweep.
fn qps_at(points: &[(f64, f64)], recall: f64) -> Option<f64> {
    let (low, high) = points.windows(2).map(|pair| (pair[0], pair[1])).find(|(_, high)| high.0 >= recall)?;
    if low.0 >= recall {
        return Some(low.1);
    }
    let part = (recall - low.0) / (high.0 - low.0);
    Some((low.1.ln() * (1.0 - part) + high.1.ln() * part).exp())
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Returns vectors as a file of them.
fn fvecs(dimension: usize, numbers: impl Iterator<Item = f32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, number) in numbers.enumerate() {
        if at % dimension == 0 {
            bytes.extend(u32::try_from(dimension).unwrap().to_le_bytes());
        }
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

/// Has the others build their indexes, by two threads.
fn start_peers(set: &Set, folder: &Path, results: &mut Results) -> Option<Peers> {
    let mut peers = Peers::start()?;
    let write = |name: &str, numbers: &[f32]| {
        let path = folder.join(name);
        std::fs::write(&path, numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (base, queries) = (write("base.f32", &set.base), write("queries.f32", &set.queries));
    let metric = if set.metric == Metric::L2 { "l2" } else { "dot" };
    for command in [&["open", &base, &set.dimension.to_string(), metric][..], &["queries", &queries]] {
        if let Some(error) = peers.ask(command).error {
            println!("the others are left out: {error}");
            return None;
        }
    }
    for name in PEERS {
        let answer = peers.ask(&["build", name, "2"]);
        if let Some(error) = answer.error {
            println!("{name}: {error}");
            continue;
        }
        let built = Duration::from_secs_f64(answer.seconds);
        results.add(&format!("{} {name} build", set.name), built);
        println!("{name}: built in {built:.1?}");
    }
    Some(peers)
}
