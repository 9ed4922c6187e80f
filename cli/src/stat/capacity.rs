//! What a host needs for a version: by the manifests alone.

use std::collections::HashMap;
use std::io::Write;

use indicatif::HumanBytes;
use kapok_blobstore::{BlobId, Store};
use kapok_core::manifest::{BlobRef, Id, Manifest};
use serde::Serialize;

use crate::failure::Result;

/// Bytes that a version needs, for those who choose disks and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Capacity {
    /// Of all files of the version: once on a host's disk, and in its page cache if all is to be read from memory.
    version_bytes: u64,
    /// Of these, those that the version before does not have: what a host fetches for the step.
    step_bytes: u64,
    /// Of the files of both versions: what is mapped while the one replaces the other and readers still hold it.
    peak_bytes: u64,
    /// What each process takes of private memory where there is no cache: it has the files on its own heap.
    heap_bytes_without_cache: u64,
}

impl Capacity {
    /// Adds up the files of a version and of the one before, if that can still be read.
    pub async fn of(store: &Store, manifest: &Manifest) -> Result<Self> {
        let version = sizes(store, manifest).await?;
        let before = match manifest.parent {
            Some(parent) => match store.manifests().read(parent).await {
                Ok(parent) => sizes(store, &parent).await?,
                Err(_) => HashMap::new(),
            },
            None => HashMap::new(),
        };
        let version_bytes: u64 = version.values().sum();
        let step_bytes = version.iter().filter(|(id, _)| !before.contains_key(*id)).map(|(_, size)| size).sum();
        let gone: u64 = before.iter().filter(|(id, _)| !version.contains_key(*id)).map(|(_, size)| size).sum();
        let peak_bytes = version_bytes + gone;
        Ok(Self { version_bytes, step_bytes, peak_bytes, heap_bytes_without_cache: peak_bytes })
    }

    /// Prints it for people.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        let Self { version_bytes, step_bytes, peak_bytes, heap_bytes_without_cache } = *self;
        writeln!(out, "\ncapacity")?;
        for (bytes, what) in [
            (
                version_bytes,
                "on the disk of each host, and in its page cache once all is read; all processes share them",
            ),
            (step_bytes, "fetched by a host that has the version before"),
            (peak_bytes, "mapped by a process while it goes from one version to the other"),
            (heap_bytes_without_cache, "of private memory for each process of a host without a cache, at that time"),
        ] {
            writeln!(out, "  {:>10}  {what}", HumanBytes(bytes).to_string())?;
        }
        Ok(())
    }
}

/// Returns the size of each file of a version. Those of bitmaps are asked of the store.
async fn sizes(store: &Store, manifest: &Manifest) -> Result<HashMap<Id, u64>> {
    let mut sizes = HashMap::new();
    for BlobRef { id, role, size, .. } in manifest.blobs() {
        let size = match size {
            Some(size) => size,
            None => store.blobs().size(role.into(), BlobId::from(id)).await?.unwrap_or(0),
        };
        sizes.insert(id, size);
    }
    Ok(sizes)
}
