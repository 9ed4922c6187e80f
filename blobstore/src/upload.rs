//! Puts large blobs in parts, and aborts an upload that fails.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{MultipartUpload, ObjectStoreExt};

use crate::error::Result;
use crate::objects::Objects;

/// Length of a part.
const PART_BYTES: usize = 16 << 20;
/// Number of parts that are on their way at once.
const PARTS_IN_FLIGHT: usize = 4;

/// An upload that is aborted unless it is completed, also if its future is dropped half way.
struct Upload {
    parts: Option<Box<dyn MultipartUpload>>,
}

impl Upload {
    /// Aborts it now. A failed abort leaves parts that the backend expires.
    async fn abort(mut self, objects: &Objects, key: &str) {
        if let Some(mut parts) = self.parts.take() {
            let _ = objects.bounded("abort", key, parts.abort()).await;
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        // Outside of a runtime nothing can be sent any more.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = parts.abort().await;
            });
        }
    }
}

impl Objects {
    /// Puts a file in parts: whole, or not at all.
    pub(crate) async fn put_parts(&self, key: &str, bytes: Bytes) -> Result<()> {
        let path = self.path(key);
        let begun = self.bounded("write", key, self.backend.put_multipart(&path)).await?;
        let mut upload = Upload { parts: Some(begun) };
        let mut sends = Vec::new();
        if let Some(parts) = &mut upload.parts {
            for start in (0..bytes.len()).step_by(PART_BYTES) {
                let part = bytes.slice(start..bytes.len().min(start + PART_BYTES));
                let len = part.len() as u64;
                sends.push(self.moving("write", key, len, parts.put_part(part.into())));
            }
        }
        let sent: Result<()> = futures::stream::iter(sends).buffer_unordered(PARTS_IN_FLIGHT).try_collect().await;
        let done = match (sent, &mut upload.parts) {
            (Ok(()), Some(parts)) => self.bounded("write", key, parts.complete()).await.map(drop),
            (sent, _) => sent,
        };
        match done {
            Ok(()) => upload.parts = None,
            // The first error is the one to tell.
            Err(error) => {
                upload.abort(self, key).await;
                return Err(error);
            }
        }
        Ok(())
    }
}
