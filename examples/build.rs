//! Generates the code of `samples/movies.capnp`, as a user's build script does: see `examples/own-types/capnp`.

fn main() -> kapok_build::Result<()> {
    // The committed request, since the workspace is built without the `capnp` tool too.
    kapok_build::compile_request("../samples/samples.cgr")
}
