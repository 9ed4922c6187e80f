//! A dataset as bytes and as a view.

pub mod error;
pub mod schema;
pub mod value;
pub mod words;

pub use error::{Error, ErrorKind, Fault, Result};
