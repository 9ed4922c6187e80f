//! A file of a store is lost, cut or flipped: what can still be read, published and collected, and what brings it back.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kapok_blobstore::{BlobId, BlobKind, FileKind, GcSettings, Store};
use kapok_consumer::{Consumer, ConsumerSettings, TypeFilter, View};
use kapok_core::manifest::BlobMap;
use kapok_core::manifest::{Manifest, Tombstones};
use kapok_producer::repair::{Remedy, RepairMode, RepairReport, repair};
use kapok_producer::{MergeSchedule, Producer, ProducerSettings};
use kapok_samples::movies_capnp::{movie, rating};
use kapok_tests::scale::scaled;
use tempfile::TempDir;

const FILMS: u32 = 12_000;
const RATINGS: u32 = 300;

type Records = BTreeMap<u32, u32>;

/// A store with several versions, two record types, merges and tombstones in blobs, and what each version holds.
struct Scene {
    folder: TempDir,
    /// Films by id with their year, ratings by film with their votes, by version.
    versions: BTreeMap<u64, (Records, Records)>,
    manifests: BTreeMap<u64, Manifest>,
}

fn url(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn settings() -> ProducerSettings {
    let mut settings = ProducerSettings::default();
    settings.merge_schedule = MergeSchedule::Manual;
    (settings.merge_policy.segments_max, settings.merge_policy.small_bytes) = (1, 0);
    settings
}

async fn change(producer: &Producer, films: &Records, ratings: &Records, deleted: impl Fn(u32) -> bool) {
    let cycle = producer.run_incremental_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        for (&id, &year) in films {
            movies.upsert(|mut film| {
                film.set_id(id);
                film.set_year(u16::try_from(year).unwrap());
                film.set_title(format!("film {id}"));
            })?;
        }
        (0..FILMS).filter(|id| deleted(*id)).try_for_each(|id| movies.delete(&id).map(drop))?;
        let mut votes = cycle.records::<rating::Owned>()?;
        for (&id, &count) in ratings {
            votes.upsert(|mut rating| {
                rating.set_movie_id(id);
                rating.set_votes(count);
            })?;
        }
        Ok(())
    });
    cycle.await.unwrap();
}

fn films(view: &View) -> Records {
    let records = view.records::<movie::Owned>().unwrap();
    records.iter().map(|film| (film.get_id(), u32::from(film.get_year()))).collect()
}

fn ratings(view: &View) -> Records {
    let records = view.records::<rating::Owned>().unwrap();
    records.iter().map(|rating| (rating.get_movie_id(), rating.get_votes())).collect()
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::options().writable().open(&url(folder.path())).await.unwrap();
        let producer = Producer::builder(store.clone()).settings(settings()).open().await.unwrap();
        let none = Records::new();
        change(&producer, &(0..10).map(|id| (id, 1900)).collect(), &none, |_| false).await;
        let all = (0..FILMS).map(|id| (id, 1950)).collect();
        change(&producer, &all, &(0..RATINGS).map(|id| (id, 1)).collect(), |_| false).await;
        // So many here and there that the dead rows take a blob of their own.
        change(&producer, &none, &none, |id| id >= 10 && id % 3 == 0).await;
        change(&producer, &(20..30).map(|id| (id, 1960)).collect(), &none, |_| false).await;
        change(&producer, &none, &(5..9).map(|id| (id, 2)).collect(), |_| false).await;
        producer.merge().await.unwrap().expect("something to merge");
        change(&producer, &(40..50).map(|id| (id, 1970)).collect(), &none, |id| id > 100 && id % 5 == 0).await;
        store.manifests().retire(1).await.unwrap();

        let (mut versions, mut manifests) = (BTreeMap::new(), BTreeMap::new());
        let consumer = Consumer::builder(store.clone()).open().await.unwrap();
        for version in store.manifests().live().await.unwrap() {
            consumer.refresh_to(version).await.unwrap();
            versions.insert(version, (films(&consumer.view()), ratings(&consumer.view())));
            manifests.insert(version, store.manifests().read(version).await.unwrap());
        }
        let scene = Self { folder, versions, manifests };
        scene.assert_is_worth_it();
        scene
    }

    fn assert_is_worth_it(&self) {
        assert_eq!(self.versions.keys().copied().collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7]);
        let segments =
            || self.manifests.values().flat_map(|manifest| &manifest.record_types).flat_map(|ty| &ty.segments);
        assert!(segments().any(|segment| !segment.merged_from.is_empty()), "a merge");
        let blob = |tombstones: &Tombstones| match tombstones {
            Tombstones::Blob(id) => Some(*id),
            _ => None,
        };
        let blobs: HashSet<_> = segments().filter_map(|segment| blob(&segment.tombstones)).collect();
        assert!(blobs.len() >= 2, "tombstones of their own: {blobs:?}");
    }

    /// The files of the store, in order.
    async fn files(&self) -> Vec<(String, FileKind)> {
        let store = Store::open(&url(self.folder.path())).await.unwrap();
        store.files().list().await.unwrap().into_iter().map(|file| (file.name, file.what)).collect()
    }

    fn head(&self) -> u64 {
        *self.versions.keys().last().unwrap()
    }

    /// Whether the file is a blob that no version needs.
    fn is_unnamed(&self, what: FileKind) -> bool {
        let is_blob = matches!(what, FileKind::Blob(..));
        is_blob && self.versions.keys().all(|version| self.needs(*version, what).is_empty())
    }

    /// Record types of a version that need the file.
    fn needs(&self, version: u64, what: FileKind) -> Vec<&str> {
        let FileKind::Blob(_, id) = what else { return Vec::new() };
        let types = self.manifests[&version].record_types.iter();
        let needs = types.filter(|ty| {
            let mut alone = self.manifests[&version].clone();
            alone.record_types.retain(|other| other.name == ty.name);
            alone.blobs().any(|blob| BlobId::from(blob.id) == id)
        });
        needs.map(|ty| ty.name.as_str()).collect()
    }
}

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Removed,
    Cut,
    Flipped,
    /// Nothing.
    Kept,
}

