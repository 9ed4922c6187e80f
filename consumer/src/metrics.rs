//! Records the metrics of a consumer.
//!
//! They go through the `metrics` facade to the recorder that the program has installed, and nowhere if there is none.

use std::collections::HashSet;

use kapok_blobstore::is_mapped;
use kapok_core::manifest::BlobMap;
use kapok_core::view::Table;
use kapok_index::nearest::Strategy;
use kapok_index::{ReadCounts, View};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::memory::MemoryReport;
use crate::refresh_report::RefreshReport;
use crate::status::Status;

const REFRESH_DURATION: &str = "kapok_refresh_duration_seconds";
const FETCHED_BYTES: &str = "kapok_refresh_fetched_bytes_total";
const FETCHED_BLOBS: &str = "kapok_refresh_fetched_blobs_total";
const FAILURES: &str = "kapok_refresh_failures_total";
const MAPPED_BYTES: &str = "kapok_mapped_bytes";
const RESIDENT_BYTES: &str = "kapok_resident_bytes";
const CACHED_BYTES: &str = "kapok_cached_bytes";
const HEAP_BYTES: &str = "kapok_heap_bytes";
const POOL_FREE_BYTES: &str = "kapok_pool_free_bytes";
const POOL_LENT_BYTES: &str = "kapok_pool_lent_bytes";
const POOL_HIT_RATE: &str = "kapok_pool_hit_rate";
const OWN_INDEX_BYTES: &str = "kapok_own_index_bytes";
const ROWS_LIVE: &str = "kapok_rows_live";
const ROWS_DEAD: &str = "kapok_rows_dead";
const VERSION_CURRENT: &str = "kapok_version_current";
const VERSION_ANNOUNCED: &str = "kapok_version_announced";
const VERSION_AGE: &str = "kapok_version_age_seconds";
const LAG: &str = "kapok_lag_versions";
const QUERIES: &str = "kapok_queries_total";
const SEARCHES: &str = "kapok_vector_searches_total";
const SEGMENT_SEARCHES: &str = "kapok_vector_segment_searches_total";
const DISTANCES: &str = "kapok_vector_distances_total";

/// Describes the metrics, with their units, to the recorder that is installed. Call it once, after installing the recorder.
///
/// Programs with consumers of several datasets tell them apart by a label of their recorder or scope. The metrics have no
/// label, except for the record type (`type`) of the two that count rows, and the way in which segments were searched
/// (`strategy`). Queries and searches are those of the whole process, as of the last refresh or look at the log: threads
/// count for themselves, and a consumer adds them up.
pub fn describe_metrics() {
    describe_histogram!(
        REFRESH_DURATION,
        Unit::Seconds,
        "Time from reading a manifest to the swap, of refreshes that swapped"
    );
    describe_counter!(FETCHED_BYTES, Unit::Bytes, "Bytes of blobs that were fetched, or mapped on a local store");
    describe_counter!(FETCHED_BLOBS, Unit::Count, "Blobs that were fetched, or mapped on a local store");
    describe_counter!(FAILURES, Unit::Count, "Refreshes that failed");
    describe_gauge!(MAPPED_BYTES, Unit::Bytes, "Bytes of the current view that are maps of files");
    describe_gauge!(HEAP_BYTES, Unit::Bytes, "Bytes of the current view on the heap of this process");
    describe_gauge!(
        CACHED_BYTES,
        Unit::Bytes,
        "Bytes of the mapped files in the host's page cache, when last asked for"
    );
    describe_gauge!(POOL_FREE_BYTES, Unit::Bytes, "Bytes that the pool of buffers keeps, when last asked for");
    describe_gauge!(POOL_LENT_BYTES, Unit::Bytes, "Bytes of buffers in use, when last asked for");
    describe_gauge!(POOL_HIT_RATE, Unit::Count, "Share of buffers that the pool had, when last asked for");
    describe_gauge!(RESIDENT_BYTES, Unit::Bytes, "Bytes of the store's mapped files in memory, when last asked for");
    describe_gauge!(OWN_INDEX_BYTES, Unit::Bytes, "Bytes on the heap of indexes that the consumer builds itself");
    describe_gauge!(ROWS_LIVE, Unit::Count, "Live rows of a record type in the current view");
    describe_gauge!(ROWS_DEAD, Unit::Count, "Dead rows of a record type in the current view");
    describe_gauge!(VERSION_CURRENT, Unit::Count, "Version of the current view");
    describe_gauge!(VERSION_ANNOUNCED, Unit::Count, "Announced version when the log was last read");
    describe_gauge!(VERSION_AGE, Unit::Seconds, "Time since the version of the current view was made");
    describe_gauge!(LAG, Unit::Count, "Version numbers between the current view and the version to be on");
    describe_counter!(QUERIES, Unit::Count, "Runs of queries in this process");
    describe_counter!(SEARCHES, Unit::Count, "Searches for near vectors in this process");
    describe_counter!(
        SEGMENT_SEARCHES,
        Unit::Count,
        "Segments searched for near vectors, by strategy: exact, codes, walk, two_hops"
    );
    describe_counter!(
        DISTANCES,
        Unit::Count,
        "Distances measured by searches, by strategy: nodes that walks visited, or rows or codes of scans"
    );
}

