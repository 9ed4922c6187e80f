//! What is left when a request to the store fails, is never answered, or is done and its reply is lost?
//!
//! [`Faults`] is a backend over another that counts requests and spoils the k-th. A test runs the same work for
//! k = 1, 2, 3 … until nothing is left to be spoilt.

pub mod checks;
pub mod films;
pub mod place;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// How a request is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails and does nothing.
    Refused,
    /// It does nothing and is never answered.
    Silent,
    /// It is done, and its reply is lost: a body or a listing ends half way.
    ReplyLost,
    /// It is done, and never answered.
    DoneSilent,
    /// It and all that come after it fail.
    CutOff,
    /// It is done, its reply is lost, and all that come after it fail.
    DoneCutOff,
    /// A write to a folder ends half way, beside its place; other requests are refused.
    Torn,
}

/// A backend that spoils requests. Clones share everything.
#[derive(Debug, Clone)]
pub struct Faults {
    backend: Arc<dyn ObjectStore>,
    folder: Option<PathBuf>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    requests: usize,
    armed: Option<(usize, Fault)>,
    struck: Option<String>,
    bodies: Vec<String>,
    interlude: Option<Interlude>,
}

/// What somebody else does while a request is held.
struct Interlude {
    number: usize,
    when: Held,
    act: BoxFuture<'static, ()>,
}

/// When a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// On its way to the store.
    Before,
    /// On its way back: it is done.
    After,
}

impl fmt::Debug for Interlude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Interlude({:?} {})", self.when, self.number)
    }
}

impl Faults {
    /// Over a backend, harmless until it is armed. `folder` is where a folder's backend has its files.
    pub fn over(backend: Arc<dyn ObjectStore>, folder: Option<PathBuf>) -> Self {
        Self { backend, folder, state: Arc::default() }
    }

    /// The `number`-th request from now on, counted from 1, is spoilt.
    pub fn arm(&self, number: usize, fault: Fault) {
        *self.state() = State { armed: Some((number, fault)), ..State::default() };
    }

    /// The `number`-th request from now on, counted from 1, is held until somebody else has acted; none is spoilt.
    pub fn hold(&self, number: usize, when: Held, act: impl Future<Output = ()> + Send + 'static) {
        *self.state() = State { interlude: Some(Interlude { number, when, act: act.boxed() }), ..State::default() };
    }

    /// How many requests there were since this was last armed or told to hold one.
    pub fn requests(&self) -> usize {
        self.state().requests
    }

    /// No request is spoilt from now on. Returns the one that was spoilt first, in words, if there was one.
    pub fn disarm(&self) -> Option<String> {
        let mut state = self.state();
        state.armed = None;
        state.interlude = None;
        state.struck.take()
    }

