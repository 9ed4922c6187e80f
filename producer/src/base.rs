//! Chooses the version that a cycle builds on, and opens what can be read of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use kapok_blobstore::{Announcement, clock};
use kapok_core::manifest::BlobMap;
use kapok_core::manifest::Manifest;
use kapok_index::View;

use crate::base_cache::BaseCache;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::lock;
use crate::producer::Producer;

/// The version that a cycle builds on, mapped.
pub(crate) struct Base {
    pub view: Arc<View>,
    pub blobs: BlobMap,
    /// The newest committed version, which may be another after a rollback; 0 for none.
    pub head: u64,
    /// The version that a full cycle builds on: the head or, after a rollback, the announced version.
    pub current: u64,
    /// The last entry of the log when the base was chosen.
    pub latest: Option<Announcement>,
    /// Whether that entry announces a version that was never committed.
    pub is_astray: bool,
    /// Whether the version was mapped before, so that its manifest was not read now.
    pub is_held: bool,
    pub started: Instant,
}

/// The version that a cycle builds on.
#[derive(Clone, Copy)]
pub(crate) enum BuildOn {
    /// The head or, after a rollback, the version that consumers were sent back to.
    Current,
    /// The head; refused after a rollback.
    Head,
    /// The version with this number.
    Version(u64),
}

impl Base {
    /// Returns the last entry of the log when the base was chosen; 0 for an empty log.
    pub(crate) fn log_sequence(&self) -> u64 {
        self.latest.as_ref().map_or(0, |latest| latest.sequence)
    }

    /// Returns the number of the next version.
    ///
    /// # Errors
    /// `Corrupt` if the head has the highest of all numbers.
    pub(crate) fn next_version(&self) -> Result<u64> {
        let next = self.head.checked_add(1);
        next.ok_or_else(|| kapok_blobstore::Error::LastNumber { name: format!("manifests/{}", self.head) }.into())
    }
}

impl Producer {
    /// Maps the version that the next cycle builds on, and returns its number; 0 for none.
    ///
    /// A cycle does this by itself; to do it before saves the first one time.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` if it cannot be read.
    pub async fn restore(&self) -> Result<u64> {
        Ok(self.base(BuildOn::Current).await?.view.version())
    }

    /// Chooses and maps the version to build on or to merge.
    pub(crate) async fn base(&self, on: BuildOn) -> Result<Base> {
        let started = clock::instant();
        // The log is read first: announced versions were committed before, and later rollbacks are behind this entry.
        let latest = self.store.announcements().latest(None).await?;
        let head = self.store.manifests().head().await?.unwrap_or(0);
        let announced = latest.as_ref().map_or(0, |latest| latest.announced);
        let is_astray = announced > head;
        let held = lock(&self.held).clone();
        let current = match &latest {
            Some(latest) if !is_astray => self.current(on, latest, head, &held).await?,
            _ => head,
        };
        let version = if let BuildOn::Version(version) = on { version } else { current };
        let base = |view, blobs, is_held| Base {
            view,
            blobs,
            head,
            current,
            latest: latest.clone(),
            is_astray,
            is_held,
            started,
        };
        // Only the current version is taken from the cache: another may have been retired since. A view that lacks a
        // record type is opened anew, since its blobs may have been restored.
        if version == current && version == held.view.version() && held.view.left_out().is_empty() {
            return Ok(base(held.view, held.blobs, true));
        }
        if version == 0 && head == 0 {
            return Ok(base(Arc::new(View::empty()), BlobMap::new(), false));
        }
        let opened = match self.store.manifests().read(version).await {
            Ok(manifest) => self.open_readable(Arc::new(manifest), &held.blobs).await,
            Err(error) => Err(error.into()),
        };
        let (view, blobs) = opened.map_err(|error| match &latest {
            Some(latest) if latest.announced == version => unreadable(latest, error),
            _ => error,
        })?;
        let view = Arc::new(view);
        self.hold(Arc::clone(&view), blobs.clone());
        Ok(base(view, blobs, false))
    }

