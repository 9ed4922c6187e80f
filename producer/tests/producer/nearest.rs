//! Vectors are found by their indexes in each version, as they are.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::manifest::{Blob, BlobMap};
use kapok_core::segment::Segment;
use kapok_index::nearest::{Effort, SearchSettings};
use kapok_index::{IndexSet, View, verify_segment};
use kapok_producer::{ErrorKind, Outcome};

pub mod huts;

use huts::{DIMENSION, FIELDS, Hut, Huts, Numbers, declaration, graphs, keys};

fn exact(k: usize) -> SearchSettings<'static> {
    SearchSettings { effort: Effort::Exact, ..SearchSettings::new(k) }
}

fn many(r: &mut Numbers, ids: impl IntoIterator<Item = i32>) -> BTreeMap<i32, Hut> {
    ids.into_iter().map(|id| (id, Hut::random(r))).collect()
}

fn query(r: &mut Numbers, place: usize) -> Vec<f32> {
    loop {
        if let Some(vector) = Hut::random(r).vectors[place].take() {
            return vector;
        }
    }
}

fn indexes(view: &View) -> Vec<String> {
    view.manifest().record_type("Hut").unwrap().indexes.iter().map(|spec| spec.name.clone()).collect()
}

async fn history(seed: u64) {
    let mut r = Numbers::new(seed);
    let mut huts = Huts::open(&format!("memory://nearest-history-{seed}")).await;
    huts.publish(many(&mut r, -500..500)).await;
    let (mut merged, mut grown, mut recalls) = (0, BTreeSet::new(), Vec::new());
    for turn in 0..14 {
        if turn == 5 {
            huts.names = ["view", "face", "flags"];
        }
        let mut changes: BTreeMap<i32, Option<Hut>> = BTreeMap::new();
        for _ in 0..60 {
            let id = r.below(1300) as i32 - 650;
            changes.insert(id, Some(Hut::random(&mut r)).filter(|_| r.below(3) > 0));
        }
        // Some change a vector alone, others nothing but another field.
        for _ in 0..10 {
            let id = r.below(1000) as i32 - 500;
            if let Some(hut) = huts.model.get(&id) {
                let mut hut = hut.clone();
                hut.vectors[r.below(3)] = None;
                changes.insert(id, Some(hut));
            }
        }
        huts.change(changes).await;
        let view = huts.view().await;
        let ty = view.manifest().record_type("Hut").unwrap();
        merged += ty.segments.iter().filter(|segment| !segment.merged_from.is_empty()).count();
        for place in 0..FIELDS.len() {
            let nearest = view.nearest(&format!("Hut.{}", huts.names[place])).unwrap();
            assert_eq!(graphs(&nearest), ty.segments.len());
            for graph in nearest.graphs() {
                grown.extend(graph.graph().unwrap().map(|graph| graph.seed()));
            }
            for _ in 0..4 {
                let query = query(&mut r, place);
                for k in [0, 1, 10, 2000] {
                    huts.check(&view, place, &query, &exact(k));
                    recalls.push(huts.check(&view, place, &query, &SearchSettings::new(k)));
                }
            }
        }
    }
    assert!(merged > 0 && grown.len() > 1, "merged={merged} grown={grown:?}");
    let recall = recalls.iter().sum::<f64>() / recalls.len() as f64;
    println!("recall={recall} merged={merged} graphs grown from {} others", grown.len() - 1);
    assert!(recall > 0.97, "{recall}");
}

#[tokio::test]
async fn searches_find_what_a_naive_reading_does_in_each_version() {
    for seed in 1..4 {
        history(seed).await;
    }
}

#[tokio::test]
async fn a_new_record_is_found_and_a_deleted_one_gone_in_the_very_version() {
    let mut huts = Huts::open("memory://nearest-at-once").await;
    huts.publish(many(&mut Numbers::new(3), 0..700)).await;
    let far = Hut { vectors: [Some(vec![50.0; DIMENSION]), None, None] };
    let find = async |huts: &Huts| {
        let view = huts.view().await;
        let hits = view.nearest("Hut.embedding").unwrap().search(&[50.0; DIMENSION], &SearchSettings::new(1)).unwrap();
        (keys(&view, &hits)[0], hits[0].distance == 0.0)
    };
    assert!(!find(&huts).await.1);
    huts.change(BTreeMap::from([(9000, Some(far.clone()))])).await;
    assert_eq!(find(&huts).await, (9000, true));
    huts.change(BTreeMap::from([(9000, None)])).await;
    assert!(!find(&huts).await.1);
    huts.change(BTreeMap::from([(3, Some(far))])).await;
    assert_eq!(find(&huts).await, (3, true));
    huts.change(BTreeMap::from([(3, Some(Hut::default()))])).await;
    assert!(!find(&huts).await.1);
}

