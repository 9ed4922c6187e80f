//! The Cap'n Proto schemas of Kapok's stored files and its annotations, with their generated code.
//!
//! Nothing in [`announcement_capnp`], [`kapok_capnp`] and [`manifest_capnp`] is written by hand: the `.capnp` files at the
//! root of this crate are the source, and the package in `generate/` makes this code from them.

mod generated {
    #![allow(missing_docs, unused_qualifications, clippy::all, clippy::pedantic, clippy::unwrap_used)]
    #[rustfmt::skip]
    pub mod announcement_capnp;
    #[rustfmt::skip]
    pub mod kapok_capnp;
    #[rustfmt::skip]
    pub mod manifest_capnp;
}

/// The version of the crate `capnp` that the generated code needs.
pub use capnp;
pub use generated::{announcement_capnp, kapok_capnp, manifest_capnp};

/// The text of `kapok.capnp`, which schemas of record types import for its annotations.
pub const KAPOK_CAPNP: &str = include_str!("../kapok.capnp");
