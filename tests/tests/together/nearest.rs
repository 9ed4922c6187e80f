//! Consumers that make merged segments themselves, or leave indexes out, find the same nearest records as those that do not.

use kapok_blobstore::Store;
use kapok_consumer::{Consumer, ConsumerSettings, IndexFilter, MergedSegments, View};
use kapok_core::manifest::SegmentEntry;
use kapok_index::nearest::{Effort, Hit, SearchSettings};
use kapok_index::{Kind, ReadCounts};
use kapok_producer::{Declaration, Producer, Value};
use kapok_samples::kinds_capnp::kinds;
use kapok_tests::model::Random;

const URL: &str = "memory://nearest-together";
const RECORDS: u32 = 1200;

fn record(id: u32, random: &mut Random) -> Value {
    let numbers: Vec<String> = (0..4).map(|_| (random.below(41) + 1).to_string()).collect();
    Value::from_json(format!("{{\"id\":{id},\"code\":\"a\",\"embedding\":[{}]}}", numbers.join(",")).as_bytes())
        .unwrap()
}

async fn consumer(make: MergedSegments, indexes: IndexFilter, left_out: &[Kind]) -> Consumer {
    let mut settings = ConsumerSettings::default();
    (settings.verify, settings.merged_segments, settings.index_filter) = (true, make, indexes);
    settings.kinds_left_out = left_out.to_vec();
    Consumer::builder(Store::open(URL).await.unwrap()).settings(settings).open().await.unwrap()
}

/// What is nearest to some vectors, and how many segments have a graph.
fn search(view: &View, effort: Effort) -> (Vec<Vec<Hit>>, usize) {
    let nearest = view.nearest("Kinds.embedding").unwrap();
    let settings = SearchSettings { effort, ..SearchSettings::new(10) };
    let queries: [[f32; 4]; 4] = [[1.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0], [9.0, 1.0, 9.0, 1.0], [5.0; 4]];
    let hits = queries.iter().map(|query| nearest.search(query, &settings).unwrap()).collect();
    (hits, nearest.graphs().count())
}

/// The kinds of the artifacts of all segments.
fn artifacts(view: &View) -> Vec<String> {
    let segments = &view.manifest().record_type("Kinds").unwrap().segments;
    let mut kinds: Vec<String> =
        segments.iter().flat_map(|entry| &entry.artifacts).map(|artifact| artifact.kind.clone()).collect();
    kinds.sort();
    kinds
}

/// The bytes of merged segments that are new, with the codes and indexes that they give.
fn makeable_bytes(before: &View, after: &View) -> u64 {
    let is_new = |entry: &&SegmentEntry| before.manifest().segments().all(|known| known.id != entry.id);
    let merged = after.manifest().segments().filter(|entry| !entry.merged_from.is_empty()).filter(is_new);
    let of = |entry: &SegmentEntry| {
        let made = entry.artifacts.iter().filter(|artifact| artifact.kind != Kind::Hnsw.name());
        entry.size + made.map(|artifact| artifact.size).sum::<u64>()
    };
    merged.map(of).sum()
}

fn expected_artifacts(segments: usize, left_out: &[Kind]) -> Vec<String> {
    let kinds = [Kind::Codes, Kind::Hnsw, Kind::Unique].into_iter().filter(|kind| !left_out.contains(kind));
    kinds.flat_map(|kind| vec![kind.name().to_owned(); segments]).collect()
}

