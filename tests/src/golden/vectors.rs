//! Vectors with graphs and codes of both kinds, of bits and in a union, some rows without one; changes, and a merge that grows
//! graphs.

use std::fmt::Write as _;
use std::path::Path;

use kapok_core::schema::{FieldType, Metric, Schema, StructType, Type, VectorElement, VectorSpace};
use kapok_producer::Declaration;

use super::history::{Change, Part, changes, delete, full, merge, producer, put};
use crate::model::Random;

const RECORD: u64 = 1 << 63 | 0x7ec;
/// More than are searched without a graph.
const ROWS: u32 = 262;

/// Codes of 8 bits, of 4 bits in a union, and of none for bits.
const INDEXES: [&str; 3] = [
    "hnsw(near) m=3 efConstruction=24 codes=sq8",
    "hnsw(far) m=2 m0=5 efConstruction=24 codes=sq4",
    "hnsw(marks) m=2 efConstruction=24",
];

fn declaration() -> Declaration {
    let vector = |name: &str, ordinal, offset, ty, element, metric, dimension| {
        let space = VectorSpace { dimension, metric, element };
        FieldType { vector: Some(space), ..FieldType::slot(name, ordinal, offset, ty) }
    };
    let list = |ty| Type::List(Box::new(ty));
    let near = vector("near", 1, 0, list(Type::Float32), VectorElement::AsType, Metric::L2, 4);
    let mut far = vector("far", 2, 1, list(Type::UInt16), VectorElement::Float16, Metric::Cosine, 4);
    far.discriminant = Some(1);
    let marks = vector("marks", 3, 2, Type::Data, VectorElement::Bit, Metric::Hamming, 16);
    let mut none = FieldType::slot("none", 4, 0, Type::Void);
    none.discriminant = Some(0);
    let record = StructType {
        data_words: 1,
        pointer_words: 3,
        discriminant_count: 2,
        discriminant_offset: 2,
        ..StructType::new(RECORD, "Hut", vec![FieldType::slot("id", 0, 0, Type::UInt32), near, far, marks, none])
    };
    let mut schema = Schema::new();
    schema.insert_struct(record);
    let declaration = Declaration::new(schema, RECORD).expect("a record type").key(["id"]);
    INDEXES.into_iter().fold(declaration, Declaration::index)
}

/// The record of id 7, as it is printed.
const DELETED: &str = r#"{"id":7,"near":[7.0,9.0,5.0,8.0],"marks":"RUs=","none":null}"#;

/// A record that depends on its id and a number alone.
fn line(id: u32, number: u64) -> String {
    let mut r = Random::new(u64::from(id) << 8 | number);
    let near: Vec<String> = (0..4).map(|_| r.below(10).to_string()).collect();
    let mut out = format!("{{\"id\":{id},\"near\":[{}]", near.join(","));
    if r.below(3) == 0 {
        // From 1 to 2, as float16.
        let numbers: Vec<String> = (0..4).map(|_| (0x3c00 + r.below(0x400)).to_string()).collect();
        let _ = write!(out, ",\"far\":[{}]", numbers.join(","));
    }
    if r.below(2) > 0 {
        let _ = write!(out, ",\"marks\":[{},{}]", r.below(256), r.below(256));
    }
    out + "}"
}

pub(super) async fn write(folder: &Path) {
    let producer = producer(folder).await;
    full(&producer, 1, |cycle| {
        cycle.declare(&declaration())?;
        let mut huts = cycle.values("Hut")?;
        Ok((0..ROWS).try_for_each(|id| huts.add_json(line(id, 0).as_bytes()))?)
    })
    .await;
    changes(&producer, 2, |cycle| {
        for id in (0..ROWS).step_by(40) {
            delete(cycle, "Hut", &[Part::Int((id + 1).into())])?;
            put(cycle, "Hut", &line(id, 1))?;
        }
        (ROWS..ROWS + 10).try_for_each(|id| put(cycle, "Hut", &line(id, 0)))
    })
    .await;
    merge(&producer, 3).await;
}

pub(super) fn next_changes() -> Vec<Change> {
    vec![Change {
        record_type: "Hut",
        put: r#"{"id":5000,"near":[1,2,3,4]}"#.to_owned(),
        printed: r#"{"id":5000,"near":[1.0,2.0,3.0,4.0],"none":null}"#.to_owned(),
        replaced: None,
        delete: vec![Part::Int(7)],
        deleted: DELETED.to_owned(),
    }]
}
