//! `kapok demo`: a producer, a consumer, swaps under load and a rollback, on a bundled sample of real data.

use std::io::Write;
use std::time::{Duration, Instant};

use clap::Args;
use kapok_blobstore::{Store, clock};
use kapok_consumer::{Consumer, FollowSettings};
use kapok_core::record::Record;
use kapok_index::View;
use kapok_ingest::Value;
use kapok_producer::{
    AbsentFields, CycleReport, Evolution, IncrementalCycle, MergeSchedule, OlderSchema, Producer, ProducerSettings,
    Sharing, TypeReport,
};

use crate::diff::VersionDiff;
use crate::diff::fields::{Comparison, FieldChange};
use crate::failure::{Failure, Result};
use crate::publish::{self, Population, SchemaSource, VectorFiles};

mod place;
mod reader;
mod sample;
mod story;

use place::Place;
use reader::{Probe, Reader};
use sample::Changes;
use story::Story;

const RECORD_TYPE: &str = "Package";
const KEY: &str = "package";
/// A package that the second version changes.
const FAMOUS: &str = "emacs";
/// Prefix of the writer's name in a demo's versions, by which a store is known as a demo's.
const WRITER: &str = "kapok demo";
/// The reader reads this long before and after each swap.
const PAUSE: Duration = Duration::from_millis(150);
/// Keys are looked up in steps of this many: a prime.
const STEP: usize = 1009;
/// How long a swap may take before something is wrong.
const SWAP_TIMEOUT: Duration = Duration::from_secs(30);
/// Records of each kind that the diff shows.
const SHOWN_MAX: usize = 2;

/// Publish a bundled sample, read it, swap versions under a reader, and roll back
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok demo
  kapok demo --rm
  kapok demo --store /tmp/my-store

The sample is 3,032 package descriptions of Debian 12, and then what its backports change. Without --store the store is made
in a new folder of the system's folder for temporary files; the next demo removes those of earlier ones. A store that holds
anything else than a demo's versions is refused.")]
pub struct Demo {
    /// Where to publish [default: a new temporary folder]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Remove the store at the end
    #[arg(long, conflicts_with = "store")]
    rm: bool,
}

impl Demo {
    /// Runs it from the first version to the last.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let place = match &self.store {
            Some(url) => Place::given(url),
            None => Place::make(self.rm)?,
        };
        let store = Store::options().create_later().open(place.url()).await?;
        check_is_ours(&store).await?;
        let story = play(&store, !self.rm).await;
        store.remove_uncreated();
        let story = story?;
        if json {
            serde_json::to_writer_pretty(&mut *out, &story)?;
            writeln!(out)?;
        } else {
            story.print(out)?;
        }
        place.close()
    }
}

/// Refuses a store that a demo did not write, as the writer of its newest version tells.
async fn check_is_ours(store: &Store) -> Result<()> {
    let Some(head) = store.manifests().head().await? else { return Ok(()) };
    let writer = match store.manifests().read(head).await {
        Ok(manifest) => manifest.writer,
        Err(error) => error.to_string(),
    };
    if writer.starts_with(WRITER) {
        return Ok(());
    }
    Err(Failure::input(format!(
        "store {} is not the demo's: version={head} writer={writer}; name an empty place, or none",
        store.url()
    )))
}

