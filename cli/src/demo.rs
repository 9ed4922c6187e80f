//! `kapok demo`: a producer, a consumer and a swap under load, on a bundled sample of real data.

use std::io::Write;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use kapok_consumer::{Consumer, FollowSettings};
use kapok_core::value::Value;
use kapok_producer::{CycleReport, Declaration, Evolution, Producer, Sharing};
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::publish::{self, Input, Population, SchemaSource};

mod place;
mod reader;

use place::Place;
use reader::{Expected, Probe, Reader, Reads};

/// Every 21st package of Debian 12, with security and stable updates.
const SAMPLE: &[u8] = include_bytes!("../../examples/data/debian-sample.jsonl.zst");
const RECORD_TYPE: &str = "Package";
const KEY: &str = "package";
/// A package of the sample.
const FAMOUS: &str = "emacs";
/// Of the second version: every so many packages change, and the first of each so many changed ones is removed.
const CHANGED_EVERY: u64 = 10;
const REMOVED_EVERY: u64 = 10;
/// What a changed package's version ends with.
const MARK: &str = "+demo1";
/// The reader reads this long before and after the second version.
const WARM_UP: Duration = Duration::from_millis(200);
/// Keys are looked up in steps of this many: a prime.
const STEP: usize = 1009;
/// How long the swap may take before something is wrong.
const SWAP_TIMEOUT: Duration = Duration::from_secs(30);

/// Publish a bundled sample, read it, and swap versions under a reader
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok demo
  kapok demo --rm
  kapok demo --store /tmp/my-store

The sample is 3,032 package descriptions of Debian 12. Without --store the store is made in a new folder of the system's
folder for temporary files; the next demo removes those of earlier ones.")]
pub struct Demo {
    /// Where to publish [default: a new temporary folder]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Remove the store at the end
    #[arg(long, conflicts_with = "store")]
    rm: bool,
}

/// What was done and how long it took.
#[derive(Serialize)]
struct Story {
    store: String,
    versions: [u64; 2],
    rows: [u64; 2],
    publish_ms: [f64; 2],
    segment_bytes: u64,
    open_ms: f64,
    lookups: u32,
    lookup_ns: f64,
    scan_rows: u64,
    scan_ms: f64,
    installed_size_kib: i64,
    changed_rows: usize,
    removed_rows: usize,
    /// From reading the second manifest to the swap.
    refresh_ms: f64,
    fetched_blobs: usize,
    reads: Reads,
    record: serde_json::Value,
    #[serde(skip)]
    is_kept: bool,
}

impl Demo {
    /// Runs it from the first version to the last.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let place = match &self.store {
            Some(url) => Place::given(url),
            None => Place::make(self.rm)?,
        };
        let story = play(&place, !self.rm).await?;
        if json {
            serde_json::to_writer_pretty(&mut *out, &story)?;
            writeln!(out)?;
        } else {
            story.print(out)?;
        }
        place.close()
    }
}

