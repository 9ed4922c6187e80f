//! Record types that refer to one another.

use std::sync::Arc;

use bytes::Bytes;
use kapok_core::manifest::{Blob, BlobMap, IndexSpec, Manifest, RecordType, Tombstones, encode_rows};
use kapok_core::schema::{FieldType, Reference, Schema, StructType, Type};
use kapok_core::segment::{Encoding, SealSettings, Segment, Sharing, Stage};
use kapok_core::words::Words;
use kapok_index::{BuiltArtifact, IndexSet, View};
use kapok_ingest::{MessageWriter, Value};
use kapok_samples::random::Random;
use roaring::RoaringBitmap;

use super::references::target_of;

/// Indexes of each record type.
pub type Indexes<'i> = &'i [(&'i str, &'i [&'i str])];

fn field(name: &str, ordinal: u16, ty: Type, reference: Option<&str>) -> FieldType {
    FieldType { reference: reference.map(str::to_owned), ..FieldType::slot(name, ordinal, 0, ty) }
}

fn flag(of: &str, ordinal: u16) -> FieldType {
    FieldType { null_of: Some(of.to_owned()), ..FieldType::slot(&format!("{of}IsNull"), ordinal, 0, Type::Bool) }
}

/// Films, their editions, people and ratings; integers that refer are of other widths than keys.
pub fn schema() -> Schema {
    let mut schema = Schema::new();
    let mut add = |id: u64, name: &str, key: &[&str], fields: Vec<FieldType>, references: &[&str]| {
        let mut ty = StructType::new(0xf000_0000_0000_0000 + id, name, fields);
        ty.key = key.iter().map(|name| (*name).to_owned()).collect();
        ty.references = references.iter().map(|text| text.parse::<Reference>().unwrap()).collect();
        ty.lay_out().unwrap();
        schema.insert_struct(ty);
    };
    let texts = || Type::List(Box::new(Type::Text));
    let person = vec![
        field("id", 0, Type::Int16, None),
        field("name", 1, Type::Text, None),
        field("mentor", 2, Type::Int64, Some("Person")),
        flag("mentor", 3),
        field("country", 4, Type::Text, Some("Country")),
        field("trips", 5, Type::List(Box::new(texts())), Some("Country")),
    ];
    add(1, "Person", &["id"], person, &[]);
    let country = vec![
        field("name", 0, Type::Text, None),
        field("chief", 1, Type::UInt8, Some("Person")),
        field("places", 2, texts(), Some("Country")),
        field("houses", 3, Type::List(Box::new(Type::Struct(0xf000_0000_0000_0007))), None),
    ];
    let house = vec![field("owner", 0, Type::Int32, Some("Person")), field("name", 1, Type::Text, None)];
    add(7, "House", &[], house, &[]);
    add(2, "Country", &["name"], country, &[]);
    let info = vec![field("studio", 0, Type::Text, Some("Country")), field("editor", 1, Type::Int8, Some("Person"))];
    add(3, "Info", &[], info, &[]);
    let movie = vec![
        field("movieId", 0, Type::UInt32, None),
        field("title", 1, Type::Text, None),
        field("director", 2, Type::Int32, Some("Person")),
        field("info", 3, Type::Struct(0xf000_0000_0000_0003), None),
        field("genres", 4, texts(), None),
        field("cast", 5, Type::List(Box::new(Type::Int64)), Some("Person")),
    ];
    add(4, "Movie", &["movieId"], movie, &["boss: Person(info.editor)"]);
    let edition = vec![
        field("movieId", 0, Type::UInt16, Some("Movie")),
        field("code", 1, Type::Text, None),
        field("price", 2, Type::Float64, None),
    ];
    add(5, "Edition", &["movieId", "code"], edition, &[]);
    let rating = vec![
        field("film", 0, Type::UInt64, Some("Movie")),
        field("user", 1, Type::Int32, Some("Person")),
        field("code", 2, Type::Text, None),
        field("stars", 3, Type::Int8, None),
        flag("stars", 4),
        field("of", 5, Type::Int16, Some("Movie")),
        flag("of", 6),
    ];
    add(6, "Rating", &["film", "user"], rating, &["edition: Edition(film, code)", "other: Edition(of, code)"]);
    schema
}

pub const TYPES: [&str; 5] = ["Country", "Edition", "Movie", "Person", "Rating"];

/// A version under construction.
struct Library {
    schema: Arc<Schema>,
    blobs: BlobMap,
    record_types: Vec<RecordType>,
}

impl Library {
    fn new(schema: Schema) -> Self {
        Self { schema: Arc::new(schema), blobs: BlobMap::new(), record_types: Vec::new() }
    }

    /// Adds a record type with a segment for each list of lines.
    fn add(
        &mut self,
        name: &str,
        indexes: Indexes<'_>,
        segments: &[Vec<String>],
        mut is_dead: impl FnMut(u32) -> bool,
        is_indexed: impl Fn(usize) -> bool,
    ) {
        let ty = target_of(&self.schema, name);
        let encoding = Encoding::new(Arc::clone(&self.schema), ty.id, &ty.key, Sharing::Shared).unwrap();
        let specs = indexes.iter().filter(|(of, _)| *of == name).flat_map(|(_, texts)| *texts);
        let specs = specs.map(|text| IndexSpec { revision: 1, ..text.parse::<IndexSpec>().unwrap() });
        let (name, type_id, key) = (name.to_owned(), ty.id, ty.key.clone());
        let mut entry = RecordType { name, type_id, key, indexes: specs.collect(), ..RecordType::default() };
        entry.indexes.sort_by(|a, b| a.name.cmp(&b.name));
        let mut writer = MessageWriter::of_records(&encoding).unwrap();
        for (place, lines) in segments.iter().enumerate() {
            let mut stage = Stage::new(&encoding);
            for line in lines {
                let message = writer.write(&Value::from_json(line.as_bytes()).unwrap()).unwrap();
                stage.add_struct(Words::new(message).struct_of(0).unwrap().unwrap()).unwrap();
            }
            let Some(sealed) = stage.seal(SealSettings::default()).unwrap().next() else { continue };
            let sealed = sealed.unwrap();
            let dead: RoaringBitmap = (0..sealed.rows).filter(|row| is_dead(*row)).collect();
            let mut segment = sealed.entry(Sharing::Shared);
            segment.dead = u32::try_from(dead.len()).unwrap();
            segment.tombstones =
                if dead.is_empty() { Tombstones::None } else { Tombstones::Inline(encode_rows(&dead)) };
            let bytes = Bytes::from(sealed.bytes);
            let opened = Segment::open("segment", bytes.clone(), sealed.rows).unwrap();
            self.blobs.insert(sealed.id, Blob { name: Arc::from("segment"), bytes });
            if is_indexed(place) {
                let set = IndexSet::new(&self.schema, &entry).unwrap();
                for BuiltArtifact { artifact, bytes } in set.build_lacking(&opened, &segment, &[]).unwrap() {
                    self.blobs.insert(artifact.id, Blob { name: Arc::from(artifact.name.as_str()), bytes });
                    segment.artifacts.push(artifact);
                }
            }
            entry.rows += u64::from(segment.rows - segment.dead);
            entry.segments.push(segment);
        }
        self.record_types.push(entry);
    }

    /// Sets some bytes of each blob to others.
    fn damage(&mut self, r: &mut Random) {
        let ids = self.record_types.iter().flat_map(|ty| &ty.segments);
        let ids: Vec<_> =
            ids.flat_map(|segment| segment.artifacts.iter().map(|one| one.id).chain([segment.id])).collect();
        for id in ids {
            let Blob { name, bytes } = self.blobs.get(&id).unwrap().clone();
            let mut bytes = bytes.to_vec();
            for _ in 0..r.below(4) {
                let at = r.below(bytes.len());
                bytes[at] ^= [1, 0x80, 0xff, r.next().to_le_bytes()[0]][r.below(4)];
            }
            self.blobs.insert(id, Blob { name, bytes: Bytes::from(bytes) });
        }
    }

    fn open(self) -> View {
        self.try_open().unwrap()
    }

    fn try_open(self) -> kapok_core::Result<View> {
        let mut manifest = Manifest::clone(View::empty().manifest());
        (manifest.version, manifest.schema, manifest.record_types) = (1, self.schema, self.record_types);
        View::open(Arc::new(manifest), &self.blobs)
    }
}

/// A version of these records, in two segments for each type if there are enough.
pub fn of_lines(indexes: Indexes<'_>, types: &[(&str, &[&str])]) -> View {
    let types = types.iter().map(|(name, lines)| (*name, lines.iter().map(|line| (*line).to_owned()).collect()));
    of_segments(indexes, types.collect(), 2)
}

/// A version of these records, with segments of so many rows.
pub fn of_segments(indexes: Indexes<'_>, mut types: Vec<(&str, Vec<String>)>, rows: usize) -> View {
    let mut out = Library::new(schema());
    types.sort_unstable();
    for (name, lines) in types {
        let segments: Vec<_> = lines.chunks(rows).map(<[String]>::to_vec).collect();
        out.add(name, indexes, &segments, |_| false, |_| true);
    }
    out.open()
}

/// A random version: some segments of each type, with dead rows. If not all are indexed, the first one of each type is.
pub fn random(r: &mut Random, indexes: Indexes<'_>, all_indexed: bool) -> View {
    build_random(r, indexes, all_indexed).open()
}

/// A random version with damaged bytes, if it can be opened.
pub fn random_damaged(r: &mut Random, indexes: Indexes<'_>) -> Option<View> {
    let mut library = build_random(r, indexes, true);
    library.damage(r);
    library.try_open().ok()
}

fn build_random(r: &mut Random, indexes: Indexes<'_>, all_indexed: bool) -> Library {
    let mut out = Library::new(schema());
    for name in TYPES {
        let segments = 1 + r.below(3);
        // Each key lives in one segment.
        let mut lines: Vec<Vec<String>> = vec![Vec::new(); segments];
        for key in 0..12 {
            for second in 0..if matches!(name, "Edition" | "Rating") { 3 } else { 1 } {
                if !r.one_in(4) {
                    lines[r.below(segments)].push(line(r, name, key, second));
                }
            }
        }
        out.add(name, indexes, &lines, |_| r.one_in(5), |place| all_indexed || place == 0);
    }
    out
}

/// A version of a type whose references are wrong, without records.
pub fn with_bad_references() -> View {
    let mut schema = schema();
    let fields = vec![
        field("id", 0, Type::UInt32, None),
        field("toText", 1, Type::Text, Some("Movie")),
        field("toFloat", 2, Type::Float64, Some("Movie")),
        field("toPair", 3, Type::UInt32, Some("Edition")),
        field("toNothing", 4, Type::UInt32, Some("Nothing")),
    ];
    let mut ty = StructType::new(0xf000_0000_0000_0009, "Bad", fields);
    ty.key = vec!["id".to_owned()];
    ty.references = ["loop: Movie(loop)", "gone: Movie(field)"].map(|text| text.parse().unwrap()).to_vec();
    ty.lay_out().unwrap();
    schema.insert_struct(ty);
    let mut out = Library::new(schema);
    for name in ["Bad", "Country", "Edition", "Movie", "Person", "Rating"] {
        out.add(name, &[], &[], |_| false, |_| false);
    }
    out.open()
}

/// A random record, many of whose references dangle.
fn line(r: &mut Random, name: &str, key: usize, second: usize) -> String {
    let text = |r: &mut Random| ["\"a\"", "\"ab\"", "\"b\"", "\"\"", "null", "\"star\""][r.below(6)];
    let number = |r: &mut Random| r.below(14);
    let nullable = |r: &mut Random| if r.one_in(4) { "null".to_owned() } else { r.below(14).to_string() };
    match name {
        "Country" => {
            let name = ["a", "ab", "b", "star", "", "x", "y", "z", "u", "v", "w", "\u{e4}"][key];
            let houses = (0..r.below(3)).map(|_| format!("{{\"owner\":{},\"name\":{}}}", number(r), text(r)));
            let houses: Vec<String> = houses.collect();
            format!(
                "{{\"name\":\"{name}\",\"chief\":{},\"places\":[{}],\"houses\":[{}]}}",
                number(r),
                text(r),
                houses.join(",")
            )
        }
        "Person" => {
            let id = i64::try_from(key).unwrap() - i64::from(key == 11) * 16;
            format!(
                "{{\"id\":{id},\"name\":{},\"mentor\":{},\"country\":{},\"trips\":{}}}",
                text(r),
                if r.one_in(6) { "-5".to_owned() } else { nullable(r) },
                text(r),
                ["null", "[]", "[[\"a\",\"b\",\"a\"],[]]", "[[\"ab\"],null,[\"x\",null,\"none\"]]"][r.below(4)]
            )
        }
        "Movie" => {
            let info = if r.one_in(3) {
                "null".to_owned()
            } else {
                format!(
                    "{{\"studio\":{},\"editor\":{}}}",
                    text(r),
                    if r.one_in(5) { "-5".to_owned() } else { number(r).to_string() }
                )
            };
            let (title, director, genre) = (text(r), number(r), text(r));
            let actor = |r: &mut Random| if r.one_in(5) { "-5".to_owned() } else { number(r).to_string() };
            let cast: Vec<String> = (0..r.below(4)).map(|_| actor(r)).collect();
            let cast = if r.one_in(4) { "null".to_owned() } else { format!("[{}]", cast.join(",")) };
            format!(
                "{{\"movieId\":{key},\"title\":{title},\"director\":{director},\"info\":{info},\"genres\":[{genre},\"b\"],\"cast\":{cast}}}"
            )
        }
        "Edition" => {
            let code = ["a", "b", ""][second];
            let price = ["0.5", "1e300", "-2"][r.below(3)];
            format!("{{\"movieId\":{key},\"code\":\"{code}\",\"price\":{price}}}")
        }
        _ => {
            let film = if second == 2 && key == 11 { "18446744073709551615".to_owned() } else { key.to_string() };
            let (code, stars, of) = (text(r), nullable(r), nullable(r));
            let user = i64::try_from(second).unwrap() * 4 - i64::from(key == 3) * 5;
            format!("{{\"film\":{film},\"user\":{user},\"code\":{code},\"stars\":{stars},\"of\":{of}}}")
        }
    }
}
