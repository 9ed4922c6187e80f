//! A lost or damaged blob stops no more than the record type that it belongs to.

use std::fs;
use std::path::PathBuf;

use kapok_blobstore::{BlobId, BlobKind, Store};
use kapok_core::manifest::BlobMap;
use kapok_index::View;
use kapok_producer::{
    CycleReport, Declaration, Error, ErrorKind, Evolution, MergeSchedule, Producer, ProducerSettings, Validator,
    Verification,
};
use kapok_samples::movies_capnp::{movie, rating};
use kapok_testing::object_store::local::LocalFileSystem;
use kapok_testing::{Damage, DamagedFile, Hooks, Intercept, Operation};
use tempfile::TempDir;

struct Place {
    folder: TempDir,
    store: Store,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::options().writable().open(&folder.path().to_string_lossy()).await.unwrap();
        Self { folder, store }
    }

    async fn producer(&self) -> Producer {
        let mut settings = ProducerSettings::default();
        settings.merge_schedule = MergeSchedule::Manual;
        let policy = &mut settings.merge_policy;
        (policy.segments_max, policy.live_min, policy.small_bytes, policy.segment_bytes_max) = (1, 1.0, 0, 1 << 20);
        Producer::builder(self.store.clone()).settings(settings).open().await.unwrap()
    }

    /// The file of a type's first segment, or of its index, in the newest version.
    async fn file(&self, record_type: &str, kind: BlobKind) -> PathBuf {
        let head = self.store.manifests().head().await.unwrap().unwrap();
        let manifest = self.store.manifests().read(head).await.unwrap();
        let segment = &manifest.record_type(record_type).unwrap().segments[0];
        let id = if kind == BlobKind::Segment { segment.id } else { segment.artifacts[0].id };
        self.folder.path().join(format!("{}/{}", kind.folder(), BlobId::from(id)))
    }

    async fn view(&self) -> View {
        let latest = self.store.announcements().latest(None).await.unwrap().unwrap();
        let manifest = self.store.manifests().read(latest.announced).await.unwrap();
        let blobs = self.store.blobs().load(&manifest, &BlobMap::new()).await.unwrap();
        View::open(std::sync::Arc::new(manifest), &blobs).unwrap()
    }
}

async fn publish_movies(producer: &Producer, ids: std::ops::Range<u32>, year: u16) -> Result<CycleReport, Error> {
    let report = producer.run_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        for id in ids {
            movies.add(|mut movie| {
                movie.set_id(id);
                movie.set_year(year);
                movie.set_title(format!("film {id}"));
            })?;
        }
        Ok(())
    });
    report.await
}

async fn publish_ratings(producer: &Producer, votes: u32) -> Result<CycleReport, Error> {
    let report = producer.run_cycle(|cycle| {
        let mut ratings = cycle.records::<rating::Owned>()?;
        for id in 0..20 {
            ratings.add(|mut rating| {
                rating.set_movie_id(id);
                rating.set_votes(votes + id);
            })?;
        }
        Ok(())
    });
    report.await
}

async fn upsert_movie(producer: &Producer, id: u32) -> Result<CycleReport, Error> {
    let report = producer.run_incremental_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        movies.upsert(|mut movie| movie.set_id(id))?;
        Ok(())
    });
    report.await
}

async fn upsert_rating(producer: &Producer, id: u32) -> Result<CycleReport, Error> {
    let report = producer.run_incremental_cycle(|cycle| {
        let mut ratings = cycle.records::<rating::Owned>()?;
        ratings.upsert(|mut rating| rating.set_movie_id(id))?;
        Ok(())
    });
    report.await
}

