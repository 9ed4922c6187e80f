//! Runs the steps from files to generated code.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use capnpc::codegen::CodeGenerationCommand;

use crate::error::{Error, Result};
use crate::{import, request, tool};

/// Id of the file `/capnp/schema.capnp`, whose generated code is part of the crate `capnp`.
const SCHEMA_FILE_ID: u64 = 0xa93f_c509_624c_72d9;

/// Generates code for one `.capnp` file into `OUT_DIR`: `schemas/hut.capnp` becomes `hut_capnp.rs`.
///
/// # Errors
/// See [`Compiler::run`].
pub fn compile(file: impl AsRef<Path>) -> Result<()> {
    Compiler::new().file(file).run()
}

/// Generates code for the files of a compiled request into `OUT_DIR`, without the `capnp` tool.
///
/// The request is what `capnp compile` writes, where `kapok.capnp` is in the folder that `-I` names
/// (`kapok schema --annotations > kapok.capnp` makes it):
///
/// ```sh
/// capnp compile -o- -I. --src-prefix=schemas schemas/hut.capnp > schemas/hut.cgr
/// ```
///
/// Make it anew after each change of a `.capnp` file: the two are not compared.
///
/// # Errors
/// See [`Compiler::run`].
pub fn compile_request(request: impl AsRef<Path>) -> Result<()> {
    Compiler::new().request(request).run()
}

/// Settings of a code generation: files, folders of imports, and the crate that generated code refers to.
#[derive(Clone, Debug)]
#[must_use = "nothing is generated before `run`"]
pub struct Compiler {
    files: Vec<PathBuf>,
    requests: Vec<PathBuf>,
    import_paths: Vec<PathBuf>,
    crate_root: String,
    parent_module: Vec<String>,
    out_dir: Option<PathBuf>,
    tool: PathBuf,
}

impl Default for Compiler {
    fn default() -> Self {
        Self::new()
    }
}

impl Compiler {
    /// Returns settings without files.
    pub fn new() -> Self {
        Self {
            files: Vec::new(),
            requests: Vec::new(),
            import_paths: Vec::new(),
            crate_root: "kapok".to_owned(),
            parent_module: Vec::new(),
            out_dir: None,
            tool: PathBuf::from("capnp"),
        }
    }

    /// Adds a `.capnp` file, relative to the package. Files that import each other are all to be added.
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.files.push(path.as_ref().to_owned());
        self
    }

    /// Adds a compiled request (`.cgr`), for which the `capnp` tool is not needed.
    pub fn request(mut self, path: impl AsRef<Path>) -> Self {
        self.requests.push(path.as_ref().to_owned());
        self
    }

    /// Adds a folder in which imports that begin with `/` are looked up. `/kapok.capnp` needs none.
    pub fn import_path(mut self, folder: impl AsRef<Path>) -> Self {
        self.import_paths.push(folder.as_ref().to_owned());
        self
    }

    /// Sets the crate or module that generated code refers to as `ROOT::capnp` and `ROOT::kapok_capnp` (default: `::kapok`).
    ///
    /// It is a path from outside of the crate, such as `::kapok` or `::renamed::kapok`.
    pub fn crate_root(mut self, path: &str) -> Self {
        path.strip_prefix("::").unwrap_or(path).clone_into(&mut self.crate_root);
        self
    }

    /// Sets the module that includes the generated modules, such as `schemas::generated` (default: the root of the crate).
    pub fn parent_module(mut self, path: &str) -> Self {
        self.parent_module = path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        self
    }

    /// Sets the folder that generated code is written to (default: `OUT_DIR`, which Cargo sets for build scripts).
    pub fn out_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.out_dir = Some(folder.as_ref().to_owned());
        self
    }

    /// Sets the `capnp` program (default: `capnp`, looked up in `PATH`).
    pub fn tool(mut self, program: impl AsRef<Path>) -> Self {
        program.as_ref().clone_into(&mut self.tool);
        self
    }

    /// Writes one `NAME_capnp.rs` for each file `NAME.capnp`, and tells Cargo which files the code depends on.
    ///
    /// # Errors
    /// * [`Error::MissingFile`] if a file or request is not there, [`Error::MissingTool`] if `capnp` is not installed.
    /// * [`Error::Compile`] with the text of the `capnp` tool if a file does not compile.
    /// * [`Error::Request`] if a request is not what `capnp compile -o-` writes.
    /// * [`Error::DuplicateModule`] if two files have one name, in whatever folders.
    pub fn run(&self) -> Result<()> {
        let first = self.crate_root.split("::").next().unwrap_or_default();
        if matches!(first, "" | "crate" | "self" | "super") {
            return Err(Error::CrateRoot { root: self.crate_root.clone() });
        }
        if self.files.is_empty() && self.requests.is_empty() {
            return Err(Error::NoFiles);
        }
        let out_dir = match &self.out_dir {
            Some(folder) => folder.clone(),
            None => std::env::var_os("OUT_DIR").map(PathBuf::from).ok_or(Error::NoOutDir)?,
        };
        for file in self.files.iter().chain(&self.requests) {
            rerun_if_changed(file);
            if !file.is_file() {
                return Err(Error::MissingFile { path: file.clone() });
            }
        }
        let mut requests = Vec::new();
        if !self.files.is_empty() {
            for imported in import::reached(&self.files, &self.import_paths) {
                rerun_if_changed(&imported);
            }
            let annotations = Annotations::write(&out_dir)?;
            requests.push(tool::compile(&self.tool, &self.files, &annotations.folder, &self.import_paths)?);
        }
        for path in &self.requests {
            let bytes = fs::read(path).map_err(|source| Error::Io { path: path.clone(), source })?;
            requests.push(bytes);
        }
        let mut modules = BTreeSet::new();
        for bytes in requests {
            let request = request::flatten(&bytes)?;
            for module in request.modules {
                if let Some(module) = modules.replace(module) {
                    return Err(Error::DuplicateModule { module });
                }
            }
            self.generate(&request.bytes, &out_dir)?;
        }
        Ok(())
    }

    fn generate(&self, request: &[u8], out_dir: &Path) -> Result<()> {
        let capnp_root = format!("{}::capnp", self.crate_root);
        let provided = [(request::KAPOK_FILE_ID, self.crate_root.clone()), (SCHEMA_FILE_ID, capnp_root.clone())];
        CodeGenerationCommand::new()
            .output_directory(out_dir)
            .default_parent_module(self.parent_module.clone())
            .capnp_root(&format!("::{capnp_root}"))
            .crates_provide_map(HashMap::from(provided))
            .run(request)
            .map_err(Error::Generate)
    }
}

#[expect(clippy::disallowed_macros, reason = "Cargo reads what a build script prints")]
fn rerun_if_changed(path: &Path) {
    println!("cargo:rerun-if-changed={}", path.display());
}

/// A copy of `kapok.capnp` in a folder of its own, where the tool finds it as `/kapok.capnp`.
struct Annotations {
    folder: PathBuf,
}

impl Annotations {
    fn write(out_dir: &Path) -> Result<Self> {
        let folder = out_dir.join("kapok-build-imports");
        let path = folder.join("kapok.capnp");
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&path, kapok_schemas::KAPOK_CAPNP))
            .map_err(|source| Error::Io { path, source })?;
        Ok(Self { folder })
    }
}