const DAMAGES: [Damage; 3] = [Damage::Removed, Damage::Cut, Damage::Flipped];

impl Damage {
    fn strike(self, file: &Path, part: usize) {
        if self == Self::Kept {
            return;
        }
        let mut bytes = std::fs::read(file).unwrap();
        // A new file, so that nobody's map is cut.
        std::fs::remove_file(file).unwrap();
        match self {
            Self::Kept | Self::Removed => return,
            Self::Cut => bytes.truncate(bytes.len() / part),
            Self::Flipped => {
                let at = bytes.len() / part;
                bytes[at] ^= 0x10;
            }
        }
        std::fs::write(file, bytes).unwrap();
    }
}

/// A copy of a store, of which one file is damaged.
struct Case {
    what: FileKind,
    damage: Damage,
    told: String,
    _folder: TempDir,
    place: PathBuf,
}

impl Case {
    /// `part`: which part of the file the damage begins behind.
    fn new(scene: &Scene, name: &str, what: FileKind, damage: Damage, part: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("store");
        copy(scene.folder.path(), &place);
        damage.strike(&place.join(name), part);
        Self { what, damage, told: format!("{name} {damage:?} {part}"), _folder: folder, place }
    }

    async fn store(&self) -> kapok_blobstore::Result<Store> {
        Store::open(&url(&self.place)).await
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The files under a folder that are not the same in the other.
fn differing(a: &Path, b: &Path) -> Vec<String> {
    let mut all = HashSet::new();
    for root in [a, b] {
        names(root, "", &mut all);
    }
    let mut out: Vec<_> =
        all.into_iter().filter(|name| std::fs::read(a.join(name)).ok() != std::fs::read(b.join(name)).ok()).collect();
    out.sort();
    out
}

fn names(folder: &Path, prefix: &str, out: &mut HashSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            names(&entry.path(), &format!("{name}/"), out);
        } else {
            out.insert(name);
        }
    }
}

/// A version, of which only some record types are taken, with every blob hashed.
async fn open(store: &Store, manifest: &Manifest, types: &[&str]) -> Result<View, String> {
    let mut narrowed = manifest.clone();
    narrowed.record_types.retain(|ty| types.contains(&ty.name.as_str()));
    let blobs = store.blobs().load(&narrowed, &BlobMap::new()).await.map_err(|error| error.to_string())?;
    for blob in narrowed.blobs() {
        if BlobId::of(&blobs.get(&blob.id).unwrap().bytes) != BlobId::from(blob.id) {
            return Err(format!("{} is damaged", BlobId::from(blob.id)));
        }
    }
    let view = View::open(Arc::new(narrowed), &blobs).map_err(|error| error.to_string())?;
    view.verify_keys().map_err(|error| error.to_string())?;
    Ok(view)
}

