//! Turns foreign values into records: JSON, serde values and `.capnp` files become schemas and Cap'n Proto messages.
//!
//! A record on its way in is a [`Value`]. Its type is read from a `.capnp` file or a compiled request ([`SchemaRequest`]),
//! from a Rust struct ([`schema_of_rust_type`]), or found in the data ([`Inference`]). A [`MessageWriter`] then lays the
//! value out as a message of that type, which a segment can hold; JSON text also without a value in between.
//!
//! This crate stages and stores nothing: a message goes to `kapok-core`'s `Stage`. It reads no files but the schemas that
//! it is asked to compile.
//!
//! ```
//! use std::sync::Arc;
//! use kapok_core::{record::Record, words::Words};
//! use kapok_ingest::{Inference, InferenceSettings, MessageWriter, Value};
//!
//! let film = Value::from_json(br#"{"id": 7, "title": "Metropolis", "year": 1927}"#)?;
//! let mut inference = Inference::new("Film", InferenceSettings { key: vec!["id".to_owned()], ..Default::default() })?;
//! inference.observe(&film, 1)?;
//! let (schema, id) = inference.finish()?;
//!
//! let schema = Arc::new(schema);
//! let mut writer = MessageWriter::new(Arc::clone(&schema), id)?;
//! let message = writer.write(&film)?;
//! let record = Record::new(&schema, id, Words::new(message).struct_of(0).unwrap().unwrap())?;
//! assert_eq!(record.to_json_string()?, r#"{"id":7,"title":"Metropolis","year":1927}"#);
//! # Ok::<(), kapok_core::Error>(())
//! ```
//!
//! ```text
//!  JSON text ────┬────────────┐         ┌── .capnp file, .cgr request
//!  serde value ──┴─▶ Value ──▶ message  ├── Rust struct
//!                      │        ▲       │
//!                      ▼        └─ Schema
//!                  Inference ───────────┘
//! ```

#![forbid(unsafe_code)]

mod infer;
mod message;
mod request;
mod rust_type;
mod value;
mod vectors;

/// Re-exported text of `/kapok.capnp`.
pub use kapok_schemas::KAPOK_CAPNP;

pub use infer::{Inference, InferenceSettings, Seen, VectorSetting};
pub use message::{AbsentFields, MessageWriter};
pub use request::SchemaRequest;
pub use rust_type::schema_of_rust_type;
pub use value::Value;
pub use vectors::{RecordVectors, VectorInput, VectorTable};
