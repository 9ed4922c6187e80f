//! Views of records that are given as JSON, or made at random.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::manifest::{Blob, BlobMap, SegmentEntry, Tombstones};
use kapok_core::schema::{FieldKind, Schema, StructType};
use kapok_core::segment::{Encoding, Sharing, Stage};
use kapok_core::words::Words;
use kapok_index::View;
use kapok_ingest::{Inference, InferenceSettings, MessageWriter, Value};
use kapok_samples::dataset::{self, seal};
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::random::Random;
use kapok_samples::random_kinds::{Kinds, one_segment};
use roaring::RoaringBitmap;

/// A version under construction.
pub struct Version {
    encoding: Encoding,
    blobs: BlobMap,
    segments: Vec<SegmentEntry>,
}

impl Version {
    pub fn new(encoding: Encoding) -> Self {
        Self { encoding, blobs: BlobMap::new(), segments: Vec::new() }
    }

    /// Adds a segment of what is staged, whose rows are dead if the function says so.
    pub fn push(&mut self, stage: Stage, mut is_dead: impl FnMut(u32) -> bool) {
        for sealed in seal(stage, None) {
            let dead: RoaringBitmap = (0..sealed.rows).filter(|row| is_dead(*row)).collect();
            let tombstones = if dead.is_empty() {
                Tombstones::None
            } else {
                let mut bitmap = Vec::new();
                dead.serialize_into(&mut bitmap).unwrap();
                Tombstones::Inline(bitmap)
            };
            let entry = sealed.entry(Sharing::Shared);
            let name = Arc::from(format!("segment {}", self.segments.len()));
            self.blobs.insert(entry.id, Blob { name, bytes: Bytes::from(sealed.bytes) });
            let dead = u32::try_from(dead.len()).unwrap();
            self.segments.push(SegmentEntry { dead, tombstones, ..entry });
        }
    }

    pub fn open(self) -> View {
        self.try_open().unwrap()
    }

    fn try_open(self) -> kapok_core::Result<View> {
        let manifest = dataset::manifest(&self.encoding, self.segments);
        View::open(Arc::new(manifest), &self.blobs)
    }

    /// Sets some words of all segments to others.
    fn damage(&mut self, r: &mut Random) {
        for entry in &self.segments {
            let Blob { name, bytes } = self.blobs.get(&entry.id).unwrap().clone();
            let mut bytes = bytes.to_vec();
            for _ in 0..=r.below(8) {
                let at = r.below(bytes.len());
                let mask = [1, 0x80, 0xff, r.next().to_le_bytes()[0]][r.below(4)];
                bytes[at] ^= mask;
            }
            self.blobs.insert(entry.id, Blob { name, bytes: Bytes::from(bytes) });
        }
    }
}

/// Opens records of type `Thing` with the key `id`, a segment for each list of lines; `labels` is a map.
pub fn of_json<L: AsRef<str>>(segments: &[Vec<L>]) -> View {
    let has_labels = segments.iter().flatten().any(|line| line.as_ref().contains("\"labels\""));
    let maps = if has_labels { vec!["labels".to_owned()] } else { Vec::new() };
    let settings = InferenceSettings { key: vec!["id".to_owned()], maps, ..InferenceSettings::default() };
    let mut inference = Inference::new("Thing", settings).unwrap();
    for (number, line) in (1..).zip(segments.iter().flatten()) {
        inference.observe(&Value::from_json(line.as_ref().as_bytes()).unwrap(), number).unwrap();
    }
    let (schema, id) = inference.finish().unwrap();
    let encoding = Encoding::new(Arc::new(schema), id, &["id".to_owned()], Sharing::Shared).unwrap();
    let mut version = Version::new(encoding);
    let mut writer = MessageWriter::of_records(&version.encoding).unwrap();
    for lines in segments {
        let mut stage = Stage::new(&version.encoding);
        for line in lines {
            let message = writer.write(&Value::from_json(line.as_ref().as_bytes()).unwrap()).unwrap();
            stage.add_struct(Words::new(message).struct_of(0).unwrap().unwrap()).unwrap();
        }
        version.push(stage, |_| false);
    }
    version.open()
}