#[tokio::test]
async fn a_dropped_index_stays_dropped_also_under_another_name() {
    let mut r = Numbers::new(5);
    let mut huts = Huts::open("memory://nearest-dropped").await;
    huts.publish(many(&mut r, 0..600)).await;
    assert_eq!(indexes(&huts.view().await), ["hnsw(embedding)", "hnsw(marks)", "hnsw(portrait)"]);
    let drop = huts.producer.run_incremental_cycle(|cycle| {
        cycle.drop_index("Hut", "hnsw(embedding)");
        Ok(())
    });
    drop.await.unwrap();
    for names in [["embedding", "portrait", "marks"], ["view", "portrait", "marks"], ["outlook", "portrait", "marks"]] {
        huts.names = names;
        let changes = many(&mut r, 600..610).into_iter().map(|(id, hut)| (id, Some(hut)));
        huts.change(changes.collect()).await;
        let view = huts.view().await;
        assert_eq!(indexes(&view), ["hnsw(marks)", "hnsw(portrait)"]);
        assert_eq!(graphs(&view.nearest(&format!("Hut.{}", names[0])).unwrap()), 0);
        // Searched exactly, whatever is asked.
        let query = query(&mut r, 0);
        assert!((huts.check(&view, 0, &query, &SearchSettings::new(10)) - 1.0).abs() < 1e-9);
    }
    // A full cycle, too.
    let model = huts.model.clone();
    huts.publish(model.into_iter().filter(|(id, _)| id % 2 == 0).collect()).await;
    assert_eq!(indexes(&huts.view().await), ["hnsw(marks)", "hnsw(portrait)"]);
    // It comes back if it is asked for, in the segments that are there, and as it is asked for.
    let add = huts.producer.run_incremental_cycle(|cycle| Ok(cycle.add_index("Hut", "hnsw(outlook) m=8 codes=sq4")?));
    assert!(matches!(add.await.unwrap().outcome, Outcome::Published { .. }));
    let view = huts.view().await;
    let nearest = view.nearest("Hut.outlook").unwrap();
    let segments = view.manifest().record_type("Hut").unwrap().segments.len();
    assert_eq!(graphs(&nearest), segments);
    for graph in nearest.graphs() {
        assert!(graph.graph().unwrap().is_none_or(|graph| graph.parameters() == (8, 16, 200)));
    }
    let recall = huts.check(&view, 0, &query(&mut r, 0), &SearchSettings::new(10));
    assert!(recall >= 0.8, "{recall}");
}

#[tokio::test]
async fn what_is_no_query_of_the_field_is_refused_also_where_there_is_no_vector() {
    let mut huts = Huts::open("memory://nearest-refused").await;
    for count in [30, 0] {
        huts.publish(many(&mut Numbers::new(4), 0..count)).await;
        let view = huts.view().await;
        let nearest = view.nearest("Hut.embedding").unwrap();
        for (query, says) in [(vec![1.0; 7], "7"), (vec![f32::NAN; DIMENSION], "NaN"), (vec![f32::INFINITY; 8], "inf")]
        {
            for k in [0, 10] {
                let error = nearest.search(&query, &SearchSettings::new(k)).unwrap_err();
                assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(says), "{count} {error}");
            }
        }
        assert_eq!(nearest.search(&[0.0; DIMENSION], &SearchSettings::new(10)).unwrap().len(), 10.min(count as usize));
    }
    let view = huts.view().await;
    for (path, kind) in
        [("Hut.id", ErrorKind::Invalid), ("Hut.x", ErrorKind::NotFound), ("embedding", ErrorKind::Invalid)]
    {
        assert_eq!(view.nearest(path).unwrap_err().kind(), kind, "{path}");
    }
}

#[tokio::test]
async fn a_filter_is_of_the_rows_of_one_view() {
    let mut r = Numbers::new(8);
    let mut huts = Huts::open("memory://nearest-filter").await;
    huts.publish(many(&mut r, 0..900)).await;
    let before = huts.view().await;
    let nearest = before.nearest("Hut.embedding").unwrap();
    let filter = nearest.filter(&before.query("Hut", "id < 600").unwrap()).unwrap();
    assert_eq!(filter.count(), 600);
    let ids = before.field::<i32>("Hut.id").unwrap();
    let by_hand = nearest.filter_by(|row_id| ids.get(row_id).unwrap() < 600);
    let query = query(&mut r, 0);
    for effort in [Effort::Exact, Effort::Default, Effort::Ef(usize::MAX), Effort::Ef(0)] {
        let search = |filter| nearest.search(&query, &SearchSettings { effort, filter, ..SearchSettings::new(10) });
        let hits = search(Some(&filter)).unwrap();
        assert_eq!(hits, search(Some(&by_hand)).unwrap());
        assert!(hits.len() == 10 && keys(&before, &hits).iter().all(|key| *key < 600));
        let expected: Vec<f64> =
            huts.naive(0, &query).iter().filter(|hit| hit.1 < 600).take(10).map(|hit| hit.0).collect();
        let found = hits.iter().zip(&expected).filter(|(hit, naive)| f64::from(hit.distance) <= *naive + 1e-5).count();
        assert!(found >= 9 && (effort != Effort::Exact || found == 10), "{effort:?} {found}");
    }
    // In the next view some of them are dead.
    huts.change((0..50).map(|id| (id, None)).collect()).await;
    let after = huts.view().await;
    let stale = SearchSettings { filter: Some(&filter), ..SearchSettings::new(10) };
    let error = after.nearest("Hut.embedding").unwrap().search(&query, &stale).unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("another view"), "{error}");
}

