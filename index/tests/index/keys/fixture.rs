//! A version of a dataset made by hand: segments, tombstones and indexes, with no store around them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use capnp::message::{self, HeapAllocator};
use kapok_core::key::KeyPart;
use kapok_core::manifest::{Artifact, Id, Manifest, RecordType, SegmentEntry, Tombstones};
use kapok_core::manifest::{Blob, BlobMap};
use kapok_core::schema::Schema;
use kapok_core::segment::{Encoding, SealSettings, SealedSegment, Segment, Sharing, Stage};
use kapok_core::words::Words;
use kapok_index::{IndexSet, View, unique};
use kapok_samples::kinds_capnp::{Colour, kinds};
use roaring::RoaringBitmap;

/// Values of all fields that keys are made of here, and some that are none.
#[derive(Clone, Debug, Default)]
pub struct Values {
    pub id: i64,
    pub code: String,
    pub flag: bool,
    pub flag_on: bool,
    pub i8: i8,
    pub i16: i16,
    pub i32: i32,
    pub u8: u8,
    pub u16: u16,
    pub u32: u32,
    pub u64: u64,
    pub colour: u16,
    pub data: Vec<u8>,
    pub payload: f64,
    pub texts: Vec<String>,
}

impl Values {
    pub fn with_u32(u32: u32) -> Self {
        Self { u32, payload: f64::from(u32), ..Self::default() }
    }

    pub fn part(&self, field: &str) -> KeyPart<'_> {
        match field {
            "id" => KeyPart::Int(self.id.into()),
            "code" => KeyPart::Text(&self.code),
            "flag" => KeyPart::Bool(self.flag),
            "flagOn" => KeyPart::Bool(self.flag_on),
            "i8" => KeyPart::Int(self.i8.into()),
            "i16" => KeyPart::Int(self.i16.into()),
            "i32" => KeyPart::Int(self.i32.into()),
            "u8" => KeyPart::Int(self.u8.into()),
            "u16" => KeyPart::Int(self.u16.into()),
            "u32" => KeyPart::Int(self.u32.into()),
            "u64" => KeyPart::Int(self.u64.into()),
            "colour" => KeyPart::Int(self.colour.into()),
            "data" => KeyPart::Data(&self.data),
            other => panic!("no key field {other}"),
        }
    }

    fn write(&self, record: &mut kinds::Builder<'_>) {
        record.set_id(self.id);
        record.set_code(&self.code);
        record.set_flag(self.flag);
        record.set_flag_on(self.flag_on);
        record.set_i8(self.i8);
        record.set_i16(self.i16);
        record.set_i32(self.i32);
        record.set_u8(self.u8);
        record.set_u16(self.u16);
        record.set_u32(self.u32);
        record.set_u64(self.u64);
        record.set_colour(Colour::try_from(self.colour).unwrap());
        record.set_data(&self.data);
        record.set_f64(self.payload);
        if !self.texts.is_empty() {
            record.set_texts(self.texts.as_slice()).unwrap();
        }
    }
}

pub fn encoding(key: &[&str]) -> Encoding {
    let (schema, id) = Schema::of::<kinds::Owned>().unwrap();
    let key: Vec<_> = key.iter().map(|&name| name.to_owned()).collect();
    Encoding::new(Arc::new(schema), id, &key, Sharing::Shared).unwrap()
}

/// One segment of records, or none of no records.
pub fn seal(encoding: &Encoding, records: &[Values]) -> Option<SealedSegment> {
    let mut stage = Stage::new(encoding);
    for values in records {
        let mut message = message::Builder::new(HeapAllocator::new().first_segment_words(4096));
        let mut record: kinds::Builder<'_> = message.init_root();
        values.write(&mut record);
        let segments = message.get_segments_for_output();
        stage.add_struct(Words::new(segments[0]).struct_of(0).unwrap().unwrap()).unwrap();
    }
    let mut out: Vec<_> = stage.seal(SealSettings::default()).unwrap().map(Result::unwrap).collect();
    assert!(out.len() < 2);
    out.pop()
}