#[tokio::test]
async fn a_damaged_record_type_is_carried_over_and_stops_no_other_one() {
    for kind in [BlobKind::Segment, BlobKind::Index] {
        for how in Damage::ALL {
            let place = Place::new().await;
            publish_movies(&place.producer().await, 0..20, 1990).await.unwrap();
            publish_ratings(&place.producer().await, 7).await.unwrap();
            let file = place.file("Rating", kind).await;
            let damaged = DamagedFile::new(&file, how).unwrap();
            let when = format!("{kind:?} {how:?}");
            let report =
                upsert_movie(&place.producer().await, 100).await.unwrap_or_else(|error| panic!("{error}: {when}"));
            let report_of_full = publish_movies(&place.producer().await, 0..30, 1991).await.unwrap();
            if !matches!(how, Damage::Flipped) {
                for report in [&report, &report_of_full] {
                    assert_eq!(report.warnings.len(), 1, "{when}");
                    assert!(report.warnings[0].contains("Rating"), "{}", report.warnings[0]);
                    assert!(report.warnings[0].contains(&*file.to_string_lossy()), "{}", report.warnings[0]);
                }
                let error = upsert_rating(&place.producer().await, 3).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                let text = error.to_string();
                assert!(text.contains("full cycle") && text.contains(&*file.to_string_lossy()), "{text}");
            }
            // After the file is put back, all is as before.
            damaged.restore().unwrap();
            let report = upsert_movie(&place.producer().await, 101).await.unwrap();
            assert_eq!(report.warnings, [""; 0], "{when}");
            let view = place.view().await;
            assert_eq!((view.table("Movie").unwrap().len(), view.table("Rating").unwrap().len()), (31, 20), "{when}");
        }
    }
}

