//! Types that a `.capnp` file declares, from the `CodeGeneratorRequest` of its compiler.
//!
//! Every code generator of Cap'n Proto is fed such a message; `capnp compile -o- movies.capnp > movies.cgr` keeps it. A
//! request holds all types that its files reach, interfaces and generics among them; only those that a record type
//! reaches are looked at.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use capnp::message::{Reader, ReaderOptions};
use capnp::schema_capnp::{code_generator_request, node};
use capnp::serialize::{OwnedSegments, read_message};

use kapok_core::schema::{FieldKind, Schema, Type};
use kapok_core::{Error, Fault, Result};
use kapok_schemas::KAPOK_CAPNP;

/// Names listed in an error.
const LISTED_MAX: usize = 40;

/// Types nested deeper than this are no file's.
const SCOPES_MAX: usize = 64;

/// A `CodeGeneratorRequest` and the struct types that it offers.
pub struct SchemaRequest {
    segments: OwnedSegments,
    /// Index of each node, by type id.
    nodes: BTreeMap<u64, u32>,
    candidates: Vec<Candidate>,
}

/// A struct type that a record type may be.
#[derive(Clone, Debug)]
struct Candidate {
    id: u64,
    /// `Rating`.
    name: String,
    /// `Movie.Rating`.
    qualified: String,
    /// `movies.capnp:Movie.Rating`.
    display: String,
    /// Whether it is declared in a file that the compiler was asked for, not in one that is imported.
    is_requested: bool,
}

impl SchemaRequest {
    /// Reads a `CodeGeneratorRequest`: what `capnp compile -o-` writes, of any number of segments.
    ///
    /// # Errors
    /// `Invalid` if the bytes are no such message.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let segments = read_message(&mut rest, ReaderOptions::new()).map_err(|e| unreadable(&e))?.into_segments();
        if !rest.is_empty() {
            return Err(unreadable(&format!("{} bytes behind the message", rest.len())));
        }
        let mut loaded = SchemaRequest { segments, nodes: BTreeMap::new(), candidates: Vec::new() };
        loaded.index().map_err(|e| unreadable(&e))?;
        if loaded.nodes.is_empty() {
            return Err(unreadable(&"no types in it"));
        }
        Ok(loaded)
    }

    /// Compiles a `.capnp` file with the `capnp` tool; `import_paths` are searched for imports that start with `/`.
    ///
    /// `/kapok.capnp` need not be on one of the paths: the text that is part of Kapok is found behind them.
    ///
    /// # Errors
    /// `NotFound` if there is no such tool; `Invalid`, with what the tool says, if it fails.
    pub fn compile(path: impl AsRef<Path>, import_paths: &[PathBuf]) -> Result<Self> {
        compile_with(OsStr::new("capnp"), path.as_ref(), import_paths)
    }
}

fn compile_with(tool: &OsStr, path: &Path, import_paths: &[PathBuf]) -> Result<SchemaRequest> {
    let mut command = Command::new(tool);
    command.arg("compile").arg("-o-");
    for import_path in import_paths {
        let mut argument = std::ffi::OsString::from("--import-path=");
        argument.push(import_path);
        command.arg(argument);
    }
    let annotations = annotations().map_err(|e| {
        Error::invalid(format!("schema file {}", path.display()), format!("no place for /kapok.capnp beside it: {e}"))
    })?;
    command.arg("--import-path").arg(annotations.path());
    // A path that starts with a dash is no option.
    command.arg(if path.is_relative() { Path::new(".").join(path) } else { path.to_owned() });
    let subject = format!("schema file {}", path.display());
    let output = command.stdin(Stdio::null()).output().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::not_found(
            format!("tool {}", tool.display()),
            format!("needed to compile {}: install capnproto or give a .cgr file", path.display()),
        ),
        _ => Error::invalid(&subject, format!("tool {} cannot be run: {e}", tool.display())),
    })?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(Error::schema(subject, format!("capnp compile: {}: {}", output.status, text.trim())));
    }
    SchemaRequest::decode(&output.stdout)
}

/// Makes a folder with `kapok.capnp` in it, which is removed when it is dropped.
fn annotations() -> std::io::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("kapok-schema-").tempdir()?;
    std::fs::write(folder.path().join("kapok.capnp"), KAPOK_CAPNP)?;
    Ok(folder)
}

