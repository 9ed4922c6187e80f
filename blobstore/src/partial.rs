//! Keeps what has arrived of blobs whose transfer broke off; the next try goes on from there.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::buffer::{BufferMut, BufferPool};

/// Memory for nothing yet.
fn nothing() -> BufferMut {
    BufferPool::shared().take(0)
}

/// More than this is not kept in memory for later.
const KEPT_BYTES_MAX: usize = 1 << 30;

/// The beginnings of blobs, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Partials {
    kept: Mutex<Vec<(String, BufferMut)>>,
}

/// The part of a blob that has arrived. If it is dropped before it is complete, the part is kept.
pub(crate) struct PartialBlob<'p> {
    partials: &'p Partials,
    key: &'p str,
    pub(crate) bytes: BufferMut,
}

impl Partials {
    /// Goes on with a blob, if a part of it is there.
    pub(crate) fn arriving<'p>(&'p self, key: &'p str) -> PartialBlob<'p> {
        let mut kept = self.kept();
        let at = kept.iter().position(|(found, _)| found == key);
        let bytes = at.map_or_else(nothing, |at| kept.remove(at).1);
        PartialBlob { partials: self, key, bytes }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(String, BufferMut)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialBlob<'_> {
    /// Returns the whole blob.
    pub(crate) fn complete(mut self) -> BufferMut {
        std::mem::replace(&mut self.bytes, nothing())
    }
}

impl Drop for PartialBlob<'_> {
    fn drop(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let mut kept = self.partials.kept();
        kept.push((self.key.to_owned(), std::mem::replace(&mut self.bytes, nothing())));
        // What is reserved counts, not what has arrived.
        while kept.iter().map(|(_, bytes)| bytes.capacity()).sum::<usize>() > KEPT_BYTES_MAX {
            kept.remove(0);
        }
    }
}
