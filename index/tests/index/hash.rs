//! The hash index gives the same answers as a naive scan by dynamic records, and refuses or survives hostile bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::ErrorKind;
use kapok_core::manifest::{Blob, BlobMap, IndexSpec, Manifest, RecordType, SegmentEntry, Tombstones, encode_rows};
use kapok_core::paths::Scalar;
use kapok_core::record::{Record, ValueRef};
use kapok_core::segment::{Encoding, RowId, SealSettings, Segment, Sharing, Stage};
use kapok_core::words::Words;
use kapok_index::{Binding, BuiltArtifact, HashIndex, IndexSet, View, hash};
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::random::Random;
use kapok_samples::random_kinds::Kinds;
use roaring::RoaringBitmap;

/// Fields of every kind, through structs, groups, unions and lists, and several of one element.
const INDEXES: [&str; 22] = [
    "hash(u16)",
    "hash(i16)",
    "hash(u64)",
    "hash(flagOn)",
    "hash(colour)",
    "hash(f32)",
    "hash(f64)",
    "hash(text)",
    "hash(data)",
    "hash(address.city)",
    "hash(place.label)",
    "hash(count)",
    "hash(where.zip)",
    "hash(span.from)",
    "hash(contact.email)",
    "hash(texts[])",
    "hash(i64s[])",
    "hash(bools[])",
    "hash(addresses[].city)",
    "hash(addresses[].city, addresses[].zip, u8)",
    "hash(matrix[][])",
    "hash(groups[][].street)",
];

/// A version of several segments with dead rows, whose last segment has no indexes.
struct Dataset {
    encoding: Encoding,
    blobs: BlobMap,
    manifest: Manifest,
}

impl Dataset {
    fn random(r: &mut Random, sizes: &[usize]) -> Self {
        let encoding = kapok_samples::dataset::encoding::<kinds::Owned>(Sharing::Shared);
        let specs = INDEXES.iter().map(|text| text.parse::<IndexSpec>().unwrap());
        let mut specs: Vec<_> = specs.map(|spec| IndexSpec { revision: 1, ..spec }).collect();
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        let ty = RecordType {
            name: encoding.record_type().to_owned(),
            type_id: encoding.type_id(),
            key: encoding.key().names().map(str::to_owned).collect(),
            indexes: specs,
            ..RecordType::default()
        };
        let mut out = Self { blobs: BlobMap::new(), manifest: kapok_samples::dataset::manifest(&encoding, Vec::new()), encoding };
        out.manifest.record_types = vec![ty];
        let mut id = 0;
        for (place, size) in sizes.iter().enumerate() {
            let mut stage = Stage::new(&out.encoding);
            for _ in 0..*size {
                id += 1;
                let message = Kinds::random(r, id).plain();
                let segments = message.get_segments_for_output();
                let words = if let [one] = segments[..] { one.to_vec() } else { kapok_samples::random_kinds::one_segment(&message, r) };
                stage.add_struct(Words::new(&words).struct_of(0).unwrap().unwrap()).unwrap();
            }
            let dead: RoaringBitmap = (0..*size as u32).filter(|_| r.one_in(5)).skip(1).collect();
            out.add(stage, &dead, place + 1 < sizes.len());
        }
        out
    }

    fn add(&mut self, stage: Stage, dead: &RoaringBitmap, is_indexed: bool) {
        let sealed = stage.seal(SealSettings::default()).unwrap().next().unwrap().unwrap();
        let mut entry = sealed.entry(Sharing::Shared);
        entry.dead = dead.len() as u32;
        entry.tombstones = if dead.is_empty() { Tombstones::None } else { Tombstones::Inline(encode_rows(dead)) };
        let bytes = Bytes::from(sealed.bytes);
        let segment = Segment::open("segment", bytes.clone(), sealed.rows).unwrap();
        self.blobs.insert(sealed.id, Blob { name: Arc::from("segment"), bytes });
        if is_indexed {
            let set = IndexSet::new(&self.manifest.schema, &self.manifest.record_types[0]).unwrap();
            for BuiltArtifact { artifact, bytes } in set.build_lacking(&segment, &entry).unwrap() {
                self.blobs.insert(artifact.id, Blob { name: Arc::from(artifact.name.as_str()), bytes });
                entry.artifacts.push(artifact);
            }
        }
        let ty = &mut self.manifest.record_types[0];
        ty.rows += u64::from(entry.rows - entry.dead);
        ty.segments.push(entry);
    }

