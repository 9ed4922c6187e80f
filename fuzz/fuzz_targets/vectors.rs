//! A graph and codes of any bytes, verified and searched: see `kapok_fuzz::vectors`.
#![no_main]

use kapok_fuzz::vectors::{DIMENSION, ROWS, SETTINGS, bytes, choice, order, split, vectors};
use kapok_hnsw::{Codes, Graph, RowSet, Scratch, Search, Wanted};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(([first, k, row, step], graph, codes)) = split(data) else { return };
    let (metric, kind) = choice(first);
    let codes = Codes::open("codes", 0, codes, kind, metric, DIMENSION, ROWS).ok();
    let graph = Graph::open("graph", 0, graph, ROWS).ok();
    if let Some(graph) = &graph {
        let _ = graph.verify("graph", 0, &order(), &SETTINGS);
        assert!(graph.statistics().reachable <= ROWS);
    }
    let bytes = bytes();
    let search = Search { vectors: vectors(&bytes, metric), codes, graph };
    let query = search.vectors.query_of_row(row.into());
    let allowed = RowSet::of(ROWS, (0..ROWS).step_by(usize::from(step).max(1)));
    let allowed = Some(&allowed).filter(|_| step > 0);
    let wanted = Wanted { k: k.into(), ef: usize::from(k), is_exact: false };
    let found = search.nearest(&mut Scratch::default(), &query, &wanted, allowed, &|| false);
    let (found, _) = found.expect("nothing stops it");
    assert!(found.iter().all(|found| found.row < ROWS && allowed.is_none_or(|allowed| allowed.contains(found.row))));
    assert!(found.is_sorted_by(|a, b| (a.distance, a.row) < (b.distance, b.row)));
});
