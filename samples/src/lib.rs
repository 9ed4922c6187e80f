//! Example record types: films with their ratings, and one record of every kind of value.
//!
//! The `.capnp` files at the root of this crate are the source. After a change of one, make the request anew, from the root
//! of the workspace:
//!
//! ```sh
//! capnp compile -o- -Ischemas --src-prefix=samples samples/*.capnp > samples/samples.cgr
//! ```

#![forbid(unsafe_code)]

/// Films and what people thought of them: `movies.capnp`.
#[allow(missing_docs, unused_qualifications, clippy::all, clippy::pedantic, clippy::unwrap_used)]
pub mod movies_capnp {
    include!(concat!(env!("OUT_DIR"), "/movies_capnp.rs"));
}

/// One record type with every kind of value that a record can hold: `kinds.capnp`.
#[allow(missing_docs, unused_qualifications, clippy::all, clippy::pedantic, clippy::unwrap_used)]
pub mod kinds_capnp {
    include!(concat!(env!("OUT_DIR"), "/kinds_capnp.rs"));
}
