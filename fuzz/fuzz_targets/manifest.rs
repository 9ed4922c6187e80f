//! Decodes any bytes as a manifest, encodes it again, compiles and prints its schema.
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use kapok_core::manifest::BlobMap;
use kapok_core::manifest::Manifest;
use kapok_core::schema::{OlderSchema, RecordDeclaration};
use kapok_core::segment::Sharing;
use kapok_core::view::Tables;
use kapok_ingest::{Inference, InferenceSettings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(manifest) = Manifest::decode("manifest", &Bytes::copy_from_slice(data)) else { return };
    let _ = manifest.encode();
    let _ = manifest.schema.fingerprint();
    let declared = manifest.record_types.iter();
    let declared: Vec<_> =
        declared.map(|ty| RecordDeclaration { name: &ty.name, type_id: ty.type_id, key: &ty.key }).collect();
    let _ = manifest.schema.to_idl(&declared);
    for ty in &manifest.record_types {
        let _ = ty.encoding(&manifest.schema, Sharing::Shared);
        let _ = manifest.schema.check_readable_as(ty.type_id, &manifest.schema, ty.type_id);
        let _ = manifest.schema.evolve(&manifest.schema, &[ty.type_id], OlderSchema::Refuse);
        let _ = Inference::extending(&manifest.schema, ty.type_id, InferenceSettings::default());
    }
    let _ = Tables::open(Arc::new(manifest), &BlobMap::new());
});
