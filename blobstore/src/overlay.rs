//! A store whose writes stay in memory, over another store.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryFutureExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::creation::Creation;
use crate::objects::{Objects, Run};
use crate::store::Store;

impl Store {
    /// Returns a store over this one whose writes stay in memory.
    ///
    /// It holds what this store holds, and keeps whatever is put, committed or announced there, so that one sees what a
    /// cycle would do. This store stays as it is. What the overlay holds goes with its last clone, and nothing can
    /// be deleted from it.
    #[must_use]
    pub fn overlay(&self) -> Self {
        let below = &self.objects;
        let objects = Objects {
            backend: Arc::new(Overlay { above: InMemory::new(), below: Arc::clone(&below.backend) }),
            prefix: below.prefix.clone(),
            location: below.location.clone(),
            // Whoever knows the folder could write past the overlay.
            root: None,
            is_remote: below.is_remote,
            settings: below.settings.clone(),
            identity: below.identity.clone(),
            cache: below.cache.clone(),
            run: Run::default(),
        };
        Self {
            objects: Arc::new(objects),
            creation: Arc::new(Creation::done()),
            unreachable: self.unreachable.clone(),
            uncached: self.uncached.clone(),
        }
    }
}

/// Reads fall through to the backend below if there is nothing above; writes stay above.
#[derive(Debug)]
struct Overlay {
    above: InMemory,
    below: Arc<dyn ObjectStore>,
}

impl std::fmt::Display for Overlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "memory over {}", self.below)
    }
}

fn refused(operation: &str) -> Error {
    Error::NotSupported { source: format!("{operation} is not for an overlay").into() }
}

#[async_trait::async_trait]
impl ObjectStore for Overlay {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match options.mode {
            PutMode::Overwrite => {}
            PutMode::Create => match self.below.head(path).await {
                Ok(_) => {
                    let source = "it is there already".into();
                    return Err(Error::AlreadyExists { path: path.to_string(), source });
                }
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            },
            PutMode::Update(_) => return Err(refused("update")),
        }
        self.above.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.above.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        match self.above.get_opts(path, options.clone()).await {
            Err(Error::NotFound { .. }) => self.below.get_opts(path, options).await,
            other => other,
        }
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match self.above.get_ranges(path, ranges).await {
            Err(Error::NotFound { .. }) => self.below.get_ranges(path, ranges).await,
            other => other,
        }
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        paths.and_then(|_| async { Err(refused("delete")) }).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (above, below) = (self.above.list(prefix), self.below.list(prefix));
        let listing = async move {
            let above: Vec<ObjectMeta> = above.try_collect().await?;
            let covered: HashSet<Path> = above.iter().map(|meta| meta.location.clone()).collect();
            let rest = below.try_filter(move |meta| std::future::ready(!covered.contains(&meta.location)));
            Ok(futures::stream::iter(above.into_iter().map(Ok)).chain(rest))
        };
        listing.try_flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, _prefix: Option<&Path>) -> Result<ListResult> {
        Err(refused("list with a delimiter"))
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        Err(refused("copy"))
    }
}
