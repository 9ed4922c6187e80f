//! The handle of an open store.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::announcements::Announcements;
use crate::blobs::Blobs;
use crate::cache::Cache;
use crate::creation::{Creation, check_marker};
use crate::error::{Error, Result};
use crate::files::Files;
use crate::manifests::Manifests;
use crate::objects::{Objects, Run};
use crate::repair::Repair;
use crate::settings::StoreSettings;

/// An open store: a prefix of a backend that holds one dataset. Clones are cheap and share everything.
///
/// What it holds is read and written by handles: [`blobs`](Self::blobs), [`manifests`](Self::manifests) and
/// [`announcements`](Self::announcements).
///
/// Locations are a folder (`data/movies`, `file:///srv/movies`), or `memory://NAME`, which is one store per name for as
/// long as the process lives; with the features `aws`, `azure`, `gcp` and `http` also `s3://bucket/prefix`,
/// `az://container/prefix`, `gs://bucket/prefix`, and `https://host/path`, which is read only.
#[derive(Clone)]
pub struct Store {
    pub(crate) objects: Arc<Objects>,
    pub(crate) creation: Arc<Creation>,
    pub(crate) unreachable: Option<Arc<Error>>,
    pub(crate) uncached: Option<Arc<Error>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Store {
    /// Returns the handle to put, read, list and delete blobs.
    pub fn blobs(&self) -> Blobs<'_> {
        Blobs { objects: &self.objects }
    }

    /// Returns the handle to commit, read, list and retire versions.
    pub fn manifests(&self) -> Manifests<'_> {
        Manifests { objects: &self.objects }
    }

    /// Returns the handle to read, extend and watch the announcement log.
    pub fn announcements(&self) -> Announcements<'_> {
        Announcements { objects: &self.objects }
    }

    /// Returns the handle to list and check files of every kind.
    pub fn files(&self) -> Files<'_> {
        Files { objects: &self.objects }
    }

    /// Returns the handle to put back files that are missing or damaged.
    pub fn repair(&self) -> Repair<'_> {
        Repair { objects: &self.objects }
    }

    /// Checks that the place is still a store, for callers that find nothing in it. One request.
    ///
    /// # Errors
    /// [`Error::NotAStore`](crate::Error::NotAStore) if there is no marker (any more),
    /// [`Error::Corrupt`](crate::Error::Corrupt) or [`Error::Incompatible`](crate::Error::Incompatible) for the marker.
    pub async fn check_marker(&self) -> Result<()> {
        check_marker(&self.objects).await
    }

    /// Creates the store if that was [put off](crate::StoreOptions::create_later).
    ///
    /// A producer does so before it puts the first blob. Any number of writers may do so at once.
    ///
    /// # Errors
    /// Those of [`StoreOptions::open`](crate::StoreOptions::open) for writing.
    pub async fn create(&self) -> Result<()> {
        self.creation.finish(&self.objects).await
    }

    /// Removes the folders that were made for a store which was not [created](Self::create) after all.
    ///
    /// A folder that holds something stays.
    pub fn remove_uncreated(&self) {
        self.creation.undo();
    }

    /// Returns whether the store was opened by a URL of a network: `s3://`, `az://`, `gs://` or `http(s)://`.
    pub fn is_remote(&self) -> bool {
        self.objects.is_remote
    }

    /// Returns the location as it was given, without the options in its query.
    pub fn url(&self) -> &str {
        &self.objects.location
    }

    /// Returns the store's folder if it is one: absolute, without symbolic links.
    pub fn local_path(&self) -> Option<&Path> {
        self.objects.root.as_deref()
    }

    /// Returns the cache in which the store's blobs are kept on this host, if it has one.
    pub fn cache(&self) -> Option<&Cache> {
        self.objects.cache.as_ref()
    }

    /// Returns why the store has no cache, if the usual folder of the user cannot be used: each process downloads what it reads
    /// then, and keeps it on its heap.
    pub fn uncached(&self) -> Option<&Arc<Error>> {
        self.uncached.as_ref()
    }

    /// Returns the same store without a cache: what is read is what the backend has.
    ///
    /// For those who check the store, not its copy on this host.
    #[must_use]
    pub fn without_cache(&self) -> Self {
        if self.objects.cache.is_none() {
            return self.clone();
        }
        let Objects { backend, prefix, location, root, is_remote, settings, .. } = &*self.objects;
        let objects = Objects {
            backend: Arc::clone(backend),
            prefix: prefix.clone(),
            location: location.clone(),
            root: root.clone(),
            is_remote: *is_remote,
            settings: settings.clone(),
            identity: String::new(),
            cache: None,
            run: Run::default(),
        };
        Self { objects: Arc::new(objects), ..self.clone() }
    }

    /// Returns why the store could not be reached when it was opened for reading, if that is so. Then it was opened all the same,
    /// since this host [knows](Self::last_known) what it held last. Requests are made as always, and may succeed later.
    pub fn unreachable(&self) -> Option<&Arc<Error>> {
        self.unreachable.as_ref()
    }

    /// Returns whether the store was seen to answer "denied" for names that are not there.
    ///
    /// S3 does so if the right to list (`s3:ListBucket`) is missing. The store can be followed all the same, but "not there
    /// yet" cannot be told from "not allowed".
    pub fn hides_missing(&self) -> bool {
        self.objects.run.hides_missing.load(Ordering::Relaxed)
    }

    /// Returns how many bytes of blobs this handle and its clones have received from another host: to show how far a download is.
    pub fn received_bytes(&self) -> u64 {
        self.objects.run.progress.received_bytes()
    }

    /// Returns the settings that the store was opened with.
    pub fn settings(&self) -> &StoreSettings {
        &self.objects.settings
    }
}
