//! Looks records up by key: index artifacts over segments, and the view of a version.
//!
//! Pure functions on bytes: nothing here does I/O, and no index holds a copy of a record. An artifact is a blob of its
//! own, computed from one segment's message words ([`unique::build`]), mapped beside it, and read in place
//! ([`UniqueIndex::open`]). [`View`] is `kapok-core`'s view of a version together with the artifacts that its manifest
//! names:
//!
//! ```text
//! key ──hash──▶ slot of the unique index ──row──▶ the record's words, which confirm the key ──▶ RowId
//! ```
//!
//! ```no_run
//! use kapok_index::View;
//! # fn fetch() -> (std::sync::Arc<kapok_core::manifest::Manifest>, kapok_core::manifest::BlobMap) { unimplemented!() }
//!
//! # fn main() -> kapok_core::Result<()> {
//! let (manifest, blobs) = fetch();
//! let view = View::open(manifest, &blobs)?;
//! let title = view.field::<&str>("Movie.title")?;
//! let movies = view.lookup("Movie")?;
//! if let Some(row_id) = movies.find(&42_u32)? {
//!     println!("{}", title.get(row_id)?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`View::changes_since`] finds what was added, updated and removed between any two versions. A [`VersionPath`] says
//! which manifests that takes.
//!
//! # Limitations
//! If a segment came and was merged away between two versions, its rows are in neither view, so the changes of its
//! record type are found by comparison.
//!
//! Hashes are not seeded: an attacker who chooses a segment's keys can make lookups in it slow, up to a walk over the
//! index, though never endless and never wrong.

#![forbid(unsafe_code)]

pub mod alternate;
mod artifact;
mod changes;
mod counts;
mod declared;
pub mod hash;
mod hash_lookup;
mod kind;
mod lookup;
pub mod nearest;
pub mod query;
mod records;
mod row;
pub mod sorted;
mod sorted_lookup;
pub mod text;
mod text_lookup;
mod tuple;
pub mod unique;
mod values;
pub mod vector;
mod verify;
mod version_path;
mod view;

pub use alternate::AlternateLookup;
pub use artifact::Binding;
pub use changes::{ChangeSource, Changes, TypeChanges};
pub use counts::{ReadCounts, SegmentCounts};
pub use declared::{BuiltArtifact, Index, IndexSet};
pub use hash::HashIndex;
pub use hash_lookup::{HashLookup, SelectedElement};
pub use kind::Kind;
pub use lookup::Lookup;
pub use nearest::Nearest;
pub use records::Records;
pub use row::IndexedRows;
pub use sorted::SortedIndex;
pub use sorted_lookup::SortedLookup;
pub use text::TextIndex;
pub use text_lookup::{Term, TextLookup, TextMatch};
pub use unique::UniqueIndex;
pub use verify::{verify_built_segment, verify_segment};
pub use version_path::VersionPath;
pub use view::View;
