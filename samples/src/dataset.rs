//! Sealed segments as a version: manifest, blobs, view.

#![expect(clippy::missing_panics_doc, reason = "honest records make honest segments")]
#![expect(clippy::unwrap_used, reason = "for tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::manifest::{Blob, BlobMap, Manifest, RecordType, SegmentEntry};
use kapok_core::schema::{RecordStruct, Schema};
use kapok_core::segment::{Encoding, SealSettings, SealedSegment, Sharing, Stage};
use kapok_core::view::Tables;
use kapok_core::words::Words;

/// Returns the encoding of a generated record type.
pub fn encoding<T: RecordStruct>(sharing: Sharing) -> Encoding {
    let (schema, id) = Schema::of::<T>().unwrap();
    let key = schema.struct_type(id).unwrap().key.clone();
    Encoding::new(Arc::new(schema), id, &key, sharing).unwrap()
}

/// Adds the record that the first word of a message's segment points at.
pub fn add(stage: &mut Stage, segment: &[u8]) {
    stage.add_struct(Words::new(segment).struct_of(0).unwrap().unwrap()).unwrap();
}

/// Seals what is staged, in segments of about so many bytes.
pub fn seal(stage: Stage, target_bytes: Option<u64>) -> Vec<SealedSegment> {
    stage.seal(SealSettings { target_bytes }).unwrap().map(Result::unwrap).collect()
}

/// Returns a manifest of these segments.
pub fn manifest(encoding: &Encoding, segments: Vec<SegmentEntry>) -> Manifest {
    let record_type = RecordType {
        name: encoding.record_type().to_owned(),
        type_id: encoding.type_id(),
        key: encoding.key().names().map(str::to_owned).collect(),
        rows: segments.iter().map(|segment| u64::from(segment.rows - segment.dead)).sum(),
        segments,
        changes: None,
        key_revision: encoding.key().revision(),
        ..RecordType::default()
    };
    Manifest {
        version: 1,
        parent: None,
        created_unix_ms: 0,
        writer: "test".into(),
        writer_token: [7; 16],
        announce_itself: true,
        log_sequence: 0,
        schema: Arc::clone(encoding.schema()),
        record_types: vec![record_type],
        tags: BTreeMap::new(),
    }
}

/// Returns a view of these segments.
pub fn view(encoding: &Encoding, sealed: &[SealedSegment], sharing: Sharing) -> Tables {
    let mut blobs = BlobMap::new();
    for segment in sealed {
        blobs.insert(segment.id, Blob { name: Arc::from("segment"), bytes: Bytes::from(segment.bytes.clone()) });
    }
    let entries = sealed.iter().map(|segment| segment.entry(sharing)).collect();
    Tables::open(Arc::new(manifest(encoding, entries)), &blobs).unwrap()
}
