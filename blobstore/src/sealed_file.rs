//! The sealed file: a payload with a header that proves that it is whole.
//!
//! Blobs are named by their hash. The other files of a store (the marker `dataset`, manifests, announcements) are named
//! by what they are, so each carries its own checksum: it is *sealed*. FORMAT.md specifies the layout in section 2.

use bytes::Bytes;

use crate::buffer::Buffer;
use crate::error::{Error, Result};

const MAGIC: [u8; 8] = *b"KAPOKSF1";
/// What the magic of every layout begins with; its last byte is the number of the layout.
const FAMILY: [u8; 7] = *b"KAPOKSF";
/// Length of the header in front of the payload.
pub(crate) const HEADER_BYTES: usize = 64;
/// The size that a sealed file has at most: 1 GiB. None longer is read or written.
pub const SEALED_BYTES_MAX: u64 = 1 << 30;
/// Cap'n Proto reads words of this many bytes.
const WORD_BYTES: usize = 8;
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
/// checksum says. [`Error::Incompatible`] if it is of a newer layout.
pub fn open_sealed(name: &str, file: &Bytes) -> Result<SealedFile> {
    let found = file.len() as u64;
    let Some((header, body)) = file.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Error::corrupt(name, found, "at least 64 bytes", format!("{found} bytes")));
    };
    let Lengths { kind, payload_bytes, is_newer } = check_header(name, header, found)?;
    // Not past the end of `body`: the three lengths were just seen to add up to the file's.
    let split = usize::try_from(payload_bytes).unwrap_or(usize::MAX).min(body.len());
    let (payload, signature) = body.split_at(split);
    let mut covered = [0; COVERED_BYTES];
    covered.copy_from_slice(&header[..COVERED_BYTES]);
    covered[..MAGIC.len()].copy_from_slice(&MAGIC);
    let checksum = checksum(&covered, payload, signature);
    let stored = &header[COVERED_BYTES..];
    if is_newer {
        // With a checksum of this layout it is of this layout, and its magic is damaged.
        return Err(if checksum.as_bytes() == stored { foreign(name, header) } else { newer(name, header) });
    }
    if checksum.as_bytes() != stored {
        let stored = blake3::Hash::from_slice(stored).map_or_else(|_| String::new(), |hash| hash.to_string());
        return Err(Error::corrupt(
            name,
            COVERED_BYTES as u64,
            format!("checksum {}", checksum.to_hex()),
            format!("checksum {stored}"),
        ));
    }
    Ok(SealedFile {
        kind,
        payload: Buffer::aligned(file.slice_ref(payload), WORD_BYTES).into(),
        signature: file.slice_ref(signature),
    })
}

/// What a header says.
pub(crate) struct Lengths {
    kind: SealedKind,
    payload_bytes: u64,
    /// Whether the magic is that of a newer layout, though all else may be of this one.
    is_newer: bool,
}

/// Checks a header against the length of its file, before the rest is read.
pub(crate) fn check_header(name: &str, header: &[u8; HEADER_BYTES], found: u64) -> Result<Lengths> {
    if header[0..8] == MAGIC {
        return lengths(name, header, found);
    }
    if header[0..7] != FAMILY || !(b'2'..=b'9').contains(&header[7]) {
        return Err(foreign(name, header));
    }
    match lengths(name, header, found) {
        Ok(lengths) => Ok(Lengths { is_newer: true, ..lengths }),
        Err(_) => Err(newer(name, header)),
    }
}

fn foreign(name: &str, header: &[u8; HEADER_BYTES]) -> Error {
    Error::corrupt(name, 0, MAGIC.escape_ascii().to_string(), header[0..8].escape_ascii().to_string())
}

fn newer(name: &str, header: &[u8; HEADER_BYTES]) -> Error {
    let requirement = format!("magic={} known={}", header[0..8].escape_ascii(), MAGIC.escape_ascii());
    Error::Incompatible { name: name.to_owned(), requirement }
}

fn lengths(name: &str, header: &[u8; HEADER_BYTES], found: u64) -> Result<Lengths> {
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
    Ok(Lengths { kind, payload_bytes, is_newer: false })
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
    fn a_newer_layout_is_told_from_damage() {
        let file = seal(SealedKind::Marker, b"some payload", b"");
        let open = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut changed = file.to_vec();
            change(&mut changed);
            open_sealed("x", &Bytes::from(changed)).expect_err("changed")
        };
        let other_hash = open(&|file| (file[7], file[40]) = (b'2', file[40] ^ 1));
        let other_lengths = open(&|file| (file[7], file[16]) = (b'2', 200));
        for error in [other_hash, other_lengths] {
            assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
            assert!(error.to_string().contains("magic=KAPOKSF2 known=KAPOKSF1"), "{error}");
        }
        for byte in [b'2', b'9', b'0', b'X'] {
            assert_eq!(open(&|file| file[7] = byte).kind(), ErrorKind::Corrupt, "{byte}");
        }
        assert_eq!(open(&|file| (file[7], file[40]) = (b'0', file[40] ^ 1)).kind(), ErrorKind::Corrupt, "none such");
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
