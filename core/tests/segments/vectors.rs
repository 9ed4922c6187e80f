//! A column of vectors has what the fields' ordinary readers find, over any schema and any history.

use std::sync::Arc;

use bytes::Bytes;
use kapok_core::field::{FieldValue, List};
use kapok_core::manifest::{Blob, BlobMap, SegmentEntry, Tombstones, encode_rows};
use kapok_core::schema::{FieldKind, FieldType, Metric, Schema, StructType, Type, VectorElement, VectorSpace};
use kapok_core::segment::{Encoding, SealSettings, Segment, Sharing, Stage};
use kapok_core::vectors::{ElementType, VectorColumn};
use kapok_core::view::{Table, Tables};
use kapok_core::words::{ElementSize, Words};
use kapok_ingest::{MessageWriter, Value};
use kapok_samples::dataset::{add, manifest, seal};
use kapok_samples::random::Random;
use proptest::prelude::*;

const ELEMENTS: [ElementType; 5] =
    [ElementType::Float32, ElementType::BFloat16, ElementType::Int8, ElementType::UInt8, ElementType::Bit];
const RECORD: u64 = 1 << 63 | 1;

/// A field of the record, in the order in which the schema grew.
#[derive(Clone, Debug)]
struct Part {
    /// `None` for a text.
    vector: Option<(ElementType, u32)>,
    place: Place,
    slot: u32,
    renamed: bool,
    dimension_known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Record,
    Union,
    Group,
}

impl Part {
    fn random(r: &mut Random, before: &[Self]) -> Self {
        let place = [Place::Record, Place::Union, Place::Group][r.below(3)];
        let next = before.iter().map(|part| part.slot + 1).max().unwrap_or(0);
        // Members of a union may share a pointer.
        let shared = before.iter().rfind(|part| part.place == Place::Union).map(|part| part.slot);
        let element = ELEMENTS[r.below(5)];
        let unit = if element == ElementType::Bit { 8 } else { 1 };
        Self {
            vector: (!r.one_in(4)).then(|| (element, unit * (1 + r.below(20) as u32))),
            place,
            slot: shared.filter(|_| place == Place::Union && r.one_in(2)).unwrap_or(next),
            renamed: r.one_in(3),
            dimension_known: r.one_in(2),
        }
    }

    fn name(&self, index: usize, newest: bool) -> String {
        if newest && self.renamed { format!("renamed{index}") } else { format!("part{index}") }
    }

    fn field(&self, index: usize, newest: bool) -> FieldType {
        let of = |ty| Type::List(Box::new(ty));
        let ty = match self.vector {
            None => Type::Text,
            Some((ElementType::Float32, _)) => of(Type::Float32),
            Some((ElementType::Int8, _)) => of(Type::Int8),
            Some((ElementType::BFloat16, _)) => of(Type::UInt16),
            Some(_) => Type::Data,
        };
        let space = |(element, dimension): (ElementType, u32)| VectorSpace {
            dimension: if self.dimension_known { dimension } else { 0 },
            metric: if element == ElementType::Bit { Metric::Hamming } else { Metric::L2 },
            element: match element {
                ElementType::BFloat16 => VectorElement::BFloat16,
                ElementType::Bit => VectorElement::Bit,
                _ => VectorElement::AsType,
            },
        };
        let slot = FieldType::slot(&self.name(index, newest), index as u16 + 3, self.slot, ty);
        FieldType { vector: self.vector.map(space), ..slot }
    }

    /// The value in JSON.
    fn json(&self, r: &mut Random) -> String {
        let Some((element, dimension)) = self.vector else { return format!("\"{}\"", r.below(5)) };
        // Vectors of zeros are vectors.
        let zero = r.one_in(4);
        let mut number = || match element {
            _ if zero => "0".to_owned(),
            ElementType::Float32 => format!("{}.5", r.below(9)),
            ElementType::Int8 => format!("{}", r.below(256) as i32 - 128),
            _ => format!("{}", r.below(256)),
        };
        let count = if element == ElementType::Bit { dimension / 8 } else { dimension };
        format!("[{}]", (0..count).map(|_| number()).collect::<Vec<_>>().join(","))
    }
}

