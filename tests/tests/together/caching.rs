//! Processes of a host share a cache: one downloads, some are killed, and what is evicted fails nobody.
#![cfg(unix)]

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kapok_blobstore::{BlobId, BlobKind, Cache, CacheSettings, Store};
use kapok_producer::{Producer, ProducerSettings};
use kapok_samples::movies_capnp::movie;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

const SEED: u64 = 5;
/// What one request asks for.
const PART: usize = 16 << 20;
const PARTS: usize = 6;
/// Requests of one process that are under way at once, at most.
const IN_FLIGHT: usize = 8;
const UNBOUNDED: u64 = 1 << 40;

/// A store, a cache and a log of gets, each in a folder.
struct Scene {
    folder: tempfile::TempDir,
    store: Store,
    bytes_max: u64,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store");
        let store = Store::options().writable().open(&path.to_string_lossy()).await.expect("a store");
        Self { folder, store, bytes_max: UNBOUNDED }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_read_through_cache"))
            .args([self.path("store"), self.path("cache")])
            .arg(self.bytes_max.to_string())
            .arg(self.path("log"))
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("a child")
    }

    /// Returns the number of gets of blobs since this was last asked.
    fn take_gets(&self) -> usize {
        let lines = fs::read_to_string(self.path("log")).unwrap_or_default().lines().count();
        _ = fs::remove_file(self.path("log"));
        lines
    }

    fn cache(&self) -> Cache {
        let settings = CacheSettings::in_folder(self.path("cache")).with_bytes_max(self.bytes_max);
        Cache::open(&settings).expect("a cache").expect("named")
    }

    /// Puts a blob of several parts.
    async fn put_large(&self) -> (BlobId, String, usize) {
        let mut bytes = vec![0; PARTS * PART - 77];
        SmallRng::seed_from_u64(SEED).fill(&mut bytes[..]);
        let bytes = Bytes::from(bytes);
        let id = BlobId::of(&bytes);
        self.store.blobs().put(BlobKind::Segment, id, bytes.clone()).await.expect("put");
        (id, id.to_string(), bytes.len())
    }
}

