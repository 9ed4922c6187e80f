//! Runs the `capnp` tool.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// Compiles files to a serialized `CodeGeneratorRequest`. `annotations` is the folder of `kapok.capnp`.
pub(crate) fn compile(tool: &Path, files: &[PathBuf], annotations: &Path, import_paths: &[PathBuf]) -> Result<Vec<u8>> {
    let mut command = Command::new(tool);
    // The tool warns if PWD is not the working directory, and Cargo does not keep it so.
    command.env_remove("PWD").stdin(Stdio::null()).args(["compile", "-o-"]);
    for folder in [annotations].into_iter().chain(import_paths.iter().map(PathBuf::as_path)) {
        command.arg(option("--import-path=", folder));
    }
    // Types are named by file, not by folder: schemas in a store do not say where they were compiled.
    let folders: BTreeSet<_> = files.iter().filter_map(|file| file.parent()).collect();
    for folder in folders.into_iter().filter(|folder| !folder.as_os_str().is_empty()) {
        command.arg(option("--src-prefix=", folder));
    }
    let output = command.args(files).output().map_err(|source| match source.kind() {
        ErrorKind::NotFound => Error::MissingTool { tool: tool.to_owned() },
        _ => Error::Io { path: tool.to_owned(), source },
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Compile { hint: hint(&text), text })
}

fn option(name: &str, folder: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(folder);
    option
}

fn hint(text: &str) -> &'static str {
    let is_relative = text.contains("Import failed: kapok.capnp");
    if is_relative { "\nwrite import \"/kapok.capnp\", with a slash: kapok-build brings that file with it" } else { "" }
}
