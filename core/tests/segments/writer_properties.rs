//! A segment's bytes depend on the values of its records, and on nothing else.

use bytes::Bytes;
use kapok_core::record::{Budget, Record};
use kapok_core::segment::{Encoding, SealedSegment, Segment, Sharing, Stage};
use kapok_core::words::Words;
use kapok_samples::dataset::{add, encoding, seal, view};
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::random::Random;
use kapok_samples::random_kinds::{Kinds, Tree, one_segment};

const SEEDS: u64 = 60;

fn records(r: &mut Random) -> Vec<Kinds> {
    let count = 1 + r.below(40) as i64;
    let mut out: Vec<Kinds> = (0..count).map(|id| Kinds::random(r, id * 3 - 50)).collect();
    // Whole records again under other keys, so that sharing has something to do.
    for id in 0..count / 2 {
        let mut copy = out[r.below(out.len())].clone();
        copy.id = 1000 + id;
        out.push(copy);
    }
    out
}

fn plain_words(record: &Kinds) -> Vec<u8> {
    record.plain().get_segments_for_output()[0].to_vec()
}

fn stage_plain(encoding: &Encoding, records: &[Kinds]) -> Stage {
    let mut stage = Stage::new(encoding);
    records.iter().for_each(|record| add(&mut stage, &plain_words(record)));
    stage
}

fn open(sealed: &SealedSegment) -> Segment {
    Segment::open("segment", Bytes::from(sealed.bytes.clone()), sealed.rows).unwrap()
}

/// The record that the first word points at, if it does.
fn record_of<'v>(encoding: &'v Encoding, words: &'v [u8]) -> Option<Record<'v>> {
    let at = Words::new(words).struct_of(0).ok().flatten()?;
    Some(Record::new(encoding.schema(), encoding.type_id(), at).unwrap())
}

fn json_of(encoding: &Encoding, words: &[u8]) -> String {
    record_of(encoding, words).unwrap().to_json_string().unwrap()
}

fn rows_as_json(encoding: &Encoding, segment: &Segment) -> Vec<String> {
    let row = |row| {
        let at = segment.row(row).unwrap();
        Record::new(encoding.schema(), encoding.type_id(), at).unwrap().to_json_string().unwrap()
    };
    (0..segment.rows()).map(row).collect()
}

/// Compares without printing kilobytes.
fn assert_same(a: &[SealedSegment], b: &[SealedSegment], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    for (a, b) in a.iter().zip(b) {
        let first = a.bytes.iter().zip(&b.bytes).position(|(a, b)| a != b);
        assert_eq!((first, a.bytes.len(), &a.extents), (None, b.bytes.len(), &b.extents), "{what}");
        assert_eq!((a.id, &a.first_key, &a.last_key), (b.id, &b.first_key, &b.last_key), "{what}");
    }
}

#[test]
fn neither_builder_history_nor_order_nor_threads_reach_the_bytes() {
    for seed in 0..SEEDS {
        let mut r = Random::new(seed);
        let records = records(&mut r);
        for sharing in [Sharing::Shared, Sharing::StrictTree] {
            let encoding = encoding::<kinds::Owned>(sharing);
            let expected = seal(stage_plain(&encoding, &records), None);
            let mut stages: Vec<Stage> = (0..3).map(|_| Stage::new(&encoding)).collect();
            let mut rest = records.clone();
            while !rest.is_empty() {
                let record = rest.swap_remove(r.below(rest.len()));
                let message = record.noisy(&mut r);
                add(&mut stages[r.below(3)], &one_segment(&message, &mut r));
            }
            let mut joined = stages.pop().unwrap();
            stages.into_iter().for_each(|stage| joined.absorb(stage).unwrap());
            assert_same(&expected, &seal(joined, None), &format!("seed={seed} {sharing:?}"));
        }
    }
}

#[test]
fn what_is_sealed_reads_as_what_was_put_in_and_passes_verify() {
    for seed in 0..SEEDS {
        let mut r = Random::new(seed);
        let mut records = records(&mut r);
        records.sort_by(|a, b| (a.id, &a.code).cmp(&(b.id, &b.code)));
        for sharing in [Sharing::Shared, Sharing::StrictTree] {
            let encoding = encoding::<kinds::Owned>(sharing);
            let expected: Vec<String> = records.iter().map(|record| json_of(&encoding, &plain_words(record))).collect();
            for target in [None, Some(1), Some(4000)] {
                let sealed = seal(stage_plain(&encoding, &records), target);
                if target == Some(1) {
                    assert_eq!(sealed.len(), records.len());
                }
                let mut found = Vec::new();
                for segment in &sealed {
                    let opened = open(segment);
                    encoding.verify(&opened, &segment.entry(sharing)).unwrap();
                    opened.verify_hash(&segment.id).unwrap();
                    found.extend(rows_as_json(&encoding, &opened));
                }
                assert_eq!(found, expected, "seed={seed} {sharing:?}");
                check_doors(&encoding, &sealed, sharing, &records);
            }
        }
    }
}

