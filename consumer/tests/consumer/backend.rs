//! A backend in memory that counts what it is asked for, and lets a test interfere with some files.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use kapok_blobstore::Store;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};

type Hook = BoxFuture<'static, ()>;

#[derive(Default)]
pub struct Watched {
    pub memory: Arc<InMemory>,
    pub gets: AtomicUsize,
    /// What happens just before the first get of a file whose name holds the text.
    before: Mutex<Option<(String, Hook)>>,
    /// What was asked for, in order.
    asked: Mutex<Vec<String>>,
    /// How long a get of a file takes whose name holds the text.
    slow: Mutex<Option<(String, Duration)>>,
    flying: AtomicUsize,
    /// The most slow gets that were under way at once.
    pub flying_max: AtomicUsize,
}

impl Watched {
    pub async fn store(self: &Arc<Self>) -> Store {
        let backend: Arc<dyn ObjectStore> = Arc::clone(self) as _;
        Store::options().writable().object_store(backend, "set").open("test://set").await.unwrap()
    }

    pub fn before_get_of(&self, name: &str, hook: impl Future<Output = ()> + Send + 'static) {
        *self.before.lock().unwrap() = Some((name.to_owned(), Box::pin(hook)));
    }

    pub fn slow_down(&self, name: &str, time: Duration) {
        *self.slow.lock().unwrap() = Some((name.to_owned(), time));
    }

    /// The files whose name holds the text that were asked for since this was last asked.
    pub fn asked_for(&self, name: &str) -> Vec<String> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.into_iter().filter(|path| path.contains(name)).collect()
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

#[async_trait]
impl ObjectStore for Watched {
    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        if !options.head {
            self.asked.lock().unwrap().push(path.to_string());
        }
        let hook = self.before.lock().unwrap().take_if(|(name, _)| path.as_ref().contains(name.as_str()));
        if let Some((_, hook)) = hook {
            hook.await;
        }
        let slow = self.slow.lock().unwrap().clone().filter(|(name, _)| path.as_ref().contains(name.as_str()));
        if let Some((_, time)) = slow.filter(|_| !options.head) {
            let flying = 1 + self.flying.fetch_add(1, Ordering::SeqCst);
            self.flying_max.fetch_max(flying, Ordering::SeqCst);
            tokio::time::sleep(time).await;
            self.flying.fetch_sub(1, Ordering::SeqCst);
        }
        self.memory.get_opts(path, options).await
    }

    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.memory.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.memory.put_multipart_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.memory.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.memory.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.memory.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.memory.copy_opts(from, to, options).await
    }
}