    /// Chooses the head, or the announced version if a rollback was made or the head is retired.
    async fn current(&self, on: BuildOn, latest: &Announcement, head: u64, held: &BaseCache) -> Result<u64> {
        let Announcement { announced, highest, .. } = *latest;
        // Versions above the head were never committed, even if they are announced.
        if announced < highest.min(head) {
            if let BuildOn::Head = on {
                return Err(Error::RolledBack { announced, highest });
            }
            return Ok(announced);
        }
        if head == announced || announced == 0 {
            return Ok(head);
        }
        let log_sequence = if held.view.version() == head {
            held.view.manifest().log_sequence
        } else {
            match self.store.manifests().read(head).await {
                Ok(manifest) => manifest.log_sequence,
                Err(kapok_blobstore::Error::Retired { .. }) => return Ok(announced),
                Err(error) => return Err(error.into()),
            }
        };
        match self.store.announcements().rollback_since(log_sequence, latest).await? {
            None => Ok(head),
            Some(rollback) if matches!(on, BuildOn::Head) => {
                Err(Error::UnannouncedHead { version: head, announced, sequence: rollback.sequence })
            }
            Some(_) => Ok(announced),
        }
    }

    /// Opens a version without the record types that lack a blob or have a damaged one.
    async fn open_readable(&self, manifest: Arc<Manifest>, have: &BlobMap) -> Result<(View, BlobMap)> {
        let error = match self.open_without(Arc::clone(&manifest), have, BTreeMap::new()).await {
            Err(error) if is_damage(&error) => error,
            opened => return opened,
        };
        let mut left_out = BTreeMap::new();
        for ty in &manifest.record_types {
            let mut alone = Manifest::clone(&manifest);
            alone.record_types = vec![ty.clone()];
            match self.open_without(Arc::new(alone), have, BTreeMap::new()).await {
                Ok(_) => {}
                Err(error) if is_damage(&error) => drop(left_out.insert(ty.name.clone(), error.to_string())),
                Err(error) => return Err(error),
            }
        }
        tracing::warn!(version = manifest.version, %error, "some of the version cannot be read");
        self.open_without(manifest, have, left_out).await
    }

    /// Opens a version without some record types, whose blobs are not read.
    pub(crate) async fn open_without(
        &self,
        manifest: Arc<Manifest>,
        have: &BlobMap,
        left_out: BTreeMap<String, String>,
    ) -> Result<(View, BlobMap)> {
        let blobs = if left_out.is_empty() {
            self.store.blobs().load(&manifest, have).await?
        } else {
            self.store.blobs().load(&without(&manifest, &left_out), have).await?
        };
        Ok((View::open_without(manifest, &blobs, left_out)?, blobs))
    }

    /// Returns the version to merge; none after a rollback, or while the log names a version that is not there.
    pub(crate) async fn base_to_merge(&self) -> Result<Option<Base>> {
        match self.base(BuildOn::Head).await {
            Ok(base) => Ok(Some(base).filter(|base| !base.is_astray)),
            Err(Error::RolledBack { .. } | Error::UnannouncedHead { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps a version mapped for the next cycle.
    pub(crate) fn hold(&self, view: Arc<View>, blobs: BlobMap) {
        *lock(&self.held) = BaseCache { view, blobs };
    }
}

/// Copies a manifest without some record types, to find the blobs of the others.
pub(crate) fn without(manifest: &Manifest, left_out: &BTreeMap<String, String>) -> Manifest {
    let mut rest = manifest.clone();
    rest.record_types.retain(|ty| !left_out.contains_key(&ty.name));
    rest
}

pub(crate) fn unreadable(latest: &Announcement, source: Error) -> Error {
    match source.kind() {
        ErrorKind::NotFound | ErrorKind::Corrupt => {
            Error::Unreadable { sequence: latest.sequence, version: latest.announced, source: Box::new(source) }
        }
        _ => source,
    }
}

/// Returns whether stored bytes are lost or wrong, so that a retry does not help.
fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Data(_) | Error::Store(_))
        && matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound)
}
