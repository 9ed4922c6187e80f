//! A backend that lets something happen right before a request.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryFutureExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What is asked of the backend. Reads are not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    Create,
    Overwrite,
    Delete,
    List,
}

/// What happens first; an error is the request's answer.
pub type Event = BoxFuture<'static, Result<()>>;
type Hook = Box<dyn FnMut(Request, &str) -> Option<Event> + Send>;

#[derive(Clone)]
pub struct Hooked {
    backend: Arc<dyn ObjectStore>,
    hook: Arc<Mutex<Hook>>,
}

impl Hooked {
    /// The hook sees each request with its path, and may say what is to happen before it.
    pub fn over(
        backend: &Arc<dyn ObjectStore>,
        hook: impl FnMut(Request, &str) -> Option<Event> + Send + 'static,
    ) -> Arc<dyn ObjectStore> {
        Arc::new(Self { backend: Arc::clone(backend), hook: Arc::new(Mutex::new(Box::new(hook))) })
    }

    /// Lets it happen once, before the first such request on a path that holds the text.
    pub fn once(
        backend: &Arc<dyn ObjectStore>,
        request: Request,
        text: &'static str,
        event: impl Future<Output = ()> + Send + 'static,
    ) -> Arc<dyn ObjectStore> {
        let mut event = Some(event.map(Ok).boxed());
        Self::over(
            backend,
            move |asked, path| {
                if asked == request && path.contains(text) { event.take() } else { None }
            },
        )
    }

    async fn before(&self, request: Request, path: &str) -> Result<()> {
        let event = (self.hook.lock().unwrap())(request, path);
        match event {
            Some(event) => event.await,
            None => Ok(()),
        }
    }
}

/// The answer of a backend that will not.
pub fn refused() -> Event {
    async { Err(Error::Generic { store: "Hooked", source: "refused".into() }) }.boxed()
}

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hooked({})", self.backend)
    }
}

impl fmt::Display for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hooked({})", self.backend)
    }
}

#[async_trait]
impl ObjectStore for Hooked {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let request = if options.mode == PutMode::Create { Request::Create } else { Request::Overwrite };
        self.before(request, path.as_ref()).await?;
        self.backend.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.backend.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.backend.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.backend.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let hooked = paths.then(move |path| {
            let this = this.clone();
            async move {
                let path = path?;
                this.before(Request::Delete, path.as_ref()).await?;
                Ok(path)
            }
        });
        self.backend.delete_stream(hooked.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, prefix) = (self.clone(), prefix.cloned());
        let listing = async move {
            this.before(Request::List, prefix.as_ref().map_or("", AsRef::as_ref)).await?;
            Ok(this.backend.list(prefix.as_ref()))
        };
        listing.try_flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.backend.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.backend.copy_opts(from, to, options).await
    }
}