/// The schema after its first parts.
fn encoding(parts: &[Part], newest: bool) -> Encoding {
    let pointer_words = parts.iter().map(|part| part.slot + 1).max().unwrap_or(0) as u16;
    let sizes = |ty: StructType| StructType { data_words: 1, pointer_words, ..ty };
    let member = |name: &str, ordinal: u16| FieldType {
        discriminant: Some(ordinal - 1),
        ..FieldType::slot(name, ordinal, 0, Type::Void)
    };
    let mut fields = vec![FieldType::slot("id", 0, 0, Type::UInt32), member("none", 1), member("nothing", 2)];
    let mut schema = Schema::new();
    let mut members = 2;
    for (index, part) in parts.iter().enumerate() {
        let mut field = part.field(index, newest);
        match part.place {
            Place::Record => {}
            Place::Union => {
                field.discriminant = Some(members);
                members += 1;
            }
            Place::Group => {
                let id = RECORD + 1 + index as u64;
                let name = if newest { format!("h{index}") } else { format!("g{index}") };
                let group = StructType { is_group: true, scope: RECORD, ..StructType::new(id, &name, vec![field]) };
                schema.insert_struct(sizes(group));
                field =
                    FieldType { kind: FieldKind::Group(id), ..FieldType::slot(&name, index as u16 + 3, 0, Type::Void) };
            }
        }
        fields.push(field);
    }
    let record = StructType::new(RECORD, "R", fields);
    schema.insert_struct(StructType { discriminant_count: members, discriminant_offset: 2, ..sizes(record) });
    Encoding::new(Arc::new(schema), RECORD, &["id".to_owned()], Sharing::Shared).unwrap()
}

fn path(part: &Part, index: usize, newest: bool) -> String {
    let name = part.name(index, newest);
    match (part.place, newest) {
        (Place::Group, true) => format!("h{index}.{name}"),
        (Place::Group, false) => format!("g{index}.{name}"),
        _ => name,
    }
}

/// A record of random parts.
fn record(r: &mut Random, parts: &[Part], newest: bool, id: u32) -> Value {
    let mut out = vec![format!("\"id\":{id}")];
    let members = parts.iter().filter(|part| part.place == Place::Union).count();
    let active = r.below(members + 1);
    let mut member = 0;
    for (index, part) in parts.iter().enumerate() {
        let is_there = if part.place == Place::Union {
            member += 1;
            member == active + 1
        } else {
            !r.one_in(3)
        };
        if !is_there {
            continue;
        }
        let (name, value) = (part.name(index, newest), part.json(r));
        match (part.place, newest) {
            (Place::Group, true) => out.push(format!("\"h{index}\":{{\"{name}\":{value}}}")),
            (Place::Group, false) => out.push(format!("\"g{index}\":{{\"{name}\":{value}}}")),
            _ => out.push(format!("\"{name}\":{value}")),
        }
    }
    Value::from_json(format!("{{{}}}", out.join(",")).as_bytes()).unwrap()
}

/// A view of segments that were written as the schema grew, each with some dead rows.
fn history(r: &mut Random) -> (Vec<Part>, Tables) {
    let mut parts: Vec<Part> = Vec::new();
    for _ in 0..=r.below(7) {
        parts.push(Part::random(r, &parts));
    }
    let newest = encoding(&parts, true);
    let (mut entries, mut blobs): (Vec<SegmentEntry>, _) = (Vec::new(), BlobMap::new());
    let mut known = r.below(parts.len() + 1);
    for turn in 0..=r.below(4) {
        let is_newest = r.one_in(3);
        known = if is_newest { parts.len() } else { known };
        let own = encoding(&parts[..known], is_newest);
        let mut writer = MessageWriter::of_records(&own).unwrap();
        let mut stage = Stage::new(&own);
        let rows = 1 + r.below(20) as u32;
        for row in 0..rows {
            let record = record(r, &parts[..known], is_newest, turn as u32 * 100 + row);
            add(&mut stage, writer.write(&record).unwrap());
        }
        let sealed = seal(stage, None).remove(0);
        let mut entry = sealed.entry(Sharing::Shared);
        newest.rename_extents(&own, &mut entry.extents);
        if rows > 1 && r.one_in(2) {
            entry.dead = 1;
            entry.tombstones = Tombstones::Inline(encode_rows(&[r.below(rows as usize) as u32].into_iter().collect()));
        }
        let (name, bytes) = (Arc::from(format!("segment {turn}")), Bytes::from(sealed.bytes));
        blobs.insert(entry.id, Blob { name, bytes });
        entries.push(entry);
        known += r.below(parts.len() - known + 1);
    }
    (parts, Tables::open(Arc::new(manifest(&newest, entries)), &blobs).unwrap())
}