/// Whether the records of a type are those of the model.
fn assert_records(scene: &Scene, view: &View, record_type: &str, told: &str) {
    let (all_films, all_ratings) = &scene.versions[&view.version()];
    match record_type {
        "Movie" => assert_eq!(films(view), *all_films, "{told}"),
        _ => assert_eq!(ratings(view), *all_ratings, "{told}"),
    }
}

/// A case for each file, and with a larger scale, for each kind of damage and more places of it.
async fn cases(scene: &Scene) -> Vec<Case> {
    let files = scene.files().await;
    let mut out = Vec::new();
    for round in 0..scaled(1) as usize {
        for (at, (name, what)) in files.iter().enumerate() {
            out.push(Case::new(scene, name, *what, DAMAGES[(at + round) % DAMAGES.len()], 2 + round / DAMAGES.len()));
        }
    }
    out
}

#[tokio::test]
async fn the_record_types_that_a_file_is_not_of_are_read_without_it() {
    let scene = Scene::new().await;
    for case in cases(&scene).await {
        let Ok(store) = case.store().await else {
            assert_eq!(case.what, FileKind::Marker, "{}", case.told);
            continue;
        };
        let head = scene.head();
        let lacking = scene.needs(head, case.what);
        let is_steering = matches!(case.what, FileKind::Announcement(_)) || case.what == FileKind::Manifest(head);
        for record_type in ["Movie", "Rating"].into_iter().filter(|ty| !lacking.contains(ty) && !is_steering) {
            let mut settings = ConsumerSettings::default();
            settings.types = TypeFilter::Only(vec![record_type.to_owned()]);
            settings.verify = true;
            let consumer = Consumer::builder(store.clone()).settings(settings).open().await;
            let consumer = consumer.unwrap_or_else(|error| panic!("{}: {record_type}: {error}", case.told));
            assert_eq!(consumer.view().version(), head, "{}", case.told);
            assert_records(&scene, &consumer.view(), record_type, &case.told);
        }
    }
}

/// Publishes all records of one type.
async fn publish(producer: &Producer, record_type: &str, all: &Records) {
    let cycle = producer.run_cycle(|cycle| {
        if record_type == "Movie" {
            let mut movies = cycle.records::<movie::Owned>()?;
            for (&id, &year) in all {
                movies.add(|mut film| {
                    film.set_id(id);
                    film.set_year(u16::try_from(year).unwrap());
                    film.set_title(format!("film {id}"));
                })?;
            }
        } else {
            let mut votes = cycle.records::<rating::Owned>()?;
            for (&id, &count) in all {
                votes.add(|mut rating| {
                    rating.set_movie_id(id);
                    rating.set_votes(count);
                })?;
            }
        }
        Ok(())
    });
    let report = cycle.await.unwrap_or_else(|error| panic!("{record_type}: {error}"));
    assert!(report.outcome.version() > 7, "{report:?}");
}

#[tokio::test]
async fn other_record_types_are_published_and_the_damaged_one_in_full() {
    let scene = Scene::new().await;
    for case in cases(&scene).await {
        let FileKind::Blob(..) = case.what else { continue };
        let lacking = scene.needs(scene.head(), case.what);
        let (mut all_films, mut all_ratings) = scene.versions[&scene.head()].clone();
        all_films.insert(FILMS, 1980);
        all_ratings.insert(FILMS, 3);
        let store = case.store().await.unwrap();
        let producer = Producer::builder(store.clone()).settings(settings()).open().await.unwrap();
        if case.damage == Damage::Flipped && !lacking.is_empty() {
            // It may still open, so that a cycle takes it for sound. `repair` says so, and to delete what it cannot
            // mend.
            let report = repair(&store, None, RepairMode::Mend).await.unwrap();
            if !report.is_whole() {
                std::fs::remove_file(case.place.join(&report.lost[0].name)).unwrap();
            }
        }
        for (record_type, all) in [("Movie", &all_films), ("Rating", &all_ratings)] {
            if !lacking.contains(&record_type) {
                publish(&producer, record_type, all).await;
            }
        }
        for (record_type, all) in [("Movie", &all_films), ("Rating", &all_ratings)] {
            if lacking.contains(&record_type) {
                publish(&producer, record_type, all).await;
            }
        }
        let mut settings = ConsumerSettings::default();
        settings.verify = true;
        let consumer = Consumer::builder(store).settings(settings).open().await.unwrap();
        let view = consumer.view();
        assert!(films(&view) == all_films && ratings(&view) == all_ratings, "{}", case.told);
    }
}

