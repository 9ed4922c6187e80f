//! A thread that reads throughout the demo, and checks what it reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use kapok_blobstore::clock;
use kapok_consumer::Consumer;
use kapok_index::View;
use serde::Serialize;

use super::RECORD_TYPE;
use crate::failure::{Failure, Result};

/// Lookups that are made on one view before the next is taken.
const BATCH: usize = 100;

/// A key, and the package version expected in the first and in the second version of the dataset.
#[derive(Debug)]
pub struct Probe {
    pub key: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// Counts of a reader.
#[derive(Debug, Default, Serialize)]
pub struct Reads {
    pub total: u64,
    pub by_version: BTreeMap<u64, u64>,
    pub mean_ns: f64,
    /// The longest batch of 100 reads.
    pub longest_ms: f64,
}

/// A thread that looks records up, always on the current view.
pub struct Reader {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<kapok_core::Result<Reads>>,
}

impl Reader {
    /// Starts the thread, on the version `first`.
    pub fn start(consumer: &Consumer, first: u64, probes: Vec<Probe>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (consumer, is_over) = (consumer.clone(), Arc::clone(&is_over));
            move || read(&consumer, first, &probes, &is_over)
        });
        Self { is_over, thread }
    }

    /// Ends the thread.
    pub fn stop(self) -> Result<Reads> {
        self.is_over.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(reads) => Ok(reads?),
            Err(_) => Err(Failure::no("the reading thread died; this is a defect, please report it")),
        }
    }
}

fn read(consumer: &Consumer, first: u64, probes: &[Probe], is_over: &AtomicBool) -> kapok_core::Result<Reads> {
    let mut reads = Reads::default();
    let (mut longest, started, mut at) = (Duration::ZERO, clock::instant(), 0);
    while !is_over.load(Ordering::Relaxed) {
        let began = clock::instant();
        let view = consumer.view();
        let batch = probes.iter().cycle().skip(at).take(BATCH);
        let count = read_batch(&view, view.version() == first, batch)?;
        at = (at + BATCH) % probes.len().max(1);
        reads.total += count;
        *reads.by_version.entry(view.version()).or_default() += count;
        longest = longest.max(began.elapsed());
    }
    reads.longest_ms = longest.as_secs_f64() * 1e3;
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    let total = reads.total.max(1) as f64;
    reads.mean_ns = started.elapsed().as_secs_f64() * 1e9 / total;
    Ok(reads)
}

/// Looks keys up on one view, and checks that each record found is of that version.
fn read_batch<'p>(view: &View, is_first: bool, probes: impl Iterator<Item = &'p Probe>) -> kapok_core::Result<u64> {
    let lookup = view.lookup(RECORD_TYPE)?;
    let versions = view.field::<&str>("Package.version")?;
    let mut count = 0;
    for Probe { key, before, after } in probes {
        let found = lookup.find(key.as_str())?.map(|row_id| versions.get(row_id)).transpose()?;
        let expected = if is_first { before } else { after };
        if found != expected.as_deref() {
            let expected = format!("version {}: {expected:?}", view.version());
            return Err(kapok_core::Error::corrupt(format!("{RECORD_TYPE} {key}"), 0, expected, format!("{found:?}")));
        }
        count += 1;
    }
    Ok(count)
}
