//! A dataset as bytes and as a view.

#![forbid(unsafe_code)]

pub mod error;
pub mod key;
pub mod record;
pub mod schema;
pub mod segment;
pub mod value;
pub mod words;

pub use error::{Error, ErrorKind, Fault, Result};
