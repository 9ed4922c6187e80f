//! Counterexamples that were found once, and hostile forms that random mutation rarely finds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kapok_core::manifest::SegmentEntry;
use kapok_core::manifest::{Blob, BlobMap};
use kapok_core::record::Budget;
use kapok_core::schema::{FieldKind, FieldType, Schema, StructType, Type};
use kapok_core::segment::{Encoding, MergeInput, SealedSegment, Segment, Sharing, Stage};
use kapok_core::view::Tables;
use kapok_core::{Fault, Result};
use kapok_samples::dataset::{add, encoding, manifest, seal};
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::random_kinds::{Kinds, Tree};
use kapok_samples::stopwatch::Stopwatch;
use kapok_samples::walk::read;

use crate::segments::movies;

/// A sealed record, to be changed by hand.
struct Subject {
    encoding: Encoding,
    bytes: Vec<u8>,
    entry: SegmentEntry,
}

impl Subject {
    fn new(record: &Kinds) -> Self {
        let encoding = encoding::<kinds::Owned>(Sharing::Shared);
        let mut stage = Stage::new(&encoding);
        add(&mut stage, record.plain().get_segments_for_output()[0]);
        let sealed = seal(stage, None).remove(0);
        let entry = sealed.entry(Sharing::Shared);
        Self { encoding, bytes: sealed.bytes, entry }
    }

    fn extent(&self, field: &str) -> usize {
        self.entry.extents.iter().find(|extent| extent.field == field).unwrap().offset as usize / 8
    }

    fn word(&mut self, at: usize) -> &mut [u8] {
        &mut self.bytes[at * 8..at * 8 + 8]
    }

    fn get(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes[at * 8..at * 8 + 8].try_into().unwrap())
    }

    fn set(&mut self, at: usize, word: u64) {
        self.word(at).copy_from_slice(&word.to_le_bytes());
    }

    fn verify(&self) -> Result<()> {
        let segment = Segment::open("segment", Bytes::from(self.bytes.clone()), self.entry.rows)?;
        self.encoding.verify(&segment, &self.entry)
    }

    fn merge(&self) -> Result<SealedSegment> {
        let segment = Segment::open("segment", Bytes::from(self.bytes.clone()), self.entry.rows)?;
        self.encoding.merge(&[MergeInput { segment: &segment, dropped: None }])
    }

    fn view(&self) -> Tables {
        let mut blobs = BlobMap::new();
        let bytes = Bytes::from(self.bytes.clone());
        blobs.insert(self.entry.id, Blob { name: Arc::from("segment"), bytes });
        Tables::open(Arc::new(manifest(&self.encoding, vec![self.entry.clone()])), &blobs).unwrap()
    }
}

/// What walking the first record ends with.
fn walk(view: &Tables) -> Vec<Fault> {
    let table = view.table("Kinds").unwrap();
    let record = table.record(table.row_id(0, 0).unwrap()).unwrap();
    let printed = record.write_json(&mut Vec::new(), &mut Budget::new(50_000));
    let compared = record.value_eq(&record, &mut Budget::new(50_000));
    let errors = printed.err().map(|e| e.downcast::<kapok_core::Error>().unwrap()).into_iter().chain(compared.err());
    errors
        .map(|error| match error.fault() {
            Fault::Budget { record_type, budget } => {
                Fault::Budget { record_type: record_type.clone(), budget: *budget }
            }
            Fault::Limit { limit, allowed, needed, .. } => {
                Fault::Limit { subject: String::new(), limit, allowed: *allowed, needed: *needed }
            }
            other => panic!("{other}"),
        })
        .collect()
}

fn quickly<T>(what: &str, f: impl FnOnce() -> T) -> T {
    let stopwatch = Stopwatch::start();
    let result = f();
    stopwatch.assert_within(Duration::from_secs(2), what);
    result
}

/// A tree of so many levels of two nodes, of which the first has children; their lists are five words each.
fn comb(levels: u32) -> Kinds {
    let mut tree = Tree { value: 1, children: None };
    for _ in 0..levels {
        let leaf = Tree { value: 2, children: None };
        tree = Tree { value: 1, children: Some(vec![tree, leaf]) };
    }
    let mut record = Kinds::bare(1);
    record.tree = Some(tree);
    record
}

#[test]
fn a_tree_that_shares_all_its_branches_is_verified_in_linear_time() {
    let levels = 30;
    let mut subject = Subject::new(&comb(levels));
    let first = subject.extent("tree") + 2;
    for list in (0..levels as usize - 1).map(|level| first + 5 * level) {
        // The second node gets the children of the first: 2^30 ways to the leaves.
        let children = subject.get(list + 2);
        assert_eq!(subject.get(list + 4), 0);
        subject.set(list + 4, children - (2 << 2));
    }
    quickly("verify", || subject.verify()).unwrap();
    let view = subject.view();
    let faults = quickly("walks", || walk(&view));
    assert_eq!(faults.len(), 2);
    quickly("all doors", || read(&view));
    let merged = quickly("merge", || subject.merge()).unwrap();
    assert!(merged.bytes.len() <= subject.bytes.len() + 64, "what is shared stays shared");
}

