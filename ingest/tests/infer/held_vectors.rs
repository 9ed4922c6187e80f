//! Vectors that come beside the records, from files.

use std::sync::Arc;

use bytes::Bytes;
use kapok_core::record::Record;
use kapok_core::schema::{Metric, Schema, VectorElement, VectorSpace};
use kapok_core::segment::{Encoding, Sharing};
use kapok_core::vectors::ElementType;
use kapok_core::words::Words;
use kapok_core::{ErrorKind, Result};
use kapok_ingest::{
    Inference, InferenceSettings, MessageWriter, RecordVectors, Value, VectorInput, VectorSetting, VectorTable,
};

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    with_header(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"), data)
}

fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(header.len()).unwrap();
    [b"\x93NUMPY\x01\x00", &len.to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn open(bytes: Vec<u8>) -> Result<VectorTable> {
    VectorTable::open("file.npy", Bytes::from(bytes))
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, expected: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains(expected), "{expected} not in: {error}");
}

#[test]
fn npy_of_each_kind_and_version_is_read_in_place() {
    for (descr, element, bytes) in [
        ("<f4", ElementType::Float32, 4),
        ("<f2", ElementType::Float16, 2),
        ("|i1", ElementType::Int8, 1),
        ("i1", ElementType::Int8, 1),
        ("|u1", ElementType::UInt8, 1),
    ] {
        let data: Vec<u8> = (0..6 * bytes).collect();
        let table = open(npy(descr, "(2, 3)", &data)).unwrap();
        assert_eq!((table.element(), table.rows(), table.dimension()), (element, 2, 3));
        assert_eq!(table.row(1).unwrap(), &data[data.len() / 2..]);
        refused(table.row(2), "row 2 is beyond the last: rows=2");
    }
    let header = "{\"shape\" : (1L,2),'fortran_order':False,\"descr\":'<f4'}";
    let data = floats(&[1.5, -2.0]);
    for major in [2, 3] {
        let len = u32::try_from(header.len()).unwrap();
        let file = [b"\x93NUMPY", &[major, 0][..], &len.to_le_bytes(), header.as_bytes(), &data].concat();
        assert_eq!(open(file).unwrap().row(0).unwrap(), data);
    }
    // One vector is in either order.
    let fortran = with_header("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2)}", &data);
    assert_eq!(open(fortran).unwrap().row(0).unwrap(), data);
    assert_eq!(open(npy("<f4", "(0, 2)", &[])).unwrap().rows(), 0);
}

#[test]
fn npy_that_cannot_be_read_says_why_and_what_to_do() {
    let data = floats(&[1.0, 2.0, 3.0, 4.0]);
    for (file, expected) in [
        (npy("<f4", "(2, 3)", &data), "rows=2 of 3 elements of float32 need bytes="),
        (npy("<f4", "(1, 2)", &data), "need bytes="),
        (npy("<f4", "(18446744073709551615, 2)", &data), "more than 2^64"),
        (npy("<f4", "(18446744073709551616, 2)", &data), "no dictionary"),
        (npy("<f4", "(4,)", &data), "shape [4]; expected two dimensions"),
        (npy("<f4", "()", &data), "shape []; expected two dimensions"),
        (npy("<f4", "(4, 0)", &[]), "vectors of dimension 0"),
        (npy("<f4", "(0, 99999999999)", &[]), "vectors of dimension 99999999999"),
        (npy("<f8", "(1, 2)", &data), ".astype('float32')"),
        (npy(">f4", "(2, 2)", &data), "big-endian"),
        (npy("<i4", "(2, 2)", &data), "known are '<f4'"),
        (with_header("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}", &data), "Fortran order"),
        (with_header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,)}", &data), "no dictionary"),
        (with_header("{'descr': '<f4', 'shape': (2, 2)}", &data), "no dictionary"),
        (with_header("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", &data), "no dict"),
        (with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)", &data), "no dictionary"),
        (b"\x93NUMPY\x04\x00\x00\x00".to_vec(), "version 4.0"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(), "header of 4294967295 bytes"),
        (b"PK\x03\x04".to_vec(), "neither .npy"),
        (Vec::new(), "neither .npy"),
    ] {
        refused(open(file), expected);
    }
    // Cut anywhere, or with more behind it.
    let file = npy("<f4", "(2, 2)", &data);
    assert!(open(file.clone()).is_ok());
    for end in 0..file.len() {
        assert!(open(file[..end].to_vec()).is_err(), "cut at {end}");
    }
    refused(open([file, vec![0]].concat()), "need bytes=");
}