#[tokio::test]
async fn gc_deletes_nothing_that_a_whole_version_needs() {
    let scene = Scene::new().await;
    for case in cases(&scene).await {
        let Ok(store) = case.store().await else { continue };
        let settings = GcSettings::default().with_keep(1).with_grace(Duration::ZERO).with_no_writers();
        // Where it cannot tell what is needed, it stops.
        let kept = match store.gc(&settings).await {
            Ok(report) => report.kept,
            Err(_) => scene.versions.keys().copied().collect(),
        };
        for version in kept.iter().filter(|version| case.what != FileKind::Manifest(**version)) {
            let lacking = scene.needs(*version, case.what);
            for record_type in ["Movie", "Rating"].into_iter().filter(|ty| !lacking.contains(ty)) {
                let view = open(&store, &scene.manifests[version], &[record_type]).await;
                let view = view.unwrap_or_else(|error| panic!("{}: version {version}: {error}", case.told));
                assert_records(&scene, &view, record_type, &case.told);
            }
        }
    }
}

#[tokio::test]
async fn repair_from_a_copy_restores_every_file() {
    let scene = Scene::new().await;
    let copy = Store::open(&url(scene.folder.path())).await.unwrap();
    for case in cases(&scene).await {
        let store = Store::options().for_repair().open(&url(&case.place)).await.unwrap();
        let told = &case.told;
        if scene.is_unnamed(case.what) && case.damage == Damage::Removed {
            // As if it had been collected.
            continue;
        }
        let dry = repair(&store, Some(&copy), RepairMode::DryRun).await.unwrap();
        assert_eq!((dry.is_whole(), dry.lost.len()), (true, 1), "{told}: {dry:#?}");
        assert_eq!(differing(scene.folder.path(), &case.place).len(), 1, "{told}: a dry run changes nothing");
        let report = repair(&store, Some(&copy), RepairMode::Mend).await.unwrap();
        assert_eq!((report.is_whole(), report.lost.len()), (true, 1), "{told}: {report:#?}");
        let differing = differing(scene.folder.path(), &case.place);
        match case.what {
            FileKind::Marker => assert_eq!(differing, ["dataset"], "{told}"),
            _ => assert!(differing.is_empty(), "{told}: {differing:?}"),
        }
        let again = repair(&store, None, RepairMode::Mend).await.unwrap();
        assert!(again.lost.is_empty() && again.losses.is_empty(), "{told}: {again:#?}");
        let consumer = Consumer::open(&url(&case.place)).await.unwrap();
        assert_eq!(consumer.view().version(), scene.head(), "{told}");
    }
}

#[tokio::test]
async fn repair_alone_restores_what_can_be_made_and_tells_the_rest() {
    let scene = Scene::new().await;
    let mut remedies: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases(&scene).await {
        let store = Store::options().for_repair().open(&url(&case.place)).await.unwrap();
        let report = repair(&store, None, RepairMode::Mend).await.unwrap();
        let told = format!("{}: {report:#?}", case.told);
        let differing = differing(scene.folder.path(), &case.place);
        match report.lost.as_slice() {
            // An entry behind which there is none leaves no gap.
            [] if matches!(case.what, FileKind::Announcement(_)) => assert_eq!(case.damage, Damage::Removed, "{told}"),
            // Nothing is lost with it.
            [] => assert!(scene.is_unnamed(case.what), "{told}"),
            [lost] => {
                assert_eq!(lost.what, case.what, "{told}");
                let remedy = lost.remedy.as_ref().map(Remedy::describe);
                match (case.what, &lost.remedy) {
                    (FileKind::Marker, Some(Remedy::Known)) => *remedies.entry("marker").or_default() += 1,
                    (FileKind::Manifest(1), Some(Remedy::Known)) => *remedies.entry("stub").or_default() += 1,
                    (FileKind::Blob(BlobKind::Index, _), Some(Remedy::Segment)) => {
                        *remedies.entry("index").or_default() += 1;
                    }
                    (FileKind::Blob(BlobKind::Segment, _), Some(Remedy::MergedAgain)) => {
                        *remedies.entry("merge").or_default() += 1;
                    }
                    (FileKind::Blob(BlobKind::Tombstones, _), Some(Remedy::OtherVersions)) => {
                        *remedies.entry("tombstones").or_default() += 1;
                    }
                    (
                        FileKind::Blob(BlobKind::Segment, _) | FileKind::Manifest(_) | FileKind::Announcement(_),
                        None,
                    ) => {
                        *remedies.entry("lost").or_default() += 1;
                    }
                    (_, _) => panic!("{remedy:?}: {told}"),
                }
                assert_losses(&scene, &report, lost.what, &told);
                match &lost.remedy {
                    Some(_) if case.what != FileKind::Marker => assert!(differing.is_empty(), "{differing:?}: {told}"),
                    _ => assert_eq!(differing.len(), 1, "{differing:?}: {told}"),
                }
            }
            _ => panic!("one file was damaged: {told}"),
        }
    }
    for what in ["marker", "index", "merge", "tombstones", "lost"] {
        assert!(remedies.contains_key(what), "{what} is not in {remedies:?}");
    }
}

