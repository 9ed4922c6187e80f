//! How does a place become a store only when there is something to put into it?

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::location::Location;
use crate::numbered::ANNOUNCEMENTS;
use crate::settings::StoreSettings;
use crate::store::Store;

/// Whether a place is a store yet.
#[derive(Debug)]
pub(crate) struct Founding {
    is_made: AtomicBool,
    /// Folders that were made for it, the outermost first.
    folders: Vec<PathBuf>,
}

impl Founding {
    /// Of a store that is there, or whose caller sees to it.
    pub(crate) fn made() -> Self {
        Self { is_made: AtomicBool::new(true), folders: Vec::new() }
    }
}

impl Store {
    /// Opens a store for writing; where there is none, a place that becomes one by [`make`](Self::make). Until then it
    /// reads as an empty store, and nothing is written there.
    ///
    /// # Errors
    /// Those of [`open_for_writing`](Self::open_for_writing).
    pub async fn open_or_prepare(url: &str) -> Result<Self> {
        let location = Location::parse(url)?;
        let folders = location.missing_folders();
        location.create()?;
        let founding = Founding { is_made: AtomicBool::new(false), folders };
        let store = Self::founded(url, StoreSettings::default(), founding)?;
        match store.has_marker().await {
            Ok(true) => store.make().await?,
            Ok(false) => {
                if let Some(file) = store.first_file().await?
                    && !store.has_marker().await?
                {
                    return Err(Error::NotEmpty { location: url.to_owned(), file });
                }
            }
            Err(error) => {
                store.abandon();
                return Err(error);
            }
        }
        Ok(store)
    }

    /// Makes the store, where that was put off. A producer does so before it puts the first blob. Any number of writers
    /// may do so at once.
    ///
    /// # Errors
    /// Those of [`open_for_writing`](Self::open_for_writing).
    pub async fn make(&self) -> Result<()> {
        let is_made = &self.objects.founding.is_made;
        if !is_made.load(Ordering::Acquire) {
            self.clone().for_writing().await?;
            is_made.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Removes the folders that [`open_or_prepare`](Self::open_or_prepare) made, unless the store was made or somebody put
    /// something there.
    pub fn abandon(&self) {
        let Founding { is_made, folders } = &self.objects.founding;
        if is_made.load(Ordering::Acquire) {
            return;
        }
        if let Some(innermost) = folders.last() {
            // Fails where there is anything in it, as it should.
            _ = std::fs::remove_dir(innermost.join(ANNOUNCEMENTS));
        }
        for folder in folders.iter().rev() {
            if std::fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }
}

impl Location {
    /// The folders on the way to it that are not there, the outermost first.
    fn missing_folders(&self) -> Vec<PathBuf> {
        let Self::Folder(path) = self else { return Vec::new() };
        let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let mut missing: Vec<_> = path.ancestors().take_while(is_missing).map(Path::to_owned).collect();
        missing.reverse();
        missing
    }
}
