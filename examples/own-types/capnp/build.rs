fn main() -> kapok_build::Result<()> {
    kapok_build::compile("schemas/hut.capnp")
}