    fn open(&self) -> View {
        View::open(Arc::new(self.manifest.clone()), &self.blobs).unwrap()
    }

    fn entry(&self, place: usize) -> &SegmentEntry {
        &self.manifest.record_types[0].segments[place]
    }
}

/// A value, or what stands for none, that can be put in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Null,
    EmptyList,
    NullElement,
    Bool(bool),
    Int(i128),
    Float(u64),
    Text(Vec<u8>),
    Data(Vec<u8>),
}

impl Key {
    fn of(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Bool(value) => Self::Bool(value),
            ValueRef::Int(value) => Self::Int(value.into()),
            ValueRef::UInt(value) => Self::Int(value.into()),
            ValueRef::Enum { value, .. } => Self::Int(value.into()),
            ValueRef::Float32(value) => Self::float(value.into()),
            ValueRef::Float64(value) => Self::float(value),
            ValueRef::Text(text) => Self::Text(text.as_bytes().to_vec()),
            ValueRef::Data(bytes) => Self::Data(bytes.to_vec()),
            other => panic!("no scalar: {other:?}"),
        }
    }

    fn float(value: f64) -> Self {
        Self::Float(if value.is_nan() { u64::MAX } else { (value + 0.0).to_bits() })
    }

    fn scalar(&self) -> Scalar<'_> {
        match self {
            Self::Null => Scalar::Null,
            Self::EmptyList => Scalar::EmptyList,
            Self::NullElement => Scalar::NullElement,
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Int(value) => i64::try_from(*value).map_or_else(|_| Scalar::UInt(*value as u64), Scalar::Int),
            Self::Float(u64::MAX) => Scalar::Float(f64::NAN),
            Self::Float(bits) => Scalar::Float(f64::from_bits(*bits)),
            Self::Text(bytes) => Scalar::Text(bytes),
            Self::Data(bytes) => Scalar::Data(bytes),
        }
    }
}

/// Values of one path, by the elements that they belong to.
fn values(record: Record<'_>, path: &str) -> Vec<(Vec<u32>, Key)> {
    let mut out = Vec::new();
    walk(ValueRef::Struct(record), &path.split('.').collect::<Vec<_>>(), &mut Vec::new(), &mut out);
    out
}

fn walk(value: ValueRef<'_>, path: &[&str], at: &mut Vec<u32>, out: &mut Vec<(Vec<u32>, Key)>) {
    let null = |at: &[u32]| if at.is_empty() { Key::Null } else { Key::NullElement };
    match (value, path) {
        (ValueRef::Null, _) => out.push((at.clone(), null(at))),
        (value, []) => out.push((at.clone(), Key::of(value))),
        (ValueRef::Struct(record), [first, rest @ ..]) => {
            let name = first.trim_end_matches("[]");
            let lists = (first.len() - name.len()) / 2;
            elements(record.get(name).unwrap(), lists, rest, at, out);
        }
        (other, _) => panic!("{other:?} {path:?}"),
    }
}

fn elements(value: ValueRef<'_>, lists: usize, rest: &[&str], at: &mut Vec<u32>, out: &mut Vec<(Vec<u32>, Key)>) {
    match value {
        value if lists == 0 => walk(value, rest, at, out),
        ValueRef::List(list) if list.is_empty() => out.push((at.clone(), Key::EmptyList)),
        ValueRef::List(list) => {
            for (index, element) in (0..).zip(list) {
                at.push(index);
                elements(element.unwrap(), lists - 1, rest, at, out);
                at.pop();
            }
        }
        ValueRef::Null if at.is_empty() => out.push((at.clone(), Key::Null)),
        ValueRef::Null => out.push((at.clone(), Key::NullElement)),
        other => panic!("no list: {other:?}"),
    }
}

/// The tuples of a record: values of one element stand together, and with those of what is around it.
fn tuples(record: Record<'_>, paths: &[String]) -> BTreeSet<Vec<Key>> {
    let all: Vec<_> = paths.iter().map(|path| values(record, path)).collect();
    let places: BTreeSet<&Vec<u32>> = all.iter().flat_map(|values| values.iter().map(|(at, _)| at)).collect();
    // Those that no list goes on from.
    let is_last = |place: &&Vec<u32>| !places.iter().any(|other| other.len() > place.len() && other.starts_with(place));
    let value = |values: &[(Vec<u32>, Key)], place: &[u32]| {
        values.iter().find(|(at, _)| place.starts_with(at)).unwrap().1.clone()
    };
    places.iter().copied().filter(is_last).map(|place| all.iter().map(|values| value(values, place)).collect()).collect()
}

