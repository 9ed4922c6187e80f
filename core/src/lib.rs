//! A dataset as bytes and as a view.

#![forbid(unsafe_code)]

pub mod blobs;
pub mod error;
pub mod json;
pub mod field;
pub mod manifest;
pub mod message;
pub mod records;
pub mod view;
pub mod key;
pub mod record;
pub mod schema;
pub mod segment;
pub mod value;
pub mod words;

pub use error::{Error, ErrorKind, Fault, Result};
