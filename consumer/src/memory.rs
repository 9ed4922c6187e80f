//! Tells where the bytes of a view are: in maps that the processes of a host share, or on this process's heap.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::AddAssign;

use kapok_blobstore::{BufferPool, PoolStats, cached_bytes, is_mapped};
use kapok_core::manifest::{BlobMap, Id, Manifest, Tombstones};

use crate::consumer::Consumer;
use crate::metrics;
use crate::resident_bytes::Residence;

/// Where bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MemoryUse {
    /// Bytes of maps of files, which all processes of the host share.
    pub mapped_bytes: u64,
    /// Of these, bytes that this process has in its tables: those it has touched, and their neighbours. `None` if the system is not
    /// Linux.
    pub resident_bytes: Option<u64>,
    /// Of these, bytes in the page cache of the host, whoever read them. `None` if the system does not tell: Linux tells it to the
    /// owner of the files and to those who may write them (mincore(2)).
    pub cached_bytes: Option<u64>,
    /// Bytes on the heap of this process: blobs of a store without folder or cache, and the consumer's own indexes.
    pub heap_bytes: u64,
}

/// Where the bytes of a consumer are, from [`Consumer::memory`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MemoryReport {
    /// The version of the view.
    pub version: u64,
    /// Of the whole view; what two record types share counts once.
    pub total: MemoryUse,
    /// Of each record type: segments, bitmaps of dead rows, and indexes.
    pub types: BTreeMap<String, MemoryUse>,
    /// The pool of the process that copies are taken from: it holds what `heap_bytes` counts of fetched blobs, and what is free.
    pub pool: PoolStats,
}

impl AddAssign for MemoryUse {
    fn add_assign(&mut self, other: Self) {
        self.mapped_bytes += other.mapped_bytes;
        self.resident_bytes = self.resident_bytes.zip(other.resident_bytes).map(|(a, b)| a + b);
        self.cached_bytes = self.cached_bytes.zip(other.cached_bytes).map(|(a, b)| a + b);
        self.heap_bytes += other.heap_bytes;
    }
}

impl MemoryUse {
    fn nothing() -> Self {
        Self { resident_bytes: Some(0), cached_bytes: Some(0), ..Self::default() }
    }
}

impl Consumer {
    /// Measures where the bytes of the current view are. Sets the metrics `kapok_resident_bytes`, `kapok_cached_bytes` and those of
    /// the pool.
    ///
    /// It asks the kernel, in time that grows with the mapped pages: call it when metrics are collected, not per read. It
    /// waits for a refresh that is under way.
    ///
    /// # Errors
    /// An I/O error if `/proc/self/smaps` cannot be read.
    pub async fn memory(&self) -> io::Result<MemoryReport> {
        let (view, blobs) = {
            let blobs = self.state().blobs.lock().await;
            (self.view_arc(), blobs.for_view())
        };
        let residence = Residence::of_process()?;
        let report = report(view.manifest(), &blobs, &residence);
        metrics::memory(&report);
        Ok(report)
    }
}

fn report(manifest: &Manifest, blobs: &BlobMap, residence: &Residence) -> MemoryReport {
    let mut uses: HashMap<Id, MemoryUse> = HashMap::new();
    let mut use_of = |id: &Id| -> MemoryUse {
        let measure = || blobs.get(id).map_or(MemoryUse::nothing(), |blob| measured(&blob.bytes, residence));
        *uses.entry(*id).or_insert_with(measure)
    };
    let mut types = BTreeMap::new();
    for record_type in &manifest.record_types {
        let mut all = MemoryUse::nothing();
        for segment in &record_type.segments {
            all += use_of(&segment.id);
            if let Tombstones::Blob(id) = &segment.tombstones {
                all += use_of(id);
            }
            for artifact in &segment.artifacts {
                all += use_of(&artifact.id);
            }
        }
        types.insert(record_type.name.clone(), all);
    }
    let mut total = MemoryUse::nothing();
    for one in uses.into_values() {
        total += one;
    }
    MemoryReport { version: manifest.version, total, types, pool: BufferPool::shared().stats() }
}

fn measured(bytes: &[u8], residence: &Residence) -> MemoryUse {
    let len = bytes.len() as u64;
    if !is_mapped(bytes) {
        return MemoryUse { heap_bytes: len, ..MemoryUse::nothing() };
    }
    let map = residence.of_map(bytes);
    MemoryUse {
        mapped_bytes: len,
        resident_bytes: map.map(|(resident, _)| resident.min(len)),
        cached_bytes: map.filter(|(_, may_write)| *may_write).and_then(|_| cached_bytes(bytes)),
        heap_bytes: 0,
    }
}
