//! Versions of two segments with dead rows: the first with artifacts that may be put in place of the honest ones, the second
//! without any.

use std::sync::Arc;

use bytes::Bytes;
use capnp::message;
use kapok_core::Result;
use kapok_core::manifest::{Blob, BlobMap, IndexSpec, Manifest, Tombstones, encode_rows};
use kapok_core::segment::{Encoding, Segment, Sharing, Stage};
use kapok_index::{IndexSet, View};
use kapok_samples::dataset::{add, encoding, manifest, seal};
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::movies_capnp::movie;
use kapok_samples::random::Random;
use kapok_samples::random_kinds::{Kinds, one_segment};
use roaring::RoaringBitmap;

/// Rows of the second segment.
const REST: u32 = 12;

pub struct Dataset {
    manifest: Manifest,
    blobs: BlobMap,
    /// Of the index whose artifact is replaced.
    honest: Bytes,
    position: usize,
}

impl Dataset {
    /// So many films, the last of them in a segment without indexes.
    pub fn films(rows: u32, index: &str) -> Self {
        let film = |stage: &mut Stage, id: u32| {
            let mut message = message::Builder::new_default();
            let mut film: movie::Builder<'_> = message.init_root();
            film.set_id(id * 3);
            film.set_title(format!("film {}", id.wrapping_mul(2_654_435_761) % 1_000_003));
            film.set_year(if id.is_multiple_of(7) { 1927 } else { u16::try_from(1990 + id % 30).unwrap() });
            film.set_runtime_min(u16::from(id.is_multiple_of(3)));
            let mut genres = film.init_genres(id % 3);
            for at in 0..id % 3 {
                genres.set(at, ["Drama", "Crime", "War"][(id / 3 + at) as usize % 3]);
            }
            add(stage, message.get_segments_for_output()[0]);
        };
        Self::new(&encoding::<movie::Owned>(Sharing::Shared), rows, index, film)
    }

    /// So many random records of every kind of value, the last of them in a segment without indexes.
    pub fn kinds(rows: u32, index: &str) -> Self {
        let mut r = Random::new(u64::from(rows));
        let record =
            |stage: &mut Stage, id: u32| add(stage, &one_segment(&Kinds::random(&mut r, id.into()).plain(), &mut r));
        Self::new(&encoding::<kinds::Owned>(Sharing::Shared), rows, index, record)
    }

    /// `index`: beside that of the primary key, which is replaced if this is empty.
    fn new(encoding: &Encoding, rows: u32, index: &str, mut record: impl FnMut(&mut Stage, u32)) -> Self {
        let mut manifest = manifest(encoding, Vec::new());
        let mut blobs = BlobMap::new();
        if !index.is_empty() {
            let spec: IndexSpec = index.parse().unwrap();
            manifest.record_types[0].indexes.push(IndexSpec { revision: 1, ..spec });
        }
        for ids in [0..rows, rows..rows + REST] {
            let (mut stage, is_indexed) = (Stage::new(encoding), ids.start == 0);
            ids.for_each(|id| record(&mut stage, id));
            let sealed = seal(stage, None).pop().unwrap();
            let dead: RoaringBitmap = (0..sealed.rows).filter(|row| row % 5 == 3).collect();
            let mut entry = sealed.entry(Sharing::Shared);
            entry.dead = u32::try_from(dead.len()).unwrap();
            entry.tombstones = Tombstones::Inline(encode_rows(&dead));
            let bytes = Bytes::from(sealed.bytes);
            let segment = Segment::open("segment", bytes.clone(), sealed.rows).unwrap();
            blobs.insert(entry.id, Blob { name: Arc::from("segment"), bytes });
            if is_indexed {
                let set = IndexSet::new(&manifest.schema, &manifest.record_types[0]).unwrap();
                for built in set.build_lacking(&segment, &entry, &[]).unwrap() {
                    blobs.insert(built.artifact.id, Blob { name: Arc::from("index"), bytes: built.bytes });
                    entry.artifacts.push(built.artifact);
                }
            }
            let ty = &mut manifest.record_types[0];
            ty.rows += u64::from(entry.rows - entry.dead);
            ty.segments.push(entry);
        }
        let artifacts = &manifest.record_types[0].segments[0].artifacts;
        let honest = blobs.expect(&artifacts.last().unwrap().id).unwrap().bytes.clone();
        let position = artifacts.len() - 1;
        Self { manifest, blobs, honest, position }
    }

    /// Takes the artifact before the last as that which is replaced: the codes of a graph.
    pub fn replacing_the_one_before(mut self) -> Self {
        self.position -= 1;
        let artifact = &self.manifest.record_types[0].segments[0].artifacts[self.position];
        self.honest = self.blobs.expect(&artifact.id).unwrap().bytes.clone();
        self
    }

    /// Returns the bytes of the honest artifact.
    pub fn honest(&self) -> &Bytes {
        &self.honest
    }

    /// Returns where the replaced index stands among those of the record type.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Returns the rows of the segment that has the artifact.
    pub fn rows(&self) -> u32 {
        self.manifest.record_types[0].segments[0].rows
    }

    /// Opens the version with other bytes in place of the artifact, which the manifest names as they are. The second is what
    /// verifying finds.
    pub fn open(&self, bytes: Vec<u8>) -> Result<(View, impl FnOnce(&View) -> Result<()> + use<>)> {
        let (mut manifest, mut blobs) = (self.manifest.clone(), self.blobs.clone());
        let artifact = &mut manifest.record_types[0].segments[0].artifacts[self.position];
        artifact.id = *blake3::hash(&bytes).as_bytes();
        artifact.size = bytes.len() as u64;
        let id = artifact.id;
        blobs.insert(id, Blob { name: Arc::from("index"), bytes: bytes.into() });
        let view = View::open(Arc::new(manifest), &blobs)?;
        Ok((view, move |view: &View| view.verify_new(&blobs, |new| *new == id)))
    }
}
