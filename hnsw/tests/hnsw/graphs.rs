//! Graphs are the same on any number of threads and by any kernels, and reach every row.

use std::process::Command;

use kapok_core::ErrorKind;
use kapok_core::schema::Metric;
use kapok_core::vectors::ElementType;
use kapok_distance::Kernels;
use kapok_hnsw::{BuildSettings, CodeKind, Graph};
use kapok_samples::stopwatch::Stopwatch;

use crate::exactness::PAIRS;
use crate::sample::{Built, SETTINGS, Sample, clustered, order, search, wanted};

const KINDS: [Option<CodeKind>; 3] = [None, Some(CodeKind::Sq8), Some(CodeKind::Sq4)];

/// Returns the hash of all graphs and codes that some samples make.
fn digest(on: usize) -> String {
    let mut hasher = blake3::Hasher::new();
    for (element, metric) in PAIRS {
        let sample = Sample::clustered(element, metric, 700, 72, 4);
        for kind in KINDS.into_iter().filter(|kind| kind.is_none() || element != ElementType::Bit) {
            let codes = kind.map(|kind| kapok_hnsw::encode(kind, &sample.vectors(), crate::sample::threads(on)));
            let opened = kind.zip(codes.as_ref()).map(|(kind, codes)| sample.open_codes(kind, codes));
            let body = sample.build(opened.as_ref(), &order((0..700).filter(|row| row % 7 != 3)), on);
            hasher.update(&codes.unwrap_or_default()).update(&body);
        }
    }
    format!("digest={}", hasher.finalize().to_hex())
}

#[test]
fn any_number_of_threads_makes_the_same_bytes() {
    let one = digest(1);
    assert_eq!(digest(2), one);
    assert_eq!(digest(5), one);
}

#[test]
#[ignore = "run by the test below, with other kernels"]
fn prints_the_digest() {
    println!("kernels={} {}", Kernels::detect().name(), digest(2));
}

#[test]
fn every_set_of_kernels_makes_the_same_bytes() {
    let expected = digest(2);
    for kernels in Kernels::available() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "graphs::prints_the_digest", "--ignored", "--nocapture"]);
        let output = child.env("KAPOK_KERNELS", kernels.name()).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.contains(&format!("kernels={} {expected}", kernels.name())), "{expected} {printed}");
    }
}

/// Builds, verifies and walks a graph.
#[track_caller]
fn assert_reached(sample: Sample, kind: Option<CodeKind>) {
    let rows = sample.rows;
    let stopwatch = Stopwatch::start();
    let built = Built::new(sample, kind);
    println!("{rows} rows {kind:?}: {:?}", stopwatch.worked());
    let searched = built.search();
    let graph = searched.graph.as_ref().unwrap();
    graph.verify("graph", 0, &order(0..rows), &SETTINGS).unwrap();
    assert_eq!(graph.statistics().reachable, rows);
    assert!(graph.statistics().links_max <= 32);
    // Some rows find themselves, or one that is as near.
    for row in (0..rows).step_by(97) {
        let found = search(&searched, &searched.vectors.query_of_row(row), &wanted(10, 128), None);
        assert!(found[0].distance.abs() < 1e-3, "row {row}: {found:?}");
    }
}

#[test]
fn every_row_is_reached_among_thousands_of_equal_ones() {
    for kind in KINDS {
        let mut vectors = vec![vec![0.3, -0.4, 0.5, 0.1, 0.9, 0.2, -0.7, 0.35]; 5000];
        assert_reached(Sample::of(ElementType::Float32, Metric::L2, &vectors), kind);
        assert_reached(Sample::of(ElementType::Float32, Metric::Cosine, &vectors), kind);
        // A few others among them.
        vectors.extend(clustered(300, 8, 3, 5));
        assert_reached(Sample::of(ElementType::Float32, Metric::L2, &vectors), kind);
    }
    assert_reached(Sample::of(ElementType::Bit, Metric::Hamming, &vec![vec![1.0; 64]; 5000]), None);
    assert_reached(Sample::of(ElementType::Float32, Metric::InnerProduct, &vec![vec![0.0; 8]; 5000]), None);
}

#[test]
fn every_row_is_reached_in_clusters_far_apart() {
    for kind in KINDS {
        let mut vectors = clustered(3000, 16, 30, 5);
        for (at, vector) in vectors.iter_mut().enumerate() {
            // Codes tell little of a cluster whose spread is a thousandth of that of all.
            vector[at % 16] += if at % 3 == 0 { 1.0 } else { -3.0 } * if kind.is_none() { 1000.0 } else { 5.0 };
        }
        let sample = Sample::of(ElementType::Float32, Metric::L2, &vectors);
        let built = Built::new(sample, kind);
        let graph = built.search().graph.unwrap();
        graph.verify("graph", 0, &order(0..3000), &SETTINGS).unwrap();
        let queries: Vec<_> = (0..60).map(|at| vectors[at * 50 + 7].clone()).collect();
        let recall = built.recall(&queries, &wanted(10, 64), None, |_| {});
        let floor = if kind == Some(CodeKind::Sq4) { 0.8 } else { 0.95 };
        println!("far apart {kind:?}: {recall}");
        assert!(recall >= floor, "{kind:?} {recall}");
    }
}

#[test]
fn rows_that_are_not_in_the_order_have_no_links() {
    let sample = Sample::clustered(ElementType::Float32, Metric::L2, 500, 8, 4);
    let order = order((0..500).filter(|row| row % 3 == 1));
    let body = sample.build(None, &order, 2);
    let graph = Graph::open("graph", 0, &body, 500).unwrap();
    graph.verify("graph", 0, &order, &SETTINGS).unwrap();
    assert_eq!(graph.statistics().reachable, 167);
    let other = crate::sample::order((0..500).filter(|row| row % 3 == 0));
    assert!(graph.verify("graph", 0, &other, &SETTINGS).is_err());
}

#[test]
fn a_graph_that_was_made_with_other_settings_is_found() {
    let sample = Sample::clustered(ElementType::Float32, Metric::L2, 400, 8, 4);
    let order = order((0..400).filter(|row| row % 3 > 0));
    let body = sample.build(None, &order, 2);
    let verify = |body: &[u8], settings| Graph::open("graph", 64, body, 400)?.verify("graph", 64, &order, &settings);
    verify(&body, SETTINGS).unwrap();
    let (m, m0, ef_construction) = (SETTINGS.m, SETTINGS.m0, SETTINGS.ef_construction);
    for (at, declared) in [
        (64, BuildSettings { m: m + 1, m0, ef_construction }),
        (68, BuildSettings { m, m0: m0 - 1, ef_construction }),
        (72, BuildSettings { m, m0, ef_construction: ef_construction + 1 }),
    ] {
        let error = verify(&body, declared).unwrap_err();
        assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains(&at.to_string()), "{error}");
    }
    // Any word of the head but the seed, which whoever knows the segment checks.
    for word in (0..32).filter(|word| !(8..12).contains(word)) {
        let mut changed = body.clone();
        changed[4 * word] ^= 1;
        assert_eq!(verify(&changed, SETTINGS).map_err(|error| error.kind()), Err(ErrorKind::Corrupt), "word {word}");
    }
}
