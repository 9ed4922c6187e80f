//! A link to a backend that is slow, that breaks, or that lets only some through.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use kapok_testing::{Intercept, Operation, Request, Verdict, async_trait};
use object_store::path::Path;
use object_store::{Error, GetResult, GetResultPayload, Result};
use tokio::sync::Mutex;

/// How the link behaves. Only the bodies of blobs are slow and break.
#[derive(Debug, Default)]
pub struct Link {
    /// How long each piece of 64 KiB keeps the link busy, one after the other.
    pub piece: Duration,
    /// After so many pieces a body breaks off, where that is not 0.
    pub breaks_after: AtomicUsize,
    /// From now on nothing arrives any more.
    pub silent: Arc<AtomicBool>,
    /// Reading is allowed, and nothing else: names that are not there are answered "denied".
    pub get_only: AtomicBool,
    /// Nothing is allowed.
    pub closed: AtomicBool,
    /// Bytes that arrived.
    pub arrived: Arc<AtomicUsize>,
    /// Uploads that were aborted.
    pub aborted: AtomicUsize,
    busy: Arc<Mutex<()>>,
}

impl Link {
    /// Each piece keeps it busy so long.
    pub fn slow(piece: Duration) -> Self {
        Self { piece, ..Self::default() }
    }

    fn is_get_only(&self) -> bool {
        self.get_only.load(Ordering::SeqCst)
    }

    fn allow(&self, path: &Path, writes: bool) -> Verdict {
        if self.closed.load(Ordering::SeqCst) || (self.is_get_only() && writes) {
            return Verdict::Fail(denied(path));
        }
        Verdict::Proceed
    }
}

fn denied(path: &Path) -> Error {
    Error::PermissionDenied { path: path.to_string(), source: "403 Forbidden".into() }
}

#[async_trait]
impl Intercept for Link {
    async fn before(&self, request: &Request<'_>) -> Verdict {
        match request.operation {
            Operation::Create | Operation::Put | Operation::PutInParts => self.allow(request.path, true),
            Operation::Get | Operation::Head => self.allow(request.path, false),
            Operation::List if self.is_get_only() => Verdict::Fail(denied(request.path)),
            Operation::PutPart if self.silent.load(Ordering::SeqCst) => Verdict::NeverAnswer,
            Operation::Abort => {
                self.aborted.fetch_add(1, Ordering::SeqCst);
                Verdict::Proceed
            }
            _ => Verdict::Proceed,
        }
    }

    async fn found(&self, request: &Request<'_>, found: Result<GetResult>) -> Result<GetResult> {
        let found = match found {
            Err(Error::NotFound { .. }) if self.is_get_only() => return Err(denied(request.path)),
            other => other?,
        };
        if request.operation == Operation::Head || !request.names("/segments/") {
            return Ok(found);
        }
        let (meta, range) = (found.meta.clone(), found.range.clone());
        let (attributes, extensions) = (found.attributes.clone(), found.extensions.clone());
        let body = found.bytes().await?;
        let (busy, silent, arrived) = (Arc::clone(&self.busy), Arc::clone(&self.silent), Arc::clone(&self.arrived));
        let (takes, breaks_after) = (self.piece, self.breaks_after.load(Ordering::SeqCst));
        let pieces: Vec<Bytes> = body.chunks(64 << 10).map(Bytes::copy_from_slice).collect();
        let pieces = stream::iter(pieces.into_iter().enumerate()).then(move |(at, piece)| {
            let (busy, silent, arrived) = (Arc::clone(&busy), Arc::clone(&silent), Arc::clone(&arrived));
            async move {
                if breaks_after > 0 && at >= breaks_after {
                    return Err(Error::Generic { store: "Link", source: "connection reset".into() });
                }
                let _turn = busy.lock().await;
                tokio::time::sleep(takes).await;
                if silent.load(Ordering::SeqCst) {
                    futures::future::pending::<()>().await;
                }
                arrived.fetch_add(piece.len(), Ordering::SeqCst);
                Ok(piece)
            }
        });
        Ok(GetResult { payload: GetResultPayload::Stream(pieces.boxed()), meta, range, attributes, extensions })
    }
}
