//! Remembers what a host last knew of a store, for the time when the store cannot be reached.
//!
//! It is for this only: as long as the store answers, what it says holds. A manifest may have been retired meanwhile.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use kapok_core::manifest::Manifest;
use tracing::debug;

use super::folder::{STORES, make, private};
use super::last_read::LastFiles;
use super::{Cache, failed, remove};
use crate::announcement::Announcement;
use crate::clock::now;
use crate::error::{Error, Result};
use crate::failure::{absent, failure};
use crate::local_file;
use crate::location::shown;
use crate::marker::{MARKER, Marker};
use crate::numbered::{ANNOUNCEMENTS, MANIFESTS, key, number};
use crate::one_task::blocking;
use crate::sealed_file::{SealedKind, open_sealed};
use crate::store::Store;
use crate::token::fresh_token;

/// The file that says which store it is.
const LOCATION: &str = "location";
/// No URL is longer.
const LOCATION_BYTES_MAX: u64 = 64 << 10;
/// Tries to read what another process is replacing.
const ATTEMPTS: usize = 3;

/// What this host last knew of a store, from [`Store::last_known`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LastKnown {
    /// The last entry of the log that a process of this host has read.
    pub announcement: Announcement,
    /// The manifest of the version that it sends consumers to.
    pub manifest: Manifest,
    /// When the log last answered.
    pub answered_at: SystemTime,
}

/// The folder of what is known of one store.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    folder: PathBuf,
}

impl Store {
    /// Returns what this host last knew of the store, for a reader that cannot reach it; `None` if there is no cache or
    /// nothing is known.
    ///
    /// The manifest's blobs are read as always: those that are in the cache need no store.
    ///
    /// # Errors
    /// Those of a file of the cache that is there and cannot be read.
    pub async fn last_known(&self) -> Result<Option<LastKnown>> {
        let Some(memory) = self.memory() else { return Ok(None) };
        blocking(move || memory.recall()).await
    }

    /// Returns the sequence of the last entry of the log that a process of this host has read; 0 if none is known. A log that
    /// ends before it is another one, or has lost entries.
    pub async fn last_known_sequence(&self) -> Result<u64> {
        let Some(memory) = self.memory() else { return Ok(0) };
        blocking(move || memory.sequence()).await
    }

    /// Remembers an entry of the log, which was seen to be the last, and what was read last of the store: its marker, and the
    /// manifest of the version that the entry names. Does nothing without a cache, or if this is known.
    ///
    /// A failure is no reason to stop for anybody, so it goes to the log of the program.
    pub async fn remember(&self, latest: &Announcement) {
        let (Some(memory), Some(cache)) = (self.memory(), self.cache().cloned()) else { return };
        let (location, latest, files) = (self.url().to_owned(), latest.clone(), self.objects.run.last_read.get());
        if let Err(error) = blocking(move || memory.keep(&cache, &location, &latest, files)).await {
            debug!(%error, "what is known of the store is not remembered");
        }
    }

    /// Notes that the log answered just now, and that its last entry is still this one.
    ///
    /// It changes the time of a file of the cache: call it now and then, not at each poll.
    pub fn note_answer(&self, sequence: u64) {
        let Some(memory) = self.memory() else { return };
        // There is none yet if no version could be loaded.
        _ = fs::File::open(memory.folder.join(key(ANNOUNCEMENTS, sequence))).and_then(|file| file.set_modified(now()));
    }

    fn memory(&self) -> Option<Memory> {
        Some(self.cache()?.memory(&self.objects.identity))
    }
}

impl Cache {
    /// Forgets what is known of a store, at whatever server it is, and returns whether anything was. Its blobs stay, since other stores may have them too.
    ///
    /// For those who have wiped the store on purpose and begin a new one in its place: otherwise consumers of this host refuse
    /// a log that is shorter than it was.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn forget(&self, location: &str) -> Result<bool> {
        let location = shown(location);
        let mut is_known = false;
        for memory in self.memories()? {
            // One that is damaged is in nobody's way.
            let found = memory.location().ok().flatten();
            if found.is_some_and(|found| found.trim_end_matches('/') == location.trim_end_matches('/')) {
                fs::remove_dir_all(&memory.folder).map_err(failed("delete", &memory.folder))?;
                is_known = true;
            }
        }
        Ok(is_known)
    }

    fn memory(&self, identity: &str) -> Memory {
        let hash = blake3::hash(identity.trim_end_matches('/').as_bytes());
        Memory { folder: self.inner.root.join(STORES).join(hash.to_hex().as_str()) }
    }

    /// Lists what is known of stores.
    pub(super) fn memories(&self) -> Result<Vec<Memory>> {
        let folder = self.inner.root.join(STORES);
        let entries = fs::read_dir(&folder).map_err(failed("list", &folder))?;
        let mut memories = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed("list", &folder))?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                memories.push(Memory { folder: entry.path() });
            }
        }
        Ok(memories)
    }
}

impl Memory {
    pub(super) fn location(&self) -> Result<Option<String>> {
        let place = self.folder.join(LOCATION);
        let (file, _) = match local_file::open(&place) {
            Ok(opened) => opened,
            Err(source) => return absent(failure("read", place.display().to_string(), source)),
        };
        let mut text = Vec::new();
        file.take(LOCATION_BYTES_MAX).read_to_end(&mut text).map_err(failed("read", &place))?;
        Ok(Some(String::from_utf8_lossy(&text).trim_end().to_owned()))
    }

