//! Reads `.fvecs`: each vector is its dimension, as 4 bytes, and its numbers, little-endian.

use bytes::Bytes;
use kapok_core::vectors::ElementType;
use kapok_core::{Error, Result};

use super::VectorTable;

/// Bytes before each vector.
pub(super) const HEAD: usize = 4;

pub(super) fn open(name: &str, bytes: Bytes) -> Result<VectorTable> {
    let Some(head) = bytes.first_chunk::<HEAD>() else {
        return Err(Error::invalid(name, "an .fvecs file without a vector"));
    };
    let dimension = i32::from_le_bytes(*head);
    let Some(dimension) = u32::try_from(dimension).ok().filter(|dimension| (1..=1 << 24).contains(dimension)) else {
        let problem = format!("an .fvecs file begins with the dimension, which cannot be {dimension}");
        return Err(Error::invalid(name, problem));
    };
    let stride = HEAD + dimension as usize * 4;
    let (rows, rest) = (bytes.len() / stride, bytes.len() % stride);
    if rest != 0 {
        let problem = format!(
            "vectors of dimension {dimension} are {stride} bytes each, and the file is of {} bytes, {rest} more than {rows}",
            bytes.len()
        );
        return Err(Error::invalid(name, problem));
    }
    let element = ElementType::Float32;
    let rows = rows as u64;
    Ok(VectorTable {
        name: name.to_owned(),
        bytes,
        element,
        dimension,
        rows,
        offset: HEAD,
        stride,
        has_dimensions: true,
    })
}
