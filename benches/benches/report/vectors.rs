//! The table of searches for vectors.

use std::fmt::Write as _;

use kapok_benches::results::Results;

use crate::table::figure;

const SETS: [&str; 2] = ["minilm-debian", "fashion-mnist"];
const RECALLS: [&str; 2] = ["0.95", "0.99"];
const ENGINES: [&str; 8] = [
    "Kapok sq4",
    "Kapok sq8",
    "Kapok none",
    "hnswlib",
    "faiss HNSW",
    "faiss HNSW-SQ8 + refine",
    "usearch f32",
    "usearch i8",
];

pub fn table(results: &Results) -> String {
    let mut out = format!(
        "Queries per second of one thread at two recalls of the ten nearest, off a line between the points of a sweep over `ef`; m = 16 and\n\
         `ef_construction` = 200 for all; seconds to build by two threads, for Kapok those of the whole publish. Sentence embeddings of\n\
         62,666 Debian packages (384 floats, inner product) and 60,000 images of fashion-mnist (784 floats, Euclidean); medians of\n\
         runs in turns; hnswlib 0.8, faiss 1.15 and usearch 2.26 from Python, a call for all queries; the default of Kapok is `sq4` (below 128 dimensions `sq8`).\n\
         {}; {}; `cargo bench -p kapok-benches --bench vectors`.\n\n\
         | | minilm-debian, 0.95 | 0.99 | build | fashion-mnist, 0.95 | 0.99 | build |\n\
         |---|---|---|---|---|---|---|\n",
        results.machine, results.date
    );
    for engine in ENGINES {
        write!(out, "| {engine} |").unwrap();
        for set in SETS {
            for recall in RECALLS {
                let qps = figure(results, &format!("{set} {engine} qps at {recall}"));
                let told = if qps > 0.0 { format!("{qps:.0}") } else { "not reached".to_owned() };
                write!(out, " {told} |").unwrap();
            }
            write!(out, " {:.1} s |", figure(results, &format!("{set} {engine} build")) / 1e9).unwrap();
        }
        out.push('\n');
    }
    out
}
