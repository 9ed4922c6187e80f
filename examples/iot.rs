//! Devices and their readings: each cycle adds an hour of them and deletes those that are too old.
//!
//! Readings are sorted by time, in an index. Ranges and the last reading of each device are asked for in each version. However
//! many cycles run, the store and the memory of the process stay as large as what is kept.
//!
//! `cargo run -p kapok-examples --example iot`

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::time::Duration;

use kapok::publish::IncrementalCycle;
use kapok::query::{Aggregate, Order, Parameters, Query, Value, field, parameter};
use kapok::serde::{Deserialize, Serialize};
use kapok::store::GcSettings;
use kapok::{Consumer, Declaration, Producer, View};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const DEVICES: u32 = 50;
const HOUR: u64 = 3600;
/// Readings of a device in an hour.
const PER_HOUR: u64 = 60;
/// Hours, each a cycle.
const HOURS: u64 = 60;
/// How long readings are kept.
const KEPT_HOURS: u64 = 12;
const START: u64 = 1_700_000_000 / HOUR * HOUR;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "kapok::serde")]
struct Device {
    id: u32,
    room: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "kapok::serde")]
struct Reading {
    device: u32,
    /// Seconds.
    at: u64,
    celsius: f64,
    battery_percent: u8,
}

/// What a version costs.
#[derive(Clone, Copy, Debug)]
struct Costs {
    store_bytes: u64,
    /// Memory that is not shared with files; `None` where the system does not tell.
    private_bytes: Option<u64>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = folder.path().to_str().ok_or("the folder's name is not UTF-8")?;
    let producer = Producer::open(url).await?;
    let devices = Declaration::of_rust_type::<Device>("Device", &["id"])?;
    let readings = Declaration::of_rust_type::<Reading>("Reading", &["device", "at"])?
        .index("sorted(at)")
        // The last reading of a device is its first one here.
        .index("sorted(device, -at)");
    producer
        .run_cycle(|cycle| {
            cycle.declare(&devices)?;
            cycle.declare(&readings)?;
            let mut writer = cycle.values("Device")?;
            (0..DEVICES).try_for_each(|id| writer.add_serde(&device(id)))?;
            Ok(())
        })
        .await?;

    let consumer = Consumer::open(url).await?;
    let mut filled: Option<Costs> = None;
    println!(
        "{:>5} {:>9} {:>9} {:>9} {:>12} {:>15}",
        "hour", "readings", "deleted", "segments", "store, KiB", "private, KiB"
    );
    for hour in 0..HOURS {
        let mut deleted = 0;
        let report = producer.run_incremental_cycle(|cycle| run_hour(cycle, hour, &mut deleted)).await?;
        assert!(report.merge_error.is_none() && report.warnings.is_empty(), "{report:?}");
        consumer.refresh().await?;
        // Nothing is deleted by itself. There is no other producer that is at work, so nothing has to be waited for.
        let gc = GcSettings::default().with_keep(2).with_grace(Duration::ZERO).with_no_writers();
        producer.store().gc(&gc).await?;

        let view = consumer.view_arc();
        let expected = u64::from(DEVICES) * PER_HOUR * (hour + 1).min(KEPT_HOURS);
        assert_eq!(view.table("Reading")?.len(), expected);
        check(&view, hour)?;
        let costs = Costs { store_bytes: bytes_of(folder.path())?, private_bytes: private_bytes() };
        if hour == 2 * KEPT_HOURS {
            filled = Some(costs);
        }
        if hour % 12 == 11 || hour == 0 {
            let private = costs.private_bytes.map_or_else(|| "-".to_owned(), |bytes| (bytes >> 10).to_string());
            let segments = view.table("Reading")?.segments().len();
            println!(
                "{hour:>5} {expected:>9} {deleted:>9} {segments:>9} {:>12} {private:>15}",
                costs.store_bytes >> 10
            );
        }
        if let Some(filled) = filled {
            costs.assert_bounded_by(filled);
        }
    }
    report(&consumer.view_arc())
}

/// An hour of readings of all devices comes; what is older than is kept goes.
fn run_hour(cycle: &IncrementalCycle, hour: u64, deleted: &mut u64) -> Result<()> {
    let mut readings = cycle.values("Reading")?;
    for device in 0..DEVICES {
        for at in times(hour) {
            readings.upsert_serde(&reading(device, at))?;
        }
    }
    // The version before is a view as any other: the index finds what is old in it.
    let prior = cycle.prior();
    let limit = START + (hour + 1).saturating_sub(KEPT_HOURS) * HOUR;
    let old =
        prior.sorted_lookup("Reading", "sorted(at)")?.range(Bound::Unbounded, Bound::Excluded(&[limit.into()]))?;
    let (device, at) = (prior.field::<u32>("Reading.device")?, prior.field::<u64>("Reading.at")?);
    for row_id in old {
        readings.delete(&(device.get(row_id)?, at.get(row_id)?))?;
        *deleted += 1;
    }
    Ok(())
}

