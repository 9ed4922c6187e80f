//! Example record types: films with their ratings, and one record of every kind of value.
//!
//! The feature `random` adds what tests and fuzzers make of them: random records, schemas of hostile shapes, segments as a
//! version, sealed files, a walk over everything that a view holds, and what runs and times hostile cases. Unit tests of core do without it: through this crate they would see
//! core twice.
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

#[cfg(feature = "random")]
pub mod cases;
#[cfg(feature = "random")]
pub mod dataset;
#[cfg(feature = "random")]
pub mod random;
#[cfg(feature = "random")]
pub mod random_kinds;
#[cfg(feature = "random")]
pub mod sealed;
#[cfg(feature = "random")]
pub mod shapes;
#[cfg(feature = "random")]
pub mod stopwatch;
#[cfg(feature = "random")]
pub mod walk;
