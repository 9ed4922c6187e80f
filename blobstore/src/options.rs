//! Opens a store: for reading, for writing, or for repair, at a location or over a backend of the caller's own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::path::Path as Prefix;

use crate::cache::{Cache, CachePlace, CacheSettings};
use crate::creation::{Creation, check_marker, create, is_store};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{FileKind, Files};
use crate::location::{Backend, Location, shown};
use crate::objects::{Objects, Run};
use crate::one_task::{blocking, in_one_task};
use crate::remote_options::RemoteOptions;
use crate::settings::StoreSettings;
use crate::store::Store;

impl Store {
    /// Opens a store for reading, with default settings.
    ///
    /// # Errors
    /// [`Error::NotAStore`] if there is no marker, [`Error::Corrupt`] or
    /// [`Error::Incompatible`] for the marker.
    pub async fn open(url: &str) -> Result<Self> {
        Self::options().open(url).await
    }

    /// Returns options to open a store with: for writing, with settings, over a backend of your own.
    pub fn options() -> StoreOptions {
        StoreOptions::default()
    }
}

/// Options of opening a store, from [`Store::options`].
///
/// ```
/// # use kapok_blobstore::{Store, StoreSettings};
/// # use std::time::Duration;
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let settings = StoreSettings::default().with_timeout(Duration::from_secs(10));
/// let store = Store::options().writable().settings(settings).open("memory://options").await?;
/// # Ok::<(), kapok_blobstore::Error>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "nothing is opened until `open`"]
pub struct StoreOptions {
    settings: StoreSettings,
    cache: CacheSettings,
    access: Access,
    backend: Option<(Arc<dyn ObjectStore>, Prefix)>,
    remote: RemoteOptions,
}

impl fmt::Debug for StoreOptions {
    /// A backend may print its secrets, so it is not printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("StoreOptions");
        shown.field("settings", &self.settings).field("access", &self.access).field("options", &self.remote);
        shown.finish_non_exhaustive()
    }
}

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Access {
    #[default]
    Read,
    Write,
    /// For writing, but the store is created later.
    WriteLater,
    Repair,
}

impl StoreOptions {
    /// Opens the store for writing, and creates one if the place is empty or not there yet.
    ///
    /// The first opening checks that eight concurrent creates of one name have one winner, and records that.
    pub fn writable(mut self) -> Self {
        self.access = Access::Write;
        self
    }

    /// Opens the store for writing, and leaves its creation to [`Store::create`] if there is none.
    ///
    /// Until then the place reads as an empty store, and nothing is written there.
    pub fn create_later(mut self) -> Self {
        self.access = Access::WriteLater;
        self
    }

    /// Opens the store even if its marker is lost or damaged, so that it can be [repaired](Store::repair).
    pub fn for_repair(mut self) -> Self {
        self.access = Access::Repair;
        self
    }

    /// Sets how the store behaves.
    pub fn settings(mut self, settings: StoreSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets where the blobs of a remote store are kept on this host. Default: a folder that all processes of the user share.
    ///
    /// A local folder is mapped as it is, and a store in memory is read where it lies: neither has a cache. A backend of your
    /// own has one only if its folder is named here; then give each such store a URL of its own, by which the cache knows it.
    pub fn cache(mut self, cache: CacheSettings) -> Self {
        self.cache = cache;
        self
    }

    /// Opens a prefix of this backend. The URL given to [`open`](Self::open) is then only what messages call it.
    pub fn object_store(mut self, backend: Arc<dyn ObjectStore>, prefix: impl Into<Prefix>) -> Self {
        self.backend = Some((backend, prefix.into()));
        self
    }

    /// Sets an option of a store that is reached through a network, by the names of `object_store`: `aws_endpoint`,
    /// `aws_region`, `azure_storage_account_name`, `proxy_url` … It wins over the URL's query and over the environment.
    ///
    /// Its value is never printed, so it may be a secret; in a URL's query it must not be.
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.remote.options.push((name.into(), value.into()));
        self
    }