    pub(super) fn sequence(&self) -> Result<u64> {
        Ok(self.numbers(ANNOUNCEMENTS)?.into_iter().max().unwrap_or(0))
    }

    /// Reads what is known, if it is whole.
    pub(super) fn recall(&self) -> Result<Option<LastKnown>> {
        let mut found = Ok(None);
        for _ in 0..ATTEMPTS {
            found = self.recall_once();
            if !matches!(found, Err(Error::NotFound { .. })) {
                return found;
            }
        }
        // A manifest that is not there was not remembered.
        found.or(Ok(None))
    }

    fn recall_once(&self) -> Result<Option<LastKnown>> {
        let Some((name, marker)) = self.file(MARKER)? else { return Ok(None) };
        Marker::open(&name, &marker)?;
        let sequence = self.sequence()?;
        if sequence == 0 {
            return Ok(None);
        }
        let entry = key(ANNOUNCEMENTS, sequence);
        let gone = |name: &str| Error::NotFound { name: self.folder.join(name).display().to_string() };
        let (name, file) = self.file(&entry)?.ok_or_else(|| gone(&entry))?;
        let announcement = Announcement::open(&name, sequence, &file)?;
        let place = self.folder.join(&entry);
        let answered_at = fs::metadata(&place).and_then(|it| it.modified()).map_err(failed("look up", &place))?;
        let version = key(MANIFESTS, announcement.current());
        let (name, file) = self.file(&version)?.ok_or_else(|| gone(&version))?;
        let payload = open_sealed(&name, &file)?.payload_of(&name, SealedKind::Manifest)?;
        let manifest = Manifest::decode(&name, &payload)?;
        if manifest.version != announcement.current() {
            let (expected, found) = (announcement.current(), manifest.version);
            return Err(Error::corrupt(&name, 0, format!("version {expected}"), format!("version {found}")));
        }
        Ok(Some(LastKnown { announcement, manifest, answered_at }))
    }

    /// Remembers an entry and the files that go with it, and forgets those before.
    fn keep(&self, cache: &Cache, location: &str, latest: &Announcement, files: LastFiles) -> Result<()> {
        // A folder that has this and no description would be nobody's cache any more.
        if !cache.inner.root.join(STORES).exists() {
            cache.restore()?;
        }
        // Another process may know a later one.
        if self.sequence()? > latest.sequence {
            return Ok(());
        }
        self.write(LOCATION, location.as_bytes())?;
        if let Some(marker) = files.marker {
            self.write(MARKER, &marker)?;
        }
        let version = latest.current();
        if let Some((_, file)) = files.manifest.filter(|(read, _)| *read == version) {
            self.write(&key(MANIFESTS, version), &file)?;
        }
        // An entry without its manifest would take the place of one that can be started from.
        if !self.folder.join(key(MANIFESTS, version)).exists() {
            return Ok(());
        }
        self.write(&key(ANNOUNCEMENTS, latest.sequence), &latest.encode())?;
        self.remove_but(ANNOUNCEMENTS, latest.sequence)?;
        self.remove_but(MANIFESTS, version)
    }

    fn remove_but(&self, folder: &str, last: u64) -> Result<()> {
        let others = self.numbers(folder)?.into_iter().filter(|number| *number != last);
        for number in others {
            remove(&self.folder.join(key(folder, number)))?;
        }
        Ok(())
    }

    fn numbers(&self, folder: &str) -> Result<Vec<u64>> {
        let place = self.folder.join(folder);
        let entries = match fs::read_dir(&place) {
            Ok(entries) => entries,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed("list", &place)(source)),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed("list", &place))?.file_name();
            numbers.extend(number(folder, &format!("{folder}/{}", name.to_string_lossy())));
        }
        Ok(numbers)
    }

    /// Returns a file and its name in messages.
    fn file(&self, name: &str) -> Result<Option<(String, Bytes)>> {
        let place = self.folder.join(name);
        let name = place.display().to_string();
        Ok(local_file::read_sealed(&place, &name)?.map(|bytes| (name, bytes)))
    }

    /// Writes a file, unless it is there with these bytes: a power cut may have left it short.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let place = self.folder.join(name);
        if has_bytes(&place, bytes) {
            return Ok(());
        }
        let prepared = self.folder.join(format!("{name}#{:032x}", u128::from_le_bytes(fresh_token())));
        let io = || {
            make(place.parent().unwrap_or(&self.folder))?;
            let mut file = private().write(true).create_new(true).open(&prepared)?;
            io::Write::write_all(&mut file, bytes)?;
            fs::rename(&prepared, &place)
        };
        let written = io();
        if written.is_err() {
            _ = fs::remove_file(&prepared);
        }
        written.map_err(failed("write", &place))
    }
}

fn has_bytes(place: &Path, bytes: &[u8]) -> bool {
    let Ok((mut file, metadata)) = local_file::open(place) else { return false };
    let mut found = Vec::new();
    metadata.len() == bytes.len() as u64 && file.read_to_end(&mut found).is_ok() && found == bytes
}
