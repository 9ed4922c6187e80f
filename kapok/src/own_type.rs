//! Uses a record type of your own: a serde struct, JSON lines, or a `.capnp` file.
//!
//! A [`Declaration`] says what a record type is: its struct, its primary key, and how it may change.
//!
//! | you have | declare it by | write | read |
//! |---|---|---|---|
//! | a struct that derives `Serialize` and `Deserialize` | [`Declaration::of_rust_type`] | `values(..)?.add_serde(&record)` | `view.deserialize_by_key(..)`, `table.deserialize()` |
//! | JSON lines | [`Inference`], or a schema file by [`SchemaRequest`] | `values(..)?.add_json(line)` | `for record in table`: by name, by field, as JSON |
//! | a `.capnp` file | nothing: its annotations say it | `records::<hut::Owned>()?.add(..)` | `records::<hut::Owned>()` |
//!
//! Each of the three is a small package in `examples/own-types` of the repository.
//!
//! # A serde struct
//!
//! ```
//! # fn main() -> kapok::Result<()> {
//! use kapok::serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(crate = "kapok::serde")]
//! struct Hut { id: String, height_m: Option<u16>, rooms: Vec<Room> }
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(crate = "kapok::serde")]
//! struct Room { beds: u8 }
//!
//! let declaration = kapok::Declaration::of_rust_type::<Hut>("Hut", &["id"])?;
//! assert_eq!(declaration.name(), "Hut");
//! # Ok(())
//! # }
//! ```
//!
//! # JSON lines
//!
//! ```
//! # fn main() -> kapok::Result<()> {
//! use kapok::own_type::{Inference, InferenceSettings};
//! use kapok::{Declaration, Value};
//!
//! let lines = [r#"{"id": "hut-1", "height_m": 2140}"#, r#"{"id": "hut-2", "height_m": null}"#];
//! let mut inference = Inference::new("Hut", InferenceSettings { key: vec!["id".to_owned()], ..Default::default() })?;
//! for (number, line) in (1..).zip(lines) {
//!     inference.observe(&Value::from_json(line.as_bytes())?, number)?;
//! }
//! let (schema, type_id) = inference.finish()?;
//! let declaration = Declaration::new(schema, type_id)?.inferred();
//! # assert_eq!(declaration.name(), "Hut");
//! # Ok(())
//! # }
//! ```
//!
//! # A `.capnp` file
//!
//! The crate `kapok-build` generates code in a build script and brings the annotations with it:
//!
//! ```capnp
//! @0xb1f4c2d3e5a69788;
//! using Kapok = import "/kapok.capnp";
//!
//! struct Hut $Kapok.key("id") {
//!   id @0 :Text;
//!   heightM @1 :UInt16;
//! }
//! ```
//!
//! `build.rs`:
//!
//! ```ignore
//! fn main() -> kapok_build::Result<()> {
//!     kapok_build::compile("schemas/hut.capnp")
//! }
//! ```
//!
//! `src/main.rs`:
//!
//! ```ignore
//! kapok::capnp::generated_code!(pub mod hut_capnp);
//! use hut_capnp::hut;
//!
//! async fn publish(producer: &kapok::Producer) -> kapok::Result<()> {
//!     let huts = |cycle: &kapok::publish::Cycle| {
//!         cycle.records::<hut::Owned>()?.add(|mut hut| {
//!             hut.set_id("hut-1");
//!             hut.set_height_m(2140);
//!         })?;
//!         Ok(())
//!     };
//!     producer.run_cycle(huts).await?;
//!     Ok(())
//! }
//! ```

#[doc(inline)]
pub use kapok_core::schema::{FieldRemoval, Metric, OlderSchema, RecordDeclaration, RecordStruct, Schema};
#[cfg(feature = "json")]
#[doc(inline)]
pub use kapok_ingest::{
    AbsentFields, Inference, InferenceSettings, RecordVectors, SchemaRequest, Seen, Value, VectorInput, VectorSetting,
    VectorTable, schema_of_rust_type,
};
#[doc(inline)]
pub use kapok_producer::{Declaration, Evolution};
