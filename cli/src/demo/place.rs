//! The folder of a demo's store, and its removal.
//!
//! ```text
//! <temporary files>/kapok-demo-XXXXXX/
//!   made-by-kapok-demo    locked for as long as the demo runs
//!   store/                the store
//! ```
//!
//! The next demo removes the folders of earlier ones: those that have the file, if nobody holds a lock on it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};

const PREFIX: &str = "kapok-demo-";
const MARKER: &str = "made-by-kapok-demo";
const MARKER_TEXT: &str = "Made by `kapok demo`. The next demo removes this folder.\n";

/// The place of a demo's store.
#[derive(Debug)]
pub struct Place {
    url: String,
    made: Option<DemoFolder>,
}

/// A folder that a demo made.
#[derive(Debug)]
struct DemoFolder {
    folder: tempfile::TempDir,
    is_removed_at_end: bool,
    /// Held until the end.
    _lock: File,
}

impl Place {
    /// A place that the user chose. It stays.
    pub fn given(url: &str) -> Self {
        Self { url: url.to_owned(), made: None }
    }

    /// Makes a new folder among temporary files, and removes those of earlier demos.
    pub fn make(is_removed_at_end: bool) -> Result<Self> {
        let parent = std::env::temp_dir();
        remove_earlier(&parent);
        let failed =
            |error: std::io::Error| Failure::no(format!("no place for a store in {}: {error}", parent.display()));
        // Dropped by a demo that fails, which removes the folder.
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent).map_err(failed)?;
        let marker = folder.path().join(MARKER);
        fs::write(&marker, MARKER_TEXT).map_err(failed)?;
        let lock = File::open(&marker).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let url = folder.path().join("store").display().to_string();
        Ok(Self { url, made: Some(DemoFolder { folder, is_removed_at_end, _lock: lock }) })
    }

    /// The store.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Keeps the folder, or removes it.
    pub fn close(self) -> Result<()> {
        match self.made {
            Some(DemoFolder { folder, is_removed_at_end: true, .. }) => {
                let path = folder.path().to_owned();
                folder.close().map_err(|error| Failure::no(format!("{} cannot be removed: {error}", path.display())))
            }
            Some(DemoFolder { folder, .. }) => {
                _ = folder.keep();
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// Removes the folders of earlier demos. One that cannot be removed stays, and the demo goes on.
fn remove_earlier(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let path: PathBuf = entry.path();
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
            && fs::read_to_string(path.join(MARKER)).is_ok_and(|text| text == MARKER_TEXT);
        if is_ours && File::open(path.join(MARKER)).is_ok_and(|marker| marker.try_lock().is_ok()) {
            _ = fs::remove_dir_all(&path);
        }
    }
}
