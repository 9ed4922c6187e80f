//! Lists and checks the files of a store, and removes those that dead writers left behind.

use std::io;
use std::path::{Path, PathBuf};

use crate::announcement::Announcement;
use crate::blob_id::{BlobId, BlobKind};
use crate::blobs::{blob_of, check_hash};
use crate::clock::unix_ms;
use crate::error::{Error, Result};
use crate::failure::failure;
use crate::local_file;
use crate::marker::{MARKER, Marker};
use crate::numbered::{ANNOUNCEMENTS, MANIFESTS, number};
use crate::objects::{ObjectEntry, Objects};
use crate::one_task::blocking;
use crate::probe::is_probe_file;
use crate::sealed_file::{SealedKind, open_sealed};

/// A file of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileEntry {
    /// Its name relative to the store, with slashes.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written, in milliseconds since 1970.
    pub modified_unix_ms: i64,
    /// What its name says it is.
    pub what: FileKind,
}

/// What a file of a store is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// `dataset`
    Marker,
    /// `manifests/<version>`, retired or not.
    Manifest(u64),
    /// `announcements/<sequence>`
    Announcement(u64),
    /// `segments/<id>`, `indexes/<id>` or `tombstones/<id>`.
    Blob(BlobKind, BlobId),
    /// None of a store's: somebody else's, or what a writer that died left behind.
    Foreign,
}

impl FileEntry {
    /// Returns whether it is a temporary file of a writer, which is at work or died. A later [`gc`](crate::Store::gc)
    /// deletes it.
    pub fn is_orphan(&self) -> bool {
        self.what == FileKind::Foreign && is_orphan_name(&self.name)
    }
}

impl FileKind {
    fn of(key: &str) -> Self {
        if key == MARKER {
            return Self::Marker;
        }
        if let Some(version) = number(MANIFESTS, key) {
            return Self::Manifest(version);
        }
        if let Some(sequence) = number(ANNOUNCEMENTS, key) {
            return Self::Announcement(sequence);
        }
        BlobKind::ALL.into_iter().find_map(|kind| Some(Self::Blob(kind, blob_of(kind, key)?))).unwrap_or(Self::Foreign)
    }
}

/// The files of a store, of every kind, from [`Store::files`](crate::Store::files).
#[derive(Debug, Clone, Copy)]
pub struct Files<'s> {
    pub(crate) objects: &'s Objects,
}

impl Files<'_> {
    /// Lists every file under the store's prefix, in the order of the names.
    pub async fn list(self) -> Result<Vec<FileEntry>> {
        let listed = match &self.objects.root {
            // The backend hides the files that an interrupted write leaves in a folder.
            Some(root) => walk(root.clone()).await?,
            None => self.objects.list(None).await?,
        };
        let entry = |file: ObjectEntry| FileEntry {
            what: FileKind::of(&file.key),
            name: file.key,
            size: file.size,
            modified_unix_ms: file.modified_unix_ms,
        };
        Ok(listed.into_iter().map(entry).collect())
    }

    /// Lists what writers that died left behind, last written at this time or before.
    ///
    /// That is what a folder's `name#1` files are, written beside their place and never moved into it, and the files of
    /// an interrupted probe. Other foreign files stay.
    pub(crate) async fn orphans(self, modified_unix_ms_max: i64) -> Result<Vec<FileEntry>> {
        let mut found = self.list().await?;
        found.retain(|file| is_orphan_name(&file.name) && file.modified_unix_ms <= modified_unix_ms_max);
        Ok(found)
    }

    /// Deletes files that the backend may hide; those that are not there are deleted already.
    pub(crate) async fn remove(self, files: &[FileEntry]) -> Result<()> {
        for file in files {
            match &self.objects.root {
                Some(root) => remove_file(&root.join(&file.name))?,
                None => self.objects.delete(&file.name).await?,
            }
        }
        Ok(())
    }

    /// Checks all of a file: a blob against its id, the others against their checksum and their name.
    ///
    /// A foreign file has nothing to be checked against and passes; what to make of it is for the caller to say.
    ///
    /// # Errors
    /// [`Error::Corrupt`] or [`Error::Incompatible`] for what is wrong, [`Error::NotFound`] if the file is gone.
    pub async fn check(self, entry: &FileEntry) -> Result<()> {
        let name = self.objects.name(&entry.name);
        let gone = || Error::NotFound { name: name.clone() };
        match entry.what {
            FileKind::Foreign => Ok(()),
            FileKind::Blob(_, id) => {
                let fetched = self.objects.fetch(&entry.name, entry.size).await?.ok_or_else(gone)?;
                check_hash(&name, id, fetched.bytes).await
            }
            FileKind::Marker => {
                let file = self.objects.read(&entry.name).await?.ok_or_else(gone)?;
                Marker::open(&name, &file).map(drop)
            }
            FileKind::Announcement(sequence) => {
                let file = self.objects.read(&entry.name).await?.ok_or_else(gone)?;
                Announcement::open(&name, sequence, &file).map(drop)
            }
            FileKind::Manifest(_) => {
                let file = self.objects.read(&entry.name).await?.ok_or_else(gone)?;
                let sealed = open_sealed(&name, &file)?;
                match sealed.kind {
                    SealedKind::RetiredManifest => Ok(()),
                    _ => sealed.payload_of(&name, SealedKind::Manifest).map(drop),
                }
            }
        }
    }
}

