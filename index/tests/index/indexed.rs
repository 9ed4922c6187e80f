//! A version of random records with indexes, and a naive reading of their values.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]

use std::sync::Arc;

use bytes::Bytes;
use kapok_core::ErrorKind;
use kapok_core::manifest::{Blob, BlobMap, IndexSpec, Manifest, RecordType, SegmentEntry, Tombstones, encode_rows};
use kapok_core::paths::Scalar;
use kapok_core::record::{Record, ValueRef};
use kapok_core::segment::{Encoding, SealSettings, Segment, Sharing, Stage};
use kapok_core::words::Words;
use kapok_index::{BuiltArtifact, IndexSet, View};
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::random::Random;
use kapok_samples::random_kinds::Kinds;
use roaring::RoaringBitmap;

/// A version of several segments with dead rows, whose last segment has no indexes.
pub struct Dataset {
    encoding: Encoding,
    pub blobs: BlobMap,
    pub manifest: Manifest,
}

impl Dataset {
    pub fn random(indexes: &[&str], r: &mut Random, sizes: &[usize]) -> Self {
        let encoding = kapok_samples::dataset::encoding::<kinds::Owned>(Sharing::Shared);
        let specs = indexes.iter().map(|text| text.parse::<IndexSpec>().unwrap());
        let mut specs: Vec<_> = specs.map(|spec| IndexSpec { revision: 1, ..spec }).collect();
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        let ty = RecordType {
            name: encoding.record_type().to_owned(),
            type_id: encoding.type_id(),
            key: encoding.key().names().map(str::to_owned).collect(),
            indexes: specs,
            ..RecordType::default()
        };
        let mut out =
            Self { blobs: BlobMap::new(), manifest: kapok_samples::dataset::manifest(&encoding, Vec::new()), encoding };
        out.manifest.record_types = vec![ty];
        let mut id = 0;
        for (place, size) in sizes.iter().enumerate() {
            let mut stage = Stage::new(&out.encoding);
            for _ in 0..*size {
                id += 1;
                let message = Kinds::random(r, id).plain();
                let segments = message.get_segments_for_output();
                let words = if let [one] = segments[..] {
                    one.to_vec()
                } else {
                    kapok_samples::random_kinds::one_segment(&message, r)
                };
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
            for BuiltArtifact { artifact, bytes } in set.build_lacking(&segment, &entry, &[]).unwrap() {
                self.blobs.insert(artifact.id, Blob { name: Arc::from(artifact.name.as_str()), bytes });
                entry.artifacts.push(artifact);
            }
        }
        let ty = &mut self.manifest.record_types[0];
        ty.rows += u64::from(entry.rows - entry.dead);
        ty.segments.push(entry);
    }

    pub fn open(&self) -> View {
        View::open(Arc::new(self.manifest.clone()), &self.blobs).unwrap()
    }

    /// Calls `ask` with views of the dataset in which one bit of the first segment's artifact is another, as far as they
    /// open, and asserts that verifying finds each.
    pub fn flip_bits_of(&self, name: &str, ask: impl Fn(&View)) {
        let artifact = self.entry(0).artifacts.iter().find(|artifact| artifact.name == name).unwrap();
        let bytes = self.blobs.get(&artifact.id).unwrap().bytes.clone();
        let mut r = Random::new(1);
        for _ in 0..500 {
            let mut changed = bytes.to_vec();
            let at = r.below(changed.len());
            changed[at] ^= 1 << r.below(8);
            let mut blobs = self.blobs.clone();
            blobs.insert(artifact.id, Blob { name: Arc::from(name), bytes: changed.into() });
            let Ok(view) = View::open(Arc::new(self.manifest.clone()), &blobs) else { continue };
            ask(&view);
            let error = view.verify_new(&blobs, |id| *id == artifact.id).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }

    pub fn entry(&self, place: usize) -> &SegmentEntry {
        &self.manifest.record_types[0].segments[place]
    }
}

/// A value, or what stands for none, that can be put in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
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
    pub fn of(value: ValueRef<'_>) -> Self {
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

    pub fn scalar(&self) -> Scalar<'_> {
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
pub fn values(record: Record<'_>, path: &str) -> Vec<(Vec<u32>, Key)> {
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
