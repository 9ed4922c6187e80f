//! Runs the stock compiler for tests, which are left out if it is not installed.

use kapok_ingest::SchemaRequest;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use kapok_core::ErrorKind;
use kapok_core::schema::{FieldType, Schema, StructType};

/// Writes a file under the name of a test and a number.
pub fn write_file(test: &str, content: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{test}-{}-{}.capnp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Compiles a schema; `None`, with a message, where there is no `capnp` tool.
pub fn compile(test: &str, idl: &str) -> Option<SchemaRequest> {
    let path = write_file(test, idl);
    let loaded = SchemaRequest::compile(&path, &[]);
    std::fs::remove_file(&path).unwrap();
    match loaded {
        Ok(loaded) => Some(loaded),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            println!("{test} skipped: {e}");
            None
        }
        // The tool refuses to lay some unions out, since its early versions laid them out wrongly.
        Err(e) if e.to_string().contains("Bad news") => None,
        Err(e) => panic!("{e}\n{idl}"),
    }
}

/// The schema with types that are declared at the top level of any file declared at that of file 0.
#[allow(dead_code, reason = "not every test that compiles compares")]
pub fn without_files(schema: &Schema) -> Schema {
    let mut out = schema.clone();
    let scope = |id| if schema.get_struct(id).is_some() { id } else { 0 };
    for ty in schema.structs() {
        out.insert_struct(StructType { scope: scope(ty.scope), ..StructType::clone(ty) });
    }
    for ty in schema.enums() {
        let mut ty = ty.as_ref().clone();
        ty.scope = scope(ty.scope);
        out.insert_enum(ty);
    }
    out
}

/// Every type of both.
#[allow(dead_code, reason = "not every test that compiles compares")]
pub fn union(mut a: Schema, b: &Schema) -> Schema {
    for ty in b.structs() {
        a.insert_struct(StructType::clone(ty));
    }
    for ty in b.enums() {
        a.insert_enum(ty.as_ref().clone());
    }
    a
}

/// A struct of plain fields, laid out.
#[allow(dead_code, reason = "not every test that compiles builds")]
pub fn structure(id: u64, name: &str, scope: u64, fields: Vec<FieldType>) -> StructType {
    let mut ty = StructType { scope, ..StructType::new(id, name, fields) };
    ty.lay_out().unwrap();
    ty
}
