//! A program of a user: its own type, by generated code, with one dependency.
#![deny(warnings)]

kapok::capnp::generated_code!(pub mod hut_capnp);

use hut_capnp::hut;
use kapok::capnp::message::{Builder, ReaderOptions};
use kapok::capnp::serialize::{read_message, write_message_to_words};

fn main() -> kapok::capnp::Result<()> {
    let mut message = Builder::new_default();
    let mut hut: hut::Builder<'_> = message.init_root();
    hut.set_id("hut-1");
    hut.set_height_m(2050);
    hut.set_metric(kapok::kapok_capnp::Metric::Cosine);
    hut.init_rooms(1).get(0).set_beds(4);
    let message = read_message(&mut &write_message_to_words(&message)[..], ReaderOptions::new())?;
    println!("{:?}", message.get_root::<hut::Reader<'_>>()?);
    Ok(())
}
