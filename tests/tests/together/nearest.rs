//! Consumers that make merged segments themselves, or leave indexes out, find the same nearest records as those that do not.

use kapok_blobstore::Store;
use kapok_consumer::{Consumer, ConsumerSettings, IndexFilter, MergedSegments, View};
use kapok_index::nearest::{Effort, Hit, SearchSettings};
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

async fn consumer(make: MergedSegments, indexes: IndexFilter) -> Consumer {
    let mut settings = ConsumerSettings::default();
    (settings.verify, settings.merged_segments, settings.index_filter) = (true, make, indexes);
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
    let made = consumer(MergedSegments::Make, IndexFilter::All).await;
    let fetched = consumer(MergedSegments::Fetch, IndexFilter::All).await;
    let without = consumer(MergedSegments::Make, IndexFilter::Except(vec!["hnsw(embedding)".to_owned()])).await;
    let (mut made_bytes, mut grown) = (0, 0);
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
        for consumer in [&made, &fetched, &without] {
            made_bytes += consumer.refresh().await.unwrap().made_bytes;
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
        assert_eq!((hits, graphs), (search(&view, Effort::Exact).0, 0));
        let nearest = view.nearest("Kinds.embedding").unwrap();
        let seeds = nearest.graphs().filter_map(|graph| graph.graph().unwrap()).map(|graph| graph.seed());
        grown += seeds.filter(|seed| *seed != [0; 16]).count();
    }
    assert!(made_bytes > 0 && grown > 0, "made_bytes={made_bytes} grown={grown}");
}
