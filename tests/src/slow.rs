//! What is asked for side by side? A backend that takes its time over files, and counts how many are under way at once.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};

/// A backend over another. Clones share everything.
#[derive(Debug, Clone)]
pub struct Slow {
    backend: Arc<dyn ObjectStore>,
    folder: &'static str,
    time: Duration,
    flights: Arc<Flights>,
    puts: Arc<Mutex<Vec<(String, Instant)>>>,
}

#[derive(Debug, Default)]
struct Flights {
    now: AtomicUsize,
    max: AtomicUsize,
}

impl Slow {
    /// Each get and each put of a file of this folder takes so long.
    pub fn over(backend: Arc<dyn ObjectStore>, folder: &'static str, time: Duration) -> Self {
        Self { backend, folder, time, flights: Arc::default(), puts: Arc::default() }
    }

    /// Names of the files that were put, in order, and when that began. A put takes as long as a get.
    pub fn puts(&self) -> Vec<(String, Instant)> {
        self.puts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The most gets that were under way at once, since this was last asked.
    pub fn most_at_once(&self) -> usize {
        self.flights.max.swap(0, Ordering::SeqCst)
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slow({})", self.backend)
    }
}

#[async_trait]
impl ObjectStore for Slow {
    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if path.as_ref().contains(self.folder) && !options.head {
            let now = 1 + self.flights.now.fetch_add(1, Ordering::SeqCst);
            self.flights.max.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(self.time).await;
            self.flights.now.fetch_sub(1, Ordering::SeqCst);
        }
        self.backend.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.backend.get_ranges(path, ranges).await
    }

    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.puts.lock().unwrap_or_else(PoisonError::into_inner).push((path.to_string(), Instant::now()));
        if path.as_ref().contains(self.folder) {
            tokio::time::sleep(self.time).await;
        }
        self.backend.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.backend.put_multipart_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.backend.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.backend.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.backend.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.backend.copy_opts(from, to, options).await
    }
}