#[tokio::test]
async fn few_vectors_among_many_rows_are_found_beside_dead_ones() {
    // More rows live than have vectors, and one is dead, so that the living are a filter.
    let mut r = Numbers::new(11);
    let mut huts = Huts::open("memory://nearest-sparse").await;
    let mut all = many(&mut r, 0..9000);
    for (id, hut) in &mut all {
        if id % 9 != 0 {
            hut.vectors[0] = None;
        }
    }
    huts.publish(all).await;
    huts.change(BTreeMap::from([(1, None)])).await;
    let view = huts.view().await;
    let mut recall = 0.0;
    for _ in 0..40 {
        let settings = SearchSettings { effort: Effort::Ef(16), ..SearchSettings::new(1) };
        recall += huts.check(&view, 0, &query(&mut r, 0), &settings);
    }
    assert!(recall >= 37.0, "{recall} of 40");
}

#[tokio::test]
async fn verifying_finds_links_that_are_not_as_they_must_be() {
    let mut huts = Huts::open("memory://nearest-verified").await;
    huts.publish(many(&mut Numbers::new(6), 0..600)).await;
    let view = huts.view().await;
    let store = huts.producer.store();
    let manifest = view.manifest();
    let blobs = store.blobs().load(manifest, &BlobMap::new()).await.unwrap();
    let ty = manifest.record_type("Hut").unwrap();
    let entry = &ty.segments[0];
    let segment = Segment::open("segment", blobs.get(&entry.id).unwrap().bytes.clone(), entry.rows).unwrap();
    let encoding = ty.encoding(&manifest.schema, entry.sharing).unwrap();
    let set = IndexSet::new(&manifest.schema, ty).unwrap();
    for kind in ["hnsw", "codes"] {
        let artifact = entry.artifacts.iter().find(|artifact| artifact.kind == kind).unwrap();
        let honest = blobs.get(&artifact.id).unwrap().bytes.clone();
        let verify = |bytes: Vec<u8>| {
            let mut blobs = blobs.clone();
            blobs.insert(artifact.id, Blob { name: Arc::from("changed"), bytes: Bytes::from(bytes) });
            verify_segment(&encoding, &set, &segment, entry, &blobs)
        };
        verify(honest.to_vec()).unwrap();
        let mut r = Numbers::new(2);
        for _ in 0..60 {
            let mut bytes = honest.to_vec();
            // A link that leads nowhere, or any byte of codes.
            let at = 64 + 128 + 4 * r.below(600 * 32 - 1).min(bytes.len() / 4 - 50);
            bytes[at + 3] ^= 0x40;
            assert_eq!(verify(bytes).unwrap_err().kind(), ErrorKind::Corrupt, "{kind} at={at}");
        }
        // The dimension, and what a graph's head says of its settings, its seed and nothing.
        for at in [12, 64 + 8, 64 + 20, 64 + 32, 64 + 124] {
            let mut bytes = honest.to_vec();
            bytes[at] ^= 1;
            assert_eq!(verify(bytes).unwrap_err().kind(), ErrorKind::Corrupt, "{kind} at={at}");
        }
    }
}

#[tokio::test]
async fn an_index_is_used_under_the_json_name_of_its_field() {
    let mut huts = Huts::open("memory://nearest-json").await;
    huts.publish(many(&mut Numbers::new(6), 0..400)).await;
    let named = |name: &str| {
        let declared = declaration(FIELDS.map(|field| field.name));
        let mut schema = declared.schema().clone();
        let mut ty = kapok_core::schema::StructType::clone(schema.struct_type(declared.type_id()).unwrap());
        ty.fields[1].json_name = Some(name.to_owned());
        schema.insert_struct(ty);
        kapok_producer::Declaration::new(schema, declared.type_id()).unwrap().key(["id"])
    };
    let cycle = huts.producer.run_incremental_cycle(|cycle| Ok(cycle.declare(&named("the_embedding"))?));
    cycle.await.unwrap();
    let view = huts.view().await;
    for path in ["Hut.the_embedding", "Hut.embedding"] {
        assert_eq!(graphs(&view.nearest(path).unwrap()), 1, "{path}");
    }
}