#[test]
fn a_cycle_is_refused_by_verify_and_ended_by_depth_elsewhere() {
    let mut subject = Subject::new(&comb(20));
    let first = subject.extent("tree") + 2;
    let last = first + 5 * 18;
    let back = (first as i64 - (last + 4) as i64 - 1) as i32;
    let children = subject.get(first + 2);
    subject.set(last + 4, children & !0xffff_fffc | u64::from((back << 2).cast_unsigned()));
    let error = subject.verify().unwrap_err().to_string();
    assert!(error.contains("nested at most 64 deep in tree"), "{error}");
    let view = subject.view();
    assert_eq!(quickly("walks", || walk(&view)).len(), 2);
    quickly("all doors", || read(&view));
    let error = quickly("merge", || subject.merge()).unwrap_err().to_string();
    assert!(error.contains("nested deeper than 64"), "{error}");
}

#[test]
fn lists_of_nothing_are_not_iterated() {
    let mut record = Kinds::bare(1);
    record.set_empties();
    let mut subject = Subject::new(&record);
    // The pointer to the list of Void: element size 0, two elements.
    let row = 4..subject.extent("addresses");
    let voids = row.clone().find(|at| subject.get(*at) == 1 | 2 << 35).unwrap();
    subject.set(voids, 1 | ((1 << 29) - 1) << 35);
    let tag = subject.extent("addresses");
    assert_eq!(subject.get(tag), 1 << 2);
    subject.set(tag, ((1 << 30) - 1) << 2);
    quickly("verify", || subject.verify()).unwrap();
    let view = subject.view();
    let faults = quickly("walks", || walk(&view));
    assert!(faults.iter().all(|fault| matches!(fault, Fault::Budget { .. })) && faults.len() == 2, "{faults:?}");
    assert_eq!(quickly("all doors", || read(&view)), 0);
}

#[test]
fn a_root_elsewhere_is_refused_since_generated_readers_would_read_another_list() {
    let (_, sealed) = movies();
    let mut bytes = sealed.bytes;
    // A second root and list pointer at the end; what stands at word 1 claims fewer rows.
    let words = bytes.len() / 8 - 1;
    bytes[8..16].copy_from_slice(&(((words as u64 - 1) << 2) | 1 << 48).to_le_bytes());
    let list = u64::from_le_bytes(bytes[16..24].try_into().unwrap());
    let back = (2 - words as i64 - 1) as i32;
    bytes.extend((list & !0xffff_ffff | 1 | u64::from((back << 2).cast_unsigned())).to_le_bytes());
    bytes[4..8].copy_from_slice(&(words as u32 + 1).to_le_bytes());
    bytes[16..24].copy_from_slice(&7_u64.to_le_bytes());
    let error = Segment::open("segment", Bytes::from(bytes), sealed.rows).unwrap_err().to_string();
    assert!(error.contains("a root of one pointer"), "{error}");
}

#[test]
fn rows_of_no_size_are_refused_since_half_a_milliard_fits_in_no_bytes() {
    let rows = (1 << 29) - 1;
    let words: [u64; 4] = [3 << 32, 1 << 48, 1 | 7 << 32, rows << 2];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let error = Segment::open("segment", Bytes::from(bytes), rows as u32).unwrap_err().to_string();
    assert!(error.contains("rows of at least one word"), "{error}");
}

fn group(id: u64, sizes: (u16, u16), fields: Vec<FieldType>) -> StructType {
    let (data_words, pointer_words) = sizes;
    let ty = StructType::new(id, format!("T{id}"), fields);
    StructType { scope: 1, data_words, pointer_words, is_group: id != 1, ..ty }
}

fn group_field(name: &str, id: u64) -> FieldType {
    FieldType { kind: FieldKind::Group(id), ordinal: None, ..FieldType::slot(name, 1, 0, Type::Void) }
}

fn hostile_encoding(types: Vec<StructType>) -> kapok_core::Error {
    let mut schema = Schema::new();
    types.into_iter().for_each(|ty| schema.insert_struct(ty));
    quickly("an encoding", || Encoding::new(Arc::new(schema), 1, &["id".to_owned()], Sharing::Shared)).unwrap_err()
}

#[test]
fn a_schema_whose_group_is_larger_than_its_struct_is_refused() {
    let id = FieldType::slot("id", 0, 0, Type::Int64);
    for inner in [FieldType::slot("far", 1, 7, Type::Int64), FieldType::slot("far", 1, 7, Type::Text)] {
        let types = vec![group(1, (1, 1), vec![id.clone(), group_field("g", 2)]), group(2, (9, 9), vec![inner])];
        let error = hostile_encoding(types).to_string();
        assert!(error.contains("beyond its sections"), "{error}");
    }
    let mut union = group(1, (1, 1), vec![id, FieldType { discriminant: Some(0), ..group_field("g", 2) }]);
    (union.discriminant_count, union.discriminant_offset) = (1, 4);
    let error = hostile_encoding(vec![union, group(2, (1, 1), vec![])]).to_string();
    assert!(error.contains("beyond its sections"), "{error}");
}

#[test]
fn a_schema_whose_group_contains_itself_twice_is_refused() {
    let id = FieldType::slot("id", 0, 0, Type::Int64);
    let twice = vec![group_field("a", 2), group_field("b", 2)];
    let types = vec![group(1, (1, 1), vec![id, group_field("g", 2)]), group(2, (1, 1), twice)];
    let mut schema = Schema::new();
    types.iter().for_each(|ty| schema.insert_struct(ty.clone()));
    quickly("a comparison of schemas", || schema.check_readable_as(1, &schema.clone(), 1)).unwrap_err();
    hostile_encoding(types);
}
