//! What the fuzz targets and the writer of their seeds share.

pub mod framing;
pub mod vectors;
