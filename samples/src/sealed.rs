//! Sealed files, written and taken apart without the store: for files that no store would write.
//!
//! FORMAT.md specifies the layout.

use bytes::Bytes;

/// The file `dataset`.
pub const MARKER: u32 = 1;
/// A version.
pub const MANIFEST: u32 = 2;
/// An entry of the announcement log.
pub const ANNOUNCEMENT: u32 = 3;
/// What is left of the manifest of a retired version.
pub const RETIRED_MANIFEST: u32 = 4;

const MAGIC: &[u8; 8] = b"KAPOKSF1";

/// A sealed file of a kind, without a signature.
pub fn seal(kind: u32, payload: &[u8]) -> Bytes {
    let mut file = MAGIC.to_vec();
    file.extend(kind.to_le_bytes());
    file.extend([0; 4]);
    file.extend((payload.len() as u64).to_le_bytes());
    file.extend([0; 8]);
    let mut checksum = blake3::Hasher::new();
    checksum.update(&file).update(payload);
    file.extend(checksum.finalize().as_bytes());
    file.extend(payload);
    file.into()
}

/// The kind and the payload of a sealed file without a signature; `None` if it is none, or not whole.
pub fn open(file: &[u8]) -> Option<(u32, Bytes)> {
    let (header, payload) = file.split_first_chunk::<64>()?;
    let kind = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    // A copy: allocations of this size begin at a multiple of eight, as messages must.
    (seal(kind, payload) == file).then(|| (kind, Bytes::copy_from_slice(payload)))
}
