//! How do blobs become a view that may be swapped in? Opened, and where it is asked for, checked and brought into memory.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use kapok_blobstore::BlobId;
use kapok_core::manifest::{Blob, BlobMap};
use kapok_core::manifest::{Id, Manifest};
use kapok_core::segment::Encoding;
use kapok_index::{View, verify_indexes, verify_segment};

use crate::error::{Error, Result};
use crate::listener::message;
use crate::settings::ConsumerSettings;

/// Bytes from one touched byte to the next: no page is smaller.
const PAGE_BYTES: usize = 4096;

/// Everything that may wait for a disk or takes long, on a thread where that is allowed. `fresh`: the new blobs.
pub(crate) async fn prepare(
    manifest: Manifest,
    blobs: BlobMap,
    fresh: HashMap<Id, Blob>,
    settings: ConsumerSettings,
) -> Result<(View, BlobMap)> {
    let version = manifest.version;
    let preparing = move || {
        let view = View::open(Arc::new(manifest), &blobs)?;
        if settings.verify {
            verify(&view, &blobs, &fresh)?;
        }
        if settings.prefault {
            for blob in fresh.values() {
                touch(&blob.bytes);
            }
        }
        Ok((view, blobs))
    };
    let failed = move |source: kapok_core::Error| Error::Open { version, source: Arc::new(source) };
    on_a_thread(version, move || preparing().map_err(failed)).await
}

/// Does work that may wait for a disk; its panic is an error of this version.
pub(crate) async fn on_a_thread<T: Send + 'static>(
    version: u64,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(failure) => Err(Error::Panicked {
            version,
            message: match failure.try_into_panic() {
                Ok(panic) => message(&*panic).to_owned(),
                Err(failure) => failure.to_string(),
            },
        }),
    }
}

/// Hashes new blobs, walks new segments, and holds new indexes against their segments.
fn verify(view: &View, blobs: &BlobMap, fresh: &HashMap<Id, Blob>) -> kapok_core::Result<()> {
    for (id, blob) in fresh {
        let (expected, found) = (BlobId::from(*id), BlobId::of(&blob.bytes));
        if expected != found {
            let (expected, found) = (format!("hash {expected}"), format!("hash {found}"));
            return Err(kapok_core::Error::corrupt(&*blob.name, 0, expected, found));
        }
    }
    for table in view.tables() {
        let ty = view.manifest().expect_record_type(table.name())?;
        for (entry, source) in ty.segments.iter().zip(table.segments()) {
            let is_new = fresh.contains_key(&entry.id);
            if is_new || entry.artifacts.iter().any(|index| fresh.contains_key(&index.id)) {
                let encoding = Encoding::new(Arc::clone(table.schema()), ty.type_id, &ty.key, entry.sharing)?;
                if is_new {
                    verify_segment(&encoding, source.segment(), entry, blobs)?;
                } else {
                    verify_indexes(&encoding, source.segment(), entry, blobs)?;
                }
            }
        }
    }
    Ok(())
}

/// Reads a byte of each page, so that the page is there.
fn touch(bytes: &[u8]) {
    black_box(bytes.iter().step_by(PAGE_BYTES).fold(0, |all, byte| all ^ byte));
}
