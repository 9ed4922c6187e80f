//! Which records a version has already, and merged segments that hold what their inputs held.

use bytes::Bytes;
use kapok_core::record::Record;
use kapok_core::segment::{Encoding, MergeInput, SealedSegment, Segment, Sharing, Stage};
use kapok_samples::dataset::{add, encoding, seal, view};
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::random::Random;
use kapok_samples::random_kinds::{Kinds, one_segment};
use roaring::RoaringBitmap;

const SEEDS: u64 = 80;

fn stage(encoding: &Encoding, records: &[&Kinds], r: &mut Random) -> Stage {
    let mut stage = Stage::new(encoding);
    for record in records {
        // Built in a roundabout way, so that only values can be equal.
        let message = record.noisy(r);
        add(&mut stage, &one_segment(&message, r));
    }
    stage
}

fn with_code(mut record: Kinds, code: &str) -> Kinds {
    code.clone_into(&mut record.code);
    record
}

fn open(sealed: &SealedSegment) -> Segment {
    Segment::open("segment", Bytes::from(sealed.bytes.clone()), sealed.rows).unwrap()
}

fn json(encoding: &Encoding, segment: &Segment, row: u32) -> String {
    let at = segment.row(row).unwrap();
    Record::new(encoding.schema(), encoding.type_id(), at).unwrap().to_json_string().unwrap()
}

/// Splits records among segments as a series of cycles would have.
fn scatter(encoding: &Encoding, records: &[&Kinds], r: &mut Random) -> Vec<SealedSegment> {
    let mut parts: Vec<Vec<&Kinds>> = vec![Vec::new(); 1 + r.below(3)];
    let count = parts.len();
    records.iter().for_each(|record| parts[r.below(count)].push(record));
    parts.iter().flat_map(|part| seal(stage(encoding, part, r), None)).collect()
}

#[test]
fn a_comparison_finds_what_was_added_changed_and_removed_and_nothing_else() {
    for seed in 0..SEEDS {
        let mut r = Random::new(seed);
        for sharing in [Sharing::Shared, Sharing::StrictTree] {
            let encoding = encoding::<kinds::Owned>(sharing);
            let old: Vec<Kinds> = (0..40).map(|id| Kinds::random(&mut r, id)).collect();
            let (mut removed, mut updated, mut added) = (0, 0, 0);
            let mut next = Vec::new();
            for record in &old {
                match r.below(6) {
                    0 => removed += 1,
                    1 => {
                        // The code is a part of the key.
                        let other = with_code(Kinds::random(&mut r, record.id), &record.code);
                        updated += u64::from(format!("{other:?}") != format!("{record:?}"));
                        next.push(other);
                    }
                    _ => next.push(record.clone()),
                }
            }
            for id in 0..r.below(8) {
                next.push(Kinds::random(&mut r, 100 + id as i64));
                added += 1;
            }
            let before = scatter(&encoding, &old.iter().collect::<Vec<_>>(), &mut r);
            let table = view(&encoding, &before, sharing);
            let table = &table.tables()[0];
            let mut sorted = stage(&encoding, &next.iter().collect::<Vec<_>>(), &mut r).sort().unwrap();
            let found = sorted.compare(table.key(), table.segments()).unwrap();
            let what = format!("seed={seed} {sharing:?}");
            assert_eq!((found.added, found.updated, found.removed), (added, updated, removed), "{what}");
            assert_eq!(found.unchanged, next.len() as u64 - added - updated, "{what}");
            assert_eq!(found.dead.iter().map(RoaringBitmap::len).sum::<u64>(), removed + updated, "{what}");
            assert_eq!(sorted.len() as u64, added + updated, "{what}");

            // What lives on and what is written is what was asked for.
            let mut rows: Vec<String> = Vec::new();
            for (sealed, dead) in before.iter().zip(&found.dead) {
                let segment = open(sealed);
                let live = (0..segment.rows()).filter(|row| !dead.contains(*row));
                rows.extend(live.map(|row| json(&encoding, &segment, row)));
            }
            for sealed in sorted.seal(kapok_core::segment::SealSettings::default()) {
                let segment = open(&sealed.unwrap());
                rows.extend((0..segment.rows()).map(|row| json(&encoding, &segment, row)));
            }
            let whole = seal(stage(&encoding, &next.iter().collect::<Vec<_>>(), &mut r), None);
            let mut expected: Vec<String> = Vec::new();
            for sealed in &whole {
                let segment = open(sealed);
                expected.extend((0..segment.rows()).map(|row| json(&encoding, &segment, row)));
            }
            rows.sort();
            expected.sort();
            assert_eq!(rows, expected, "{what}");
        }
    }
}

