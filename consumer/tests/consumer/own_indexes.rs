//! A consumer builds indexes of its own, and swaps them in together with the view.

use kapok_consumer::{Consumer, ConsumerSettings, ErrorKind, IndexFilter, View};

use crate::publisher::{Version, memory, movies, ratings};

/// The films of a year, by an index.
fn count(view: &View, name: &str, year: u16) -> u64 {
    view.hash_lookup("Movie", name).unwrap().count(&[year.into()]).unwrap()
}

/// Ids of the artifacts of an index.
fn artifacts(view: &View, name: &str) -> Vec<kapok_core::manifest::Id> {
    let segments = &view.manifest().record_type("Movie").unwrap().segments;
    segments.iter().flat_map(|entry| &entry.artifacts).filter(|one| one.name == name).map(|one| one.id).collect()
}

#[tokio::test]
async fn an_index_of_its_own_is_there_in_each_view() {
    let store = memory().await;
    Version::stamped(1900).publish(&store, 1).await;
    let mut settings = ConsumerSettings::default();
    settings.indexes = vec![("Movie".to_owned(), "hash(year)".to_owned()), ("Film".to_owned(), "hash(a)".to_owned())];
    settings.verify = true;
    let consumer = Consumer::builder(store.clone()).settings(settings).open().await.unwrap();
    let before = consumer.view_arc();
    assert_eq!((count(&before, "hash(year)", 1900), artifacts(&before, "hash(year)").len()), (10, 1));

    let mut next = Version::stamped(1900);
    next.movies.push(movies(20..25, 1950));
    next.publish(&store, 2).await;
    consumer.refresh().await.unwrap();
    let view = consumer.view_arc();
    assert_eq!((count(&view, "hash(year)", 1900), count(&view, "hash(year)", 1950)), (10, 5));
    // That of the segment that both have was built once.
    assert_eq!(artifacts(&view, "hash(year)")[0], artifacts(&before, "hash(year)")[0]);
    assert_eq!(artifacts(&view, "hash(year)").len(), 2);
    assert_eq!(view.query("Movie", "year = 1950").unwrap().explain().unwrap().segments[0].source, "hash(year)");
}

#[tokio::test]
async fn an_index_is_added_to_the_view_at_hand_and_what_is_none_is_refused() {
    let store = memory().await;
    Version { movies: vec![movies(0..10, 1900)], ratings: vec![ratings(0..3, 7)] }.publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let before = consumer.view_arc();
    for (record_type, index, kind) in [
        ("Movie", "hash(yaer)", ErrorKind::NotFound),
        ("Movie", "hash year", ErrorKind::Invalid),
        ("Movie", "tree(year)", ErrorKind::Incompatible),
        ("Film", "hash(year)", ErrorKind::NotFound),
    ] {
        let error = consumer.add_index(record_type, index).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{index}: {error}");
        assert!(std::sync::Arc::ptr_eq(&before, &consumer.view_arc()), "{index}");
    }
    consumer.add_index("Movie", "years: hash(year)").await.unwrap();
    assert_eq!(count(&consumer.view(), "years", 1900), 10);
    assert!(before.hash_lookup("Movie", "years").is_err(), "a view stays as it is");
    let error = consumer.add_index("Movie", "years: hash(title)").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    Version::stamped(1901).publish(&store, 2).await;
    consumer.refresh().await.unwrap();
    assert_eq!(count(&consumer.view(), "years", 1901), 10);
    // Going back and forth finds it, too.
    consumer.refresh_to(1).await.unwrap();
    assert_eq!(count(&consumer.view(), "years", 1900), 10);
}

#[tokio::test]
async fn filtered_indexes_are_not_fetched() {
    let store = memory().await;
    Version::stamped(1900).publish(&store, 1).await;
    let mut settings = ConsumerSettings::default();
    settings.index_filter = IndexFilter::Only(Vec::new());
    let consumer = Consumer::builder(store).settings(settings).open().await.unwrap();
    // That of the primary key is there in any case.
    assert_eq!(consumer.view().manifest().record_type("Movie").unwrap().segments[0].artifacts.len(), 1);
    assert!(consumer.view().find("Movie", &3_u32).unwrap().is_some());
}