fn succeed(child: Child, when: &str) {
    let output = child.wait_with_output().expect("waited for");
    assert!(output.status.success(), "{when}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Returns how many parts of a blob have not arrived, by the marks behind it; all of them if it was not begun.
fn lacking(place: &Path, size: usize) -> usize {
    let Ok(mut file) = fs::File::open(place.with_extension("part")) else { return PARTS };
    if file.metadata().is_ok_and(|metadata| metadata.len() == size as u64) {
        return 0;
    }
    let mut marks = Vec::new();
    file.seek(SeekFrom::Start(size as u64)).and_then(|_| file.read_to_end(&mut marks)).expect("marks");
    if marks.len() == PARTS { marks.iter().filter(|mark| **mark != 1).count() } else { PARTS }
}

#[tokio::test]
async fn whenever_a_downloader_is_killed_the_next_one_asks_for_no_part_that_arrived() {
    let scene = Scene::new().await;
    let (id, text, size) = scene.put_large().await;
    let (place, size_text) = (scene.path("cache/segments").join(&text), size.to_string());
    let blob = ["blob", &text, &size_text];
    let kills = std::env::var("KAPOK_KILLS").map_or(40, |kills| kills.parse().expect("KAPOK_KILLS"));
    let mut random = SmallRng::seed_from_u64(SEED);
    let (mut run_max, mut whole, mut partly) = (Duration::from_secs(1), 0, 0);
    for kill in 0..kills {
        let wanted = lacking(&place, size);
        let mut child = scene.start(&blob);
        if kill % 2 == 0 {
            std::thread::sleep(run_max.mul_f64(random.random_range(0.0..1.0)));
        } else {
            // However slow this machine is now: when some part more has arrived.
            let left = if wanted > 1 { random.random_range(1..wanted) } else { 0 };
            while lacking(&place, size) > left && child.try_wait().expect("asked").is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        child.kill().expect("kill");
        child.wait().expect("wait");
        let gets = scene.take_gets();
        assert!(gets <= wanted, "kill {kill}: gets={gets} lacking={wanted}");
        partly += usize::from((1..PARTS).contains(&lacking(&place, size)));
        if place.exists() {
            // From the beginning.
            fs::remove_file(&place).expect("removed");
            whole += 1;
            run_max = run_max.mul_f64(0.9);
        } else if gets == 0 {
            run_max = run_max.mul_f64(1.1).min(Duration::from_secs(3));
        }
    }
    assert!(partly > kills / 8, "few kills left some parts and not others: {partly}");
    let wanted = lacking(&place, size);
    succeed(scene.start(&blob), "the last");
    assert_eq!(scene.take_gets(), wanted);
    assert!(BlobId::of(&fs::read(&place).expect("a file")) == id);
    println!("kills={kills} whole={whole} partly={partly}");
}

#[tokio::test]
async fn eight_processes_at_once_download_a_blob_once_and_what_a_killed_one_had_in_flight_again() {
    let scene = Scene::new().await;
    let (_, text, size) = scene.put_large().await;
    let (place, size_text) = (scene.path("cache/segments").join(&text), size.to_string());
    let start = || scene.start(&["blob", &text, &size_text]);
    let children: Vec<_> = (0..8).map(|_| start()).collect();
    for child in children {
        succeed(child, "eight");
    }
    assert_eq!(scene.take_gets(), PARTS);
    let mut random = SmallRng::seed_from_u64(SEED);
    for round in 0..6 {
        fs::remove_file(&place).expect("removed");
        let mut children: Vec<_> = (0..8).map(|_| start()).collect();
        std::thread::sleep(Duration::from_millis(random.random_range(10..300)));
        let mut killed = children.remove(random.random_range(0..8));
        killed.kill().expect("kill");
        killed.wait().expect("wait");
        for child in children {
            succeed(child, "one was killed");
        }
        let gets = scene.take_gets();
        assert!((PARTS..=PARTS + IN_FLIGHT).contains(&gets), "round {round}: {gets}");
    }
}

const FILMS: u32 = 4000;
const VERSIONS: u16 = 12;

async fn publish(producer: &Producer, year: u16) {
    let report = producer.run_cycle(|cycle| {
        let mut films = cycle.records::<movie::Owned>()?;
        (0..FILMS).try_for_each(|id| {
            films.add(|mut film| {
                film.set_id(id);
                film.set_year(year);
                film.set_title(format!("film {id} of {year}, {}", "and remembered ".repeat(id as usize % 7)));
            })
        })?;
        Ok(())
    });
    report.await.expect("a cycle");
}

#[tokio::test]
async fn with_half_of_the_room_that_the_data_needs_no_read_fails_and_the_budget_is_kept_but_for_maps() {
    let mut scene = Scene::new().await;
    let mut settings = ProducerSettings::default();
    settings.seal.target_bytes = Some(64 << 10);
    let producer = Producer::builder(scene.store.clone()).settings(settings).open().await.expect("a producer");
    publish(&producer, 1).await;
    let manifest = scene.store.manifests().read(1).await.expect("a manifest");
    let data: u64 = manifest.blobs().filter_map(|blob| blob.size).sum();
    let blobs = manifest.blobs().count();
    scene.bytes_max = data / 2;
    let last = u64::from(VERSIONS).to_string();
    let children: Vec<_> = (0..4).map(|_| scene.start(&["follow", &last])).collect();
    let cache = scene.cache();
    let (mut over, mut samples) = (0_u64, 0);
    for year in 2..=VERSIONS {
        let until = Instant::now() + Duration::from_millis(150);
        while Instant::now() < until {
            let report = cache.report().expect("a report");
            // What is on its way is locked too.
            let idle = report.bytes - report.mapped_bytes - report.unfinished.1;
            over += u64::from(idle > scene.bytes_max);
            samples += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
        publish(&producer, year).await;
    }
    for child in children {
        succeed(child, "a reader");
    }
    // A process that ends does not make room, but the next one that comes does.
    let left = scene.cache().report().expect("a report");
    assert_eq!(left.mapped_bytes, 0);
    assert!(left.bytes <= scene.bytes_max, "{left:?}");
    println!("data={data} blobs={blobs} samples={samples} over={over} gets={}", scene.take_gets());
    // A sample may fall between the moment when a map goes and that in which room is made.
    assert!(over * 20 <= samples, "over the budget in {over} of {samples} samples");
}