/// Returns whether a foreign file is what an interrupted write or probe leaves.
fn is_orphan_name(key: &str) -> bool {
    let prepared = key.rsplit_once('#').is_some_and(|(place, suffix)| {
        let digits = !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit());
        digits && FileKind::of(place) != FileKind::Foreign
    });
    prepared || is_probe_file(key)
}

fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::Io { operation: "delete", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Returns every file under the folder, by its path relative to it.
async fn walk(root: PathBuf) -> Result<Vec<ObjectEntry>> {
    blocking(move || {
        let mut found = Vec::new();
        walk_folder(&root, "", &mut found)?;
        found.sort_by(|a: &ObjectEntry, b| a.key.cmp(&b.key));
        Ok(found)
    })
    .await
}

/// Returns the error of a folder that cannot be listed, which names the right if that is what lacks.
fn failed(folder: &Path, source: io::Error) -> Error {
    failure("list", folder.display().to_string(), local_file::failed(folder, source))
}

fn walk_folder(folder: &Path, prefix: &str, found: &mut Vec<ObjectEntry>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(|source| failed(folder, source))? {
        let entry = entry.map_err(|source| failed(folder, source))?;
        let path = entry.path();
        let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let meta = match std::fs::metadata(&path) {
            Ok(meta) => meta,
            // Deleted since the folder was read, or a dangling link.
            Err(source) if source.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(failed(&path, source)),
        };
        // A linked folder could lead back here.
        if meta.is_dir() && !path.is_symlink() {
            walk_folder(&path, &format!("{key}/"), found)?;
        } else if meta.is_file() {
            found.push(ObjectEntry { key, size: meta.len(), modified_unix_ms: meta.modified().map_or(0, unix_ms) });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_file_is() {
        let id = BlobId::of(b"x");
        for (name, what) in [
            ("dataset".to_owned(), FileKind::Marker),
            (format!("manifests/{:020}", 7), FileKind::Manifest(7)),
            (format!("announcements/{:020}", 8), FileKind::Announcement(8)),
            (format!("indexes/{id}"), FileKind::Blob(BlobKind::Index, id)),
            (format!("indexes/{id}#1"), FileKind::Foreign),
            (format!("segments/deeper/{id}"), FileKind::Foreign),
            ("manifests/7".to_owned(), FileKind::Foreign),
            ("readme.txt".to_owned(), FileKind::Foreign),
        ] {
            assert_eq!(FileKind::of(&name), what, "{name}");
        }
    }

    #[test]
    fn a_folder_that_may_not_be_listed_names_the_right() {
        let error = failed(Path::new("store/segments"), io::ErrorKind::PermissionDenied.into());
        assert_eq!(error.kind(), crate::ErrorKind::Denied);
        let text = error.to_string();
        assert!(
            text.contains("operation=list name=store/segments") && text.contains("r and x on the folder"),
            "{text}"
        );
    }

    #[test]
    fn only_the_leavings_of_writers_are_orphans() {
        let id = BlobId::of(b"x");
        for name in [format!("segments/{id}#12"), format!("manifests/{:020}#1", 7), "dataset#1".to_owned()] {
            assert!(is_orphan_name(&name), "{name}");
        }
        for name in [format!("segments/{id}"), "notes#1".to_owned(), format!("segments/{id}#"), "a#b".to_owned()] {
            assert!(!is_orphan_name(&name), "{name}");
        }
    }
}
