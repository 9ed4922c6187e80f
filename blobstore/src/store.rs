//! How is a store opened, or made?

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path as Prefix;

use crate::blob::{BlobId, BlobKind};
use crate::error::{Error, Result};
use crate::founding::Founding;
use crate::location::{Location, create_folder};
use crate::marker::{MARKER, Marker};
use crate::numbered::ANNOUNCEMENTS;
use crate::objects::{Created, Objects, Run};
use crate::probe::{is_leftover, probe};
use crate::settings::StoreSettings;

/// A store: a prefix of a backend that holds one dataset. Clones are cheap and share everything.
///
/// Locations are a folder (`data/movies`, `file:///srv/movies`) or `memory://NAME`, which is one store per name for as
/// long as the process lives.
#[derive(Clone)]
pub struct Store {
    pub(crate) objects: Arc<Objects>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a store for reading.
    ///
    /// # Errors
    /// [`Error::NotAStore`] where there is no marker, [`Error::Corrupt`] or [`Error::Incompatible`] for the marker.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(url, StoreSettings::default()).await
    }

    /// As [`open`](Self::open), with settings.
    pub async fn open_with(url: &str, settings: StoreSettings) -> Result<Self> {
        Self::at(url, settings)?.for_reading().await
    }

    /// Opens a store for writing, and makes one where the place is empty or not there yet.
    ///
    /// The first opening sees that eight concurrent creates of one name have one winner, and records that.
    ///
    /// # Errors
    /// [`Error::NotEmpty`] where there are files but no marker, [`Error::NoConditionalWrites`] where the backend does
    /// not do what a store needs, and those of [`open`](Self::open).
    pub async fn open_for_writing(url: &str) -> Result<Self> {
        Self::open_for_writing_with(url, StoreSettings::default()).await
    }

    /// As [`open_for_writing`](Self::open_for_writing), with settings.
    pub async fn open_for_writing_with(url: &str, settings: StoreSettings) -> Result<Self> {
        Location::parse(url)?.create()?;
        Self::at(url, settings)?.for_writing().await
    }

    /// Opens a prefix of any backend for reading; `url` is what messages call it.
    pub async fn with_object_store(
        backend: Arc<dyn ObjectStore>,
        prefix: Prefix,
        url: &str,
        settings: StoreSettings,
    ) -> Result<Self> {
        Self::over(backend, prefix, url, settings).for_reading().await
    }

    /// Opens a prefix of any backend for writing, and makes a store where it is empty.
    pub async fn with_object_store_for_writing(
        backend: Arc<dyn ObjectStore>,
        prefix: Prefix,
        url: &str,
        settings: StoreSettings,
    ) -> Result<Self> {
        Self::over(backend, prefix, url, settings).for_writing().await
    }

    /// Looks whether the place is still a store: for those who find nothing in it. One request.
    ///
    /// # Errors
    /// [`Error::NotAStore`] where there is no marker (any more), [`Error::Corrupt`] or [`Error::Incompatible`] for the
    /// marker.
    pub async fn check_marker(&self) -> Result<()> {
        self.clone().for_reading().await.map(drop)
    }

    /// The location as it was given.
    pub fn url(&self) -> &str {
        &self.objects.location
    }

    /// The store's folder, where it is one: absolute, without symbolic links.
    pub fn local_path(&self) -> Option<&Path> {
        self.objects.root.as_deref()
    }

    /// Whether the store was seen to answer "denied" for names that are not there, as S3 does to whom has no right to list
    /// (`s3:ListBucket`). It can be followed all the same; but "not there yet" cannot be told from "not allowed".
    pub fn hides_missing(&self) -> bool {
        self.objects.run.hides_missing.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How the store behaves.
    pub fn settings(&self) -> &StoreSettings {
        &self.objects.settings
    }

    /// What people call a blob: the path of its file in a folder, its location and key elsewhere.
    pub fn blob_name(&self, kind: BlobKind, id: BlobId) -> String {
        self.objects.name(&kind.key(id))
    }

    pub(crate) fn at(url: &str, settings: StoreSettings) -> Result<Self> {
        Self::founded(url, settings, Founding::made())
    }

    pub(crate) fn founded(url: &str, settings: StoreSettings, founding: Founding) -> Result<Self> {
        let (backend, root) = Location::parse(url)?.backend(url)?;
        let (prefix, location) = (Prefix::default(), url.to_owned());
        let objects = Objects { backend, prefix, location, root, settings, founding, run: Run::default() };
        Ok(Self { objects: Arc::new(objects) })
    }

    fn over(backend: Arc<dyn ObjectStore>, prefix: Prefix, url: &str, settings: StoreSettings) -> Self {
        let objects = Objects {
            backend,
            prefix,
            location: url.to_owned(),
            root: None,
            settings,
            founding: Founding::made(),
            run: Run::default(),
        };
        Self { objects: Arc::new(objects) }
    }

    async fn for_reading(self) -> Result<Self> {
        match self.marker().await? {
            Some(_) => Ok(self),
            None => Err(Error::NotAStore { location: self.url().to_owned(), reason: self.why_not().await }),
        }
    }

    pub(crate) async fn for_writing(self) -> Result<Self> {
        match self.marker().await? {
            Some(Marker { conditional_writes_probed: true }) => {}
            Some(Marker { conditional_writes_probed: false }) => {
                probe(&self.objects).await?;
                self.objects.put(MARKER, Marker { conditional_writes_probed: true }.encode()).await?;
            }
            None => self.found().await?,
        }
        Ok(self)
    }

    /// Makes a store of an empty place. Any number of writers may do so at once.
    async fn found(&self) -> Result<()> {
        if let Some(file) = self.first_file().await? {
            // Another writer may have made the store, and published, since the marker was looked for.
            return match self.marker().await? {
                Some(_) => Ok(()),
                None => Err(Error::NotEmpty { location: self.url().to_owned(), file }),
            };
        }
        probe(&self.objects).await?;
        if let Some(root) = &self.objects.root {
            // So that a watcher finds a folder to watch before the first announcement.
            create_folder(&root.join(ANNOUNCEMENTS))?;
        }
        let marker = Marker { conditional_writes_probed: true };
        match self.objects.create(MARKER, marker.encode()).await? {
            Created::Won => Ok(()),
            // The winner's marker may be of a newer release.
            Created::Lost => self.marker().await.map(drop),
        }
    }

    pub(crate) async fn has_marker(&self) -> Result<bool> {
        Ok(self.marker().await?.is_some())
    }

    async fn marker(&self) -> Result<Option<Marker>> {
        let Some(file) = self.objects.read(MARKER).await? else {
            return Ok(None);
        };
        Marker::open(&self.objects.name(MARKER), &file).map(Some)
    }

    /// One of the files that are not left over from an earlier attempt to make a store here.
    pub(crate) async fn first_file(&self) -> Result<Option<String>> {
        let files = self.files().await?;
        Ok(files.into_iter().map(|file| file.name).find(|name| !is_leftover(name)))
    }

    async fn why_not(&self) -> String {
        match self.first_file().await {
            Ok(Some(file)) => format!("there are files such as {file} but no file {MARKER}"),
            Ok(None) => "it is empty".to_owned(),
            Err(_) => format!("there is no file {MARKER}"),
        }
    }
}