#[test]
fn a_staged_row_is_another_as_soon_as_any_bit_of_its_value_differs() {
    let encoding = encoding::<kinds::Owned>(Sharing::Shared);
    for seed in 0..SEEDS {
        let mut r = Random::new(seed);
        let records: Vec<Kinds> = (0..12).map(|_| with_code(Kinds::random(&mut r, 1), "k")).collect();
        let mut staged = stage(&encoding, &records.iter().collect::<Vec<_>>(), &mut r);
        for (row, one) in (0..).zip(&records) {
            let sealed = staged.seal_row(row).unwrap();
            let segment = open(&sealed);
            for (other_row, other) in (0..).zip(&records) {
                let same = staged.row_equals(other_row, segment.row(0).unwrap()).unwrap();
                assert_eq!(same, format!("{one:?}") == format!("{other:?}"), "seed={seed} {row} {other_row}");
            }
        }
    }
}

#[test]
fn a_merge_writes_what_sealing_all_at_once_writes() {
    for seed in 0..SEEDS {
        let mut r = Random::new(seed);
        for sharing in [Sharing::Shared, Sharing::StrictTree] {
            let encoding = encoding::<kinds::Owned>(sharing);
            let records: Vec<Kinds> = (0..30).map(|id| Kinds::random(&mut r, id)).collect();
            let parts = scatter(&encoding, &records.iter().collect::<Vec<_>>(), &mut r);
            let segments: Vec<Segment> = parts.iter().map(open).collect();
            let mut kept = Vec::new();
            let mut dropped = Vec::new();
            for segment in &segments {
                let mut dead = RoaringBitmap::new();
                for row in 0..segment.rows() {
                    let text = json(&encoding, segment, row);
                    let record = records.iter().find(|record| text.contains(&format!("\"id\":{},", record.id)));
                    match record {
                        Some(record) if r.below(4) > 0 => kept.push(record),
                        _ => drop(dead.insert(row)),
                    }
                }
                dropped.push(dead);
            }
            let inputs: Vec<MergeInput<'_>> = segments
                .iter()
                .zip(&dropped)
                .map(|(segment, dropped)| MergeInput { segment, dropped: Some(dropped) })
                .collect();
            let expected = seal(stage(&encoding, &kept, &mut r), None);
            let merged = encoding.merge(&inputs).unwrap();
            assert_eq!(merged.id, expected[0].id, "seed={seed} {sharing:?}");
            assert_eq!((merged.rows, &merged.extents), (expected[0].rows, &expected[0].extents));
        }
    }
}

/// What a comparison found, and the ids of what is written then.
fn compared(
    stages: impl IntoIterator<Item = Stage>,
    table: &kapok_core::view::Table,
) -> (kapok_core::segment::Difference, Vec<[u8; 32]>) {
    let mut stages = stages.into_iter();
    let mut all = stages.next().unwrap();
    stages.for_each(|stage| all.absorb(stage).unwrap());
    let mut sorted = all.sort().unwrap();
    let found = sorted.compare(table.key(), table.segments()).unwrap();
    let sealed = sorted.seal(kapok_core::segment::SealSettings::default());
    (found, sealed.map(|segment| segment.unwrap().id).collect())
}

#[test]
fn a_stage_over_segments_leaves_out_what_they_have_and_finds_and_writes_the_same() {
    let mut left_out = 0;
    for seed in 0..SEEDS {
        let mut r = Random::new(seed);
        for sharing in [Sharing::Shared, Sharing::StrictTree] {
            let encoding = encoding::<kinds::Owned>(sharing);
            let old: Vec<Kinds> = (0..60).map(|id| Kinds::random(&mut r, id)).collect();
            let before = scatter(&encoding, &old.iter().collect::<Vec<_>>(), &mut r);
            let table = view(&encoding, &before, sharing);
            let table = &table.tables()[0];
            let mut next = Vec::new();
            for record in &old {
                match r.below(8) {
                    0 => {}
                    1 => next.push(with_code(Kinds::random(&mut r, record.id), &record.code)),
                    _ => next.push(record.clone()),
                }
            }
            next.extend((0..r.below(4)).map(|id| Kinds::random(&mut r, 100 + id as i64)));
            // In the order of keys, nearly so, or in none.
            for _ in 0..[0, 3, 200][r.below(3)] {
                let (a, b) = (r.below(next.len()), r.below(next.len()));
                next.swap(a, b);
            }
            let plain = stage(&encoding, &next.iter().collect::<Vec<_>>(), &mut r);
            let parts = next.chunks(1 + r.below(60)).map(|part| {
                let mut stage = Stage::over(&encoding, table.key(), table.segments());
                for record in part {
                    let message = record.noisy(&mut r);
                    add(&mut stage, &one_segment(&message, &mut r));
                }
                left_out += part.len() - stage.len();
                stage
            });
            assert_eq!(compared(parts.collect::<Vec<_>>(), table), compared([plain], table), "seed={seed} {sharing:?}");
        }
    }
    assert!(left_out > 1000, "{left_out} records were left out");
}

