//! Validators hold back what must not be published, and nothing else.

use std::ops::Range;

use kapok_producer::{Bound, CycleReport, Declaration, Error, ErrorKind, Evolution, Outcome, Producer, Validator};
use kapok_samples::movies_capnp::{movie, rating};

async fn producer(name: &str) -> Producer {
    Producer::open(&format!("memory://validating-{name}")).await.unwrap()
}

/// A whole version: films of these ids, each of that year.
async fn publish(producer: &Producer, ids: Range<u32>, year: u16) -> Result<CycleReport, Error> {
    let cycle = producer.run_cycle(|cycle| {
        let mut films = cycle.records::<movie::Owned>()?;
        ids.into_iter().try_for_each(|id| {
            films.add(|mut film| {
                film.set_id(id);
                film.set_year(year);
            })
        })?;
        Ok(())
    });
    cycle.await
}

/// The findings of a refusal, in words, having seen that it left all as it was.
async fn refused(producer: &Producer, outcome: Result<CycleReport, Error>, version: u64) -> Vec<String> {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let Error::Refused { version: would_be, findings } = &error else { panic!("{error}") };
    assert_eq!(*would_be, version + 1);
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    for finding in &findings {
        assert!(error.to_string().contains(finding), "{error}");
    }
    let store = producer.store();
    assert_eq!(store.manifests().head().await.unwrap().unwrap_or(0), version);
    assert_eq!(store.announcements().latest(None).await.unwrap().map_or(0, |latest| latest.announced), version);
    findings
}

#[tokio::test]
async fn a_minimum_count_allows_itself_and_more() {
    let mut producer = producer("minimum").await;
    producer.settings_mut().validators = vec![Validator::minimum_count("Movie", 10)];
    let below = publish(&producer, 0..9, 1).await;
    assert_eq!(refused(&producer, below, 0).await, ["minimum_count(Movie): rows=9 minimum=10"]);
    publish(&producer, 0..10, 1).await.unwrap();
    publish(&producer, 0..11, 1).await.unwrap();
    producer.settings_mut().validators = vec![Validator::minimum_count("Rating", 1)];
    let none = publish(&producer, 0..12, 1).await;
    assert_eq!(refused(&producer, none, 2).await, ["minimum_count(Rating): rows=0 minimum=1"]);
}

#[tokio::test]
async fn a_count_may_vary_by_its_percentage_in_both_directions() {
    let mut producer = producer("variance").await;
    producer.settings_mut().validators = vec![Validator::count_variance("Movie", 10.0)];
    publish(&producer, 0..100, 1).await.unwrap();
    let more = publish(&producer, 0..111, 1).await;
    assert_eq!(refused(&producer, more, 1).await, ["count_variance(Movie): variance=11.00% of 100 allowed=10%"]);
    let fewer = publish(&producer, 0..89, 1).await;
    assert_eq!(refused(&producer, fewer, 1).await, ["count_variance(Movie): variance=11.00% of 100 allowed=10%"]);
    publish(&producer, 0..90, 1).await.unwrap();
    publish(&producer, 0..99, 1).await.unwrap();
    // As many others are no variance.
    publish(&producer, 500..599, 1).await.unwrap();
    let none = publish(&producer, 0..0, 1).await;
    assert_eq!(refused(&producer, none, 4).await, ["count_variance(Movie): variance=100.00% of 99 allowed=10%"]);
}

#[tokio::test]
async fn changes_of_each_kind_are_held_against_the_records_before() {
    for (name, validator, within, beyond, found) in [
        ("added", Validator::added_percent("Movie", 10.0), (0..110, 1), (0..111, 1), "added=11.00%"),
        ("removed", Validator::removed_percent("Movie", 10.0), (10..100, 1), (11..100, 1), "removed=11.00%"),
        ("updated", Validator::updated_percent("Movie", 99.5), (1..100, 2), (0..100, 2), "updated=100.00%"),
    ] {
        let mut producer = producer(name).await;
        producer.settings_mut().validators = vec![validator];
        publish(&producer, 0..100, 1).await.unwrap();
        let outcome = publish(&producer, beyond.0, beyond.1).await;
        let findings = refused(&producer, outcome, 1).await;
        assert!(findings.len() == 1 && findings[0].contains(found), "{findings:?}");
        publish(&producer, within.0, within.1).await.unwrap();
    }
}

#[tokio::test]
async fn changes_of_an_incremental_cycle_are_held_against_all_records() {
    let mut producer = producer("incremental").await;
    publish(&producer, 0..100, 1).await.unwrap();
    producer.settings_mut().validators =
        vec![Validator::removed_percent("Movie", 2.0), Validator::removed_percent("Rating", 0.0)];
    let remove = |ids: Range<u32>| {
        let producer = producer.clone();
        async move {
            let cycle = producer.run_incremental_cycle(|cycle| {
                let mut films = cycle.records::<movie::Owned>()?;
                ids.into_iter().try_for_each(|id| films.delete(&id).map(drop))?;
                Ok(())
            });
            cycle.await
        }
    };
    let outcome = remove(0..3).await;
    assert_eq!(refused(&producer, outcome, 1).await, ["removed_percent(Movie): removed=3.00% of 100 allowed=2%"]);
    remove(0..2).await.unwrap();
}

