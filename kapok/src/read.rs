//! Reads the announced version: by key, by field, or record by record.
//!
//! A [`Consumer`] holds the current [`View`]: one whole version, immutable, for as long as it is held. Each door leads to
//! the same bytes:
//!
//! | door | gives | for |
//! |---|---|---|
//! | [`View::field`] | a [`Field`]: one field of all records, in place | scans, and random reads by row id |
//! | [`View::records`] | [`Records`]: the readers that the capnp compiler generated | a `.capnp` file of your own |
//! | [`View::record_by_key`], [`Table`] | a [`Record`]: any record by the stored schema, by name or as JSON | records of any type |
//! | [`View::deserialize_by_key`], [`Table::deserialize`] | a struct of your own, by serde | records of one known type |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kapok::Result<()> {
//! # use kapok::serde::{Deserialize, Serialize};
//! # #[derive(Serialize, Deserialize)]
//! # #[serde(crate = "kapok::serde")]
//! # struct Movie { id: u32, title: String }
//! # let movie = kapok::Declaration::of_rust_type::<Movie>("Movie", &["id"])?;
//! # kapok::Producer::open("memory://read").await?.run_cycle(|cycle| {
//! #     cycle.declare(&movie)?;
//! #     cycle.values("Movie")?.add_serde(&Movie { id: 4, title: "Laura".to_owned() })?;
//! #     Ok(())
//! # }).await?;
//! let consumer = kapok::Consumer::open("memory://read").await?;
//! let view = consumer.view();
//! let title = view.field::<&str>("Movie.title")?; // the path is resolved once
//! if let Some(row) = view.find("Movie", &4_u32)? {
//!     assert_eq!(title.get(row)?, "Laura"); // borrowed from the mapped file
//! }
//! for title in &title {
//!     println!("{}", title?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A `Result` stands where bytes are read, never around a loop: `for film in &records` and `for record in table` yield
//! records, whose getters return a `Result`; `for title in &field` and [`Table::deserialize`] yield values, each a `Result`.
//!
//! Take a new view per request or per batch; the old one stays whole until its last holder lets go.

#[doc(inline)]
pub use kapok_consumer::{
    Consumer, ConsumerBuilder, ConsumerSettings, IndexFilter, MemoryReport, MemoryUse, MergedSegments, RefreshReport,
    Status, TypeFilter, ViewGuard, describe_metrics,
};
#[doc(inline)]
pub use kapok_core::field::{Each, EachIter, Element, Field, FieldIter, FieldValue, Leaf, List, ListIter};
#[doc(inline)]
pub use kapok_core::key::{AsKeyPart, IntegerKey, Key, KeyPart, KeyParts};
#[doc(inline)]
pub use kapok_core::manifest::Manifest;
#[doc(inline)]
pub use kapok_core::paths::Scalar;
#[doc(inline)]
pub use kapok_core::record::{Fields, Items, ListValue, Record, ValueRef};
#[doc(inline)]
pub use kapok_core::segment::RowId;
#[doc(inline)]
pub use kapok_core::vectors::{ElementType, VectorColumn};
#[doc(inline)]
pub use kapok_core::view::{Deserialized, ReaderIter, RecordIter, Table};
#[doc(inline)]
pub use kapok_index::text::Edits;
#[doc(inline)]
pub use kapok_index::{
    AlternateLookup, HashLookup, Index, Kind, Lookup, ReadCounts, Records, SegmentCounts, SelectedElement,
    SortedLookup, Term, TextLookup, TextMatch, View,
};
