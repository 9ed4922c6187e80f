//! The sealed file: a payload with a header that proves that it is whole.
//!
//! Blobs are named by their hash. The other files of a store (the marker `dataset`, manifests, announcements) are named
//! by what they are, so each carries its own checksum: it is *sealed*. FORMAT.md specifies the layout in section 2.

use bytes::Bytes;

use crate::alignment::aligned;
use crate::error::{Error, Result};

const MAGIC: [u8; 8] = *b"KAPOKSF1";
/// Length of the header in front of the payload.
pub(crate) const HEADER_BYTES: usize = 64;
/// The size that a sealed file has at most: 1 GiB. None longer is read or written.
pub const SEALED_BYTES_MAX: u64 = 1 << 30;
/// The part of the header that the checksum covers; the checksum itself follows.
const COVERED_BYTES: usize = 32;

/// The kind of a sealed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SealedKind {
    /// The file `dataset`.
    Marker,
    /// A version.
    Manifest,
    /// An entry of the announcement log.
    Announcement,
    /// What is left of a manifest whose version was retired.
    RetiredManifest,
}

impl SealedKind {
    fn code(self) -> u32 {
        match self {
            Self::Marker => 1,
            Self::Manifest => 2,
            Self::Announcement => 3,
            Self::RetiredManifest => 4,
        }
    }

    fn from_code(code: u32) -> Option<Self> {
        [Self::Marker, Self::Manifest, Self::Announcement, Self::RetiredManifest]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// An opened sealed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedFile {
    /// What it is.
    pub kind: SealedKind,
    /// Its content, at an address that is a multiple of eight.
    pub payload: Bytes,
    /// Its signature; empty if there is none.
    pub signature: Bytes,
}

/// Encodes a sealed file.
pub(crate) fn seal(kind: SealedKind, payload: &[u8], signature: &[u8]) -> Bytes {
    let mut file = Vec::with_capacity(HEADER_BYTES + payload.len() + signature.len());
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&kind.code().to_le_bytes());
    file.extend_from_slice(&0_u32.to_le_bytes());
    file.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    file.extend_from_slice(&(signature.len() as u64).to_le_bytes());
    let checksum = checksum(&file, payload, signature);
    file.extend_from_slice(checksum.as_bytes());
    file.extend_from_slice(payload);
    file.extend_from_slice(signature);
    Bytes::from(file)
}

/// Opens a sealed file and checks all of it; `name` is for the error.
///
/// # Errors
/// [`Error::Corrupt`] if the file is empty, short, too long, of another kind than it may be, or not what its
/// checksum says.
pub fn open_sealed(name: &str, file: &Bytes) -> Result<SealedFile> {
    let found = file.len() as u64;
    let Some((header, body)) = file.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Error::corrupt(name, found, "at least 64 bytes", format!("{found} bytes")));
    };
    let Lengths { kind, payload_bytes } = check_header(name, header, found)?;
    // Not past the end of `body`: the three lengths were just seen to add up to the file's.
    let split = usize::try_from(payload_bytes).unwrap_or(usize::MAX).min(body.len());
    let (payload, signature) = body.split_at(split);
    let checksum = checksum(&header[..COVERED_BYTES], payload, signature);
    let stored = &header[COVERED_BYTES..];
    if checksum.as_bytes() != stored {
        let stored = blake3::Hash::from_slice(stored).map_or_else(|_| String::new(), |hash| hash.to_string());
        return Err(Error::corrupt(
            name,
            COVERED_BYTES as u64,
            format!("checksum {}", checksum.to_hex()),
            format!("checksum {stored}"),
        ));
    }
    Ok(SealedFile { kind, payload: aligned(file.slice_ref(payload)), signature: file.slice_ref(signature) })
}

/// What a header says.
pub(crate) struct Lengths {
    kind: SealedKind,
    payload_bytes: u64,
}

