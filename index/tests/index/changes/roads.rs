//! Changes are found by the manifests on the way if all are there, else by comparison, and never by bytes that lie.

use std::sync::Arc;

use kapok_core::ErrorKind;
use kapok_core::manifest::{Manifest, RowChanges};
use kapok_index::{ChangeSource, View};
use roaring::RoaringBitmap;

use super::history::{History, Model, Net, bitmap};

fn records(keys: impl IntoIterator<Item = u32>, payload: u32) -> Model {
    keys.into_iter().map(|key| (key, payload)).collect()
}

/// 1: nothing. 2: keys 0 to 99. 3: key 5 updated, 6 deleted, 100 added. 4: key 6 again as it was, 100 deleted.
fn linear() -> History {
    let mut history = History::new("u32");
    history.cycle(1, &records(0..100, 1), &[]);
    history.cycle(2, &records([5, 100], 2), &[6]);
    history.cycle(3, &records([6], 1), &[100]);
    history
}

#[test]
fn forward_and_backward_give_the_same_net_changes() {
    let history = linear();
    let manifests = history.manifests();
    let forward = Net { updated: vec![(5, 1, 2)], ..Net::default() };
    assert_eq!(history.found(2, 4, &manifests), (forward, ChangeSource::Manifests));
    let backward = Net { updated: vec![(5, 2, 1)], ..Net::default() };
    assert_eq!(history.found(4, 2, &manifests), (backward, ChangeSource::Manifests));
    assert_eq!(history.found(4, 4, &[]), (Net::default(), ChangeSource::Manifests));
}

#[test]
fn a_branch_after_a_rollback_is_reached_through_the_common_ancestor() {
    let mut history = linear();
    let branch = history.cycle(2, &records([7], 9), &[5]);
    let manifests = history.manifests();
    let expected = Net { updated: vec![(7, 1, 9)], removed: vec![(5, 2)], ..Net::default() };
    assert_eq!(history.found(4, branch, &manifests), (expected, ChangeSource::Manifests));
    let expected = Net { updated: vec![(7, 9, 1)], added: vec![(5, 2)], ..Net::default() };
    assert_eq!(history.found(branch, 4, &manifests), (expected, ChangeSource::Manifests));
}

#[test]
fn one_step_needs_no_manifests_since_the_views_have_their_own_manifests() {
    let history = linear();
    let (net, source) = history.found(2, 3, &[]);
    assert_eq!((net, source), (history.expected(2, 3), ChangeSource::Manifests));
    assert_eq!(history.found(3, 2, &[]).1, ChangeSource::Manifests);
    assert_eq!(history.found(2, 4, &[]), (history.expected(2, 4), ChangeSource::Segments));
}

#[test]
fn a_merge_changes_nothing_and_costs_nothing_on_the_way() {
    let mut history = linear();
    let merged = history.merge(4, 0..3);
    let after = history.cycle(merged, &records([200], 1), &[]);
    assert_eq!(history.versions[merged].parts.len(), 1);
    let manifests = history.manifests();
    assert_eq!(history.found(4, merged, &manifests), (Net::default(), ChangeSource::Manifests));
    assert_eq!(history.found(merged, 4, &[]), (Net::default(), ChangeSource::Manifests));
    let added = Net { added: vec![(200, 1)], ..Net::default() };
    assert_eq!(history.found(4, after, &manifests), (added, ChangeSource::Manifests));
    // Key 5 was updated in a segment that was merged away since: neither view has it.
    assert_eq!(history.found(2, merged, &manifests), (history.expected(2, merged), ChangeSource::Segments));
}

#[test]
fn a_step_that_lists_nothing_makes_it_a_comparison() {
    let mut history = linear();
    let mut unlisted = Manifest::clone(&history.versions[3].manifest);
    unlisted.record_types[0].changes = None;
    history.versions[3].manifest = Arc::new(unlisted);
    let expected = history.expected(2, 4);
    assert_eq!(history.found(2, 4, &history.manifests()), (expected, ChangeSource::Segments));
    assert_eq!(history.found(3, 4, &history.manifests()).1, ChangeSource::Manifests, "a step that is not on the way");
}

#[test]
fn a_type_that_one_view_lacks_is_all_new_or_all_gone() {
    let history = linear();
    let view = history.view(3);
    let changes = view.changes_since(&View::empty(), &history.manifests()).unwrap();
    assert_eq!(changes.of("Kinds").unwrap().added.len(), 100);
    assert_eq!(changes.of("Kinds").unwrap().len(), 100);
    let changes = View::empty().changes_since(&view, &[]).unwrap();
    assert_eq!(changes.of("Kinds").unwrap().removed, view.table("Kinds").unwrap().row_ids_in_key_order().unwrap());
    assert!(View::empty().changes_since(&View::empty(), &[]).unwrap().is_empty());
    assert!(changes.of("Other").is_none());
}

#[test]
fn versions_of_two_stores_that_count_alike_are_compared() {
    let (one, mut other) = (linear(), linear());
    let mut foreign = Manifest::clone(&other.versions[2].manifest);
    foreign.writer_token = [1; 16];
    other.versions[2].manifest = Arc::new(foreign);
    let changes = other.view(2).changes_since(&one.view(2), &[]).unwrap();
    assert!(changes.is_empty());
    assert_eq!(changes.of("Kinds").unwrap().source, ChangeSource::Segments);
}

#[test]
fn parents_that_are_no_older_than_their_children_lead_nowhere() {
    let mut history = linear();
    for parent in [3, 4] {
        let mut circular = Manifest::clone(&history.versions[3].manifest);
        circular.parent = Some(parent);
        history.versions[3].manifest = Arc::new(circular);
        assert_eq!(history.found(2, 4, &history.manifests()), (history.expected(2, 4), ChangeSource::Segments));
    }
}

#[test]
fn listed_rows_beyond_a_segment_and_bytes_that_are_no_bitmap_are_corrupt() {
    let good = linear();
    let segment = good.versions[2].parts[0].entry.id;
    let mut trailing = bitmap(&RoaringBitmap::from_iter([5]));
    trailing.push(0);
    for (rows, expected) in [
        (bitmap(&RoaringBitmap::from_iter([5, 100])), "rows below 100 found=row 100"),
        (vec![1, 2, 3], "a roaring bitmap"),
        (Vec::new(), "a roaring bitmap"),
        (trailing, "nothing after the bitmap"),
    ] {
        let mut history = linear();
        let mut manifest = Manifest::clone(&history.versions[3].manifest);
        manifest.record_types[0].changes = Some(RowChanges { added: Vec::new(), removed: vec![(segment, rows)] });
        history.versions[3].manifest = Arc::new(manifest);
        let error = history.view(4).changes_since(&history.view(2), &history.manifests()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(expected), "{error}");
    }
}