/// Compares columns with what a handle reads; the bytes of a value.
fn compare<'v, T: FieldValue<'v>>(table: &'v Table, columns: &[VectorColumn], path: &str, bytes: fn(T) -> Vec<u8>) {
    let field = table.field::<Option<T>>(path).unwrap();
    assert_eq!(columns.len(), table.segments().len());
    for (place, (column, source)) in columns.iter().zip(table.segments()).enumerate() {
        assert_eq!(column.rows(), source.segment().rows());
        let mut any = false;
        for row in 0..column.rows() {
            let value = field.get(table.row_id(place, row).unwrap()).unwrap().map(bytes);
            assert_eq!(column.has(row), value.is_some(), "{path} of row {row}");
            any |= value.is_some();
            match value {
                Some(value) => {
                    assert_eq!(column.row(row), value, "{path} of row {row}");
                    let from = column.offset() + row as usize * column.stride();
                    assert_eq!(column.bytes()[from..from + column.vector_bytes()], value);
                }
                None => assert!(column.row(row).iter().all(|byte| *byte == 0)),
            }
        }
        assert_eq!(any, !column.is_empty(), "{path}");
        assert!(!column.has(column.rows()) && column.row(column.rows()).is_empty());
    }
}

proptest! {
    #[test]
    fn columns_have_the_vectors_that_readers_find(seed in any::<u64>()) {
        let mut r = Random::new(seed);
        let (parts, view) = history(&mut r);
        let table = view.table("R").unwrap();
        for (index, part) in parts.iter().enumerate() {
            let path = path(part, index, true);
            let Some((element, dimension)) = part.vector else {
                let error = table.vectors(&path).unwrap_err();
                prop_assert!(error.to_string().contains("no vector field"), "{}", error);
                continue;
            };
            let columns = table.vectors(&path).unwrap();
            for column in columns.iter().filter(|column| part.dimension_known || !column.is_empty()) {
                prop_assert_eq!((column.element(), column.dimension()), (element, dimension));
                prop_assert_eq!(column.vector_bytes() * 8, dimension as usize * element.bits());
            }
            match element {
                ElementType::Float32 => compare::<&[f32]>(table, &columns, &path, |numbers| {
                    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
                }),
                ElementType::Int8 => compare::<List<'_, i8>>(table, &columns, &path, |list| {
                    list.iter().map(|number| number.unwrap().cast_unsigned()).collect()
                }),
                ElementType::BFloat16 => compare::<List<'_, u16>>(table, &columns, &path, |list| {
                    list.iter().flat_map(|number| number.unwrap().to_le_bytes()).collect()
                }),
                _ => compare::<&[u8]>(table, &columns, &path, <[u8]>::to_vec),
            }
        }
    }
}

