//! JSON lines, by a schema that is found in them.

use kapok::blocking::{Consumer, Producer};
use kapok::own_type::{Inference, InferenceSettings};
use kapok::{Declaration, Value};

const HUTS: &str = include_str!("../huts.jsonl");

fn main() -> kapok::Result<()> {
    let mut inference = Inference::new("Hut", InferenceSettings { key: vec!["id".to_owned()], ..Default::default() })?;
    for (number, line) in (1..).zip(HUTS.lines()) {
        inference.observe(&Value::from_json(line.as_bytes())?, number)?;
    }
    let (schema, type_id) = inference.finish()?;
    let declaration = Declaration::new(schema, type_id)?.inferred();

    let producer = Producer::open("memory://huts")?;
    producer.run_cycle(|cycle| {
        cycle.declare(&declaration)?;
        let mut writer = cycle.values("Hut")?;
        HUTS.lines().try_for_each(|line| writer.add_json(line.as_bytes()))?;
        Ok(())
    })?;

    let consumer = Consumer::open("memory://huts")?;
    let view = consumer.view();
    let hut = view.record_by_key("Hut", "hut-1")?.expect("published above");
    assert_eq!(hut.get("name")?.as_str(), Some("Hut One"));
    for height in &view.field::<Option<i64>>("Hut.height_m")? {
        println!("{:?}", height?);
    }
    for hut in view.table("Hut")? {
        println!("{}", hut.to_json_string()?);
    }
    Ok(())
}
