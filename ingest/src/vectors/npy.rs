//! Reads `.npy`, as <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html> specifies it.
//!
//! ```text
//!  6      2        2 (version 1) or 4        the header's length
//! ┌──────┬────────┬─────────┬───────────────────────────────────────────────────────────────────────┬─────────
//! │ magic│ version│ length  │ {'descr': '<f4', 'fortran_order': False, 'shape': (62666, 384), }   \n │ numbers
//! └──────┴────────┴─────────┴───────────────────────────────────────────────────────────────────────┴─────────
//! ```

use bytes::Bytes;
use kapok_core::vectors::ElementType;
use kapok_core::{Error, Result};

use super::VectorTable;

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header; those of two dimensions take 128 bytes.
const HEADER_BYTES_MAX: usize = 1 << 16;

/// What a header says.
#[derive(Debug, Default, PartialEq)]
struct Header<'h> {
    descr: Option<&'h str>,
    fortran_order: Option<bool>,
    shape: Option<Vec<u64>>,
}

pub(super) fn open(name: &str, bytes: Bytes) -> Result<VectorTable> {
    let invalid = |problem: String| Error::invalid(name, problem);
    let short = || invalid("a .npy file that ends within its header".to_owned());
    let &[major, minor] = bytes.get(6..8).and_then(<[u8]>::first_chunk).ok_or_else(short)?;
    let (len, from) = match (major, minor) {
        (1, 0) => (bytes.get(8..10).and_then(<[u8]>::first_chunk).map(|len| usize::from(u16::from_le_bytes(*len))), 10),
        (2 | 3, 0) => (bytes.get(8..12).and_then(<[u8]>::first_chunk).map(|len| u32::from_le_bytes(*len) as usize), 12),
        _ => return Err(invalid(format!("a .npy file of version {major}.{minor}; known are 1.0, 2.0 and 3.0"))),
    };
    let len = len.ok_or_else(short)?;
    if len > HEADER_BYTES_MAX {
        return Err(invalid(format!("a .npy header of {len} bytes, more than {HEADER_BYTES_MAX}")));
    }
    let header = bytes.get(from..from + len).ok_or_else(short)?;
    let header = std::str::from_utf8(header).ok().and_then(|text| Literal { rest: text }.header());
    let Some(Header { descr: Some(descr), fortran_order: Some(fortran_order), shape: Some(shape) }) = header else {
        return Err(invalid("a .npy header that is no dictionary of descr, fortran_order and shape".to_owned()));
    };
    let element = element(descr).map_err(|way_out| invalid(format!("a .npy file of {descr:?}; {way_out}")))?;
    if fortran_order && shape.iter().filter(|size| **size > 1).count() > 1 {
        return Err(invalid("a .npy file in Fortran order; save numpy.ascontiguousarray(..) of it".to_owned()));
    }
    let &[rows, dimension] = shape.as_slice() else {
        return Err(invalid(format!(
            "a .npy file of shape {shape:?}; expected two dimensions, of vectors and elements"
        )));
    };
    let Some(dimension) = u32::try_from(dimension).ok().filter(|dimension| (1..=1 << 24).contains(dimension)) else {
        return Err(invalid(format!("vectors of dimension {dimension}; expected 1 to 2^24 elements")));
    };
    let (offset, stride) = (from + len, element.vector_bytes(dimension).unwrap_or_default());
    let name = name.to_owned();
    VectorTable { name, bytes, element, dimension, rows, offset, stride, has_dimensions: false }.whole()
}

/// Returns the elements of numpy's name for them, or what to do about others.
fn element(descr: &str) -> std::result::Result<ElementType, &'static str> {
    let (order, kind) = match descr.as_bytes() {
        [order @ (b'<' | b'>' | b'|' | b'='), ..] => (*order, &descr[1..]),
        _ => (b'|', descr),
    };
    match kind {
        "i1" => Ok(ElementType::Int8),
        "u1" => Ok(ElementType::UInt8),
        _ if order == b'>' => Err("big-endian numbers: save a little-endian copy"),
        "f4" if order == b'<' => Ok(ElementType::Float32),
        "f2" if order == b'<' => Ok(ElementType::Float16),
        "f8" => Err("save it as float32: .astype('float32')"),
        _ => Err("known are '<f4', '<f2', '|i1' and '|u1'"),
    }
}

/// Python's literal of a header, as far as it was not read yet.
struct Literal<'h> {
    rest: &'h str,
}

impl<'h> Literal<'h> {
    fn header(mut self) -> Option<Header<'h>> {
        let mut out = Header::default();
        self.take('{')?;
        while self.take('}').is_none() {
            let key = self.text()?;
            self.take(':')?;
            match key {
                "descr" if out.descr.is_none() => out.descr = Some(self.text()?),
                "fortran_order" if out.fortran_order.is_none() => out.fortran_order = Some(self.bool()?),
                "shape" if out.shape.is_none() => out.shape = Some(self.tuple()?),
                _ => return None,
            }
            if self.take(',').is_none() {
                self.take('}')?;
                break;
            }
        }
        self.rest.trim().is_empty().then_some(out)
    }

    fn take(&mut self, sign: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(sign)?;
        Some(())
    }

    /// Reads a text without escapes, in either kind of quotes.
    fn text(&mut self) -> Option<&'h str> {
        let rest = self.rest.trim_start();
        let quote = rest.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let (text, rest) = rest[1..].split_once(quote)?;
        self.rest = rest;
        (!text.contains('\\')).then_some(text)
    }

    fn bool(&mut self) -> Option<bool> {
        let rest = self.rest.trim_start();
        for (name, value) in [("True", true), ("False", false)] {
            if let Some(rest) = rest.strip_prefix(name) {
                self.rest = rest;
                return Some(value);
            }
        }
        None
    }

    fn tuple(&mut self) -> Option<Vec<u64>> {
        let mut out = Vec::new();
        self.take('(')?;
        while self.take(')').is_none() {
            let rest = self.rest.trim_start();
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            out.push(rest[..digits].parse().ok()?);
            // Python 2 wrote long integers so.
            self.rest = rest[digits..].strip_prefix('L').unwrap_or(&rest[digits..]);
            if self.take(',').is_none() {
                self.take(')')?;
                break;
            }
        }
        Some(out)
    }
}
