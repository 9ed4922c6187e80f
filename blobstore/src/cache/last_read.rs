//! Keeps what was read last of a store, until it is known whether it is worth remembering.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The marker and the manifest that a process read last of a store, as they were stored.
#[derive(Debug, Default)]
pub(crate) struct LastRead {
    files: Mutex<LastFiles>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct LastFiles {
    pub(super) marker: Option<Bytes>,
    pub(super) manifest: Option<(u64, Bytes)>,
}

impl LastRead {
    pub(crate) fn keep_marker(&self, file: &Bytes) {
        self.files().marker = Some(file.clone());
    }

    pub(crate) fn keep_manifest(&self, version: u64, file: &Bytes) {
        self.files().manifest = Some((version, file.clone()));
    }

    pub(super) fn get(&self) -> LastFiles {
        self.files().clone()
    }

    fn files(&self) -> MutexGuard<'_, LastFiles> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
