//! Generates Rust code from a `.capnp` file of your own, in a build script.
//!
//! The file uses Kapok's annotations by `import "/kapok.capnp"`; this crate brings that file with it. The generated code
//! refers to the crate `kapok` alone, so the package needs no dependency on `capnp`. Code generation needs the `capnp` tool
//! (Debian and Homebrew: `capnproto`), or no tool if the compiled request is part of the package: see [`compile_request`].
//!
//! `schemas/hut.capnp`:
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
//! `Cargo.toml`:
//!
//! ```toml
//! [dependencies]
//! kapok = "0.1"
//!
//! [build-dependencies]
//! kapok-build = "0.1"
//! ```
//!
//! `build.rs`:
//!
//! ```no_run
//! fn main() -> kapok_build::Result<()> {
//!     kapok_build::compile("schemas/hut.capnp")
//! }
//! ```
//!
//! `src/lib.rs` or `src/main.rs`, at the root of the crate, as generated code looks for itself there:
//!
//! ```ignore
//! kapok::capnp::generated_code!(pub mod hut_capnp);
//!
//! use hut_capnp::hut;
//! ```
//!
//! If the crate denies lints that generated code does not hold, write what the macro stands for:
//!
//! ```ignore
//! #[allow(missing_docs, unused_qualifications, clippy::all, clippy::pedantic)]
//! pub mod hut_capnp {
//!     include!(concat!(env!("OUT_DIR"), "/hut_capnp.rs"));
//! }
//! ```
//!
//! For a dataset of somebody else, compile the file that `kapok schema --store STORE` prints: it declares the annotations itself.
//!
//! [`Compiler`] compiles several files at once, finds imports in other folders, and takes another crate for `kapok`.

#![forbid(unsafe_code)]

mod compiler;
mod error;
mod import;
mod request;
mod tool;

pub use compiler::{Compiler, compile, compile_request};
pub use error::{Error, Result};