/// The acts, in order.
async fn play(place: &Place, is_kept: bool) -> Result<Story> {
    let producer = Producer::open(place.url()).await?;

    // 1. A first version, from JSON lines whose schema is inferred.
    let input = Input::bundled("the bundled sample", SAMPLE);
    let population = Population {
        record_type: RECORD_TYPE.to_owned(),
        key: vec![KEY.to_owned()],
        schema: SchemaSource::Inferred { vectors: Vec::new(), maps: Vec::new() },
        sharing: Sharing::Shared,
        evolution: Evolution::Append,
        tags: vec![("source".to_owned(), "kapok demo".to_owned())],
    };
    let started = Instant::now();
    let first = publish::run_cycle(&producer, &population, &input).await?;
    let first_ms = ms(started);

    // 2. A consumer that maps it.
    let started = Instant::now();
    let consumer = Consumer::open(place.url()).await?;
    let open_ms = ms(started);
    let version = first.outcome.version();
    if consumer.view().version() != version {
        let on = consumer.view().version();
        return Err(Failure::no(format!("store {}: consumers are held on version {on}; unpin it", place.url())));
    }

    // 3. Lookups and a scan.
    let view = consumer.view_arc();
    let changes = Changes::of(&input)?;
    let lookup = view.lookup(RECORD_TYPE)?;
    let started = Instant::now();
    let mut found = 0;
    // Not in the order in which they lie.
    for probe in (0..changes.probes.len()).map(|at| &changes.probes[at * STEP % changes.probes.len()]) {
        found += u32::from(lookup.find(probe.key.as_str())?.is_some());
    }
    let lookup_ns = ms(started) * 1e6 / f64::from(found.max(1));
    let started = Instant::now();
    let mut installed_size_kib = 0;
    for size in &view.field::<i64>("Package.installed_size_kib")? {
        installed_size_kib += size?;
    }
    let scan_ms = ms(started);
    let record = view.record_by_key(RECORD_TYPE, FAMOUS)?;
    let record = record.map_or_else(|| Ok("null".to_owned()), |record| record.to_json_string())?;
    drop(view);

    // 4. A second version, while a thread reads.
    let reader = Reader::start(&consumer, version, changes.probes);
    let _follower = consumer.follow(FollowSettings::default());
    tokio::time::sleep(WARM_UP).await;
    let started = Instant::now();
    let second = publish_changes(&producer, &changes.records).await?;
    let second_ms = ms(started);
    let swapped = consumer.wait_for(second.outcome.version());
    if tokio::time::timeout(SWAP_TIMEOUT, swapped).await.is_err() {
        return Err(Failure::no(format!("store {}: the consumer did not take the second version", place.url())));
    }
    let refreshed = consumer.status().last_refresh;
    tokio::time::sleep(WARM_UP).await;
    let reads = reader.stop()?;

    let rows = |report: &CycleReport| report.types.first().map_or(0, |ty| ty.rows);
    Ok(Story {
        store: place.url().to_owned(),
        versions: [version, second.outcome.version()],
        rows: [rows(&first), rows(&second)],
        publish_ms: [first_ms, second_ms],
        segment_bytes: first.types.first().map_or(0, |ty| ty.segment_bytes),
        open_ms,
        lookups: found,
        lookup_ns,
        scan_rows: rows(&first),
        scan_ms,
        installed_size_kib,
        changed_rows: changes.changed,
        removed_rows: changes.removed,
        refresh_ms: refreshed.map_or(0.0, |done| done.duration.as_secs_f64() * 1e3),
        fetched_blobs: refreshed.map_or(0, |done| done.fetched_blobs),
        reads,
        record: serde_json::from_str(&record)?,
        is_kept,
    })
}

/// The second version.
struct Changes {
    records: Vec<Value>,
    /// What to look up, and what to find.
    probes: Vec<Probe>,
    changed: usize,
    removed: usize,
}

impl Changes {
    /// Some packages get a new version, a few go.
    fn of(input: &Input) -> Result<Self> {
        let mut changes = Self { records: Vec::new(), probes: Vec::new(), changed: 0, removed: 0 };
        let mut candidates = 0;
        publish::Lines { input, threads: 1, what: "changing" }.in_order(|line, record| {
            let mut record = record.clone();
            let Value::Struct(members) = &mut record else { return Ok(()) };
            let mut expected = Expected::Same;
            if line % CHANGED_EVERY == 0 {
                candidates += 1;
                expected = if candidates % REMOVED_EVERY == 1 { Expected::Removed } else { Expected::Changed };
            }
            if let (Expected::Changed, Some(Value::Text(version))) = (expected, member(members, "version")) {
                version.push_str(MARK);
                changes.changed += 1;
            }
            if let Some(Value::Text(key)) = member(members, KEY) {
                changes.probes.push(Probe { key: key.clone(), expected });
            }
            match expected {
                Expected::Removed => changes.removed += 1,
                _ => changes.records.push(record),
            }
            Ok(())
        })?;
        Ok(changes)
    }
}