/// What is told of versions and types is what the file is needed for.
fn assert_losses(scene: &Scene, report: &RepairReport, what: FileKind, told: &str) {
    let mut expected = Vec::new();
    for version in scene.versions.keys() {
        expected.extend(scene.needs(*version, what).into_iter().map(|name| (*version, name.to_owned())));
    }
    let found: Vec<_> = report.losses.iter().map(|loss| (loss.version, loss.record_type.clone())).collect();
    assert_eq!(found, expected, "{told}");
    assert!(report.losses.iter().all(|loss| loss.rows > 0 && loss.rows <= loss.of), "{told}");
    assert!(report.losses.iter().all(|loss| loss.is_mended() == report.is_whole()), "{told}");
}

#[tokio::test]
async fn a_second_store_of_another_past_gives_blobs_only() {
    let scene = Scene::new().await;
    let other = Scene::new().await;
    let from = Store::open(&url(other.folder.path())).await.unwrap();
    for name in [format!("manifests/{:020}", 3), format!("announcements/{:020}", 2)] {
        let (_, what) = scene.files().await.into_iter().find(|(file, _)| *file == name).unwrap();
        let case = Case::new(&scene, &name, what, Damage::Removed, 2);
        let report = repair(&case.store().await.unwrap(), Some(&from), RepairMode::Mend).await.unwrap();
        assert!(!report.is_whole() && report.notes[0].contains("only its blobs"), "{name}: {report:#?}");
        assert_eq!(differing(scene.folder.path(), &case.place), [name]);
    }
    // The same records are the same segments, whoever published them.
    let segments = scene.files().await.into_iter().filter(|(name, _)| name.starts_with("segments/"));
    for (name, what) in segments {
        let case = Case::new(&scene, &name, what, Damage::Flipped, 2);
        let report = repair(&case.store().await.unwrap(), Some(&from), RepairMode::Mend).await.unwrap();
        assert!(report.is_whole(), "{name}: {report:#?}");
        assert_eq!(differing(scene.folder.path(), &case.place), [""; 0]);
    }
}

#[tokio::test]
async fn a_copy_that_went_on_by_itself_does_not_steer_the_store() {
    let scene = Scene::new().await;
    let copied = Case::new(&scene, "dataset", FileKind::Marker, Damage::Kept, 2);
    let from = copied.store().await.unwrap();
    from.announcements().rollback(3, "somebody", "over there").await.unwrap().unwrap();
    let store = Store::open(&url(scene.folder.path())).await.unwrap();
    let report = repair(&store, Some(&from), RepairMode::Mend).await.unwrap();
    assert!(report.is_whole() && report.lost.is_empty(), "{report:#?}");
    assert!(report.notes[0].contains("rollback version 3"), "{:?}", report.notes);
    assert_eq!(store.announcements().latest(None).await.unwrap().unwrap().current(), scene.head());
}

#[tokio::test]
async fn a_blob_in_a_wrong_place_is_found() {
    let scene = Scene::new().await;
    let (name, what) = scene.files().await.into_iter().find(|(name, _)| name.starts_with("segments/")).unwrap();
    let case = Case::new(&scene, &name, what, Damage::Kept, 2);
    let elsewhere = case.place.join(name.replace("segments/", "indexes/") + ".old");
    std::fs::rename(case.place.join(&name), elsewhere).unwrap();
    let report = repair(&case.store().await.unwrap(), None, RepairMode::Mend).await.unwrap();
    assert!(report.is_whole(), "{report:#?}");
    assert!(matches!(report.lost[0].remedy, Some(Remedy::Copy(_))), "{report:#?}");
    assert_eq!(std::fs::read(case.place.join(&name)).unwrap(), std::fs::read(scene.folder.path().join(&name)).unwrap());
}
