//! Generates the code of the example types, from the committed request: no `capnp` tool is needed to build the workspace.

fn main() -> kapok_build::Result<()> {
    // `kapok` itself is tested with these types, so they refer to a crate below it.
    kapok_build::Compiler::new().request("samples.cgr").crate_root("::kapok_schemas").run()
}