/// A segment by its name `segment`.
pub fn open(bytes: &[u8], rows: u32) -> Segment {
    Segment::open("segment", Bytes::copy_from_slice(bytes), rows).unwrap()
}

/// A segment of the u32 keys 0, 3, 6 and so on.
pub fn threes(rows: u32) -> (Encoding, Segment) {
    let encoding = encoding(&["u32"]);
    let records: Vec<_> = (0..rows).map(|row| Values::with_u32(row * 3)).collect();
    let segment = match seal(&encoding, &records) {
        Some(sealed) => open(&sealed.bytes, rows),
        None => empty_segment(),
    };
    (encoding, segment)
}

/// What no stage writes, yet the format allows: a list of no rows.
pub fn empty_segment() -> Segment {
    let words = [3_u64 << 32, 1 << 48, 7 << 32 | 1, 2 << 48 | 1 << 32];
    open(&words.map(u64::to_le_bytes).concat(), 0)
}

/// A version under construction: its only record type is `Kinds`.
pub struct Version {
    pub encoding: Encoding,
    pub blobs: BlobMap,
    pub segments: Vec<SegmentEntry>,
}

impl Version {
    pub fn new(key: &[&str]) -> Self {
        Self { encoding: encoding(key), blobs: BlobMap::new(), segments: Vec::new() }
    }

    pub fn insert(&mut self, name: &str, bytes: Vec<u8>) -> Id {
        let id = *blake3::hash(&bytes).as_bytes();
        self.blobs.insert(id, Blob { name: Arc::from(name), bytes: Bytes::from(bytes) });
        id
    }

    /// Adds a segment of these records, some of them dead.
    pub fn push(&mut self, records: &[Values], dead: &RoaringBitmap) {
        let Some(sealed) = seal(&self.encoding, records) else { return };
        self.push_sealed(sealed, dead);
    }

    pub fn push_sealed(&mut self, sealed: SealedSegment, dead: &RoaringBitmap) {
        let tombstones = if dead.is_empty() {
            Tombstones::None
        } else {
            let mut bitmap = Vec::new();
            dead.serialize_into(&mut bitmap).unwrap();
            Tombstones::Inline(bitmap)
        };
        let entry = sealed.entry(Sharing::Shared);
        let name = format!("segment {}", self.segments.len());
        let id = self.insert(&name, sealed.bytes);
        let dead = u32::try_from(dead.len()).unwrap();
        self.segments.push(SegmentEntry { id, dead, tombstones, ..entry });
    }

    /// Builds the unique index of a segment.
    pub fn index(&mut self, place: usize) {
        let entry = &self.segments[place];
        let segment = Segment::open("s", self.blobs.get(&entry.id).unwrap().bytes.clone(), entry.rows).unwrap();
        let built = IndexSet::of_key(&self.encoding).unwrap().build_lacking(&segment, entry, &[]).unwrap();
        self.attach(place, built[0].bytes.to_vec());
    }

    pub fn attach(&mut self, place: usize, index: Vec<u8>) {
        let bytes = index.len() as u64;
        let id = self.insert(&format!("index {place}"), index);
        let name = self.encoding.key().names().collect::<Vec<_>>().join(",");
        self.segments[place].artifacts = vec![Artifact { kind: unique::KIND.into(), name, id, size: bytes }];
    }

    pub fn manifest(&self) -> Arc<Manifest> {
        let rows = self.segments.iter().map(|segment| u64::from(segment.rows - segment.dead)).sum();
        Arc::new(Manifest {
            version: 1,
            parent: None,
            created_unix_ms: 0,
            writer: "test".into(),
            writer_token: [0; 16],
            announce_itself: false,
            log_sequence: 0,
            schema: Arc::clone(self.encoding.schema()),
            record_types: vec![RecordType {
                name: "Kinds".into(),
                type_id: self.encoding.type_id(),
                key: self.encoding.key().names().map(ToOwned::to_owned).collect(),
                rows,
                segments: self.segments.clone(),
                changes: None,
                ..RecordType::default()
            }],
            tags: BTreeMap::new(),
        })
    }

    pub fn open(&self) -> kapok_core::Result<View> {
        View::open(self.manifest(), &self.blobs)
    }
}