#[tokio::test]
async fn who_makes_merged_segments_downloads_their_graphs_and_finds_the_same() {
    let producer = Producer::open(URL).await.unwrap();
    let mut random = Random::new(1);
    let declaration = Declaration::of::<kinds::Owned>().unwrap();
    let full = producer.run_cycle(|cycle| {
        cycle.declare(&declaration)?;
        let mut records = cycle.values("Kinds")?;
        Ok((0..RECORDS).try_for_each(|id| records.add(&record(id, &mut random)))?)
    });
    full.await.unwrap();
    let made = consumer(MergedSegments::Make, IndexFilter::All, &[]).await;
    let fetched = consumer(MergedSegments::Fetch, IndexFilter::All, &[]).await;
    let without = consumer(MergedSegments::Make, IndexFilter::Except(vec!["hnsw(embedding)".to_owned()]), &[]).await;
    let kinds_left_out = [&[Kind::Hnsw][..], &[Kind::Codes], &[Kind::Codes, Kind::Hnsw]];
    let mut by_kind = Vec::new();
    for kinds in kinds_left_out {
        by_kind.push(consumer(MergedSegments::Auto, IndexFilter::All, kinds).await);
    }
    let (mut made_bytes, mut grown, mut found, mut all) = (0, 0, 0, 0);
    for _ in 0..12 {
        let cycle = producer.run_incremental_cycle(|cycle| {
            let mut records = cycle.values("Kinds")?;
            for _ in 0..60 {
                let id = random.below(RECORDS + 200);
                if random.below(4) == 0 {
                    records.delete(&(i64::from(id), "a"))?;
                } else {
                    records.upsert(&record(id, &mut random))?;
                }
            }
            Ok(())
        });
        cycle.await.unwrap();
        let before = made.view_arc();
        let report = made.refresh().await.unwrap();
        assert!(report.made_bytes == 0 || report.made_bytes == makeable_bytes(&before, &made.view()), "{report:?}");
        made_bytes += report.made_bytes;
        for consumer in [&fetched, &without].into_iter().chain(&by_kind) {
            consumer.refresh().await.unwrap();
        }
        let (view, other, plain) = (made.view(), fetched.view(), without.view());
        assert_eq!(view.version(), other.version());
        let segments = view.table("Kinds").unwrap().segments().len();
        for effort in [Effort::Exact, Effort::Default] {
            let found = search(&view, effort);
            assert_eq!(found, search(&other, effort));
            assert_eq!(found.1, segments);
        }
        // Without its index a field is searched exactly.
        let (hits, graphs) = search(&plain, Effort::Default);
        let exact = search(&view, Effort::Exact).0;
        assert_eq!((&hits, graphs), (&exact, 0));
        for (consumer, kinds) in by_kind.iter().zip(kinds_left_out) {
            let view = consumer.view();
            assert_eq!(artifacts(&view), expected_artifacts(segments, kinds));
            assert_eq!(search(&view, Effort::Exact).0, exact);
            let (hits, graphs) = search(&view, Effort::Default);
            if kinds.contains(&Kind::Hnsw) {
                assert_eq!((&hits, graphs), (&exact, 0));
            } else {
                assert_eq!(graphs, segments);
                let pairs = || hits.iter().flatten().zip(exact.iter().flatten());
                found += pairs().filter(|(hit, exact)| hit.distance <= exact.distance).count();
                all += pairs().count();
            }
        }
        let nearest = view.nearest("Kinds.embedding").unwrap();
        let seeds = nearest.graphs().filter_map(|graph| graph.graph().unwrap()).map(|graph| graph.seed());
        grown += seeds.filter(|seed| *seed != [0; 16]).count();
    }
    assert!(made_bytes > 0 && grown > 0, "made_bytes={made_bytes} grown={grown}");
    let counts = ReadCounts::of_process();
    let [exact, _, walk, _] = counts.segments;
    // Four searches by each of the consumers in each round, of one segment at least.
    assert!(counts.searches >= 12 * 4 * 10 && exact.searches >= 12 * 4 * 5 && walk.searches > 0, "{counts:?}");
    assert!(exact.distances >= exact.searches && walk.distances > 10 * walk.searches, "{counts:?}");
    // By vectors, a walk over the graph finds nearly all.
    assert!(all == 12 * 40 && found * 100 >= all * 95, "{found} of {all}");
}