/// Runs the steps of the demo in order.
async fn play(store: &Store, is_kept: bool) -> Result<Story> {
    let mut settings = ProducerSettings::default();
    settings.writer = format!("{WRITER} pid={}", std::process::id());
    settings.merge_schedule = MergeSchedule::Manual;
    let producer = Producer::builder(store.clone()).settings(settings).open().await?;

    // 1. A first version, from JSON lines whose schema is inferred.
    let population = Population {
        record_type: RECORD_TYPE.to_owned(),
        key: vec![KEY.to_owned()],
        schema: SchemaSource::Inferred {
            vectors: Vec::new(),
            maps: Vec::new(),
            json: Vec::new(),
            references: Vec::new(),
        },
        compact: false,
        sharing: Sharing::Shared,
        evolution: Evolution::Append,
        may_grow: false,
        vectors: VectorFiles::default(),
        absent_fields: AbsentFields::default(),
        older: OlderSchema::default(),
        tags: vec![("source".to_owned(), "kapok demo".to_owned())],
    };
    let started = clock::instant();
    let first = publish::run_cycle(&producer, &population, &sample::first()).await?;
    let first_ms = ms(started);

    // 2. A consumer that maps it.
    let started = clock::instant();
    let consumer = Consumer::open(store.url()).await?;
    let open_ms = ms(started);
    let version = first.outcome.version();
    if consumer.view().version() != version {
        let on = consumer.view().version();
        return Err(Failure::no(format!("store {}: consumers are held on version {on}; unpin it", store.url())));
    }

    // 3. Lookups and a scan.
    let before = consumer.view_arc();
    let changes = Changes::read()?;
    let started = clock::instant();
    let lookups = look_up(&before, &changes.probes)?;
    let lookup_ns = ms(started) * 1e6 / f64::from(lookups.max(1));
    let started = clock::instant();
    let mut installed_size_kib = 0;
    for size in &before.field::<i64>("Package.installed_size_kib")? {
        installed_size_kib += size?;
    }
    let scan_ms = ms(started);

    // 4. A second version, while a thread reads.
    let Changes { upserts, gone, probes } = changes;
    let reader = Reader::start(&consumer, version, probes);
    let _follower = consumer.follow(FollowSettings::default());
    tokio::time::sleep(PAUSE).await;
    let started = clock::instant();
    let second = producer.run_incremental_cycle(|cycle| Ok(change(cycle, &upserts, &gone)?)).await?;
    let second_ms = ms(started);
    let latest = second.outcome.version();
    wait_for(&consumer, latest).await?;
    let refreshed = consumer.status().last_refresh;
    let after = consumer.view_arc();
    tokio::time::sleep(PAUSE).await;

    // 5. A rollback, and forward again.
    let started = clock::instant();
    store.announcements().rollback(version, WRITER, "to show it").await?;
    wait_for(&consumer, version).await?;
    let back_ms = ms(started);
    tokio::time::sleep(PAUSE).await;
    let started = clock::instant();
    store.announcements().announce(latest, WRITER, "it was right after all").await?;
    wait_for(&consumer, latest).await?;
    let forward_ms = ms(started);
    tokio::time::sleep(PAUSE).await;
    let reads = reader.stop()?;

    let [old, new] = [before.record_by_key(RECORD_TYPE, FAMOUS)?, after.record_by_key(RECORD_TYPE, FAMOUS)?];
    let count = |of: fn(&TypeReport) -> u64| second.types.first().map_or(0, of);
    let rows = |report: &CycleReport| report.types.first().map_or(0, |ty| ty.rows);
    Ok(Story {
        store: store.url().to_owned(),
        versions: [version, latest],
        rows: [rows(&first), rows(&second)],
        publish_ms: [first_ms, second_ms],
        segment_bytes: first.types.first().map_or(0, |ty| ty.segment_bytes),
        open_ms,
        lookups,
        lookup_ns,
        scan_ms,
        installed_size_kib,
        added_rows: count(|ty| ty.added),
        changed_rows: count(|ty| ty.updated),
        removed_rows: count(|ty| ty.removed),
        refresh_ms: refreshed.map_or(0.0, |done| done.duration.as_secs_f64() * 1e3),
        fetched_blobs: refreshed.map_or(0, |done| done.fetched_blobs),
        rollback_ms: [back_ms, forward_ms],
        reads,
        record: [shown(old)?, shown(new)?],
        fields: differences(&before, &after)?,
        diff: diff(store, version, latest).await?,
        is_kept,
    })
}

/// Finds each record of the first version, out of their stored order.
fn look_up(view: &View, probes: &[Probe]) -> Result<u32> {
    let lookup = view.lookup(RECORD_TYPE)?;
    let mut found = 0;
    for probe in (0..probes.len()).map(|at| &probes[at * STEP % probes.len()]) {
        found += u32::from(lookup.find(probe.key.as_str())?.is_some());
    }
    Ok(found)
}

fn change(cycle: &IncrementalCycle, upserts: &[Value], gone: &[&str]) -> kapok_producer::Result<()> {
    let mut packages = cycle.values(RECORD_TYPE)?;
    for record in upserts {
        packages.upsert(record)?;
    }
    for key in gone {
        packages.delete(*key)?;
    }
    Ok(())
}

async fn wait_for(consumer: &Consumer, version: u64) -> Result<()> {
    let swapped = consumer.wait_until(|view| view.version() == version);
    match tokio::time::timeout(SWAP_TIMEOUT, swapped).await {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::no(format!("the consumer did not take version {version} within {SWAP_TIMEOUT:?}"))),
    }
}

fn shown(record: Option<Record<'_>>) -> Result<String> {
    Ok(record.map_or_else(|| Ok("null".to_owned()), |record| record.to_json_string())?)
}

/// What is different in the famous record.
fn differences(before: &View, after: &View) -> Result<Vec<FieldChange>> {
    match (before.find(RECORD_TYPE, FAMOUS)?, after.find(RECORD_TYPE, FAMOUS)?) {
        (Some(old), Some(new)) => {
            Comparison::new(before.table(RECORD_TYPE)?, after.table(RECORD_TYPE)?).changes(old, new)
        }
        _ => Ok(Vec::new()),
    }
}

async fn diff(store: &Store, from: u64, to: u64) -> Result<String> {
    let (before, after) = (store.manifests().read(from).await?, store.manifests().read(to).await?);
    let diff = VersionDiff::between(store, Some(before), after, None, SHOWN_MAX).await?;
    let mut text = Vec::new();
    diff.print(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