#[test]
fn every_index_answers_as_a_naive_scan_does() {
    let mut r = Random::new(7);
    for sizes in [&[1][..], &[200, 40, 30], &[60, 1, 60, 10]] {
        let dataset = Dataset::random(&mut r, sizes);
        let view = dataset.open();
        view.verify_new(&dataset.blobs, |_| true).unwrap();
        view.verify_keys().unwrap();
        let table = view.table("Kinds").unwrap();
        for text in INDEXES {
            let spec: IndexSpec = text.parse().unwrap();
            let lookup = view.hash_lookup("Kinds", text).unwrap();
            let mut model: BTreeMap<Vec<Key>, Vec<RowId>> = BTreeMap::new();
            for row_id in table.row_ids() {
                for tuple in tuples(table.record(row_id).unwrap(), &spec.fields) {
                    model.entry(tuple).or_default().push(row_id);
                }
            }
            for (tuple, rows) in &model {
                let scalars: Vec<_> = tuple.iter().map(Key::scalar).collect();
                assert_eq!(&lookup.find(&scalars).unwrap(), rows, "{text} {tuple:?}");
                assert_eq!(lookup.count(&scalars).unwrap(), rows.len() as u64, "{text} {tuple:?}");
                for row_id in table.row_ids() {
                    assert_eq!(lookup.contains(&scalars, row_id).unwrap(), rows.contains(&row_id), "{text} {tuple:?}");
                }
            }
            // What no record has.
            for special in [Scalar::Null, Scalar::EmptyList, Scalar::NullElement] {
                let asked = vec![special; spec.fields.len()];
                let key = match special {
                    Scalar::Null => Key::Null,
                    Scalar::EmptyList => Key::EmptyList,
                    _ => Key::NullElement,
                };
                let rows = model.get(&vec![key; spec.fields.len()]).cloned().unwrap_or_default();
                assert_eq!(lookup.find(&asked).unwrap(), rows, "{text} {special:?}");
            }
        }
    }
}

#[test]
fn values_of_other_kinds_are_refused_and_numbers_compare_exactly() {
    let dataset = Dataset::random(&mut Random::new(3), &[50, 1]);
    let view = dataset.open();
    let find = |name: &str, value: Scalar<'_>| view.hash_lookup("Kinds", name).unwrap().find(&[value]);
    let kind = |name: &str, value: Scalar<'_>| find(name, value).unwrap_err().kind();
    assert_eq!(kind("hash(u16)", "7".into()), ErrorKind::Invalid);
    assert_eq!(kind("hash(text)", 7.into()), ErrorKind::Invalid);
    assert_eq!(kind("hash(flagOn)", 1.into()), ErrorKind::Invalid);
    // No record can have them.
    for value in [Scalar::Int(-1), Scalar::UInt(70_000), Scalar::Float(0.5), Scalar::Float(f64::NAN)] {
        assert_eq!(find("hash(u16)", value).unwrap(), [], "{value:?}");
    }
    let of_int = find("hash(u16)", 0.into()).unwrap();
    assert!(!of_int.is_empty());
    assert_eq!(find("hash(u16)", Scalar::Float(-0.0)).unwrap(), of_int);
    assert_eq!(find("hash(u16)", Scalar::UInt(0)).unwrap(), of_int);
    let error = view.hash_lookup("Kinds", "hash(year)").unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("hash(u16)"), "{error}");
    let error = view.hash_lookup("Kinds", "hash(u16)").unwrap().find(&[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn artifacts_of_another_segment_or_index_are_refused() {
    let mut r = Random::new(5);
    let mut dataset = Dataset::random(&mut r, &[40, 40, 1]);
    let one = dataset.entry(0).artifacts.clone();
    // Of the other segment, which has as many rows.
    dataset.manifest.record_types[0].segments[1].artifacts.clone_from(&one);
    let error = View::open(Arc::new(dataset.manifest.clone()), &dataset.blobs).unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains("segment"), "{error}");
    // Of another field.
    let mut swapped = one.clone();
    let (a, b) = (one.iter().position(|it| it.name == "hash(u16)"), one.iter().position(|it| it.name == "hash(i16)"));
    swapped[a.unwrap()] = kapok_core::manifest::Artifact { name: "hash(u16)".to_owned(), ..one[b.unwrap()].clone() };
    dataset.manifest.record_types[0].segments[1].artifacts.clear();
    dataset.manifest.record_types[0].segments[0].artifacts = swapped;
    let error = View::open(Arc::new(dataset.manifest.clone()), &dataset.blobs).unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains("hash"), "{error}");
}

