//! Mutated graphs and codes of a segment are refused, or lead to live rows that have a vector; verifying is no way to crash.

use kapok_core::ErrorKind;
use kapok_index::View;
use kapok_index::nearest::{Effort, SearchSettings};
use kapok_samples::cases::run;
use kapok_samples::random::Random;

use crate::CASE_MAX;
use crate::dataset::Dataset;
use crate::mutation::mutate;

/// More than are measured without a walk; two of three have a vector.
const ROWS: u32 = 700;
const DIMENSION: usize = 4;

/// Says how searches ended.
fn search(view: &View, r: &mut Random) -> &'static str {
    let nearest = view.nearest("Kinds.embedding").unwrap();
    let table = &view.tables()[0];
    let wanted = u32::try_from(r.below(5)).unwrap();
    let filter = nearest.filter_by(|row_id| row_id.row() % 5 != wanted);
    let mut outcome = "answered";
    for _ in 0..4 {
        let query: [f32; DIMENSION] = std::array::from_fn(|_| f32::from(u8::try_from(r.below(9)).unwrap()) - 4.0);
        let k = [1, 10, 2000, usize::MAX][r.below(4)];
        let effort = [Effort::Default, Effort::Ef(12), Effort::Ef(usize::MAX), Effort::Exact][r.below(4)];
        let filter = Some(&filter).filter(|_| r.one_in(2));
        let settings = SearchSettings { effort, filter, ..SearchSettings::new(k) };
        let hits = match nearest.search(&query, &settings) {
            Ok(hits) => hits,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                outcome = "errors";
                continue;
            }
        };
        assert!(hits.len() <= k);
        for hit in hits {
            let (place, row) = table.place(hit.row_id).unwrap();
            assert!(table.segments()[place].is_live(row) && nearest.vector(hit.row_id).unwrap().is_some());
            assert!(filter.is_none() || row % 5 != wanted);
        }
    }
    outcome
}

#[test]
fn mutated_graphs_and_codes_lead_to_live_rows_with_vectors() {
    let graph = Dataset::kinds(ROWS, "hnsw(embedding) m=4");
    let codes = Dataset::kinds(ROWS, "hnsw(embedding) m=4").replacing_the_one_before();
    for (name, dataset) in [("graphs", graph), ("codes", codes)] {
        let (honest, verify) = dataset.open(dataset.honest().to_vec()).unwrap();
        verify(&honest).unwrap();
        assert_eq!(search(&honest, &mut Random::new(1)), "answered");
        run(name, CASE_MAX, |r, tally| {
            let mut bytes = dataset.honest().to_vec();
            mutate(&mut bytes, dataset.rows(), r);
            let (view, verify) = match dataset.open(bytes) {
                Ok(opened) => opened,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                    return tally.count("refused on opening");
                }
            };
            tally.count(search(&view, r));
            tally.count_result(&verify(&view), "verified", "found by verify");
        });
    }
}
