//! A backend that misbehaves on demand.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, Extensions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// How the chosen request misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request fails and does nothing.
    Refused,
    /// The request is done, and its reply is lost.
    ReplyLost,
    /// A create is done, its reply is lost, and the backend's own second try finds the name taken.
    TakenByItself,
    /// The request is never answered.
    Silent,
}

/// What is wrong with the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// The request of this number misbehaves, from 1; only writes count.
    Write(usize, Fault),
    /// Creates overwrite.
    NoConditions,
    /// There are no listings.
    NoListing,
    /// The first file that is asked for is not there yet.
    LateRead,
    /// What is read lies at an odd address.
    OddAddress,
}

#[derive(Debug)]
pub struct Flaky {
    backend: Arc<dyn ObjectStore>,
    manner: Manner,
    writes: AtomicUsize,
    reads: AtomicUsize,
}

impl Flaky {
    pub fn over(backend: Arc<dyn ObjectStore>, manner: Manner) -> Arc<Self> {
        Arc::new(Self { backend, manner, writes: AtomicUsize::new(0), reads: AtomicUsize::new(0) })
    }

    /// Whether the misbehaviour has come up.
    pub fn struck(&self) -> bool {
        match self.manner {
            Manner::Write(number, _) => self.writes.load(Ordering::SeqCst) >= number,
            _ => true,
        }
    }
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flaky({})", self.backend)
    }
}

fn lost(text: &str) -> Error {
    Error::Generic { store: "Flaky", source: text.to_owned().into() }
}

fn no_listing() -> Error {
    Error::NotImplemented { operation: "list".to_owned(), implementer: "Flaky".to_owned() }
}

#[async_trait]
impl ObjectStore for Flaky {
    async fn put_opts(&self, path: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if self.manner == Manner::NoConditions {
            options.mode = PutMode::Overwrite;
        }
        let fault = match self.manner {
            Manner::Write(at, fault) if at == number => Some(fault),
            _ => None,
        };
        match fault {
            None => self.backend.put_opts(path, payload, options).await,
            Some(Fault::Refused) => Err(lost("refused")),
            Some(Fault::Silent) => futures::future::pending().await,
            Some(Fault::ReplyLost) => {
                let _ = self.backend.put_opts(path, payload, options).await;
                Err(lost("connection reset"))
            }
            Some(Fault::TakenByItself) => {
                let create = options.mode == PutMode::Create;
                let _ = self.backend.put_opts(path, payload, options).await;
                let taken = Error::AlreadyExists { path: path.to_string(), source: "taken".into() };
                Err(if create { taken } else { lost("connection reset") })
            }
        }
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.backend.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let number = self.reads.fetch_add(1, Ordering::SeqCst) + 1;
        if self.manner == Manner::LateRead && number == 1 {
            return Err(Error::NotFound { path: path.to_string(), source: "not yet".into() });
        }
        let found = self.backend.get_opts(path, options).await?;
        if self.manner != Manner::OddAddress {
            return Ok(found);
        }
        let (meta, range, attributes) = (found.meta.clone(), found.range.clone(), found.attributes.clone());
        let bytes = found.bytes().await?;
        let mut buffer = vec![0; bytes.len() + 16];
        let start = buffer.as_ptr().align_offset(8) + 1;
        buffer[start..start + bytes.len()].copy_from_slice(&bytes);
        let odd = Bytes::from(buffer).slice(start..start + bytes.len());
        let payload = GetResultPayload::Stream(async { Ok(odd) }.into_stream().boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions: Extensions::default() })
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.backend.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.backend.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.manner {
            Manner::NoListing => async { Err(no_listing()) }.into_stream().boxed(),
            _ => self.backend.list(prefix),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.backend.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.backend.copy_opts(from, to, options).await
    }
}