#[test]
fn rows_are_read_as_numbers_of_their_kind_alone() {
    let part = |vector, slot| Part { vector, place: Place::Record, slot, renamed: false, dimension_known: true };
    let parts = [part(Some((ElementType::Float32, 3)), 0), part(Some((ElementType::Int8, 3)), 1)];
    let encoding = encoding(&parts, true);
    let mut writer = MessageWriter::of_records(&encoding).unwrap();
    let mut stage = Stage::new(&encoding);
    let record = Value::from_json(br#"{"id":1,"part0":[1,2.5,-3],"part1":[1,-2,3]}"#).unwrap();
    add(&mut stage, writer.write(&record).unwrap());
    let view = kapok_samples::dataset::view(&encoding, &seal(stage, None), Sharing::Shared);
    let table = view.table("R").unwrap();
    let (floats, integers) = (&table.vectors("part0").unwrap()[0], &table.vectors("part1").unwrap()[0]);
    assert_eq!(floats.numbers::<f32>(0), Some(&[1.0, 2.5, -3.0][..]));
    assert_eq!(integers.numbers::<i8>(0), Some(&[1, -2, 3][..]));
    assert_eq!((floats.numbers::<u8>(0), integers.numbers::<u8>(0)), (None, None));
    assert_eq!((floats.stride(), integers.stride()), (16, 8));
    let missing = table.vectors("part9").unwrap_err();
    assert_eq!(missing.kind(), kapok_core::ErrorKind::NotFound, "{missing}");
    for path in ["id", "part0.x", ""] {
        assert!(table.vectors(path).is_err(), "{path}");
    }
}

#[test]
fn a_vector_of_another_union_member_is_none() {
    let vector = Some((ElementType::Float32, 2));
    let part = Part { vector, place: Place::Union, slot: 0, renamed: false, dimension_known: true };
    let encoding = encoding(&[part], true);
    let mut writer = MessageWriter::of_records(&encoding).unwrap();
    let mut stage = Stage::new(&encoding);
    add(&mut stage, writer.write(&Value::from_json(br#"{"id":1,"part0":[1,2]}"#).unwrap()).unwrap());
    let mut sealed = seal(stage, None).remove(0);
    let column = |sealed: &_| {
        let view = kapok_samples::dataset::view(&encoding, std::slice::from_ref(sealed), Sharing::Shared);
        view.table("R").unwrap().vectors("part0").unwrap().remove(0)
    };
    assert!(column(&sealed).has(0));
    // The discriminant, behind the id: the writer would have left the pointer null.
    let rows_at = sealed.extents[0].offset as usize;
    assert_eq!(sealed.bytes[rows_at + 4], 2);
    sealed.bytes[rows_at + 4] = 1;
    assert!(!column(&sealed).has(0));
}

#[test]
fn vectors_that_stay_where_they_lie_give_the_segment_that_copies_do() {
    let mut r = Random::new(3);
    for element in ELEMENTS {
        let dimension = if element == ElementType::Bit { 24 } else { 5 };
        let vector = Some((element, dimension));
        let part = Part { vector, place: Place::Record, slot: 0, renamed: false, dimension_known: false };
        let encoding = encoding(std::slice::from_ref(&part), false);
        let mut writer = MessageWriter::of_records(&encoding).unwrap();
        let (mut copies, mut stays) = (Stage::new(&encoding), Stage::new(&encoding));
        for batch in 0..3 {
            let (mut copied, mut staying) = (Stage::new(&encoding), Stage::new(&encoding));
            for id in 0..40_u32 {
                let id = (id * 3 + batch) * 7 % 120;
                let json = match r.below(5) {
                    0 => format!("{{\"id\":{id}}}"),
                    _ => format!("{{\"id\":{id},\"part0\":{}}}", part.json(&mut r)),
                };
                let record = Words::new(writer.write_json(json.as_bytes()).unwrap()).struct_of(0).unwrap().unwrap();
                copied.add_struct(record).unwrap();
                let size = match element {
                    ElementType::Float32 => ElementSize::FourBytes,
                    ElementType::BFloat16 => ElementSize::TwoBytes,
                    _ => ElementSize::Byte,
                };
                let list = record.words().list_of(record.pointer_at(0).unwrap(), size).unwrap();
                let beside = match (list, r.below(4)) {
                    (None, _) | (_, 0) => Vec::new(),
                    // Of another record: the record's own counts.
                    (Some(list), 1) => vec![(0, Bytes::from(vec![9; list.bytes().len()]))],
                    (Some(list), _) => vec![(1, Bytes::new()), (0, Bytes::copy_from_slice(list.bytes()))],
                };
                staying.add_struct_beside(record, &beside).unwrap();
            }
            copies.absorb(copied).unwrap();
            stays.absorb(staying).unwrap();
        }
        let sealed = copies.seal(SealSettings::default()).unwrap().next().unwrap().unwrap();
        let (bytes, rows) = (Bytes::from(sealed.bytes), sealed.rows);
        let segment = Segment::open("segment", bytes.clone(), rows).unwrap();
        // Rows stand in key order, records as they came: each is found equal to its row and to no other.
        let mut equal = 0;
        for staged in 0..rows {
            let key = stays.encoded_key(staged);
            for row in (0..rows).filter_map(|row| segment.row(row)) {
                let mut other = Vec::new();
                assert!(encoding.key().encode_row(row, &mut other).unwrap());
                let is_equal = stays.row_equals(staged, row).unwrap();
                assert_eq!(is_equal, key == other, "{element}");
                equal += u32::from(is_equal);
            }
        }
        assert_eq!((equal, rows), (120, 120), "{element}");
        let again = stays.seal(SealSettings::default()).unwrap().next().unwrap().unwrap();
        assert_eq!(again.bytes, bytes, "{element}");
    }
}
