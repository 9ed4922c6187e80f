//! What can go wrong in a build script.

use std::fmt;
use std::path::PathBuf;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a code generation. `Debug` prints the message too, as build scripts show what `main` returns by it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A `.capnp` file or request is not there.
    #[error("file not found: {}; paths are relative to the package, next to Cargo.toml", path.display())]
    MissingFile {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The `capnp` tool is not installed.
    #[error(
        "the tool `{}` was not found; install it (Debian, Ubuntu, Homebrew: package capnproto; or \
         https://capnproto.org/install.html), or commit the compiled request (.cgr) and use kapok_build::compile_request",
        tool.display()
    )]
    MissingTool {
        /// The program that was looked for.
        tool: PathBuf,
    },
    /// The `capnp` tool refused a file.
    #[error("capnp compile failed: {text}{hint}")]
    Compile {
        /// What the tool says: file, line and reason.
        text: String,
        /// What to change, if it is known.
        hint: &'static str,
    },
    /// A request is not what `capnp compile -o-` writes.
    #[error("not a CodeGeneratorRequest, as `capnp compile -o-` writes it: {detail}")]
    Request {
        /// What is wrong with it.
        detail: String,
    },
    /// Two files would be generated into one module.
    #[error("two files would both become the module {module}; rename one of them")]
    DuplicateModule {
        /// The module, which is named by the file.
        module: String,
    },
    /// The path of [`Compiler::crate_root`](crate::Compiler::crate_root) does not begin with a crate.
    #[error("crate_root={root}: give a crate, or a module of another crate, such as ::kapok")]
    CrateRoot {
        /// The path as it was given.
        root: String,
    },
    /// [`Compiler::run`](crate::Compiler::run) was called without files and requests.
    #[error("nothing to compile: add a .capnp file by Compiler::file, or a request by Compiler::request")]
    NoFiles,
    /// Code for a valid request cannot be generated or written.
    #[error("generating code failed: {0}")]
    Generate(capnp::Error),
    /// Neither `OUT_DIR` nor [`Compiler::out_dir`](crate::Compiler::out_dir) is set.
    #[error("OUT_DIR is not set: call this from build.rs, or set Compiler::out_dir")]
    NoOutDir,
    /// A file cannot be read or written, or a program cannot be run.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or program.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
