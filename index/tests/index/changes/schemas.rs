//! Changes of the schema count as changes of records only where values differ.

use std::sync::Arc;

use kapok_core::manifest::Manifest;
use kapok_core::schema::{FieldKind, FieldType, Schema, StructType, Type};
use kapok_index::{ChangeSource, View};

use super::history::{History, Model};

/// A history of 1: nothing, 2: keys 0 to 9, 3: key 3 set to what it was, key 4 updated.
fn history() -> History {
    let mut history = History::new("u32");
    history.cycle(1, &(0..10).map(|key| (key, 1)).collect(), &[]);
    history.cycle(2, &Model::from([(3, 1), (4, 2)]), &[]);
    history
}

/// Views of versions 2 and 3, the latter by a schema that was altered.
fn views(alter: impl Fn(&mut StructType), key: Option<&str>) -> (View, View) {
    let history = history();
    let mut manifest = Manifest::clone(&history.versions[3].manifest);
    let mut schema = Schema::clone(&manifest.schema);
    let mut ty = StructType::clone(schema.struct_type(history.encoding.type_id()).unwrap());
    alter(&mut ty);
    schema.insert_struct(ty);
    manifest.schema = Arc::new(schema);
    if let Some(key) = key {
        manifest.record_types[0].key = vec![key.to_owned()];
    }
    (history.view(2), View::open(Arc::new(manifest), &history.blobs).unwrap())
}

fn append(ty: &mut StructType) {
    let ordinal = ty.fields.iter().filter_map(|field| field.ordinal).max().unwrap() + 1;
    let offset = u32::from(ty.data_words);
    ty.data_words += 1;
    ty.fields.push(FieldType::slot("appended", ordinal, offset, Type::UInt64));
}

#[test]
fn an_appended_field_that_nobody_set_changes_nothing() {
    let (old, new) = views(append, None);
    for (before, after) in [(&old, &new), (&new, &old)] {
        let changes = after.changes_since(before, &[]).unwrap();
        let changes = changes.of("Kinds").unwrap();
        assert_eq!((changes.updated.len(), changes.len(), changes.source), (1, 1, ChangeSource::Manifests));
    }
}

#[test]
fn a_renamed_key_is_the_same_key() {
    let rename = |ty: &mut StructType| {
        let field = ty.fields.iter_mut().find(|field| field.name == "u32").unwrap();
        field.name = "number".into();
    };
    let (old, new) = views(rename, Some("number"));
    let changes = new.changes_since(&old, &[]).unwrap();
    assert_eq!(changes.of("Kinds").unwrap().len(), 1);
}

#[test]
fn another_key_makes_other_records() {
    let history = history();
    let mut manifest = Manifest::clone(&history.versions[3].manifest);
    manifest.record_types[0].key = vec!["i32".to_owned()];
    // Theirs are of the other key.
    manifest.record_types[0].segments.iter_mut().for_each(|segment| segment.artifacts.clear());
    let new = View::open(Arc::new(manifest), &history.blobs).unwrap();
    let changes = new.changes_since(&history.view(2), &history.manifests()).unwrap();
    let changes = changes.of("Kinds").unwrap();
    assert_eq!((changes.removed.len(), changes.added.len(), changes.updated.len()), (10, 10, 0));
    assert_eq!(changes.source, ChangeSource::Segments);
}

#[test]
fn a_schema_that_does_not_follow_from_the_other_updates_what_was_touched() {
    let replace = |ty: &mut StructType| {
        let field = ty.fields.iter_mut().find(|field| field.name == "f64").unwrap();
        let FieldKind::Slot { ty, .. } = &mut field.kind else { panic!("f64 is a slot") };
        *ty = Type::Int64;
    };
    let (old, new) = views(replace, None);
    let changes = new.changes_since(&old, &[]).unwrap();
    let changes = changes.of("Kinds").unwrap();
    assert_eq!((changes.updated.len(), changes.len()), (2, 2));
}
