//! A dataset as bytes and as a view: schemas, segments, manifests, and the ways to read records.
//!
//! This crate does no I/O and reads no clock: it turns bytes into views and back. `kapok-blobstore` stores blobs,
//! `kapok-index` finds keys; producers and consumers are built on all three.
//!
//! ```
//! use std::sync::Arc;
//! use kapok_core::segment::{Encoding, SealSettings, Segment, Sharing, Stage};
//! use kapok_core::{record::Record, schema::Schema, words::Words};
//! use kapok_ingest::{MessageWriter, Value};
//! use kapok_samples::movies_capnp::movie;
//!
//! let (schema, id) = Schema::of::<movie::Owned>()?;
//! let encoding = Encoding::new(Arc::new(schema), id, &["id".to_owned()], Sharing::Shared)?;
//! let mut writer = MessageWriter::of_records(&encoding)?;
//! let mut stage = Stage::new(&encoding);
//! let message = writer.write(&Value::from_json(br#"{"id": 7, "title": "Metropolis", "year": 1927}"#)?)?;
//! stage.add_struct(Words::new(message).struct_of(0).unwrap().unwrap())?;
//!
//! for sealed in stage.seal(SealSettings::default())? {
//!     let sealed = sealed?;
//!     let segment = Segment::open("films", sealed.bytes.into(), sealed.rows)?;
//!     let film = Record::new(encoding.schema(), id, segment.row(0).unwrap())?;
//!     assert_eq!(film.to_json_string()?, r#"{"id":7,"title":"Metropolis","year":1927,"runtimeMin":0}"#);
//! }
//! # Ok::<(), kapok_core::Error>(())
//! ```
//!
//! ```text
//!  typed builder ─┐
//!  JSON, serde ───┴▶ words ─▶ Stage ─▶ segments ─▶ Manifest ─▶ Tables ─┬▶ records::<T>()   generated readers
//!                             by key                 version         ├▶ field::<T>(path) field handles
//!                                                                    └▶ record(row id)  dynamic records, JSON, serde
//! ```

#![forbid(unsafe_code)]

mod error;
mod error_kind;
mod fault;
pub mod field;
pub mod key;
pub mod manifest;
pub mod paths;
pub mod record;
pub mod schema;
pub mod segment;
pub mod vectors;
pub mod view;
pub mod words;

pub use error::{Error, Result};
pub use error_kind::ErrorKind;
pub use fault::Fault;
