//! Records written straight from JSON are those written through values, and inference skips nothing that is new.

use std::sync::Arc;

use kapok_core::Result;
use kapok_core::schema::Schema;
use kapok_core::segment::{Encoding, SealSettings, Sharing, Stage};
use kapok_core::words::Words;
use kapok_ingest::{Inference, InferenceSettings, MessageWriter, Value};
use proptest::prelude::{ProptestConfig, any};
use proptest::{prop_assert, prop_assert_eq, proptest};

/// Random numbers without end.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one_of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[usize::try_from(self.roll(texts.len() as u64)).unwrap()]
    }
}

/// What records have at a place.
enum Kind {
    Bool,
    Int,
    Float,
    Text,
    Json,
    List(Box<Kind>),
    Object(Vec<(String, Kind)>),
    Map(Box<Kind>),
}

impl Kind {
    fn any(dice: &mut Dice, depth: u32) -> Self {
        match dice.roll(if depth < 3 { 9 } else { 6 }) {
            0 => Self::Bool,
            1 | 2 => Self::Int,
            3 => Self::Float,
            4 | 5 => Self::Text,
            6 | 7 => Self::List(Box::new(Self::any(dice, depth + 1))),
            _ => Self::object(dice, depth + 1),
        }
    }

    fn object(dice: &mut Dice, depth: u32) -> Self {
        let count = dice.roll(6);
        Self::Object((0..count).map(|n| (format!("field-{n}"), Self::any(dice, depth))).collect())
    }

    /// Writes a value of this kind; with `wild` sides, one in so many places has another.
    fn write(&self, dice: &mut Dice, wild: u64, out: &mut String) {
        if dice.roll(wild) == 0 {
            let other = Self::any(dice, 2);
            return other.write(dice, u64::MAX, out);
        }
        match self {
            Self::Bool => out.push_str(dice.one_of(&["true", "false"])),
            Self::Int => out.push_str(match dice.roll(40) {
                0 => dice.one_of(&["-9007199254740993", "1152921504606846977", "-9223372036854775808"]),
                1 => "18446744073709551615",
                2 | 3 => "-17",
                4 => dice.one_of(&["-32", "-33", "31", "32", "-8192", "8191", "8192", "536870911", "536870912"]),
                _ => dice.one_of(&["0", "7", "65536", "9007199254740992"]),
            }),
            Self::Float => {
                out.push_str(dice.one_of(&["0.5", "-0.0", "1e-300", "3", "-0"]));
            }
            Self::Text => out.push_str(dice.one_of(&[
                r#""""#,
                r#""é\n\u00e9""#,
                r#""NaN""#,
                r#""plain""#,
                r#""long enough for words""#,
            ])),
            Self::Json => Self::any(dice, 1).write(dice, 9, out),
            Self::List(elements) => {
                out.push('[');
                for n in 0..dice.roll(12) {
                    out.push_str(if n > 0 { " , " } else { "" });
                    if dice.roll(30) == 0 { out.push_str("null") } else { elements.write(dice, wild, out) }
                }
                out.push(']');
            }
            Self::Object(members) => {
                let mut parts = Vec::new();
                for (name, kind) in members {
                    let mut part = format!("{name:?}:");
                    match dice.roll(24) {
                        0 => continue,
                        1 => part.push_str("null"),
                        _ => kind.write(dice, wild, &mut part),
                    }
                    parts.push(part);
                }
                if dice.roll(8) == 0 {
                    parts.reverse();
                }
                out.push('{');
                out.push_str(&parts.join(", "));
                out.push('}');
            }
            Self::Map(held) => {
                let mut parts = Vec::new();
                for n in 0..dice.roll(4) {
                    let mut part = format!("\"key {n}\":");
                    held.write(dice, wild, &mut part);
                    parts.push(part);
                }
                out.push('{');
                out.push_str(&parts.join(","));
                out.push('}');
            }
        }
    }
}

/// Random records of one kind, with the settings to infer their schema by.
fn records(seed: u64) -> (InferenceSettings, Vec<String>) {
    let mut dice = Dice(seed);
    let Kind::Object(mut members) = Kind::object(&mut dice, 0) else { return Default::default() };
    members.push(("kept".to_owned(), Kind::Json));
    members.push(("map".to_owned(), Kind::Map(Box::new(Kind::any(&mut dice, 1)))));
    let kind = Kind::Object(members);
    let wild = [u64::MAX, u64::MAX, 400, 60][usize::try_from(dice.roll(4)).unwrap()];
    let records = (0..=dice.roll(40)).map(|n| {
        let mut text = String::new();
        kind.write(&mut dice, wild, &mut text);
        match text.strip_prefix('{') {
            Some("}") => format!("{{\"id\":{n}}}"),
            Some(rest) => format!("{{\"id\":{n},{rest}"),
            None => text,
        }
    });
    let records = records.collect();
    let settings = InferenceSettings {
        key: vec!["id".to_owned()],
        maps: vec!["map".to_owned()],
        json: vec!["kept".to_owned()],
        compact: dice.roll(2) == 0,
        ..InferenceSettings::default()
    };
    (settings, records)
}

fn observe_all(settings: &InferenceSettings, records: &[String]) -> Result<Inference> {
    let mut inference = Inference::new("Record", settings.clone())?;
    for (line, record) in (1..).zip(records) {
        inference.observe(&Value::from_json(record.as_bytes())?, line)?;
    }
    Ok(inference)
}