#[tokio::test]
async fn all_references_that_schemas_declare_are_checked() {
    let mut producer = producer("references").await;
    producer.settings_mut().validators = vec![
        Validator::references(),
        Validator::reference("Rating.pair", "Other"),
        Validator::reference("Rating.votes", "Movie"),
    ];
    let ratings = Declaration::of::<rating::Owned>().unwrap();
    let ratings = ratings.reference("movieId: Movie").unwrap().reference("pair: Other(movieId, votes)").unwrap();
    let rate = |ids: Range<u32>| {
        let (producer, ratings) = (producer.clone(), ratings.clone());
        async move {
            let cycle = producer.run_incremental_cycle(|cycle| {
                cycle.declare(&ratings)?;
                let mut ratings = cycle.records::<rating::Owned>()?;
                ids.into_iter().try_for_each(|id| ratings.upsert(|mut rating| rating.set_movie_id(id)))?;
                Ok(())
            });
            cycle.await
        }
    };
    publish(&producer, 0..10, 1).await.unwrap();
    // A type that nothing refers to yet need not be there.
    rate(0..0).await.unwrap();
    let outcome = rate(9..11).await;
    let findings = refused(&producer, outcome, 2).await;
    let starts = [
        "references: Rating.movieId: 1 record(s) refer to no Movie: 10",
        "references: Rating.pair: ",
        "reference(Rating.pair",
    ];
    assert_eq!(findings.len(), 3, "{findings:?}");
    for (finding, start) in findings.iter().zip(starts) {
        assert!(finding.starts_with(start), "{finding}");
    }
    assert!(
        findings[1].contains("Rating.pair refers to Other") && findings[1].contains("Movie, Rating"),
        "{}",
        findings[1]
    );
}

#[tokio::test]
async fn a_reference_to_a_record_that_is_not_there_is_told_by_its_key() {
    let mut producer = producer("reference").await;
    producer.settings_mut().validators = vec![Validator::reference("Rating.movieId", "Movie")];
    // No ratings yet.
    publish(&producer, 0..10, 1).await.unwrap();
    let rate = |ids: Range<u32>| {
        let producer = producer.clone();
        async move {
            let cycle = producer.run_incremental_cycle(|cycle| {
                let mut ratings = cycle.records::<rating::Owned>()?;
                ids.into_iter().try_for_each(|id| ratings.upsert(|mut rating| rating.set_movie_id(id)))?;
                Ok(())
            });
            cycle.await
        }
    };
    let outcome = rate(8..18).await;
    let findings = refused(&producer, outcome, 1).await;
    assert_eq!(findings.len(), 1);
    let (who, what) = findings[0].split_once(": ").unwrap();
    assert_eq!(who, "reference(Rating.movieId -> Movie)");
    assert!(
        what.starts_with("8 record(s) refer to no Movie: ") && what.contains("10") && what.ends_with('…'),
        "{what}"
    );
    rate(8..10).await.unwrap();
    // The other side may go as well.
    let outcome = publish(&producer, 0..9, 1).await;
    let findings = refused(&producer, outcome, 2).await;
    assert!(findings[0].contains("1 record(s)") && findings[0].contains('9'), "{findings:?}");
}

#[tokio::test]
async fn a_refusal_tells_everything_that_was_found() {
    let mut producer = producer("all").await;
    publish(&producer, 0..10, 1).await.unwrap();
    producer.settings_mut().validators = vec![
        Validator::minimum_count("Movie", 5),
        Validator::new("both", |_| Ok(vec!["one".to_owned(), "two".to_owned()])),
        Validator::minimum_count("Movie", 1),
        Validator::removed_percent("Movie", 50.0),
    ];
    let outcome = publish(&producer, 0..3, 1).await;
    assert_eq!(
        refused(&producer, outcome, 1).await,
        [
            "minimum_count(Movie): rows=3 minimum=5",
            "both: one",
            "both: two",
            "removed_percent(Movie): removed=70.00% of 10 allowed=50%",
        ]
    );
    producer.settings_mut().validators.clear();
    assert_eq!(publish(&producer, 0..3, 1).await.unwrap().outcome, Outcome::Published { version: 2 });
}

#[tokio::test]
async fn a_closure_sees_the_version_before_and_the_one_after() {
    let mut producer = producer("closure").await;
    producer.settings_mut().validators = vec![Validator::new("years go up", |proposal| {
        let mut found = Vec::new();
        let Ok(before) = proposal.before.records::<movie::Owned>() else {
            return Ok(vec![]);
        };
        for film in &proposal.after.records::<movie::Owned>()? {
            if let Some(earlier) = before.by_key(&film.get_id())?
                && earlier.get_year() > film.get_year()
            {
                found.push(format!("{} of {} films", film.get_id(), proposal.types[0].rows));
            }
        }
        Ok(found)
    })];
    publish(&producer, 0..2, 5).await.unwrap();
    publish(&producer, 0..3, 6).await.unwrap();
    let outcome = publish(&producer, 2..5, 5).await;
    assert_eq!(refused(&producer, outcome, 2).await, ["years go up: 2 of 3 films"]);
}

