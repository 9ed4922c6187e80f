//! A segment file behind the extents that a manifest would list.
//!
//! ```text
//! byte 0     record type: Movie, or Kinds where it is odd
//! byte 1     number of extents
//! …          17 bytes each: field, then offset, size, stride and 0 as u32
//! …          the file
//! ```
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use kapok_core::manifest::{Blob, BlobMap};
use kapok_core::segment::{Segment, Sharing};
use kapok_core::view::Tables;
use kapok_fuzz::framing;
use kapok_samples::dataset;
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::movies_capnp::movie;
use kapok_samples::walk;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let encoding = match data.first().map(|choice| choice % 2) {
        Some(0) => dataset::encoding::<movie::Owned>(Sharing::Shared),
        Some(_) => dataset::encoding::<kinds::Owned>(Sharing::Shared),
        None => return,
    };
    let Some((extents, file)) = framing::split(&encoding, data) else { return };
    // As many rows as the file claims: where the manifest disagrees, there is nothing to read.
    let Some(tag) = file.get(24..28) else { return };
    let rows = u32::from_le_bytes([tag[0], tag[1], tag[2], tag[3]]) >> 2;
    let Ok(segment) = Segment::open("segment", Bytes::copy_from_slice(file), rows) else { return };
    let entry = framing::entry(&encoding, &segment, extents);
    let verified = encoding.verify(&segment, &entry);
    if rows > 1000 {
        return;
    }
    let mut blobs = BlobMap::new();
    blobs.insert(entry.id, Blob { name: Arc::from("segment"), bytes: segment.bytes().clone() });
    let view = Tables::open(Arc::new(dataset::manifest(&encoding, vec![entry])), &blobs).expect("an open segment");
    let errors = walk::read(&view);
    assert!(verified.is_err() || errors == 0, "what verify accepts must be readable: {errors} errors");
});