/// Observes what shows more than the records before, and returns how many did not.
fn observe_new(settings: &InferenceSettings, records: &[String]) -> Result<(Inference, usize)> {
    let mut inference = Inference::new("Record", settings.clone())?;
    let (mut writer, mut skipped) = (None::<MessageWriter>, 0);
    for (line, record) in (1..).zip(records) {
        if let Some(writer) = &mut writer
            && writer.write_seen_json(record)?.is_some()
        {
            skipped += 1;
            continue;
        }
        inference.observe(&Value::from_json(record.as_bytes())?, line)?;
        let (schema, id) = inference.schema()?;
        let mut next = MessageWriter::new(Arc::new(schema), id)?;
        next.set_seen(&inference.seen());
        writer = Some(next);
    }
    Ok((inference, skipped))
}

fn told(outcome: Result<(Schema, u64)>) -> std::result::Result<(Schema, u64), String> {
    outcome.map_err(|error| error.to_string())
}

fn segments(stage: Stage) -> Vec<Vec<u8>> {
    stage.seal(SealSettings::default()).unwrap().map(|segment| segment.unwrap().bytes).collect()
}

fn add(stage: &mut Stage, message: &[u8]) {
    stage.add_struct(Words::new(message).struct_of(0).unwrap().unwrap()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn records_that_show_nothing_new_need_not_be_observed(seed in any::<u64>()) {
        let (settings, records) = records(seed);
        let all = told(observe_all(&settings, &records).and_then(Inference::finish));
        let new = told(observe_new(&settings, &records).and_then(|(inference, _)| inference.finish()));
        prop_assert_eq!(all, new);
    }

    #[test]
    fn records_straight_from_json_give_the_segments_of_their_values(seed in any::<u64>()) {
        let (settings, records) = records(seed);
        let Ok(inference) = observe_all(&settings, &records) else { return Ok(()) };
        let seen = inference.seen();
        let Ok((schema, id)) = inference.finish() else { return Ok(()) };
        let encoding = Encoding::new(Arc::new(schema), id, &settings.key, Sharing::Shared).unwrap();
        let mut writer = MessageWriter::of_records(&encoding).unwrap();
        let mut guarded = writer.clone();
        guarded.set_seen(&seen);
        let mut stages = [Stage::new(&encoding), Stage::new(&encoding), Stage::new(&encoding)];
        for record in &records {
            let value = Value::from_json(record.as_bytes()).unwrap();
            add(&mut stages[0], writer.write(&value).unwrap());
            add(&mut stages[1], writer.write_json(record.as_bytes()).unwrap());
            let message = guarded.write_seen_json(record).unwrap();
            prop_assert!(message.is_some(), "not written as it was seen: {}", record);
            add(&mut stages[2], message.unwrap());
        }
        let [values, json, seen] = stages.map(segments);
        prop_assert_eq!(&values, &json);
        prop_assert_eq!(&values, &seen);
    }
}

#[test]
fn most_records_show_nothing_new() {
    let (mut skipped, mut total) = (0, 0);
    for seed in 0..200 {
        let (settings, records) = records(seed);
        if let Ok((_, known)) = observe_new(&settings, &records) {
            skipped += known;
            total += records.len();
        }
    }
    assert!(skipped * 2 > total, "skipped={skipped} of {total}");
}

#[test]
fn what_is_in_error_has_the_error_of_its_value() {
    let record = r#"{"id":1,"name":"Ann","size":0.5,"tags":["a"],"at":{"x":1}}"#;
    let mut inference =
        Inference::new("Hut", InferenceSettings { key: vec!["id".to_owned()], ..Default::default() }).unwrap();
    inference.observe(&Value::from_json(record.as_bytes()).unwrap(), 1).unwrap();
    let (schema, id) = inference.finish().unwrap();
    let encoding = Encoding::new(Arc::new(schema), id, &["id".to_owned()], Sharing::Shared).unwrap();
    let mut writer = MessageWriter::of_records(&encoding).unwrap();
    for text in [
        r#"{"id":1,"id":1}"#,
        r#"{"name":"Ann"}"#,
        r#"{"id":null}"#,
        r#"{"id":1,"size":"much"}"#,
        r#"{"id":1,"size":9007199254740993}"#,
        r#"{"id":18446744073709551615}"#,
        r#"{"id":18446744073709551616}"#,
        r#"{"id":1,"tags":["a",2]}"#,
        r#"{"id":1,"tags":{"a":2}}"#,
        r#"{"id":1,"at":{"x":1,"y":2}}"#,
        r#"{"id":1,"at":[]}"#,
        r#"{"id":1} x"#,
        r#"{"id":1"#,
        "[1]",
        "{\"id\":1,\"name\":\"\u{1}\"}",
        "7",
        "",
    ] {
        let value = Value::from_json(text.as_bytes()).and_then(|value| writer.write(&value).map(<[u8]>::to_vec));
        let json = writer.write_json(text.as_bytes()).map(<[u8]>::to_vec);
        let error = json.unwrap_err();
        assert_eq!(error.to_string(), value.unwrap_err().to_string(), "{text}");
    }
    assert!(writer.write_json(b"{\"id\":1,\"name\":\"a\xff\"}").unwrap_err().to_string().contains("unicode"));
}