/// Generated readers and field handles.
fn check_doors(encoding: &Encoding, sealed: &[SealedSegment], sharing: Sharing, expected: &[Kinds]) {
    let view = view(encoding, sealed, sharing);
    let readers = view.records::<kinds::Owned>().unwrap();
    let texts = view.field::<&str>("Kinds.text").unwrap();
    let trees = view.field::<Record<'_>>("Kinds.tree").unwrap();
    let ids: Vec<i64> = view.field::<i64>("Kinds.id").unwrap().iter().map(Result::unwrap).collect();
    assert_eq!(ids, expected.iter().map(|record| record.id).collect::<Vec<_>>());
    for ((reader, text), (record, row_id)) in
        readers.iter().zip(&texts).zip(expected.iter().zip(view.table("Kinds").unwrap().row_ids()))
    {
        // The reader's copy in a new message must stage to the same values.
        let mut copy = capnp::message::Builder::new(capnp::message::HeapAllocator::new().first_segment_words(1 << 14));
        copy.set_root(reader).unwrap();
        let segment = copy.get_segments_for_output()[0];
        assert_eq!(json_of(encoding, segment), json_of(encoding, &plain_words(record)));
        assert_eq!(reader.get_code().unwrap(), record.code.as_str());
        assert_eq!(text.unwrap(), record.text.as_deref().unwrap_or("unnamed"));
        let value = record.tree.as_ref().map_or(0, |tree| i64::from(tree.value));
        assert_eq!(trees.get(row_id).unwrap().get("value").unwrap().as_i64(), Some(value));
    }
}

#[test]
fn sealing_what_was_sealed_gives_the_same_bytes() {
    for seed in 0..SEEDS {
        let records = records(&mut Random::new(seed));
        let by_sharing = [Sharing::Shared, Sharing::StrictTree].map(|sharing| {
            let encoding = encoding::<kinds::Owned>(sharing);
            let sealed = seal(stage_plain(&encoding, &records), None);
            (encoding, sealed)
        });
        for (encoding, expected) in &by_sharing {
            for (_, source) in &by_sharing {
                let source = open(&source[0]);
                let mut stage = Stage::new(encoding);
                (0..source.rows()).rev().for_each(|row| stage.add_struct(source.row(row).unwrap()).unwrap());
                assert_same(expected, &seal(stage, None), &format!("seed={seed}"));
            }
        }
    }
}

#[test]
fn what_can_be_staged_can_be_read_through_every_door() {
    let encoding = encoding::<kinds::Owned>(Sharing::Shared);
    let chain = |nodes| {
        let mut record = Kinds::bare(1);
        record.tree = Some(Tree::chain(nodes));
        plain_words(&record)
    };
    let accepts = |nodes: &u32| {
        let words = chain(*nodes);
        Stage::new(&encoding).add_struct(Words::new(&words).struct_of(0).unwrap().unwrap()).is_ok()
    };
    let deepest = (1..100).take_while(accepts).last().unwrap();
    let mut stage = Stage::new(&encoding);
    add(&mut stage, &chain(deepest));
    let sealed = seal(stage, None);
    encoding.verify(&open(&sealed[0]), &sealed[0].entry(Sharing::Shared)).unwrap();
    let view = view(&encoding, &sealed, Sharing::Shared);
    let table = view.table("Kinds").unwrap();
    let first = table.row_id(0, 0).unwrap();
    let json = table.record(first).unwrap().to_json_string();
    assert!(json.is_ok(), "{deepest} nodes: {}", json.unwrap_err());
    let readers = view.records::<kinds::Owned>().unwrap();
    let mut tree = readers.get(first).unwrap().get_tree().unwrap();
    for _ in 1..deepest {
        tree = tree.get_children().unwrap().get(0);
    }
    assert_eq!(tree.get_children().unwrap().len(), 0);
}

#[test]
fn a_bit_of_a_message_reaches_the_bytes_just_when_it_changes_a_value() {
    let encoding = encoding::<kinds::Owned>(Sharing::Shared);
    let sealed = |words: &[u8]| {
        let mut stage = Stage::new(&encoding);
        let at = Words::new(words).struct_of(0).ok().flatten()?;
        stage.add_struct(at).ok()?;
        Some(seal(stage, None).remove(0).bytes)
    };
    let (mut same, mut other) = (0, 0);
    for seed in 0..SEEDS / 3 {
        let mut r = Random::new(seed);
        let words = plain_words(&Kinds::random(&mut r, 1));
        let expected = sealed(&words).unwrap();
        for _ in 0..200 {
            let mut changed = words.clone();
            let bit = r.below(words.len() * 8);
            changed[bit / 8] ^= 1 << (bit % 8);
            let (Some(before), Some(after), Some(found)) =
                (record_of(&encoding, &words), record_of(&encoding, &changed), sealed(&changed))
            else {
                continue;
            };
            let Ok(equal) = before.value_eq(&after, &mut Budget::default()) else { continue };
            assert_eq!(found == expected, equal, "seed={seed} bit={bit}");
            *(if equal { &mut same } else { &mut other }) += 1;
        }
    }
    assert!(same > 200 && other > 200, "same={same} other={other}");
}
