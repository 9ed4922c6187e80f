//! A backend behind a link that is slow, that breaks, or that lets only some through.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use tokio::sync::Mutex;

/// How the link behaves. Only the bodies of blobs are slow and break.
#[derive(Debug, Default)]
pub struct Manner {
    /// How long each piece of 64 KiB keeps the link busy, one after the other.
    pub piece: Duration,
    /// After so many pieces a body breaks off, where that is not 0.
    pub breaks_after: AtomicUsize,
    /// From now on nothing arrives any more.
    pub silent: AtomicBool,
    /// Reading is allowed, and nothing else: names that are not there are answered "denied".
    pub get_only: AtomicBool,
    /// Nothing is allowed.
    pub closed: AtomicBool,
    /// Bytes that arrived, and uploads that were aborted.
    pub arrived: AtomicUsize,
    pub aborted: AtomicUsize,
}

#[derive(Debug, Clone)]
pub struct Link {
    backend: Arc<dyn ObjectStore>,
    pub manner: Arc<Manner>,
    busy: Arc<Mutex<()>>,
}

impl Link {
    pub fn over(backend: Arc<dyn ObjectStore>, manner: Manner) -> Self {
        Self { backend, manner: Arc::new(manner), busy: Arc::default() }
    }

    fn allow(&self, path: &Path, writes: bool) -> Result<()> {
        let get_only = self.manner.get_only.load(Ordering::SeqCst);
        if self.manner.closed.load(Ordering::SeqCst) || (get_only && writes) {
            return Err(denied(path));
        }
        Ok(())
    }
}

fn denied(path: &Path) -> Error {
    Error::PermissionDenied { path: path.to_string(), source: "403 Forbidden".into() }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.backend)
    }
}

#[async_trait]
impl ObjectStore for Link {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.allow(path, true)?;
        self.backend.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.allow(path, true)?;
        let upload = self.backend.put_multipart_opts(path, options).await?;
        Ok(Box::new(Upload { upload, manner: Arc::clone(&self.manner) }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.allow(path, false)?;
        let is_head = options.head;
        let found = match self.backend.get_opts(path, options).await {
            Err(Error::NotFound { .. }) if self.manner.get_only.load(Ordering::SeqCst) => return Err(denied(path)),
            other => other?,
        };
        if is_head || !path.as_ref().contains("/segments/") {
            return Ok(found);
        }
        let (meta, range) = (found.meta.clone(), found.range.clone());
        let (attributes, extensions) = (found.attributes.clone(), found.extensions.clone());
        let body = found.bytes().await?;
        let this = self.clone();
        let breaks_after = self.manner.breaks_after.load(Ordering::SeqCst);
        let pieces: Vec<Bytes> = body.chunks(64 << 10).map(Bytes::copy_from_slice).collect();
        let pieces = stream::iter(pieces.into_iter().enumerate()).then(move |(at, piece)| {
            let this = this.clone();
            async move {
                if breaks_after > 0 && at >= breaks_after {
                    return Err(Error::Generic { store: "Link", source: "connection reset".into() });
                }
                let _turn = this.busy.lock().await;
                tokio::time::sleep(this.manner.piece).await;
                if this.manner.silent.load(Ordering::SeqCst) {
                    futures::future::pending::<()>().await;
                }
                this.manner.arrived.fetch_add(piece.len(), Ordering::SeqCst);
                Ok(piece)
            }
        });
        Ok(GetResult { payload: GetResultPayload::Stream(pieces.boxed()), meta, range, attributes, extensions })
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.backend.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.backend.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.manner.get_only.load(Ordering::SeqCst) {
            let path = prefix.cloned().unwrap_or_default();
            return async move { Err(denied(&path)) }.into_stream().boxed();
        }
        self.backend.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.backend.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.backend.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct Upload {
    upload: Box<dyn MultipartUpload>,
    manner: Arc<Manner>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        if self.manner.silent.load(Ordering::SeqCst) {
            return futures::future::pending().boxed();
        }
        self.upload.put_part(payload)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.upload.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.manner.aborted.fetch_add(1, Ordering::SeqCst);
        self.upload.abort().await
    }
}