    /// Sends this header with each request to a store that is reached through a network.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.remote.headers.push((name.into(), value.into()));
        self
    }

    /// Trusts these certificates, as PEM, beside those of the host.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.remote.root_certificates = pem.into();
        self
    }

    /// Opens the store.
    ///
    /// # Errors
    /// [`Error::NotAStore`] if there is no marker, or for repair if there is no file of a store; [`Error::Corrupt`] or
    /// [`Error::Incompatible`] for the marker. For writing, [`Error::NotEmpty`] if there are files but no marker, and
    /// [`Error::NoConditionalWrites`] if the backend does not do what a store needs. [`Error::CacheFolder`] for a cache that was
    /// named and cannot be used.
    ///
    /// For reading, a remote store that cannot be reached is no error if this host [knows](Store::last_known) what it held
    /// last: see [`Store::unreachable`].
    pub async fn open(self, url: &str) -> Result<Store> {
        if self.access != Access::Read || self.backend.is_some() {
            return self.open_here(url).await;
        }
        if Location::parse(url)?.is_remote() {
            return self.open_here(url).await;
        }
        let (patience, location) = (self.settings.timeout, url.to_owned());
        in_one_task(("open", url), patience, async move { self.open_here(&location).await }).await?
    }

    async fn open_here(self, url: &str) -> Result<Store> {
        let Self { settings, cache, access, backend, remote } = self;
        let mut creation = Creation::done();
        let (backend, prefix, root, is_remote, has_cache) = if let Some((backend, prefix)) = backend {
            if access == Access::WriteLater {
                creation = Creation::put_off(Vec::new());
            }
            let has_cache = matches!(cache.place, CachePlace::Folder(_));
            (backend, prefix, None, false, has_cache)
        } else {
            let location = Location::parse(url)?;
            if access == Access::WriteLater {
                creation = Creation::put_off(location.missing_folders());
            }
            if matches!(access, Access::Write | Access::WriteLater) {
                location.create(url)?;
            }
            let Backend { objects, prefix, root } = location.backend(&shown(url), &remote, &settings)?;
            (objects, prefix, root, location.is_remote(), location.is_remote())
        };
        let identity = if is_remote { remote.identity(url) } else { url.to_owned() };
        let (location, run) = (shown(url), Run::default());
        let (cache, uncached) =
            if has_cache { blocking(move || Cache::open_or_tell(&cache)).await? } else { (None, None) };
        let objects = Objects { backend, prefix, location, root, is_remote, settings, identity, cache, run };
        let mut store = Store {
            objects: Arc::new(objects),
            creation: Arc::new(creation),
            unreachable: None,
            uncached: uncached.map(Arc::new),
        };
        match access {
            Access::Read => store.unreachable = check_or_recall(&store).await?.map(Arc::new),
            Access::Write => create(&store.objects).await?,
            Access::WriteLater => {
                if let Err(error) = create_if_there(&store).await {
                    store.remove_uncreated();
                    return Err(error);
                }
            }
            Access::Repair => check_files(&store.objects).await?,
        }
        Ok(store)
    }
}

/// A store of which this host knows enough to begin with is not waited for longer.
const WAIT_FOR_KNOWN: Duration = Duration::from_secs(3);

/// Checks that the place is a store. Returns why it cannot be reached, if this host knows what it held last.
async fn check_or_recall(store: &Store) -> Result<Option<Error>> {
    if store.last_known_sequence().await.unwrap_or(0) == 0 {
        return check_marker(&store.objects).await.map(|()| None);
    }
    let error = match tokio::time::timeout(WAIT_FOR_KNOWN, check_marker(&store.objects)).await {
        Ok(Ok(())) => return Ok(None),
        Ok(Err(error)) if error.kind() == ErrorKind::Unavailable => error,
        Ok(Err(error)) => return Err(error),
        Err(_) => Error::TimedOut { operation: "open", name: store.url().to_owned(), waited: WAIT_FOR_KNOWN },
    };
    match store.last_known().await {
        Ok(Some(_)) => Ok(Some(error)),
        // What is known is not whole.
        _ => check_marker(&store.objects).await.map(|()| None),
    }
}

/// Finishes the creation of a store that is there already; an empty place stays as it is.
async fn create_if_there(store: &Store) -> Result<()> {
    if is_store(&store.objects).await? { store.create().await } else { Ok(()) }
}

/// Checks that there is a file of a store, with or without the marker.
async fn check_files(objects: &Objects) -> Result<()> {
    let files = Files { objects }.list().await?;
    if files.iter().all(|file| file.what == FileKind::Foreign) {
        let reason = "there is no file of a store".to_owned();
        return Err(Error::NotAStore { location: objects.location.clone(), reason });
    }
    Ok(())
}
