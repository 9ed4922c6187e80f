//! A `.capnp` file of your own: `build.rs` generates its code.

use kapok::blocking::{Consumer, Producer};

kapok::capnp::generated_code!(pub mod hut_capnp);
use hut_capnp::hut;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let producer = Producer::open("memory://huts")?;
    producer.run_cycle(|cycle| {
        let mut huts = cycle.records::<hut::Owned>()?;
        huts.add(|mut hut| {
            hut.set_id("hut-1");
            hut.set_height_m(2050);
            hut.init_rooms(1).get(0).set_beds(4);
        })?;
        Ok(())
    })?;

    let consumer = Consumer::open("memory://huts")?;
    let view = consumer.view();
    let huts = view.records::<hut::Owned>()?;
    let hut = huts.by_key("hut-1")?.ok_or("no hut-1")?;
    assert_eq!((hut.get_height_m(), hut.get_rooms()?.get(0).get_beds()), (2050, 4));
    for hut in &huts {
        println!("{hut:?}");
    }
    Ok(())
}