fn member<'v>(members: &'v mut [(std::borrow::Cow<'static, str>, Value)], name: &str) -> Option<&'v mut Value> {
    members.iter_mut().find(|(it, _)| it == name).map(|(_, value)| value)
}

/// Publishes them by the schema that the dataset has.
async fn publish_changes(producer: &Producer, records: &[Value]) -> Result<CycleReport> {
    let populate = |cycle: &kapok_producer::Cycle| {
        let prior = cycle.prior().manifest();
        let ty = prior.expect_record_type(RECORD_TYPE)?;
        cycle.declare(&Declaration::new((*prior.schema).clone(), ty.type_id)?)?;
        let mut packages = cycle.values(RECORD_TYPE)?;
        for record in records {
            packages.add(record)?;
        }
        cycle.tag("source", "kapok demo");
        Ok(())
    };
    Ok(producer.run_cycle(populate).await?)
}

impl Story {
    fn print(&self, out: &mut impl Write) -> Result<()> {
        let [first, second] = self.versions;
        writeln!(out, "Kapok demo, store {}\n", self.store)?;
        let mut table = crate::table::Table::new(&["what happened", ">time", "remarks"]);
        let mut row = |what: String, time: String, remark: String| table.push([what, time, remark]);
        row(
            format!("published version {first}"),
            time(self.publish_ms[0]),
            format!(
                "{} packages from JSON lines, schema inferred, {}",
                HumanCount(self.rows[0]),
                HumanBytes(self.segment_bytes)
            ),
        );
        row("opened a consumer".into(), time(self.open_ms), "maps the files, parses nothing".into());
        row(
            format!("looked up {} packages by key", HumanCount(u64::from(self.lookups))),
            format!("{:.0} ns each", self.lookup_ns),
            "through the mapped index".into(),
        );
        row(
            format!("added up a field of {} packages", HumanCount(self.scan_rows)),
            time(self.scan_ms),
            format!("installed size {}", HumanBytes(u64::try_from(self.installed_size_kib).unwrap_or(0) << 10)),
        );
        row(
            format!("published version {second}"),
            time(self.publish_ms[1]),
            format!(
                "{} packages changed, {} removed, while a thread was reading",
                self.changed_rows, self.removed_rows
            ),
        );
        row(
            format!("consumer took version {second}"),
            time(self.refresh_ms),
            format!("{} new blobs mapped, then one atomic swap", self.fetched_blobs),
        );
        let reads = &self.reads;
        let by_version: Vec<_> = reads
            .by_version
            .iter()
            .map(|(version, reads)| format!("{} of version {version}", HumanCount(*reads)))
            .collect();
        row(
            format!("the thread read {} records", HumanCount(reads.total)),
            format!("{:.0} ns each", reads.mean_ns),
            format!("{}; none mixed, slowest 100 took {}", by_version.join(", "), time(reads.longest_ms)),
        );
        table.print(out)?;
        let version = self.record.get("version").and_then(serde_json::Value::as_str).unwrap_or("?");
        writeln!(out, "\n{FAMOUS} in version {first}: {version}")?;
        if self.is_kept { self.print_next(out) } else { Ok(writeln!(out, "\nThe store was removed again.")?) }
    }

    fn print_next(&self, out: &mut impl Write) -> Result<()> {
        let program = program();
        let store = quoted(&self.store);
        writeln!(out, "\nThe store stays. Try next:")?;
        for line in [
            format!("versions --store {store}"),
            format!("get --store {store} {RECORD_TYPE} {FAMOUS}"),
            format!("stat --store {store}"),
            format!("schema --store {store}"),
            format!("export --store {store} {RECORD_TYPE} --version {} | head -1", self.versions[0]),
            format!("verify --store {store}"),
        ] {
            writeln!(out, "  {program} {line}")?;
        }
        Ok(())
    }
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn time(ms: f64) -> String {
    if ms < 1.0 { format!("{:.0} µs", ms * 1e3) } else { format!("{ms:.1} ms") }
}

/// This program as it was called.
fn program() -> String {
    std::env::args().next().map_or_else(|| "kapok".to_owned(), |program| quoted(&program))
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
