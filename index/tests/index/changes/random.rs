//! Random histories with branches, against maps.

use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use proptest::sample::Index;

use kapok_index::ChangeSource;

use super::history::{History, Model};

#[derive(Clone, Debug)]
enum Step {
    Cycle(Model, Vec<u32>),
    Merge(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let sets = prop::collection::btree_map(0..12_u32, 0..3_u32, 0..6);
    let deletes = prop::collection::vec(0..12_u32, 0..4);
    prop_oneof![
        4 => (sets, deletes).prop_map(|(sets, deletes)| Step::Cycle(sets, deletes)),
        1 => (0..4_usize, 1..4_usize).prop_map(|(first, count)| Step::Merge(first, first + count)),
    ]
}

/// Builds a history: each step on top of the last version, or of any.
fn history(key: &str, steps: &[(Step, Option<Index>)]) -> History {
    let mut history = History::new(key);
    for (step, parent) in steps {
        let last = history.versions.len() - 1;
        let parent = parent.map_or(last, |parent| 1 + parent.index(last));
        match step {
            Step::Cycle(sets, deletes) => history.cycle(parent, sets, deletes),
            Step::Merge(first, end) => history.merge(parent, *first..*end),
        };
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn changes_between_any_two_versions_are_what_their_maps_differ_in(
        key in prop::sample::select(vec!["u32", "code"]),
        steps in prop::collection::vec((step(), prop::option::weighted(0.25, any::<Index>())), 1..9),
    ) {
        let history = history(key, &steps);
        let manifests = history.manifests();
        let merged = steps.iter().any(|(step, _)| matches!(step, Step::Merge(..)));
        for old in 1..history.versions.len() {
            for new in 1..history.versions.len() {
                let expected = history.expected(old, new);
                let (found, source) = history.found(old, new, &manifests);
                assert_eq!(found, expected, "{old} to {new} by {source:?}");
                let (found, compared) = history.found(old, new, &[]);
                assert_eq!(found, expected, "{old} to {new} by {compared:?}, without manifests");
                // A segment that was made again has its id again, and what names it may be gone from both ends.
                let named_in_an_end = |id| {
                    [old, new].iter().any(|end| history.versions[*end].parts.iter().any(|part| part.entry.id == id))
                };
                let all_named = manifests.iter().flat_map(|manifest| &manifest.record_types).all(|ty| {
                    let changes = ty.changes.as_ref().unwrap();
                    changes.added.iter().chain(&changes.removed).all(|(id, _)| named_in_an_end(*id))
                });
                if all_named || !merged && steps.iter().all(|(_, parent)| parent.is_none()) {
                    assert_eq!(source, ChangeSource::Manifests, "{old} to {new}");
                }
            }
        }
    }
}
