//! The backend over another that asks an interceptor about each request.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::intercept::{Intercept, Verdict};
use crate::request::{Operation, Request};
use crate::upload::Upload;

/// A backend over another, with an interceptor in front of it. Clones share both.
#[derive(Debug, Clone)]
pub(crate) struct Intercepted {
    backend: Arc<dyn ObjectStore>,
    interceptor: Arc<dyn Intercept>,
}

impl Intercepted {
    /// Puts an interceptor in front of a backend.
    pub(crate) fn new(backend: Arc<dyn ObjectStore>, interceptor: Arc<dyn Intercept>) -> Self {
        Self { backend, interceptor }
    }

    /// Asks about a request, and does with it what the answer says.
    pub(crate) async fn run<T>(&self, request: Request<'_>, act: impl Future<Output = Result<T>>) -> Result<T> {
        let verdict = self.interceptor.before(&request).await;
        self.carry_out(request, verdict, act).await
    }

    async fn carry_out<T>(
        &self,
        request: Request<'_>,
        verdict: Verdict,
        act: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match verdict {
            Verdict::Proceed | Verdict::Overwrite => {
                let done = act.await;
                self.interceptor.after(&request).await;
                done
            }
            Verdict::Fail(error) => Err(error),
            Verdict::LoseReply(error) => {
                let _ = act.await;
                Err(error)
            }
            Verdict::NeverAnswer => std::future::pending().await,
            Verdict::DoAndNeverAnswer => {
                let _ = act.await;
                std::future::pending().await
            }
        }
    }

    /// Hands a body over, or half of it.
    fn body(&self, path: &Path, found: GetResult) -> GetResult {
        let GetResult { payload, meta, range, attributes, extensions } = found;
        let GetResultPayload::Stream(body) = payload else {
            return GetResult { payload, meta, range, attributes, extensions };
        };
        let (this, path) = (self.clone(), path.clone());
        let body = async move {
            let verdict = this.interceptor.before(&Request::new(Operation::Body, &path)).await;
            match verdict {
                Verdict::Proceed | Verdict::Overwrite => {
                    let end = async move {
                        this.interceptor.after(&Request::new(Operation::Body, &path)).await;
                        Ok(Bytes::new())
                    };
                    body.chain(end.into_stream()).boxed()
                }
                Verdict::Fail(error) => stream::once(async { Err(error) }).boxed(),
                Verdict::LoseReply(error) => half(body).chain(stream::once(async { Err(error) })).boxed(),
                Verdict::NeverAnswer => stream::pending().boxed(),
                Verdict::DoAndNeverAnswer => half(body).chain(stream::pending()).boxed(),
            }
        };
        let payload = GetResultPayload::Stream(body.flatten_stream().boxed());
        GetResult { payload, meta, range, attributes, extensions }
    }
}

/// The first half of a body.
fn half(body: BoxStream<'static, Result<Bytes>>) -> BoxStream<'static, Result<Bytes>> {
    let half = async {
        let parts: Vec<Bytes> = body.try_collect().await?;
        let whole = parts.concat();
        Ok(Bytes::copy_from_slice(&whole[..whole.len() / 2]))
    };
    half.into_stream().boxed()
}

impl fmt::Display for Intercepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} over {}", self.interceptor, self.backend)
    }
}

#[async_trait]
impl ObjectStore for Intercepted {
    async fn put_opts(&self, path: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        let operation = if options.mode == PutMode::Create { Operation::Create } else { Operation::Put };
        // Cheap: its parts are shared.
        let shown = payload.clone();
        let request = Request::new(operation, path).with(&shown);
        let verdict = self.interceptor.before(&request).await;
        if matches!(verdict, Verdict::Overwrite) {
            options.mode = PutMode::Overwrite;
        }
        self.carry_out(request, verdict, self.backend.put_opts(path, payload, options)).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let request = Request::new(Operation::PutInParts, path);
        let upload = self.run(request, self.backend.put_multipart_opts(path, options)).await?;
        Ok(Box::new(Upload::new(upload, path.clone(), self.clone())))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let is_head = options.head;
        let request = Request::new(if is_head { Operation::Head } else { Operation::Get }, path);
        let act = async {
            let found = self.backend.get_opts(path, options).await;
            self.interceptor.found(&request, found).await
        };
        let found = self.run(request, act).await?;
        Ok(if is_head { found } else { self.body(path, found) })
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.run(Request::new(Operation::GetRanges, path), self.backend.get_ranges(path, ranges)).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let deleted = paths.then(move |path| {
            let this = this.clone();
            async move {
                let path = path?;
                this.run(Request::new(Operation::Delete, &path), this.backend.delete(&path)).await?;
                Ok(path)
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, prefix) = (self.clone(), prefix.cloned());
        let listing = async move {
            let path = prefix.clone().unwrap_or_default();
            let request = Request::new(Operation::List, &path);
            let list = || this.backend.list(prefix.as_ref()).collect::<Vec<_>>();
            match this.interceptor.before(&request).await {
                Verdict::Proceed | Verdict::Overwrite => {
                    let all = list().await;
                    this.interceptor.after(&request).await;
                    stream::iter(all).boxed()
                }
                Verdict::Fail(error) => stream::once(async { Err(error) }).boxed(),
                Verdict::LoseReply(error) => {
                    let all = list().await;
                    let half = all.len() / 2;
                    stream::iter(all).take(half).chain(stream::once(async { Err(error) })).boxed()
                }
                Verdict::NeverAnswer => stream::pending().boxed(),
                Verdict::DoAndNeverAnswer => {
                    let all = list().await;
                    let half = all.len() / 2;
                    stream::iter(all).take(half).chain(stream::pending()).boxed()
                }
            }
        };
        listing.flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let path = prefix.cloned().unwrap_or_default();
        self.run(Request::new(Operation::List, &path), self.backend.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.run(Request::new(Operation::Copy, to), self.backend.copy_opts(from, to, options)).await
    }
}