#[test]
fn npy_headers_of_any_bytes_give_a_table_or_an_error() {
    let file = npy("<f4", "(2, 2)", &floats(&[1.0, 2.0, 3.0, 4.0]));
    for at in 0..file.len() - 16 {
        for byte in 0..=255 {
            let mut file = file.clone();
            file[at] = byte;
            if let Ok(table) = open(file) {
                for row in 0..table.rows().min(100) {
                    assert!(table.row(row).is_ok());
                }
            }
        }
    }
}

#[test]
fn fvecs_are_of_one_dimension() {
    let open = |bytes: &[u8]| VectorTable::open("a.fvecs", Bytes::copy_from_slice(bytes));
    let vector = |dimension: u32, numbers: &[f32]| [&dimension.to_le_bytes()[..], &floats(numbers)].concat();
    let two = [vector(2, &[1.0, 2.0]), vector(2, &[3.0, 4.0])].concat();
    let table = open(&two).unwrap();
    assert_eq!((table.element(), table.rows(), table.dimension()), (ElementType::Float32, 2, 2));
    assert_eq!((table.row(0).unwrap(), table.row(1).unwrap()), (&two[4..12], &two[16..24]));
    refused(table.row(2), "beyond the last");
    refused(open(&two[..23]), "12 bytes each, and the file is of 23 bytes");
    refused(open(&[]), "without a vector");
    refused(open(&vector(0, &[])), "dimension, which cannot be 0");
    refused(open(&[0xff; 8]), "dimension, which cannot be -1");
    let mixed = open(&[vector(2, &[1.0, 2.0]), vector(1, &[3.0, 4.0])].concat()).unwrap();
    refused(mixed.row(1), "row 1 is of dimension 1, where the first is of 2");
}

fn setting(path: &str, metric: Metric, held: Option<(ElementType, u32)>) -> VectorSetting {
    VectorSetting { path: path.to_owned(), metric, held }
}

fn inference(known: Option<&(Schema, u64)>, vectors: Vec<VectorSetting>) -> Result<Inference> {
    let settings = InferenceSettings { key: vec!["id".into()], vectors, ..InferenceSettings::default() };
    match known {
        None => Inference::new("Hut", settings),
        Some((schema, id)) => Inference::extending(schema, *id, settings),
    }
}

fn infer(known: Option<&(Schema, u64)>, vectors: Vec<VectorSetting>, record: &str) -> Result<(Schema, u64)> {
    let mut inference = inference(known, vectors)?;
    inference.observe(&Value::from_json(record.as_bytes())?, 1)?;
    inference.finish()
}

fn space((schema, id): &(Schema, u64), field: &str) -> (String, VectorSpace) {
    let field = schema.struct_type(*id).unwrap().field_by_any_name(field).unwrap();
    let kapok_core::schema::FieldKind::Slot { ty, .. } = &field.kind else { panic!("a group") };
    (format!("{ty:?}"), field.vector.unwrap())
}