#[tokio::test]
async fn an_error_of_a_validator_publishes_nothing() {
    let mut producer = producer("error").await;
    producer.settings_mut().validators = vec![Validator::reference("Movie.genres", "Movie")];
    let error = publish(&producer, 0..1, 1).await.map(|report| report.outcome);
    // No genres are null, which refers to nothing; some are what nothing can refer by.
    assert!(matches!(error, Ok(Outcome::Published { version: 1 })), "{error:?}");
    let cycle = producer.run_cycle(|cycle| {
        cycle.records::<movie::Owned>()?.add(|film| {
            film.init_genres(1);
        })?;
        Ok(())
    });
    assert_eq!(cycle.await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(producer.store().manifests().head().await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_type_that_is_left_without_records_is_refused_before_anything_is_stored() {
    let mut producer = producer("not-empty").await;
    publish(&producer, 0..3, 1).await.unwrap();
    let files = producer.store().files().list().await.unwrap().len();
    producer.settings_mut().validators = vec![Validator::not_empty("Movie"), Validator::not_empty("Rating")];
    let none = publish(&producer, 0..0, 1).await;
    assert_eq!(refused(&producer, none, 1).await, ["not_empty(Movie): rows=0 before=3"]);
    producer.settings_mut().validators = vec![Validator::minimum_count("Movie", 5)];
    assert_eq!(refused(&producer, publish(&producer, 5..9, 1).await, 1).await.len(), 1);
    assert_eq!(producer.store().files().list().await.unwrap().len(), files, "no blob was stored");
}

#[tokio::test]
async fn removed_and_changed_records_have_bounds_by_number_and_by_share() {
    for (name, bound, within, beyond) in [
        ("records", Bound::Records(10), 10..100, 11..100),
        ("percent", Bound::Percent(10.0), 10..100, 11..100),
        ("from", Bound::PercentFrom { percent: 5.0, records: 10 }, 9..100, 10..100),
    ] {
        let mut producer = producer(&format!("bound-{name}")).await;
        publish(&producer, 0..100, 1).await.unwrap();
        producer.settings_mut().validators = vec![Validator::removed("Movie", bound)];
        let findings = refused(&producer, publish(&producer, beyond.clone(), 1).await, 1).await;
        let (removed, after) = (beyond.start, 100 - beyond.start);
        let allowed = if name == "records" {
            "10"
        } else if name == "percent" {
            "10%"
        } else {
            "5%"
        };
        assert_eq!(findings, [format!("removed(Movie): removed={removed} before=100 after={after} allowed={allowed}")]);
        publish(&producer, within, 1).await.unwrap();
    }
    let mut producer = producer("bound-changed").await;
    publish(&producer, 0..100, 1).await.unwrap();
    producer.settings_mut().validators = vec![Validator::changed("Movie", Bound::Percent(99.0))];
    let findings = refused(&producer, publish(&producer, 0..100, 2).await, 1).await;
    assert_eq!(findings, ["changed(Movie): changed=100 before=100 after=100 allowed=99%"]);
    publish(&producer, 1..100, 2).await.unwrap();
}

#[tokio::test]
async fn of_a_type_published_anew_as_many_are_removed_as_there_are_fewer() {
    let mut producer = producer("anew").await;
    publish(&producer, 0..100, 1).await.unwrap();
    producer.settings_mut().validators = vec![Validator::removed("Movie", Bound::Percent(50.0))];
    let anew = |rows: u32| {
        let (schema, type_id) = kapok_ingest::schema_of_rust_type::<Reel>("Movie", &["reel"]).unwrap();
        let declaration = Declaration::new(schema, type_id).unwrap().evolution(Evolution::Republish);
        producer.run_cycle(move |cycle| {
            cycle.declare(&declaration)?;
            let mut reels = cycle.values("Movie")?;
            (0..rows).try_for_each(|reel| reels.add_serde(&Reel { reel: format!("r{reel}") }))?;
            Ok(())
        })
    };
    let findings = refused(&producer, anew(49).await, 1).await;
    assert_eq!(findings, ["removed(Movie): removed=51 before=100 after=49 allowed=50%"]);
    let report = anew(50).await.unwrap();
    assert!(report.types[0].replaced && report.types[0].removed == 100, "{report:?}");
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Reel {
    reel: String,
}

#[tokio::test]
async fn a_cycle_over_an_overlay_tells_all_and_leaves_the_store_as_it_is() {
    let producer = producer("overlay").await;
    publish(&producer, 0..100, 1).await.unwrap();
    let store = producer.store();
    let files = store.files().list().await.unwrap();
    let trial = Producer::builder(store.overlay()).open().await.unwrap();
    let would = publish(&trial, 1..101, 1).await.unwrap();
    assert_eq!(would.outcome, Outcome::Published { version: 2 });
    assert_eq!(store.files().list().await.unwrap(), files);
    let mut done = publish(&producer, 1..101, 1).await.unwrap();
    done.steps = would.steps;
    assert_eq!(would, done);
}
