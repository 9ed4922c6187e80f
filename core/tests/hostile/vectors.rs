//! A forged extent of vectors is refused when its column is opened, whatever it says.

use std::sync::Arc;

use bytes::Bytes;
use kapok_core::manifest::{Blob, BlobMap, SegmentEntry};
use kapok_core::schema::Schema;
use kapok_core::segment::{Encoding, Extent, SealedSegment, Sharing};
use kapok_core::vectors::VectorColumn;
use kapok_core::view::Tables;
use kapok_core::{ErrorKind, Result};
use kapok_samples::dataset::manifest;

use crate::segments::kinds;

fn open(encoding: &Encoding, sealed: &SealedSegment, entry: SegmentEntry) -> Result<VectorColumn> {
    let mut blobs = BlobMap::new();
    blobs.insert(entry.id, Blob { name: Arc::from("segment"), bytes: Bytes::from(sealed.bytes.clone()) });
    let view = Tables::open(Arc::new(manifest(encoding, vec![entry])), &blobs).unwrap();
    Ok(view.table("Kinds").unwrap().vectors("embedding")?.remove(0))
}

/// Opens the column of an extent that was changed, which is refused with this text.
#[track_caller]
fn refused(change: impl Fn(&mut Extent), expected: &str) {
    let (encoding, sealed) = kinds(Sharing::Shared);
    let mut entry = sealed.entry(Sharing::Shared);
    change(entry.extents.iter_mut().find(|extent| extent.field == "embedding").unwrap());
    let error = open(&encoding, &sealed, entry).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn a_forged_extent_is_refused() {
    let (encoding, sealed) = kinds(Sharing::Shared);
    let honest = open(&encoding, &sealed, sealed.entry(Sharing::Shared)).unwrap();
    assert_eq!((honest.dimension(), honest.stride(), honest.is_empty()), (4, 16, false));
    let file = sealed.bytes.len() as u64;
    refused(|extent| extent.stride = 0, "stride=16");
    refused(|extent| extent.stride = 8, "stride=16");
    refused(|extent| extent.stride = u32::MAX, "stride=16");
    refused(|extent| extent.size = 0, "bytes=224 for 14 rows");
    refused(|extent| extent.size -= 16, "bytes=224 for 14 rows");
    refused(|extent| extent.size += 16, "bytes=224 for 14 rows");
    refused(|extent| extent.size = u64::MAX, "bytes=224 for 14 rows");
    refused(|extent| extent.offset += 8, "whole cache lines");
    refused(|extent| extent.offset = 0, "behind the rows");
    refused(|extent| extent.offset = 64, "behind the rows");
    refused(move |extent| extent.offset = file.next_multiple_of(64), "behind the rows");
    refused(|extent| extent.offset = u64::MAX - 63, "behind the rows");
}

#[test]
fn an_extent_that_stands_twice_is_refused() {
    let (encoding, sealed) = kinds(Sharing::Shared);
    let mut entry = sealed.entry(Sharing::Shared);
    let extent = entry.extents.iter().find(|extent| extent.field == "embedding").unwrap().clone();
    entry.extents.push(extent);
    let error = open(&encoding, &sealed, entry).unwrap_err().to_string();
    assert!(error.contains("one extent"), "{error}");
}

#[test]
fn an_extent_of_another_fields_place_gives_no_vectors() {
    let (encoding, sealed) = kinds(Sharing::Shared);
    let mut entry = sealed.entry(Sharing::Shared);
    let extent = entry.extents.iter_mut().find(|extent| extent.field == "embedding").unwrap();
    extent.offset = (extent.offset - 224) / 64 * 64;
    if let Ok(column) = open(&encoding, &sealed, entry) {
        assert!((0..column.rows()).all(|row| !column.has(row) && column.row(row).len() == 16));
    }
}

/// The schema with another dimension for its vectors.
fn with_dimension(encoding: &Encoding, dimension: u32) -> Encoding {
    let mut schema = Schema::clone(encoding.schema());
    let mut ty = (**schema.struct_type(encoding.type_id()).unwrap()).clone();
    for space in ty.fields.iter_mut().filter_map(|field| field.vector.as_mut()) {
        space.dimension = dimension;
    }
    schema.insert_struct(ty.clone());
    Encoding::new(Arc::new(schema), ty.id, &ty.key, Sharing::Shared).unwrap()
}

#[test]
fn an_extent_of_another_dimension_is_refused() {
    let (encoding, sealed) = kinds(Sharing::Shared);
    for dimension in [1, 2, 5, u32::MAX] {
        let error = open(&with_dimension(&encoding, dimension), &sealed, sealed.entry(Sharing::Shared)).unwrap_err();
        assert!(error.to_string().contains(&format!("of {dimension} elements of float32")), "{error}");
    }
    // Three numbers fill up two words as four do: no row has such a vector.
    let column = open(&with_dimension(&encoding, 3), &sealed, sealed.entry(Sharing::Shared)).unwrap();
    assert!((0..column.rows()).all(|row| !column.has(row)));
    let column = open(&with_dimension(&encoding, 0), &sealed, sealed.entry(Sharing::Shared)).unwrap();
    assert_eq!(column.dimension(), 4, "that of the first vector");
}

#[test]
fn rows_that_are_older_than_the_field_have_no_extent_of_it() {
    let (encoding, sealed) = kinds(Sharing::Shared);
    let mut schema = Schema::clone(encoding.schema());
    let mut ty = (**schema.struct_type(encoding.type_id()).unwrap()).clone();
    let (_, pointers) = (ty.data_words, ty.pointer_words);
    let mut newer = ty.fields.iter().find(|field| field.name == "embedding").unwrap().clone();
    let kapok_core::schema::FieldKind::Slot { offset, .. } = &mut newer.kind else { panic!("a slot") };
    *offset = u32::from(pointers);
    (newer.name, newer.ordinal) = ("later".to_owned(), Some(200));
    ty.fields.push(newer);
    ty.pointer_words += 1;
    schema.insert_struct(ty.clone());
    let encoding = Encoding::new(Arc::new(schema), ty.id, &ty.key, Sharing::Shared).unwrap();
    let mut entry = sealed.entry(Sharing::Shared);
    let open = |entry: &SegmentEntry| {
        let mut blobs = BlobMap::new();
        blobs.insert(entry.id, Blob { name: Arc::from("segment"), bytes: Bytes::from(sealed.bytes.clone()) });
        let view = Tables::open(Arc::new(manifest(&encoding, vec![entry.clone()])), &blobs).unwrap();
        view.table("Kinds").unwrap().vectors("later").map(|mut columns| columns.remove(0))
    };
    assert!(open(&entry).unwrap().is_empty());
    entry.extents.iter_mut().find(|extent| extent.field == "embedding").unwrap().field = "later".to_owned();
    let error = open(&entry).unwrap_err().to_string();
    assert!(error.contains("older than the field"), "{error}");
}