/// Measures the indexes of the consumer's own.
pub(crate) fn own_indexes(bytes: u64) {
    gauge!(OWN_INDEX_BYTES).set(real(bytes));
}

/// Counts a blob that was fetched.
pub(crate) fn fetched(bytes: u64) {
    counter!(FETCHED_BLOBS).increment(1);
    counter!(FETCHED_BYTES).increment(bytes);
}

/// Counts a refresh that failed.
pub(crate) fn failed() {
    counter!(FAILURES).increment(1);
}

/// Measures the new view, and the refresh that swapped it in.
pub(crate) fn swapped(report: &RefreshReport, old: &View, new: &View, (mapped, heap): (u64, u64)) {
    histogram!(REFRESH_DURATION).record(report.duration);
    gauge!(MAPPED_BYTES).set(real(mapped));
    gauge!(HEAP_BYTES).set(real(heap));
    let gone = old.tables().iter().filter(|table| new.table(table.name()).is_err());
    for (name, live, dead) in new.tables().iter().map(rows).chain(gone.map(|table| (table.name(), 0, 0))) {
        gauge!(ROWS_LIVE, "type" => name.to_owned()).set(real(live));
        gauge!(ROWS_DEAD, "type" => name.to_owned()).set(real(dead));
    }
}

/// Measures which versions the consumer is on and should be on, and what readers have done.
pub(crate) fn versions(status: &Status) {
    gauge!(VERSION_CURRENT).set(real(status.current));
    gauge!(VERSION_ANNOUNCED).set(real(status.announced));
    gauge!(LAG).set(real(status.lag));
    gauge!(VERSION_AGE).set(status.age.unwrap_or_default().as_secs_f64());
    reads();
}

/// Counts what readers of this process have done.
fn reads() {
    let counts = ReadCounts::of_process();
    counter!(QUERIES).absolute(counts.queries);
    counter!(SEARCHES).absolute(counts.searches);
    for (strategy, segments) in Strategy::ALL.into_iter().zip(counts.segments) {
        counter!(SEGMENT_SEARCHES, "strategy" => strategy.name()).absolute(segments.searches);
        counter!(DISTANCES, "strategy" => strategy.name()).absolute(segments.distances);
    }
}

/// Measures how much of the mapped files is in memory.
pub(crate) fn resident(bytes: u64) {
    gauge!(RESIDENT_BYTES).set(real(bytes));
}

/// Measures where the bytes of the view are.
pub(crate) fn memory(report: &MemoryReport) {
    if let Some(bytes) = report.total.resident_bytes {
        gauge!(RESIDENT_BYTES).set(real(bytes));
    }
    if let Some(bytes) = report.total.cached_bytes {
        gauge!(CACHED_BYTES).set(real(bytes));
    }
    let pool = report.pool;
    gauge!(POOL_FREE_BYTES).set(real(pool.free_bytes as u64));
    gauge!(POOL_LENT_BYTES).set(real(pool.lent_bytes as u64));
    if let Some(rate) = pool.hit_rate() {
        gauge!(POOL_HIT_RATE).set(rate);
    }
}

/// Adds up the sizes of the blobs of a view, each counted once: of those that are maps of files, and of those on the heap.
pub(crate) fn mapped_and_heap_bytes(view: &View, blobs: &BlobMap) -> (u64, u64) {
    let ids: HashSet<_> = view.manifest().blobs().map(|blob| blob.id).collect();
    let (mut mapped, mut heap) = (0, 0);
    for blob in ids.iter().filter_map(|id| blobs.get(id)) {
        *if is_mapped(&blob.bytes) { &mut mapped } else { &mut heap } += blob.bytes.len() as u64;
    }
    (mapped, heap)
}

fn rows(table: &Table) -> (&str, u64, u64) {
    let all: u64 = table.segments().iter().map(|source| u64::from(source.segment().rows())).sum();
    (table.name(), table.len(), all.saturating_sub(table.len()))
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
fn real(number: u64) -> f64 {
    number as f64
}