    /// The files whose bodies were handed over since this was last asked or armed, in order.
    pub fn bodies(&self) -> Vec<String> {
        std::mem::take(&mut self.state().bodies)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, and says how it is spoilt.
    fn next(&self, operation: &str, path: &str) -> Option<Fault> {
        let mut state = self.state();
        state.requests += 1;
        let (number, fault) = state.armed?;
        let goes_on = matches!(fault, Fault::CutOff | Fault::DoneCutOff);
        let now = state.requests == number || goes_on && state.requests > number;
        if now && state.struck.is_none() {
            state.struck = Some(format!("{operation} {path}"));
        }
        let fault = if state.requests > number { Fault::CutOff } else { fault };
        now.then_some(fault)
    }

    /// What is to be done while the request that was counted last is held.
    fn interlude(&self, operation: &str, path: &str) -> Option<(Held, BoxFuture<'static, ()>)> {
        let mut state = self.state();
        let number = state.requests;
        let Interlude { when, act, .. } = state.interlude.take_if(|interlude| interlude.number == number)?;
        state.struck = Some(format!("{operation} {path} ({when:?})"));
        Some((when, act))
    }

    async fn run<T>(&self, operation: &str, path: &Path, request: impl Future<Output = Result<T>>) -> Result<T> {
        let fault = self.next(operation, path.as_ref());
        match self.interlude(operation, path.as_ref()) {
            None => {}
            Some((Held::Before, act)) => act.await,
            Some((Held::After, act)) => {
                let done = request.await;
                act.await;
                return done;
            }
        }
        match fault {
            None => request.await,
            Some(Fault::Refused | Fault::CutOff | Fault::Torn) => Err(refused()),
            Some(Fault::Silent) => std::future::pending().await,
            Some(Fault::ReplyLost | Fault::DoneCutOff) => {
                let _ = request.await;
                Err(lost())
            }
            Some(Fault::DoneSilent) => {
                let _ = request.await;
                std::future::pending().await
            }
        }
    }

    /// Hands a body over, or half of it.
    async fn body(&self, path: &Path, found: GetResult) -> Result<GetResult> {
        let GetResult { payload, meta, range, attributes, extensions } = found;
        let GetResultPayload::Stream(body) = payload else {
            return Ok(GetResult { payload, meta, range, attributes, extensions });
        };
        let mut parts: Vec<Bytes> = body.try_collect().await?;
        let whole = parts.concat();
        let fault = self.next("body", path.as_ref());
        if let Some((_, act)) = self.interlude("body", path.as_ref()) {
            act.await;
        }
        if fault.is_some() {
            parts = vec![Bytes::copy_from_slice(&whole[..whole.len() / 2])];
        }
        let (state, name) = (Arc::clone(&self.state), path.to_string());
        let end = async move {
            match fault {
                None => {
                    state.lock().unwrap_or_else(PoisonError::into_inner).bodies.push(name);
                    Ok(Bytes::new())
                }
                Some(Fault::Silent | Fault::DoneSilent) => std::future::pending().await,
                Some(_) => Err(lost()),
            }
        };
        let payload = GetResultPayload::Stream(stream::iter(parts).map(Ok).chain(end.into_stream()).boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    /// What a writer leaves that dies while it writes to a folder.
    fn tear(&self, path: &Path, payload: &PutPayload) {
        let Some(folder) = &self.folder else { return };
        let place = folder.join(format!("{path}#1"));
        let half: Vec<u8> = payload.iter().flatten().copied().take(payload.content_length() / 2).collect();
        let parent = place.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&place, half))
            .expect("a folder that can be written");
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faults({})", self.backend)
    }
}

fn refused() -> Error {
    Error::Generic { store: "Faults", source: "refused on purpose".into() }
}

fn lost() -> Error {
    Error::Generic { store: "Faults", source: "reply lost on purpose".into() }
}

#[async_trait]
impl ObjectStore for Faults {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let torn = matches!(self.state().armed, Some((_, Fault::Torn))).then(|| payload.clone());
        let before = self.state().struck.is_some();
        let outcome = self.run("put", path, self.backend.put_opts(path, payload, options)).await;
        if let Some(payload) = torn.filter(|_| !before && self.state().struck.is_some()) {
            self.tear(path, &payload);
        }
        outcome
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.run("put in parts", path, self.backend.put_multipart_opts(path, options)).await?;
        Ok(Box::new(Upload { parts: upload, path: path.clone(), faults: self.clone() }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let operation = if head { "head" } else { "get" };
        let found = self.run(operation, path, self.backend.get_opts(path, options)).await?;
        if head { Ok(found) } else { self.body(path, found).await }
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.run("get ranges", path, self.backend.get_ranges(path, ranges)).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let faults = self.clone();
        paths
            .then(move |path| {
                let faults = faults.clone();
                async move {
                    let path = path?;
                    faults.run("delete", &path, faults.backend.delete(&path)).await?;
                    Ok(path)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let label = prefix.map_or("", AsRef::as_ref);
        let fault = self.next("list", label);
        if let Some((when, act)) = self.interlude("list", label) {
            let (backend, prefix) = (Arc::clone(&self.backend), prefix.cloned());
            let held = async move {
                let list = || backend.list(prefix.as_ref()).collect::<Vec<_>>();
                match when {
                    Held::Before => {
                        act.await;
                        list().await
                    }
                    Held::After => {
                        let all = list().await;
                        act.await;
                        all
                    }
                }
            };
            return held.map(stream::iter).flatten_stream().boxed();
        }
        let listing = self.backend.list(prefix);
        match fault {
            None => listing,
            Some(Fault::Silent | Fault::DoneSilent) => stream::pending().boxed(),
            Some(Fault::ReplyLost | Fault::DoneCutOff) => {
                let half = async {
                    let all: Vec<_> = listing.collect().await;
                    let half = all.len() / 2;
                    stream::iter(all).take(half).chain(stream::once(async { Err(lost()) }))
                };
                half.flatten_stream().boxed()
            }
            Some(_) => stream::once(async { Err(refused()) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let path = prefix.cloned().unwrap_or_default();
        self.run("list", &path, self.backend.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.run("copy", to, self.backend.copy_opts(from, to, options)).await
    }
}

/// An upload in parts, each of which may be spoilt.
#[derive(Debug)]
struct Upload {
    parts: Box<dyn MultipartUpload>,
    path: Path,
    faults: Faults,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.parts.put_part(data);
        let (faults, path) = (self.faults.clone(), self.path.clone());
        async move { faults.run("put part", &path, part).await }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.faults.run("complete", &self.path, self.parts.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.faults.run("abort", &self.path, self.parts.abort()).await
    }
}