#[tokio::test]
async fn a_full_cycle_of_a_damaged_type_makes_it_whole_and_puts_a_blob_of_the_same_bytes_again() {
    for kind in [BlobKind::Segment, BlobKind::Index] {
        for how in [Damage::Lost, Damage::Cut, Damage::Header] {
            for same in [true, false] {
                let place = Place::new().await;
                publish_movies(&place.producer().await, 0..20, 1990).await.unwrap();
                publish_ratings(&place.producer().await, 7).await.unwrap();
                let file = place.file("Rating", kind).await;
                let damaged = DamagedFile::new(&file, how).unwrap();
                let when = format!("{kind:?} {how:?} same={same}");
                let report = publish_ratings(&place.producer().await, if same { 7 } else { 8 }).await;
                let report = report.unwrap_or_else(|error| panic!("{error}: {when}"));
                assert_eq!(
                    (report.types[0].added, report.types[0].removed, report.types[0].rows),
                    (20, 20, 20),
                    "{when}"
                );
                assert!(report.warnings[0].contains("none compared"), "{:?}", report.warnings);
                if same {
                    assert!(damaged.is_restored().unwrap(), "put again: {when}");
                }
                let view = place.view().await;
                let changes = &view.manifest().record_type("Rating").unwrap().changes;
                assert!(changes.is_none(), "not listed: {changes:?} {when}");
                view.verify_keys().unwrap();
                let ratings = view.records::<rating::Owned>().unwrap();
                let rating = ratings.by_key(&(3_u32, 0_u16)).unwrap().unwrap();
                assert_eq!(rating.get_votes(), if same { 10 } else { 11 }, "{when}");
                upsert_rating(&place.producer().await, 3).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_blob_that_is_there_and_damaged_is_put_again_where_a_cycle_makes_the_same_bytes() {
    for kind in [BlobKind::Segment, BlobKind::Index] {
        for how in [Damage::Cut, Damage::Header, Damage::Flipped] {
            let place = Place::new().await;
            let mut producer = place.producer().await;
            producer.settings_mut().validators = vec![Validator::new("no", |_| Ok(vec!["not today".to_owned()]))];
            publish_ratings(&producer, 7).await.unwrap_err();
            let folder = place.folder.path().join(kind.folder());
            let file = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
            let damaged = DamagedFile::new(&file, how).unwrap();
            let when = format!("{kind:?} {how:?}");
            publish_ratings(&place.producer().await, 7).await.unwrap_or_else(|error| panic!("{error}: {when}"));
            assert!(damaged.is_restored().unwrap(), "{when}");
        }
    }
}

#[tokio::test]
async fn a_damaged_type_is_published_anew_where_it_is_republished() {
    let place = Place::new().await;
    publish_movies(&place.producer().await, 0..20, 1990).await.unwrap();
    publish_ratings(&place.producer().await, 7).await.unwrap();
    DamagedFile::new(place.file("Rating", BlobKind::Segment).await, Damage::Cut).unwrap();
    let producer = place.producer().await;
    let report = producer.run_cycle(|cycle| {
        let declaration = Declaration::of::<rating::Owned>()?.evolution(Evolution::Republish);
        cycle.declare(&declaration)?;
        let mut ratings = cycle.values("Rating")?;
        ratings.add_json(br#"{"movieId": 1, "source": "critics", "votes": 4}"#)?;
        Ok(())
    });
    let report = report.await.unwrap();
    assert_eq!((report.types[0].rows, report.types[0].removed), (1, 20));
    assert_eq!(place.view().await.table("Rating").unwrap().len(), 1);
}

#[tokio::test]
async fn a_merge_leaves_damaged_segments_alone_and_merges_others() {
    for how in Damage::ALL {
        let place = Place::new().await;
        publish_movies(&place.producer().await, 0..20, 1990).await.unwrap();
        publish_ratings(&place.producer().await, 7).await.unwrap();
        upsert_movie(&place.producer().await, 100).await.unwrap();
        upsert_rating(&place.producer().await, 100).await.unwrap();
        DamagedFile::new(place.file("Rating", BlobKind::Segment).await, how).unwrap();
        let merged = place.producer().await.merge().await.unwrap_or_else(|error| panic!("{error}: {how:?}")).unwrap();
        assert_eq!((merged.inputs, merged.outputs), (2, 1), "{how:?}");
        let manifest = place.store.manifests().read(merged.version).await.unwrap();
        let segments = |name| manifest.record_type(name).unwrap().segments.len();
        assert_eq!((segments("Movie"), segments("Rating")), (1, 2), "{how:?}");
        assert_eq!(place.producer().await.merge().await.unwrap(), None, "{how:?}");
        // A cycle that merges tells.
        let mut producer = place.producer().await;
        producer.settings_mut().merge_schedule = MergeSchedule::AfterCycles;
        let report = upsert_movie(&producer, 101).await.unwrap();
        assert_eq!((report.merge_error, report.warnings.len()), (None, 1), "{how:?} {:?}", report.warnings);
        assert!(report.warnings[0].contains("Rating"), "{:?}", report.warnings);
    }
}

#[tokio::test]
async fn a_validator_that_reads_what_cannot_be_read_says_why() {
    let place = Place::new().await;
    publish_movies(&place.producer().await, 0..20, 1990).await.unwrap();
    publish_ratings(&place.producer().await, 7).await.unwrap();
    let file = place.file("Rating", BlobKind::Segment).await;
    DamagedFile::new(&file, Damage::Cut).unwrap();
    let mut producer = place.producer().await;
    producer.settings_mut().validators = vec![Validator::reference("Rating.movieId", "Movie")];
    let error = upsert_movie(&producer, 100).await.unwrap_err();
    assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
}

/// A disk that keeps another byte than was written, of a file that is then mapped and not hashed.
#[tokio::test]
async fn a_blob_that_is_stored_wrong_is_found_before_the_commit_and_put_again_by_the_next_cycle() {
    for kind in [BlobKind::Segment, BlobKind::Index] {
        let folder = tempfile::tempdir().unwrap();
        let files = std::sync::Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
        let blobs = folder.path().join("data").join(kind.folder());
        let hooks = Hooks::once(Operation::Get, kind.folder(), async move {
            let path = fs::read_dir(blobs).unwrap().next().unwrap().unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        });
        let backend = std::sync::Arc::new(hooks).over(files);
        let store = Store::options().writable().object_store(backend, "data").open("test://data").await.unwrap();
        let mut settings = ProducerSettings::default();
        settings.verification = Verification::Download;
        let producer = Producer::builder(store.clone()).settings(settings).open().await.unwrap();
        let error = publish_movies(&producer, 0..50, 1927).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(kind.folder()), "{error}");
        assert_eq!(store.manifests().head().await.unwrap(), None);
        let report = publish_movies(&producer, 0..50, 1927).await.unwrap();
        assert_eq!(report.outcome.version(), 1);
    }
}
