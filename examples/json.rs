//! Publishes and reads JSON lines: the schema is inferred, travels with the data, and grows.
//!
//! `cargo run -p kapok-examples --example json`

use std::sync::Arc;

use kapok::own_type::{Inference, InferenceSettings, RecordDeclaration};
use kapok::publish::Cycle;
use kapok::{Consumer, Declaration, Producer, Value, View};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Objects, lists of objects, an empty list, nulls, integers, and names that Cap'n Proto would not take.
const HUTS: &str = r#"
{"id":"rifugio-7","name":"Rifugio Sette","height_m":2140,"place":{"lat":46.5,"lon":11.25},"rooms":[{"beds":4,"price":31.5},{"beds":12,"price":19}],"open":true,"tags":["lake","ropeway"]}
{"id":"biwak-1","name":"Biwak \"Eins\"","height_m":null,"place":{"lat":47,"lon":12.125},"rooms":[],"open":false,"tags":[]}
{"id":"hut-3","name":"","place":null,"rooms":[{"beds":2,"price":null}],"open":true}
"#;

/// The same, with a field that the first lines did not have.
const MORE: &str =
    r#"{"id":"hut-4","name":"Hut Four","height_m":1500,"rooms":[],"open":true,"warden":{"name":"Ada","since":1998}}"#;

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = folder.path().to_str().ok_or("the folder's name is not UTF-8")?;
    let producer = Producer::open(url).await?;
    let settings = InferenceSettings { key: vec!["id".to_owned()], ..InferenceSettings::default() };
    let huts: Vec<&str> = HUTS.trim().lines().collect();

    // Look at all records, then publish them by the schema that holds them.
    let declaration = infer(Inference::new("Hut", settings)?, &huts)?;
    producer.run_cycle(|cycle| add(cycle, &declaration, &huts)).await?;

    // A reader knows nothing but the store.
    let consumer = Consumer::open(url).await?;
    let view = consumer.view_arc();
    println!("Schema of version {}:\n\n{}", view.version(), idl(&view)?);
    read(&view)?;
    let printed = export(&view)?;
    println!("Records in key order:\n\n{}", printed.join("\n"));
    // What comes out is what went in, but that null is left out, and 47 and 19 are floats like the rest of their field.
    assert_eq!(
        printed[2],
        huts[0].replace(r#""price":19}"#, r#""price":19.0}"#),
        "names, order of fields and numbers are kept"
    );
    assert_eq!(
        printed[0],
        r#"{"id":"biwak-1","name":"Biwak \"Eins\"","place":{"lat":47.0,"lon":12.125},"rooms":[],"open":false,"tags":[]}"#,
    );
    assert_eq!(printed[1], r#"{"id":"hut-3","name":"","rooms":[{"beds":2}],"open":true}"#);

    // The dataset's schema is extended by what new records bring, by appending only.
    let known = view.table("Hut")?;
    let more: Vec<&str> = huts.iter().copied().chain([MORE]).collect();
    let extending = || Inference::extending(known.schema(), known.struct_type().id, InferenceSettings::default());
    let grown = infer(extending()?, &more)?;
    producer.run_cycle(|cycle| add(cycle, &grown, &more)).await?;
    consumer.refresh().await?;
    let view = consumer.view_arc();
    let since = view.field::<Option<i64>>("Hut.warden.since")?;
    let hut = view.find("Hut", "hut-4")?.ok_or("no hut-4")?;
    println!("\nversion {} has wardens: {:?}", view.version(), since.get(hut)?);
    assert_eq!(since.get(hut)?, Some(1998));
    assert_eq!(since.iter().filter(|since| matches!(since, Ok(None))).count(), 3, "the others have none");

    // What does not fit is refused, with line and field, before anything is published.
    let refusal =
        infer(extending()?, &[r#"{"id":"hut-5","name":"Five","open":"sometimes"}"#]).err().ok_or("accepted")?;
    println!("refused: {refusal}");
    assert!(refusal.to_string().contains("Hut.open") && refusal.to_string().contains("line=1"), "{refusal}");
    Ok(())
}

/// The record type that holds all lines.
fn infer(mut inference: Inference, lines: &[&str]) -> Result<Declaration> {
    for (line, text) in (1..).zip(lines) {
        inference.observe(&Value::from_json(text.as_bytes())?, line)?;
    }
    let (schema, type_id) = inference.finish()?;
    Ok(Declaration::new(schema, type_id)?.inferred())
}

/// Adds the whole record type to a cycle.
fn add(cycle: &Cycle, declaration: &Declaration, lines: &[&str]) -> Result<()> {
    cycle.declare(declaration)?;
    let mut huts = cycle.values(declaration.name())?;
    let unit = Arc::from("line");
    for (line, text) in (1..).zip(lines) {
        huts.set_position(&unit, line);
        huts.add_json(text.as_bytes())?;
    }
    Ok(())
}

/// Reads without generated code, in place: by name, and by field handle.
fn read(view: &View) -> Result<()> {
    let hut = view.record_by_key("Hut", "rifugio-7")?.ok_or("no rifugio-7")?;
    let place = hut.get("place")?.as_record().ok_or("no place")?;
    assert_eq!(place.get("lat")?.as_f64(), Some(46.5));
    let mut beds = 0;
    for room in hut.get("rooms")?.as_list().ok_or("no rooms")? {
        beds += room?.as_record().ok_or("no room")?.get("beds")?.as_i64().unwrap_or(0);
    }
    println!("{} has {beds} beds", hut.get("name")?.as_str().unwrap_or("?"));
    assert_eq!(beds, 16);

    // A number that may be null is read as an Option; as a plain number it is refused.
    let heights: Vec<Option<i64>> = view.field("Hut.height_m")?.iter().collect::<std::result::Result<_, _>>()?;
    assert_eq!(heights, [None, None, Some(2140)], "in key order");
    let refusal = view.field::<i64>("Hut.height_m").err().ok_or("accepted")?;
    println!("refused: {refusal}\n");
    assert!(refusal.to_string().contains("may be absent"), "{refusal}");
    Ok(())
}

/// All records as JSON, in key order.
fn export(view: &View) -> Result<Vec<String>> {
    let table = view.table("Hut")?;
    let mut lines = Vec::new();
    for row_id in table.row_ids_in_key_order()? {
        lines.push(table.record(row_id)?.to_json_string()?);
    }
    Ok(lines)
}

/// The schema as any Cap'n Proto compiler takes it.
fn idl(view: &View) -> Result<String> {
    let manifest = view.manifest();
    let types = manifest.record_types.iter();
    let declarations: Vec<_> =
        types.map(|ty| RecordDeclaration { name: &ty.name, type_id: ty.type_id, key: &ty.key }).collect();
    Ok(manifest.schema.to_idl(&declarations)?)
}