/// Checks a header against the length of its file, before the rest is read.
pub(crate) fn check_header(name: &str, header: &[u8; HEADER_BYTES], found: u64) -> Result<Lengths> {
    if header[0..8] != MAGIC {
        return Err(Error::corrupt(name, 0, MAGIC.escape_ascii().to_string(), header[0..8].escape_ascii().to_string()));
    }
    let code = u32_at(header, 8);
    let kind =
        SealedKind::from_code(code).ok_or_else(|| Error::corrupt(name, 8, "kind 1 to 4", format!("kind {code}")))?;
    let zero = u32_at(header, 12);
    if zero != 0 {
        return Err(Error::corrupt(name, 12, "0", zero.to_string()));
    }
    let payload_bytes = u64_at(header, 16);
    let signature_bytes = u64_at(header, 24);
    let expected = payload_bytes
        .checked_add(signature_bytes)
        .and_then(|sum| sum.checked_add(HEADER_BYTES as u64))
        .ok_or_else(|| Error::corrupt(name, 16, "lengths of a file", "lengths beyond 2^64 bytes"))?;
    if found != expected {
        return Err(Error::corrupt(name, found.min(expected), format!("{expected} bytes"), format!("{found} bytes")));
    }
    Ok(Lengths { kind, payload_bytes })
}

impl SealedFile {
    /// Returns the payload, if the file is of this kind.
    pub(crate) fn payload_of(self, name: &str, kind: SealedKind) -> Result<Bytes> {
        if self.kind == kind {
            Ok(self.payload)
        } else {
            Err(Error::corrupt(name, 8, format!("{kind:?}"), format!("{:?}", self.kind)))
        }
    }
}

fn checksum(header: &[u8], payload: &[u8], signature: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header).update(payload).update(signature);
    hasher.finalize()
}

fn u32_at(header: &[u8; HEADER_BYTES], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&header[at..at + 4]);
    u32::from_le_bytes(bytes)
}

fn u64_at(header: &[u8; HEADER_BYTES], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&header[at..at + 8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn what_was_sealed_opens_to_the_same() {
        for (payload, signature) in [(&b"payload"[..], &b""[..]), (b"", b""), (b"12345678", b"signed")] {
            let opened = open_sealed("x", &seal(SealedKind::Manifest, payload, signature)).expect("opens");
            assert_eq!(opened.kind, SealedKind::Manifest);
            assert_eq!(opened.payload, payload);
            assert_eq!(opened.signature, signature);
        }
    }

    #[test]
    fn every_truncation_is_corrupt() {
        let file = seal(SealedKind::Marker, b"some payload", b"sig");
        for len in 0..file.len() {
            let error = open_sealed("x", &file.slice(..len)).expect_err("short");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{len}");
        }
    }

    #[test]
    fn trailing_bytes_are_corrupt() {
        let mut file = seal(SealedKind::Marker, b"some payload", b"").to_vec();
        file.push(0);
        let error = open_sealed("x", &Bytes::from(file)).expect_err("long");
        assert!(error.to_string().contains("offset=76 expected=76 bytes found=77 bytes"), "{error}");
    }

    #[test]
    fn every_flipped_bit_is_corrupt() {
        let file = seal(SealedKind::Announcement, b"some payload", b"sig");
        for bit in 0..file.len() * 8 {
            let mut flipped = file.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = open_sealed("x", &Bytes::from(flipped)).expect_err("flipped");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{bit}");
        }
    }

    #[test]
    fn the_payload_is_aligned_wherever_the_file_lies() {
        let file = seal(SealedKind::Marker, b"some payload", b"");
        for shift in 0..8 {
            let mut buffer = vec![0; shift];
            buffer.extend_from_slice(&file);
            let opened = open_sealed("x", &Bytes::from(buffer).slice(shift..)).expect("opens");
            assert_eq!(opened.payload.as_ptr().align_offset(8), 0);
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let file = seal(SealedKind::Announcement, b"pay", b"signed");
        assert_eq!(&file[0..8], b"KAPOKSF1");
        assert_eq!(&file[8..16], [3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&file[16..24], [3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&file[24..32], [6, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&file[64..], b"paysigned");
        let mut covered = file[..32].to_vec();
        covered.extend_from_slice(b"paysigned");
        assert_eq!(&file[32..64], blake3::hash(&covered).as_bytes());
    }
}