#[test]
fn what_an_artifact_lacks_or_adds_is_found_by_verify() {
    let dataset = Dataset::random(&mut Random::new(11), &[80, 1]);
    let name = "hash(texts[])";
    let entry = dataset.entry(0);
    let artifact = entry.artifacts.iter().find(|artifact| artifact.name == name).unwrap();
    let bytes = dataset.blobs.get(&artifact.id).unwrap().bytes.clone();
    let mut r = Random::new(1);
    for _ in 0..500 {
        let mut changed = bytes.to_vec();
        let at = r.below(changed.len());
        changed[at] ^= 1 << r.below(8);
        let mut blobs = dataset.blobs.clone();
        blobs.insert(artifact.id, Blob { name: Arc::from(name), bytes: changed.into() });
        let Ok(view) = View::open(Arc::new(dataset.manifest.clone()), &blobs) else { continue };
        // Never beyond the segment, whatever it finds.
        let lookup = view.hash_lookup("Kinds", name).unwrap();
        for text in ["", "a", "drama"] {
            _ = lookup.find(&[text.into()]);
            _ = lookup.count(&[text.into()]);
        }
        _ = lookup.find(&[Scalar::EmptyList]);
        let is_new = |id: &kapok_core::manifest::Id| *id == artifact.id;
        assert_eq!(view.verify_new(&blobs, is_new).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn long_postings_are_bitmaps_and_come_back() {
    // Two values over more rows than a chunk has, and one that nearly every row has.
    let encoding = kapok_samples::dataset::encoding::<kapok_samples::movies_capnp::movie::Owned>(Sharing::Shared);
    let mut stage = Stage::new(&encoding);
    let rows = 150_000_u32;
    for id in 0..rows {
        let mut message = capnp::message::Builder::new_default();
        let mut film: kapok_samples::movies_capnp::movie::Builder<'_> = message.init_root();
        film.set_id(id);
        film.set_year(if id % 7 == 0 { 1927 } else { 2001 });
        film.set_runtime_min(if id % 40_000 == 9 { 1 } else { 0 });
        let segments = message.get_segments_for_output();
        stage.add_struct(Words::new(segments[0]).struct_of(0).unwrap().unwrap()).unwrap();
    }
    let sealed = stage.seal(SealSettings::default()).unwrap().next().unwrap().unwrap();
    let segment = Segment::open("films", Bytes::from(sealed.bytes), rows).unwrap();
    let record = encoding.schema().struct_type(encoding.type_id()).unwrap();
    for (field, value, expected) in [
        ("year", 1927_u16, (0..rows).filter(|id| id % 7 == 0).collect::<Vec<_>>()),
        ("year", 2001, (0..rows).filter(|id| id % 7 != 0).collect()),
        ("runtimeMin", 1, (0..rows).filter(|id| id % 40_000 == 9).collect()),
        ("runtimeMin", 0, (0..rows).filter(|id| id % 40_000 != 9).collect()),
        ("runtimeMin", 2, Vec::new()),
    ] {
        let paths = kapok_core::paths::Paths::resolve(encoding.schema(), record, &[field]).unwrap();
        let binding = Binding::new(&sealed.id, &[1; 32]);
        let bytes = hash::build(&paths, &segment, &binding).unwrap();
        let index = HashIndex::open(field, bytes.into(), rows, &binding).unwrap();
        let posting = index.find(&paths, &segment, &[value.into()]).unwrap();
        let found: Vec<u32> = posting.into_iter().flatten().map(Result::unwrap).collect();
        assert_eq!(found.len(), expected.len(), "{field} {value}");
        assert!(found == expected, "{field} {value}");
        if let Some(posting) = posting {
            assert_eq!(posting.len() as usize, expected.len());
            for row in (0..rows).step_by(97).chain([rows - 1, rows, u32::MAX]) {
                assert_eq!(posting.contains(row), expected.binary_search(&row).is_ok(), "{field} {value} {row}");
            }
        }
    }
}
