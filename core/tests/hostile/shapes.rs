//! Schemas of hostile shapes, through everything that is done with a schema.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kapok_core::manifest::{Manifest, RecordType};
use kapok_core::record::{Budget, Record};
use kapok_core::schema::{OlderSchema, RecordDeclaration, Schema};
use kapok_core::segment::{Encoding, MergeInput, Segment, Sharing, Stage};
use kapok_core::view::Tables;
use kapok_ingest::Value;
use kapok_ingest::{Inference, InferenceSettings};
use kapok_samples::cases::variable;
use kapok_samples::dataset::seal;
use kapok_samples::shapes::{RECORD, SHAPES};
use kapok_samples::stopwatch::Stopwatch;

/// Types or fields of a shape: its manifest has a few hundred kilobytes.
const COUNT: u32 = 6_000;
/// For all that is done with one schema, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(4);

fn manifest(schema: Schema) -> Manifest {
    let record_type = RecordType {
        name: "T1".to_owned(),
        type_id: RECORD,
        key: vec!["id".to_owned()],
        rows: 0,
        segments: Vec::new(),
        changes: None,
        ..RecordType::default()
    };
    let mut manifest = Manifest::clone(Tables::empty().manifest());
    (manifest.version, manifest.schema, manifest.record_types) = (1, Arc::new(schema), vec![record_type]);
    manifest
}

fn decode(schema: Schema) -> kapok_core::Result<Manifest> {
    let bytes = manifest(schema).encode()?;
    assert!(bytes.len() < 4 << 20, "{} bytes", bytes.len());
    Manifest::decode("manifest", &Bytes::from(bytes))
}

/// Two records that have nothing but a key, as an older schema wrote them, are verified and merged.
fn with_records(encoding: &Encoding) -> kapok_core::Result<()> {
    let mut narrow = Schema::new();
    narrow.insert_struct(kapok_samples::shapes::record(Vec::new()));
    let narrow = Encoding::new(Arc::new(narrow), RECORD, &["id".to_owned()], Sharing::Shared)?;
    let mut stage = Stage::new(&narrow);
    for id in 1_u64..=2 {
        let words: Vec<u8> = [1 << 32, id].iter().flat_map(|word: &u64| word.to_le_bytes()).collect();
        kapok_samples::dataset::add(&mut stage, &words);
    }
    let sealed = seal(stage, None).remove(0);
    let segment = Segment::open("segment", Bytes::from(sealed.bytes.clone()), sealed.rows)?;
    encoding.verify(&segment, &sealed.entry(Sharing::Shared))?;
    let merged = encoding.merge(&[MergeInput { segment: &segment, dropped: None }])?;
    let (row, bytes) = (merged.rows, Bytes::from(merged.bytes));
    let segment = Segment::open("merged", bytes, row)?;
    let record = Record::new(encoding.schema(), RECORD, segment.row(1).expect("two rows"))?;
    record.write_json(&mut Vec::new(), &mut Budget::default()).expect("JSON");
    assert!(record.value_eq(&record, &mut Budget::default())?);
    Ok(())
}

/// Everything that a reader and a producer do with the schema of a manifest; what was refused.
fn use_all(manifest: &Manifest) -> Vec<kapok_core::Error> {
    let schema = &manifest.schema;
    let key = ["id".to_owned()];
    let declared = [RecordDeclaration { name: "T1", type_id: RECORD, key: &key }];
    let mut larger = Schema::clone(schema);
    let mut record = (**schema.struct_type(RECORD).unwrap()).clone();
    record.key = key.to_vec();
    larger.insert_struct(record);
    let infer = || {
        let mut inference = Inference::extending(&larger, RECORD, InferenceSettings::default())?;
        inference.observe(&Value::Struct(vec![("id".into(), Value::Int(7))]), 1)?;
        inference.finish()
    };
    let outcomes = [
        manifest.encode().map(drop),
        schema.fingerprint().map(drop),
        schema.to_idl(&declared).map(drop),
        schema.check_readable_as(RECORD, &larger, RECORD),
        schema.evolve(&larger, &[RECORD], OlderSchema::Refuse).map(drop),
        schema.closure([RECORD]).map(drop),
        infer().map(drop),
        Encoding::new(Arc::clone(schema), RECORD, &key, Sharing::Shared).and_then(|encoding| with_records(&encoding)),
    ];
    outcomes.into_iter().filter_map(Result::err).collect()
}

#[test]
fn whatever_shape_a_schema_has_it_is_refused_or_used_in_time_that_grows_with_its_length() {
    let (mut refused, mut used) = (0, 0);
    let only = variable("KAPOK_FUZZ_CASE").map(|only| only as usize);
    for (_, (name, shape)) in SHAPES.iter().enumerate().filter(|(index, _)| only.is_none_or(|only| only == *index)) {
        let stopwatch = Stopwatch::start();
        match decode(shape(COUNT)) {
            Err(error) => {
                refused += 1;
                println!("{name}: {error}");
                assert!(error.to_string().len() < 8192, "{name}: an error of {} bytes", error.to_string().len());
            }
            Ok(manifest) => {
                used += 1;
                println!("{name}: {:?}", use_all(&manifest));
            }
        }
        println!("{name}: {:?}", stopwatch.worked());
        stopwatch.assert_within(PATIENCE, name);
    }
    assert!(only.is_some() || refused >= 8 && used >= 7, "refused={refused} used={used}");
}

#[test]
fn small_schemas_of_the_same_kind_are_used_as_ever() {
    for (name, count) in [
        ("a chain of types", 60),
        ("a chain of groups", 60),
        ("a ring of types", 40),
        ("types that all hold each other", 100),
        ("numbers that each have a null flag", 100),
        ("many unions", 20),
        ("types of one name", 20),
        ("an enum of many members", 300),
        ("long names", 300),
    ] {
        let (_, shape) = SHAPES.iter().find(|(known, _)| *known == name).unwrap();
        let manifest = decode(shape(count)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut errors = use_all(&manifest);
        // Which bits the compiler gives to what has unions is not asked.
        errors.retain(|error| !error.to_string().contains("Cap'n Proto's compiler"));
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}
