//! Real data gives the schema that a person would have written.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use kapok_core::schema::{FieldKind, Type};
use kapok_ingest::Value;
use kapok_ingest::{Inference, InferenceSettings};

#[test]
fn debian_packages_have_twelve_fields() {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let data = std::env::var_os("KAPOK_DATA").map_or_else(|| workspace.join("../shared/data"), PathBuf::from);
    let path = data.join("debian/v1.jsonl.zst");
    let Ok(file) = File::open(&path) else {
        eprintln!("skipped: no {}; set KAPOK_DATA", path.display());
        return;
    };
    let settings = InferenceSettings { key: vec!["package".into()], ..InferenceSettings::default() };
    let mut inference = Inference::new("Package", settings.clone()).unwrap();
    let lines = BufReader::new(zstd::Decoder::new(file).unwrap()).lines();
    let records: Vec<_> = lines.map(|line| Value::from_json(line.unwrap().as_bytes()).unwrap()).collect();
    let start = std::time::Instant::now();
    for (line, record) in (1..).zip(&records) {
        inference.observe(record, line).unwrap();
    }
    let (schema, id) = inference.finish().unwrap();
    eprintln!("records={} observed_in_ms={}", records.len(), start.elapsed().as_millis());

    let text = || Type::Text;
    let texts = || Type::List(Box::new(Type::Text));
    let expected = [
        ("package", None, text()),
        ("version", None, text()),
        ("section", None, text()),
        ("priority", None, text()),
        ("architecture", None, text()),
        ("maintainer", None, text()),
        ("homepage", None, text()),
        ("installedSizeKib", Some("installed_size_kib"), Type::Int64),
        ("size", None, Type::Int64),
        ("description", None, text()),
        ("depends", None, texts()),
        ("tags", None, texts()),
    ];
    let package = schema.get_struct(id).unwrap();
    let found: Vec<_> = package
        .fields
        .iter()
        .map(|field| match &field.kind {
            FieldKind::Slot { ty, .. } => (field.name.as_str(), field.json_name.as_deref(), ty.clone()),
            FieldKind::Group(_) => panic!("a group"),
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!((package.data_words, package.pointer_words), (2, 10));
    assert_eq!(package.key, ["package"]);
    assert_eq!(schema.structs().count(), 1);

    // A second load of the same data changes nothing.
    let mut again = Inference::extending(&schema, id, settings).unwrap();
    for (line, record) in (1..).zip(&records) {
        again.observe(record, line).unwrap();
    }
    assert_eq!(again.finish().unwrap().0, schema);
}
