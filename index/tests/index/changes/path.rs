//! The path between two versions asks for the manifests that it needs, one parent after another, and for no others.

use std::sync::Arc;

use kapok_core::manifest::Manifest;
use kapok_index::{VersionPath, View};

/// The manifest of a version, and of its parent by number.
fn manifest(version: u64, parent: u64) -> Arc<Manifest> {
    let mut manifest = Manifest::clone(View::empty().manifest());
    (manifest.version, manifest.parent) = (version, Some(parent).filter(|parent| *parent != 0));
    Arc::new(manifest)
}

/// Drives a path by pairs of version and parent; returns the versions that it asked for and its steps.
fn walk(old: (u64, u64), new: (u64, u64), known: &[(u64, u64)]) -> (Vec<u64>, Option<Vec<u64>>) {
    let mut path = VersionPath::new(&manifest(old.0, old.1), &manifest(new.0, new.1));
    let mut asked = Vec::new();
    while let Some(version) = path.next_version() {
        asked.push(version);
        match known.iter().find(|(known, _)| *known == version) {
            Some((version, parent)) => path.add(manifest(*version, *parent)),
            None => path.skip(),
        }
    }
    (asked, path.steps().map(|steps| steps.iter().map(|step| step.version).collect()))
}

#[test]
fn a_line_of_versions_is_asked_for_from_the_newest_down() {
    let known = [(2, 1), (3, 2), (4, 3)];
    assert_eq!(walk((1, 0), (5, 4), &known), (vec![4, 3, 2], Some(vec![5, 4, 3, 2])));
    assert_eq!(walk((5, 4), (1, 0), &known), (vec![4, 3, 2], Some(vec![5, 4, 3, 2])));
    assert_eq!(walk((4, 3), (5, 4), &[]), (vec![], Some(vec![5])));
    assert_eq!(walk((5, 4), (5, 4), &[]), (vec![], Some(vec![])));
}

#[test]
fn two_branches_meet_at_their_ancestor_which_is_asked_for_and_may_be_missing() {
    let steps = Some(vec![6, 5, 4]);
    assert_eq!(walk((4, 2), (6, 5), &[(5, 2), (2, 1)]), (vec![5, 2], steps.clone()));
    assert_eq!(walk((4, 2), (6, 5), &[(5, 2)]), (vec![5, 2], steps));
    let first_of_both = (vec![3], Some(vec![4, 3, 2]));
    assert_eq!(walk((2, 0), (4, 3), &[(3, 0)]), first_of_both, "version 0 has no manifest");
}

#[test]
fn a_version_that_is_missing_on_the_way_ends_it() {
    assert_eq!(walk((1, 0), (5, 4), &[(4, 3), (2, 1)]), (vec![4, 3], None));
    let mut path = VersionPath::new(&manifest(1, 0), &manifest(3, 2));
    path.add(manifest(1, 0));
    assert_eq!((path.next_version(), path.steps()), (None, None), "another manifest than the one that is needed");
}

#[test]
fn nothing_is_asked_for_where_no_path_can_be() {
    assert_eq!(walk((0, 0), (5, 4), &[(4, 3)]), (vec![], None), "all records are added");
    assert_eq!(walk((2, 1), (5, 5), &[(4, 3)]), (vec![], None), "a parent that is not older");
    let mut other = Manifest::clone(&manifest(5, 4));
    other.writer_token = [1; 16];
    let path = VersionPath::new(&manifest(5, 4), &Arc::new(other));
    assert_eq!((path.next_version(), path.steps()), (None, None), "two stores that count alike");
}
