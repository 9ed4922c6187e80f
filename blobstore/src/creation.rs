//! Creates a store in an empty place, at once or when there is something to put into it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::files::Files;
use crate::location::create_folder;
use crate::marker::{MARKER, Marker};
use crate::numbered::ANNOUNCEMENTS;
use crate::objects::{CreateOutcome, Objects};
use crate::probe::{is_probe_file, probe};

/// Whether a place is a store yet.
#[derive(Debug)]
pub(crate) struct Creation {
    is_done: AtomicBool,
    /// Folders that were made for it, the outermost first.
    folders: Vec<PathBuf>,
}

impl Creation {
    /// Returns the state of a store that exists, or is created when it is opened.
    pub(crate) fn done() -> Self {
        Self { is_done: AtomicBool::new(true), folders: Vec::new() }
    }

    /// Returns the state of a store that [`Store::create`](crate::Store::create) creates later.
    pub(crate) fn put_off(folders: Vec<PathBuf>) -> Self {
        Self { is_done: AtomicBool::new(false), folders }
    }

    /// Creates the store unless that is done.
    pub(crate) async fn finish(&self, objects: &Objects) -> Result<()> {
        if !self.is_done.load(Ordering::Acquire) {
            create(objects).await?;
            self.is_done.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Removes the folders that were made, unless the store was created or somebody put something there.
    pub(crate) fn undo(&self) {
        if self.is_done.load(Ordering::Acquire) {
            return;
        }
        if let Some(innermost) = self.folders.last() {
            // Fails if there is anything in it, as it should.
            _ = std::fs::remove_dir(innermost.join(ANNOUNCEMENTS));
        }
        for folder in self.folders.iter().rev() {
            if std::fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }
}

/// Checks that the place is a store.
pub(crate) async fn check_marker(objects: &Objects) -> Result<()> {
    if Marker::read(objects).await?.is_some() {
        return Ok(());
    }
    let reason = match first_file(objects).await {
        // A writer may have made the store since the marker was looked for.
        Ok(Some(_)) if Marker::read(objects).await?.is_some() => return Ok(()),
        Ok(Some(file)) => format!("there are files such as {file} but no file {MARKER}"),
        Ok(None) => "it is empty".to_owned(),
        Err(_) => format!("there is no file {MARKER}"),
    };
    Err(Error::NotAStore { location: objects.location.clone(), reason })
}

/// Returns whether the place is a store; refuses one that holds other files.
pub(crate) async fn is_store(objects: &Objects) -> Result<bool> {
    Ok(Marker::read(objects).await?.is_some() || became_store(objects).await?)
}

/// Returns whether a place without a marker has become a store meanwhile; refuses one that holds other files.
async fn became_store(objects: &Objects) -> Result<bool> {
    let Some(file) = first_file(objects).await? else { return Ok(false) };
    // Another writer may have made the store, and published, since the marker was looked for.
    match Marker::read(objects).await? {
        Some(_) => Ok(true),
        None => Err(Error::NotEmpty { location: objects.location.clone(), file }),
    }
}

/// Makes a store of an empty place, and probes the backend if nobody has. Any number of writers may do so at once.
pub(crate) async fn create(objects: &Objects) -> Result<()> {
    match Marker::read(objects).await? {
        Some(Marker { conditional_writes_probed: true }) => return Ok(()),
        Some(Marker { conditional_writes_probed: false }) => {
            probe(objects).await?;
            return objects.put(MARKER, Marker { conditional_writes_probed: true }.encode()).await;
        }
        None => {}
    }
    if became_store(objects).await? {
        return Ok(());
    }
    probe(objects).await?;
    if let Some(root) = &objects.root {
        // So that a watcher finds a folder to watch before the first announcement.
        create_folder(&root.join(ANNOUNCEMENTS))?;
    }
    match objects.create(MARKER, Marker { conditional_writes_probed: true }.encode()).await? {
        CreateOutcome::Won => Ok(()),
        // The winner's marker may be of a newer release.
        CreateOutcome::Lost => Marker::read(objects).await.map(drop),
    }
}

/// Returns one of the files that are not left over from an earlier attempt to make a store here.
async fn first_file(objects: &Objects) -> Result<Option<String>> {
    let files = Files { objects }.list().await?;
    Ok(files.into_iter().map(|file| file.name).find(|name| !is_probe_file(name)))
}