/// Asks for the last readings and for ranges of time, and compares the answers with what was made.
fn check(view: &View, hour: u64) -> Result<()> {
    let last_at = times(hour).last().ok_or("no reading")?;
    let by_device = view.sorted_lookup("Reading", "sorted(device, -at)")?;
    for id in 0..DEVICES {
        let row_id = by_device.first_from(Bound::Included(&[id.into()]))?.ok_or("no reading")?;
        let last: Reading = view.table("Reading")?.record(row_id)?.deserialize()?;
        assert_eq!(last, reading(id, last_at));
    }

    // All readings of half an hour, by the index.
    let (from, to) = (START + hour * HOUR, START + hour * HOUR + HOUR / 2);
    let by_time = view.sorted_lookup("Reading", "sorted(at)")?;
    let found = by_time.range(Bound::Included(&[from.into()]), Bound::Excluded(&[to.into()]))?;
    assert_eq!(found.len() as u64, u64::from(DEVICES) * PER_HOUR / 2);
    let oldest = by_time.first(1)?;
    let at = view.field::<u64>("Reading.at")?;
    assert!(at.get(oldest[0])? >= START + (hour + 1).saturating_sub(KEPT_HOURS) * HOUR, "what is too old is gone");

    // The same in words.
    let expr = field("at").ge(parameter("from")).and(field("at").lt(parameter("to")));
    let rows = Query::bind(view, "Reading", &expr)?.rows_with(&Parameters::new().set("from", from).set("to", to))?;
    assert_eq!(rows.count()?, found.len() as u64);
    Ok(())
}

/// What the last version says.
fn report(view: &View) -> Result<()> {
    let from = START + (HOURS - 1) * HOUR;
    let rows = view.query("Reading", &format!("at >= {from}"))?;
    print!("\nthe last hour, {}", rows.explain()?);
    let warmest = rows.clone().order_by(&[Order::descending("celsius"), Order::ascending("device")])?.limit(3);
    for record in warmest.records() {
        println!("  {}", record?.to_json_string()?);
    }

    // The mean of each device, beside that of a loop.
    let groups = rows.group_by(&["device"], &[Aggregate::avg("celsius")?, Aggregate::min("battery_percent")?])?;
    let mut by_room: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (id, group) in (0..).zip(&groups) {
        let of_hour: Vec<f64> = times(HOURS - 1).map(|at| reading(id, at).celsius).collect();
        let Value::Float(mean) = group.values[0] else { return Err("an average is a float".into()) };
        assert!((mean - mean_of(&of_hour)).abs() < 1e-9);
        let device = view.deserialize_by_key::<Device>("Device", &id)?.ok_or("no such device")?;
        by_room.entry(device.room).or_default().push(mean);
    }
    assert_eq!(groups.len() as u64, u64::from(DEVICES));
    for (room, means) in by_room {
        println!("  {room}: {:.2} degrees, of {} devices", mean_of(&means), means.len());
    }
    Ok(())
}

impl Costs {
    /// Asserts that a later version costs little more than one did when the readings had their full number.
    fn assert_bounded_by(self, filled: Self) {
        // Merges wait until they are worth it, so the store breathes.
        assert!(self.store_bytes < 3 * filled.store_bytes + (1 << 20), "{self:?} {filled:?}");
        if let (Some(now), Some(then)) = (self.private_bytes, filled.private_bytes) {
            assert!(now < 2 * then + (32 << 20), "{self:?} {filled:?}");
        }
    }
}

fn mean_of(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX))
}

/// Bytes of all files of a folder.
fn bytes_of(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        sum += if entry.file_type()?.is_dir() { bytes_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(sum)
}

/// Memory of this process that is not shared with files, as Linux tells it.
fn private_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}

fn times(hour: u64) -> impl Iterator<Item = u64> {
    (0..PER_HOUR).map(move |minute| START + hour * HOUR + minute * HOUR / PER_HOUR)
}

fn device(id: u32) -> Device {
    Device { id, room: ["attic", "cellar", "hall", "kitchen"][id as usize % 4].to_owned() }
}

/// A reading that depends on its device and its time alone.
fn reading(device: u32, at: u64) -> Reading {
    let seed = (at ^ u64::from(device) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let tenths = u32::try_from(seed >> 56).unwrap_or_default();
    let celsius = f64::from(150 + device % 4 * 10 + tenths % 64) / 10.0;
    Reading { device, at, celsius, battery_percent: u8::try_from(100 - (at - START) / HOUR % 100).unwrap_or_default() }
}
