//! Brings a `CodeGeneratorRequest` into the form that code is generated from.

use std::collections::BTreeSet;
use std::path::Path;

use capnp::message::{Builder, ReaderOptions};
use capnp::schema_capnp::code_generator_request;
use capnp::serialize;

use crate::error::{Error, Result};

/// Id of the file `kapok.capnp`.
pub(crate) const KAPOK_FILE_ID: u64 = 0x9c5f_ca0e_a109_eb0a;

/// Names requested files without their folders, so that generated code lies flat in one folder; leaves out `kapok.capnp`,
/// whose generated code is part of Kapok; and names imports of it as its generated module is named.
pub(crate) fn flatten(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut rest = bytes;
    let message = serialize::read_message(&mut rest, ReaderOptions::new()).map_err(Error::Request)?;
    let request: code_generator_request::Reader<'_> = message.get_root().map_err(Error::Request)?;
    let mut flat = Builder::new_default();
    let names = rename(request, &mut flat).map_err(Error::Request)?;
    let mut seen = BTreeSet::new();
    for name in names {
        if let Some(name) = seen.replace(name) {
            return Err(Error::DuplicateName { name });
        }
    }
    Ok(serialize::write_message_to_words(&flat))
}

type FlatMessage = Builder<capnp::message::HeapAllocator>;

fn rename(request: code_generator_request::Reader<'_>, flat: &mut FlatMessage) -> capnp::Result<Vec<String>> {
    flat.set_root(request)?;
    let kept: Vec<_> = request.get_requested_files()?.iter().filter(|file| file.get_id() != KAPOK_FILE_ID).collect();
    let mut root: code_generator_request::Builder<'_> = flat.get_root()?;
    let count = u32::try_from(kept.len()).map_err(|_| capnp::Error::failed("too many files".to_owned()))?;
    let mut files = root.reborrow().init_requested_files(count);
    let mut names = Vec::new();
    for (index, file) in (0..count).zip(kept) {
        files.set_with_caveats(index, file)?;
        let mut copy = files.reborrow().get(index);
        let path = file.get_filename()?.to_str()?;
        let name = Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path);
        copy.set_filename(name);
        names.push(name.to_owned());
        let mut imports = copy.get_imports()?;
        for index in 0..imports.len() {
            let mut import = imports.reborrow().get(index);
            if import.reborrow().get_id() == KAPOK_FILE_ID {
                import.set_name("/kapok.capnp");
            }
        }
    }
    Ok(names)
}