impl SchemaRequest {
    /// Returns the struct types of the compiled files, as `Movie` or `Movie.Rating`, sorted; groups and generic types
    /// are left out.
    pub fn struct_names(&self) -> Vec<&str> {
        let requested = self.candidates.iter().filter(|ty| ty.is_requested);
        let mut names: Vec<_> = requested.map(|ty| ty.qualified.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns the schema of one record type, and its type id: the struct of an unqualified name (`Movie`), or, if that
    /// is not unique, of a qualified one (`Films.Movie`, `films.capnp:Movie`). Whole names come before unqualified
    /// ones, types of the compiled files before those that they import.
    ///
    /// # Errors
    /// `NotFound`, with the types that there are; `Invalid` for an ambiguous name, and if the type reaches
    /// `AnyPointer`, an interface or a generic, naming the field.
    pub fn record_type(&self, name: &str) -> Result<(Schema, u64)> {
        let id = self.find(name)?;
        let message = Reader::new(&self.segments, ReaderOptions::new());
        let request: code_generator_request::Reader<'_> = message.get_root().map_err(|e| unreadable(&e))?;
        let nodes = request.get_nodes().map_err(|e| unreadable(&e))?;
        let mut schema = Schema::new();
        let mut open = vec![(name.to_owned(), id)];
        while let Some((path, id)) = open.pop() {
            if schema.get_struct(id).is_some() || schema.get_enum(id).is_some() {
                continue;
            }
            let index = self.nodes.get(&id);
            let node: node::Reader<'_> =
                nodes.get(*index.ok_or_else(|| Error::schema(&path, format!("type missing: id={id:#018x}")))?);
            if node.get_is_generic() {
                return Err(Error::schema(path, "generic types cannot be part of a record; write it out for one type"));
            }
            schema.insert_node(node)?;
            for field in schema.get_struct(id).iter().flat_map(|ty| &ty.fields) {
                let next = match &field.kind {
                    FieldKind::Group(id) => *id,
                    FieldKind::Slot { ty, .. } => match ty.innermost() {
                        Type::Struct(id) | Type::Enum(id) => *id,
                        _ => continue,
                    },
                };
                open.push((format!("{path}.{}", field.name), next));
            }
        }
        Ok((schema, id))
    }

    fn find(&self, name: &str) -> Result<u64> {
        let named = |part: fn(&Candidate) -> &str, is_requested: bool| -> Vec<&Candidate> {
            self.candidates.iter().filter(|ty| part(ty) == name && (ty.is_requested || !is_requested)).collect()
        };
        let matching = [
            named(|ty| &ty.display, false),
            named(|ty| &ty.qualified, true),
            named(|ty| &ty.name, true),
            named(|ty| &ty.qualified, false),
            named(|ty| &ty.name, false),
        ];
        match matching.iter().find(|found| !found.is_empty()).map_or(&[][..], Vec::as_slice) {
            [found] => Ok(found.id),
            [] => {
                let mut names = self.struct_names();
                let more = names.len().saturating_sub(LISTED_MAX);
                names.truncate(LISTED_MAX);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let detail = format!("there are: {}{more}", names.join(", "));
                Err(Fault::NoRecordType { record_type: name.to_owned(), detail }.into())
            }
            several => {
                let candidates = several.iter().take(LISTED_MAX).map(|ty| ty.display.clone()).collect();
                Err(Fault::AmbiguousName { name: name.to_owned(), candidates }.into())
            }
        }
    }

    fn index(&mut self) -> capnp::Result<()> {
        let message = Reader::new(&self.segments, ReaderOptions::new());
        let request: code_generator_request::Reader<'_> = message.get_root()?;
        let nodes = request.get_nodes()?;
        let mut scopes = BTreeMap::new();
        for index in 0..nodes.len() {
            let node = nodes.get(index);
            self.nodes.insert(node.get_id(), index);
            scopes.insert(node.get_id(), node.get_scope_id());
        }
        let mut requested = std::collections::BTreeSet::new();
        for file in request.get_requested_files()? {
            requested.insert(file.get_id());
        }
        for node in nodes {
            let Ok(node::Struct(ty)) = node.which() else { continue };
            // Scope 0: parameters and results of methods.
            if ty.get_is_group() || node.get_is_generic() || node.get_scope_id() == 0 {
                continue;
            }
            let display = node.get_display_name()?.to_string()?;
            let name = display.get(node.get_display_name_prefix_length() as usize..).unwrap_or(&display).to_owned();
            let qualified = display.rsplit_once(':').map_or(display.as_str(), |(_, name)| name).to_owned();
            let mut file = node.get_scope_id();
            for _ in 0..SCOPES_MAX {
                match scopes.get(&file) {
                    Some(0) | None => break,
                    Some(scope) => file = *scope,
                }
            }
            let is_requested = requested.contains(&file);
            self.candidates.push(Candidate { id: node.get_id(), name, qualified, display, is_requested });
        }
        Ok(())
    }
}

fn unreadable(error: &impl std::fmt::Display) -> Error {
    Error::schema("schema request", format!("not a CodeGeneratorRequest, as `capnp compile -o-` writes it: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kapok_core::ErrorKind;

    #[test]
    fn a_missing_tool_is_named_with_the_way_out() {
        let error = compile_with(OsStr::new("no-such-tool"), Path::new("a.capnp"), &[]).err();
        let error = error.map(|e| (e.kind(), e.to_string()));
        let Some((ErrorKind::NotFound, text)) = error else { unreachable!("{error:?}") };
        assert!(text.contains("install capnproto or give a .cgr file"), "{text}");
    }
}