#[test]
fn records_that_were_left_out_are_staged_if_they_are_taken_back() {
    let encoding = encoding::<kinds::Owned>(Sharing::Shared);
    let mut r = Random::new(7);
    let records: Vec<Kinds> = (0..40).map(|id| Kinds::random(&mut r, id)).collect();
    let all: Vec<&Kinds> = records.iter().collect();
    let before = scatter(&encoding, &all, &mut r);
    let table = view(&encoding, &before, Sharing::Shared);
    let table = &table.tables()[0];
    let mut over = Stage::over(&encoding, table.key(), table.segments());
    for record in &records {
        add(&mut over, &one_segment(&record.noisy(&mut r), &mut r));
    }
    // Nearly all: a noisy message may give a default explicitly.
    assert!(over.len() < 10 && !over.is_empty(), "{} are staged", over.len());
    let taken_back = over.sort().unwrap().take_back().unwrap().seal(kapok_core::segment::SealSettings::default());
    let whole = seal(stage(&encoding, &all, &mut r), None);
    assert_eq!(
        taken_back.map(|segment| segment.unwrap().id).collect::<Vec<_>>(),
        whole.iter().map(|segment| segment.id).collect::<Vec<_>>()
    );
}

#[test]
fn a_key_that_comes_twice_is_named_with_both_positions_also_if_a_segment_has_the_record() {
    let encoding = encoding::<kinds::Owned>(Sharing::Shared);
    let mut r = Random::new(9);
    let records: Vec<Kinds> = (0..40).map(|id| Kinds::random(&mut r, id)).collect();
    let before = scatter(&encoding, &records.iter().collect::<Vec<_>>(), &mut r);
    let table = view(&encoding, &before, Sharing::Shared);
    let table = &table.tables()[0];
    let other = with_code(Kinds::random(&mut r, 5), &records[5].code);
    let source: std::sync::Arc<str> = std::sync::Arc::from("line");
    // As it is and again as it is, by the same writer or by another; as it is and changed; changed and as it is.
    let cases = [(&records[5], false), (&records[5], true), (&other, false), (&other, true)];
    for ((again, is_other_writer), is_changed_first) in cases.into_iter().flat_map(|case| [(case, false), (case, true)])
    {
        let new = || {
            let mut stage = Stage::over(&encoding, table.key(), table.segments());
            stage.set_source(&source, 1);
            stage
        };
        let mut stage = new();
        let order: Vec<&Kinds> =
            if is_changed_first { std::iter::once(again).chain(&records).collect() } else { records.iter().collect() };
        for record in order {
            add(&mut stage, &one_segment(&record.noisy(&mut r), &mut r));
        }
        if !is_changed_first {
            let mut last = if is_other_writer { new() } else { std::mem::replace(&mut stage, new()) };
            add(&mut last, &one_segment(&again.noisy(&mut r), &mut r));
            stage.absorb(last).unwrap();
        }
        let refused = match stage.sort() {
            Ok(mut sorted) => sorted.compare(table.key(), table.segments()).unwrap_err(),
            Err(error) => error,
        };
        let kapok_core::Fault::DuplicateKey { first, second, .. } = refused.fault() else { panic!("{refused}") };
        let expected = match (is_changed_first, is_other_writer) {
            (true, _) => ["line 1", "line 7"],
            (false, true) => ["line 1", "line 6"],
            (false, false) => ["line 41", "line 6"],
        };
        let mut found = [first.as_str(), second.as_str()];
        found.sort_unstable();
        assert_eq!(found, expected);
    }
}
