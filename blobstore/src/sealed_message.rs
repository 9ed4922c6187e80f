//! A Cap'n Proto message in a sealed file, as the marker and the announcements are.
//!
//! It has a format version and a list of required features.

use bytes::Bytes;
use capnp::message::{Reader, ReaderOptions};
use capnp::serialize::{self, BufferSegments};
use capnp::text_list;

use crate::error::{Error, Result};
use crate::sealed_file::{HEADER_BYTES, SealedKind, open_sealed, seal};
use crate::token::Token;

/// The format of the marker and of announcements that this release writes and knows.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// The required features that this release knows.
const FEATURES: [&str; 0] = [];

/// Returns the sealed file around a message.
pub(crate) fn close(kind: SealedKind, message: &[u8]) -> Bytes {
    seal(kind, message, &[])
}

/// Returns the message in a sealed file.
pub(crate) fn open(name: &str, kind: SealedKind, file: &Bytes) -> Result<Bytes> {
    open_sealed(name, file)?.payload_of(name, kind)
}

/// Returns a reader of the message, which must fill the payload.
pub(crate) fn message<'a>(name: &str, payload: &'a [u8]) -> Result<Reader<BufferSegments<&'a [u8]>>> {
    let mut rest = payload;
    let reader = serialize::read_message_from_flat_slice(&mut rest, ReaderOptions::new())
        .map_err(|error| malformed(name, &error))?;
    if rest.is_empty() {
        Ok(reader)
    } else {
        let end = HEADER_BYTES + payload.len() - rest.len();
        Err(Error::corrupt(name, end as u64, "end of message", format!("{} more bytes", rest.len())))
    }
}

/// Refuses what a newer release wrote and this one would misread.
pub(crate) fn check_features(name: &str, format_version: u32, features: text_list::Reader<'_>) -> Result<()> {
    let incompatible = |requirement| Error::Incompatible { name: name.to_owned(), requirement };
    if format_version != FORMAT_VERSION {
        return Err(incompatible(format!("format_version={format_version} known={FORMAT_VERSION}")));
    }
    for feature in features {
        let feature = feature.map_err(|error| malformed(name, &error))?;
        let text = String::from_utf8_lossy(feature.as_bytes());
        if !FEATURES.contains(&text.as_ref()) {
            return Err(incompatible(format!("required_feature={text}")));
        }
    }
    Ok(())
}

/// Returns the sixteen bytes of a token.
pub(crate) fn token(name: &str, data: &[u8]) -> Result<Token> {
    data.try_into()
        .map_err(|_| Error::corrupt(name, HEADER_BYTES as u64, "a token of 16 bytes", format!("{} bytes", data.len())))
}

/// Makes the error of a message that Cap'n Proto cannot read.
pub(crate) fn malformed(name: &str, error: &capnp::Error) -> Error {
    Error::corrupt(name, HEADER_BYTES as u64, "a Cap'n Proto message", error.to_string())
}
