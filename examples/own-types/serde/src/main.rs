//! A struct of your own, by serde: no schema file, no generated code.

use kapok::Declaration;
use kapok::blocking::{Consumer, Producer};
use kapok::serde::{Deserialize, Serialize};

// With a dependency on serde of your own, the attribute `crate` is not needed.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "kapok::serde")]
struct Hut {
    id: String,
    height_m: Option<u16>,
    rooms: Vec<Room>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "kapok::serde")]
struct Room {
    beds: u8,
}

fn main() -> kapok::Result<()> {
    let huts = [
        Hut { id: "hut-1".to_owned(), height_m: Some(2050), rooms: vec![Room { beds: 4 }, Room { beds: 12 }] },
        Hut { id: "hut-2".to_owned(), height_m: None, rooms: vec![] },
    ];
    let declaration = Declaration::of_rust_type::<Hut>("Hut", &["id"])?;
    let producer = Producer::open("memory://huts")?;
    producer.run_cycle(|cycle| {
        cycle.declare(&declaration)?;
        let mut writer = cycle.values("Hut")?;
        huts.iter().try_for_each(|hut| writer.add_serde(hut))?;
        Ok(())
    })?;

    let consumer = Consumer::open("memory://huts")?;
    let view = consumer.view();
    let hut = view.deserialize_by_key::<Hut>("Hut", "hut-1")?;
    assert_eq!(hut.as_ref(), Some(&huts[0]));
    for hut in view.table("Hut")?.deserialize::<Hut>() {
        println!("{:?}", hut?);
    }
    Ok(())
}