/// The encoding of `Kinds` as an older program had it: with few fields.
fn old_encoding() -> Encoding {
    let (mut schema, id) = Schema::of::<kinds::Owned>().unwrap();
    let mut ty: StructType = (**schema.struct_type(id).unwrap()).clone();
    ty.fields.retain(|field| ["id", "code", "flag", "flagOn", "i8", "i16"].contains(&field.name.as_str()));
    assert!(ty.fields.iter().all(|field| matches!(field.kind, FieldKind::Slot { offset, .. } if offset < 128)));
    (ty.data_words, ty.pointer_words, ty.discriminant_count) = (2, 1, 0);
    schema.insert_struct(ty);
    Encoding::new(Arc::new(schema), id, &["id".to_owned(), "code".to_owned()], Sharing::Shared).unwrap()
}

/// Random records of `Kinds` in some segments, one of them written with an older schema, with dead rows.
pub fn of_kinds(r: &mut Random, segments: u32, rows: i64) -> View {
    kinds_version(r, segments, rows).open()
}

/// The same with damaged bytes, if the view can be opened.
pub fn of_damaged_kinds(r: &mut Random, segments: u32, rows: i64) -> Option<View> {
    let mut version = kinds_version(r, segments, rows);
    version.damage(r);
    version.try_open().ok()
}

fn kinds_version(r: &mut Random, segments: u32, rows: i64) -> Version {
    let new = dataset::encoding::<kinds::Owned>(Sharing::Shared);
    let old = old_encoding();
    let mut version = Version::new(new);
    for segment in 0..segments {
        let mut stage = Stage::new(if segment == 1 { &old } else { &version.encoding });
        for row in 0..rows {
            let id = row * i64::from(segments) + i64::from(segment);
            let message = one_segment(&Kinds::random(r, id).plain(), r);
            dataset::add(&mut stage, &message);
        }
        let some_dead = segment % 2 == 0;
        version.push(stage, |_| some_dead && r.one_in(6));
    }
    version
}

/// Random records of type `Thing`, some of their members missing or null.
pub fn of_random_json(r: &mut Random, segments: usize, rows: usize) -> View {
    let mut id = 0;
    let mut line = |r: &mut Random| {
        id += 1;
        let mut members = BTreeMap::from([("id", id.to_string())]);
        for (name, values) in MEMBERS {
            // The first record has them all, so that each is of one type whatever comes.
            if id == 1 || !r.one_in(3) {
                let value = if id == 1 { values[0] } else { values[r.below(values.len())] };
                members.insert(name, value.to_owned());
            }
        }
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let lines: Vec<Vec<String>> = (0..segments).map(|_| (0..rows).map(|_| line(r)).collect()).collect();
    of_json(&lines)
}

const MEMBERS: [(&str, &[&str]); 11] = [
    ("int", &["-5", "0", "7", "null", "9007199254740993", "-9223372036854775808", "3", "4"]),
    ("big", &["18446744073709551615", "0", "1", "9223372036854775808", "null"]),
    ("float", &["0.5", "-0.0", "0.0", "3.0", "1e300", "null", "-2.25", "9007199254740992.0"]),
    ("flag", &["true", "false", "null"]),
    ("text-1", &["\"Star Wars\"", "\"\"", "\"star\"", "\"Straße\"", "\"the wars of stars\"", "null", "\"a\\u0000b\""]),
    ("tags", &["[\"a\",\"b\"]", "[]", "[\"b\",\"b\"]", "[\"star\"]", "null"]),
    ("numbers", &["[1,2]", "[]", "[3,-5,7]", "null", "[7,7]"]),
    (
        "items",
        &[
            "[{\"p\":3,\"qty\":2,\"name\":\"a\"}]",
            "[]",
            "[{\"p\":3,\"qty\":null},{\"p\":4,\"qty\":9}]",
            "null",
            "[{\"p\":3}]",
        ],
    ),
    (
        "where",
        &[
            "{\"city\":\"Oslo\",\"zip\":150,\"deep\":{\"x\":1}}",
            "{}",
            "null",
            "{\"city\":null,\"zip\":7}",
            "{\"zip\":null}",
        ],
    ),
    ("labels", &["{\"en\":\"star\",\"de\":\"Stern\"}", "{}", "null", "{\"de\":\"x\"}"]),
    ("matrix", &["[[1],[2,3]]", "[]", "[[]]", "[[7,7],[]]"]),
];