#[test]
fn a_field_of_held_vectors_stands_behind_those_of_the_records() {
    let held = |metric, element, dimension| vec![setting("embedding", metric, Some((element, dimension)))];
    let record = r#"{"id":1,"name":"a"}"#;
    for (element, ty, form) in [
        (ElementType::Float32, "List(Float32)", VectorElement::AsType),
        (ElementType::Float16, "List(UInt16)", VectorElement::Float16),
        (ElementType::Int8, "List(Int8)", VectorElement::AsType),
        (ElementType::UInt8, "List(UInt8)", VectorElement::AsType),
    ] {
        let schema = infer(None, held(Metric::Cosine, element, 4), record).unwrap();
        let expected = VectorSpace { dimension: 4, metric: Metric::Cosine, element: form };
        assert_eq!(space(&schema, "embedding"), (ty.to_owned(), expected));
        let names: Vec<_> = schema.0.struct_type(schema.1).unwrap().fields.iter().map(|f| f.name.clone()).collect();
        assert_eq!(names, ["id", "name", "embedding"]);
    }
    let bits = infer(None, held(Metric::Hamming, ElementType::UInt8, 4), record).unwrap();
    let expected = VectorSpace { dimension: 32, metric: Metric::Hamming, element: VectorElement::Bit };
    assert_eq!(space(&bits, "embedding"), ("Data".to_owned(), expected));
    refused(
        infer(None, vec![setting("a.b", Metric::L2, Some((ElementType::Int8, 4)))], record),
        "a field of the record itself",
    );
    refused(infer(None, vec![setting("embedding", Metric::L2, None)], record), "a field that no record has");
    let twice = vec!["x".into(), "x".into()];
    refused(infer(None, twice, r#"{"id":1,"x":[1]}"#), "named both as a vector and as another");
}

#[test]
fn a_metric_is_given_to_new_and_known_fields() {
    let record = r#"{"id":1,"embedding":[1,2]}"#;
    let plain = infer(None, vec!["embedding".into()], record).unwrap();
    assert_eq!(space(&plain, "embedding").1.metric, Metric::Unspecified);
    let l2 = infer(None, vec![setting("embedding", Metric::L2, None)], record).unwrap();
    assert_eq!(space(&l2, "embedding").1.metric, Metric::L2);
    assert_eq!(infer(Some(&plain), vec![setting("embedding", Metric::L2, None)], record).unwrap(), l2);
    // What says nothing leaves what is known.
    assert_eq!(infer(Some(&l2), vec!["embedding".into()], record).unwrap(), l2);
    let bits = infer(None, vec![setting("code", Metric::Hamming, None)], r#"{"id":1,"code":[1,2,255]}"#).unwrap();
    let expected = VectorSpace { dimension: 0, metric: Metric::Hamming, element: VectorElement::Bit };
    assert_eq!(space(&bits, "code"), ("Data".to_owned(), expected));
}

/// Writes records with the vectors of some inputs; what came of each as JSON.
fn write(inputs: Vec<VectorInput>, records: &[&str]) -> Result<Vec<String>> {
    let held = inputs.iter().map(|input| {
        let table = &input.table;
        setting(&input.field, Metric::Unspecified, Some((table.element(), table.dimension())))
    });
    let mut inference = inference(None, held.collect())?;
    for record in records {
        inference.observe(&Value::from_json(record.as_bytes())?, 1)?;
    }
    let seen = inference.seen();
    let (schema, id) = inference.finish()?;
    let encoding = Encoding::new(Arc::new(schema), id, &["id".to_owned()], Sharing::Shared)?;
    let vectors = Arc::new(RecordVectors::new(inputs)?);
    let mut writer = MessageWriter::of_records(&encoding)?;
    writer.set_vectors(&vectors)?;
    let mut direct = writer.clone();
    direct.set_seen(&seen);
    let mut out = Vec::new();
    for (row, record) in (0..).zip(records) {
        writer.set_vector_row(row);
        direct.set_vector_row(row);
        let text = |message: &[u8]| {
            let root = Words::new(message).struct_of(0).unwrap().unwrap();
            Record::new(encoding.schema(), id, root).unwrap().to_json_string()
        };
        let expected = text(writer.write(&Value::from_json(record.as_bytes())?)?)?;
        assert_eq!(text(writer.write_json(record.as_bytes())?)?, expected);
        assert_eq!(text(direct.write_seen_json(record)?.expect("it was seen"))?, expected);
        out.push(expected);
    }
    vectors.check_taken()?;
    Ok(out)
}

fn input(field: &str, table: VectorTable, keys: Option<&str>) -> VectorInput {
    let keys = keys.map(|keys| match Value::from_json(format!("{{\"k\":{keys}}}").as_bytes()).unwrap() {
        Value::Struct(mut members) => match members.remove(0).1 {
            Value::List(keys) => keys.into(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    });
    VectorInput { field: field.to_owned(), table, keys }
}

#[test]
fn rows_go_to_the_records_of_their_place_or_of_their_key() {
    let table = || open(npy("<f4", "(2, 2)", &floats(&[1.0, 2.0, 3.0, 4.5]))).unwrap();
    let records = [r#"{"id":"a"}"#, r#"{"id":"b"}"#];
    assert_eq!(
        write(vec![input("v", table(), None)], &records).unwrap(),
        [r#"{"id":"a","v":[1.0,2.0]}"#, r#"{"id":"b","v":[3.0,4.5]}"#]
    );
    let third = [records[0], records[1], r#"{"id":"c","v":null}"#];
    let bytes = open(npy("|i1", "(3, 1)", &[1, 2, 255])).unwrap();
    assert_eq!(
        write(vec![input("v", table(), Some(r#"["b",["a"]]"#)), input("w", bytes, None)], &third).unwrap(),
        [r#"{"id":"a","v":[3.0,4.5],"w":[1]}"#, r#"{"id":"b","v":[1.0,2.0],"w":[2]}"#, r#"{"id":"c","w":[-1]}"#]
    );
    refused(write(vec![input("v", table(), None)], &third), "row 2 is beyond the last: rows=2");
    refused(write(vec![input("v", table(), None)], &records[..1]), "rows=2, and 1 have a record: row 1 has none");
    let keyed = |keys| write(vec![input("v", table(), Some(keys))], &records);
    refused(keyed(r#"["b"]"#), "rows=2, and there are 1 keys for them");
    refused(keyed(r#"["b","x"]"#), "row 1, of key \"x\", has none");
    refused(keyed(r#"["b","b"]"#), "\"b\" is that of row 0 too");
    refused(keyed(r#"["b",1]"#), "key 1");
    refused(keyed(r#"["b",null]"#), "key 1");
    refused(keyed(r#"["b",["a","c"]]"#), "2 parts, where the key has 1");
    let given = [records[0], r#"{"id":"b","v":[1,2]}"#];
    refused(write(vec![input("v", table(), None)], &given), "is given by the record and by file.npy, row 1");
    let both = vec![input("v", table(), None), input("v", table(), None)];
    refused(write(both, &records), "v");
}

#[test]
fn a_table_that_does_not_fit_its_field_is_refused_with_both() {
    let space = |element, dimension| vec![setting("v", Metric::Unspecified, Some((element, dimension)))];
    for (element, dimension, expected) in [
        (ElementType::Float32, 3, "is of dimension 3, file.npy has vectors of dimension 2"),
        (ElementType::Int8, 2, "holds int8, file.npy has float32"),
    ] {
        let (schema, id) = infer(None, space(element, dimension), r#"{"id":1}"#).unwrap();
        let encoding = Encoding::new(Arc::new(schema.clone()), id, &["id".to_owned()], Sharing::Shared).unwrap();
        let mut writer = MessageWriter::of_records(&encoding).unwrap();
        let table = open(npy("<f4", "(1, 2)", &floats(&[1.0, 2.0]))).unwrap();
        let vectors = Arc::new(RecordVectors::new([input("v", table.clone(), None)]).unwrap());
        refused(writer.set_vectors(&vectors), expected);
        let vectors = Arc::new(RecordVectors::new([input("id", table, None)]).unwrap());
        refused(writer.set_vectors(&vectors), "is no vector field");
        refused(MessageWriter::new(Arc::new(schema), id).unwrap().set_vectors(&vectors), "a writer of records");
    }
}
