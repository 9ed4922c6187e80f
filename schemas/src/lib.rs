//! The Cap'n Proto schemas of Kapok's stored files and of its example datasets, with their generated code.
//!
//! Nothing here is written by hand: the `.capnp` files at the root of this crate are the source, and
//! the package in `generate/` makes this code from them.

mod generated {
    #![allow(missing_docs, unused_qualifications, clippy::all, clippy::pedantic, clippy::unwrap_used)]
    #[rustfmt::skip]
    pub mod announcement_capnp;
    #[rustfmt::skip]
    pub mod kapok_capnp;
    #[rustfmt::skip]
    pub mod kinds_capnp;
    #[rustfmt::skip]
    pub mod manifest_capnp;
    #[rustfmt::skip]
    pub mod movies_capnp;
}

pub use generated::{announcement_capnp, kapok_capnp, kinds_capnp, manifest_capnp, movies_capnp};
