//! Brings a `CodeGeneratorRequest` into the form that code is generated from.

use std::ffi::OsStr;
use std::path::Path;

use capnp::message::{Builder, HeapAllocator, ReaderOptions};
use capnp::schema_capnp::code_generator_request;
use capnp::serialize;

use crate::error::{Error, Result};

/// Id of the file `kapok.capnp`.
pub(crate) const KAPOK_FILE_ID: u64 = 0x9c5f_ca0e_a109_eb0a;

/// A request of which each file's code lies flat in one folder.
pub(crate) struct FlatRequest {
    /// The serialized message.
    pub(crate) bytes: Vec<u8>,
    /// Names of the modules that it generates, such as `hut_capnp`.
    pub(crate) modules: Vec<String>,
}

/// Names requested files without their folders, and leaves out `kapok.capnp`, whose generated code is part of Kapok.
pub(crate) fn flatten(bytes: &[u8]) -> Result<FlatRequest> {
    let mut rest = bytes;
    let message = serialize::read_message(&mut rest, ReaderOptions::new()).map_err(invalid)?;
    let request: code_generator_request::Reader<'_> = message.get_root().map_err(invalid)?;
    let mut flat = Builder::new_default();
    let modules = rename(request, &mut flat).map_err(invalid)?;
    if modules.is_empty() {
        return Err(Error::Request { detail: "it asks for no file".to_owned() });
    }
    Ok(FlatRequest { bytes: serialize::write_message_to_words(&flat), modules })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn invalid(error: capnp::Error) -> Error {
    Error::Request { detail: error.to_string() }
}

type FlatMessage = Builder<HeapAllocator>;

fn rename(request: code_generator_request::Reader<'_>, flat: &mut FlatMessage) -> capnp::Result<Vec<String>> {
    flat.set_root(request)?;
    let kept: Vec<_> = request.get_requested_files()?.iter().filter(|file| file.get_id() != KAPOK_FILE_ID).collect();
    let root: code_generator_request::Builder<'_> = flat.get_root()?;
    let count = u32::try_from(kept.len()).map_err(|_| capnp::Error::failed("too many files".to_owned()))?;
    let mut files = root.init_requested_files(count);
    let mut modules = Vec::new();
    for (index, file) in (0..count).zip(kept) {
        files.set_with_caveats(index, file)?;
        let mut copy = files.reborrow().get(index);
        let path = Path::new(file.get_filename()?.to_str()?);
        copy.set_filename(text(path.file_name()));
        modules.push(format!("{}_capnp", text(path.file_stem()).replace('-', "_")));
        // A copy of kapok.capnp under another name has the module's name none the less.
        let mut imports = copy.get_imports()?;
        for index in 0..imports.len() {
            let mut import = imports.reborrow().get(index);
            if import.reborrow().get_id() == KAPOK_FILE_ID {
                import.set_name("/kapok.capnp");
            }
        }
    }
    Ok(modules)
}

fn text(name: Option<&OsStr>) -> &str {
    name.and_then(OsStr::to_str).unwrap_or_default()
}
