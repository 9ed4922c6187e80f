//! Mutated manifests, over honest blobs.

use std::sync::Arc;

use bytes::Bytes;
use kapok_core::manifest::{Artifact, Manifest, MergeSource, RowChanges, Tombstones};
use kapok_core::manifest::{Blob, BlobMap};
use kapok_core::schema::RecordDeclaration;
use kapok_core::segment::{Encoding, Sharing, Stage};
use kapok_core::view::Tables;
use kapok_samples::cases::{Tally, run};
use kapok_samples::dataset::manifest;
use kapok_samples::random::Random;
use kapok_samples::walk::read;
use roaring::RoaringBitmap;

use crate::CASE_MAX;
use crate::mutation::mutate;
use crate::segments::{kinds, movies};

fn rows(rows: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    rows.iter().copied().collect::<RoaringBitmap>().serialize_into(&mut out).unwrap();
    out
}

fn source(blobs: &mut BlobMap) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for (encoding, sealed) in [movies(), kinds(Sharing::Shared)] {
        blobs.insert(sealed.id, Blob { name: Arc::from("segment"), bytes: Bytes::from(sealed.bytes.clone()) });
        let mut segment = sealed.entry(Sharing::Shared);
        segment.dead = 2;
        segment.tombstones = Tombstones::Inline(rows(&[1, 5]));
        segment.artifacts = vec![Artifact { kind: "unique".into(), name: String::new(), id: [3; 32], size: 77 }];
        segment.merged_from = vec![MergeSource { segment: [4; 32], size: 80, rows: 10, dropped: rows(&[9]) }];
        let mut manifest = manifest(&encoding, vec![segment]);
        let id = sealed.id;
        manifest.record_types[0].changes = Some(RowChanges { added: vec![(id, rows(&[0, 2]))], removed: vec![] });
        manifest.tags.insert("a".into(), "b".into());
        out.push(manifest.encode().unwrap());
    }
    out
}

#[test]
fn mutated_manifests_give_views_or_errors() {
    let mut blobs = BlobMap::new();
    let sources = source(&mut blobs);
    for source in &sources {
        let honest = Manifest::decode("manifest", &Bytes::from(source.clone())).unwrap();
        assert_eq!(read(&Tables::open(Arc::new(honest), &blobs).unwrap()), 0);
    }
    run("manifests", CASE_MAX, |r, tally| case(&sources[r.below(2)], &blobs, r, tally));
}

fn case(source: &[u8], blobs: &BlobMap, r: &mut Random, tally: &mut Tally) {
    let mut bytes = source.to_vec();
    mutate(&mut bytes, r);
    let manifest = match Manifest::decode("manifest", &Bytes::from(bytes)) {
        Ok(manifest) => Arc::new(manifest),
        Err(_) => return tally.count("refused"),
    };
    // What a producer does that carries it over.
    let again = manifest.encode().and_then(|bytes| Manifest::decode("again", &Bytes::from(bytes)));
    tally.count_result(&again, "encoded again", "not encoded again");
    let schema = &manifest.schema;
    let declared = manifest.record_types.iter();
    let declared: Vec<_> =
        declared.map(|ty| RecordDeclaration { name: &ty.name, type_id: ty.type_id, key: &ty.key }).collect();
    tally.count_result(&schema.to_idl(&declared), "printed", "not printed");
    std::hint::black_box(schema.fingerprint().is_ok());
    for ty in &declared {
        std::hint::black_box(schema.check_readable_as(ty.type_id, schema, ty.type_id).is_ok());
    }
    let view = Tables::open(Arc::clone(&manifest), blobs);
    tally.count_result(&view, "view", "no view");
    let Ok(view) = view else { return };
    tally.count(if read(&view) == 0 { "read" } else { "read with errors" });
    for table in view.tables() {
        // What a consumer does that merges locally.
        let keys: Vec<String> = table.key().names().map(str::to_owned).collect();
        let encoding = Encoding::new(Arc::clone(table.schema()), table.struct_type().id, &keys, Sharing::Shared);
        tally.count_result(&encoding, "encoding", "no encoding");
        let Ok(encoding) = encoding else { continue };
        let entries = &manifest.record_type(table.name()).unwrap().segments;
        for (segment, entry) in table.segments().iter().zip(entries) {
            tally.count_result(&encoding.verify(segment.segment(), entry), "verified", "refused by verify");
            let mut stage = Stage::new(&encoding);
            let mut staged = Ok(());
            for row in segment.live_rows() {
                staged = staged.and_then(|()| stage.add_struct(segment.segment().row(row).unwrap()));
            }
            tally.count_result(&staged, "staged", "not staged");
        }
    }
}
