//! An upload in parts, of which each is a request.

use async_trait::async_trait;
use futures::FutureExt;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use crate::backend::Intercepted;
use crate::request::{Operation, Request};

#[derive(Debug)]
pub(crate) struct Upload {
    parts: Box<dyn MultipartUpload>,
    path: Path,
    backend: Intercepted,
}

impl Upload {
    pub(crate) fn new(parts: Box<dyn MultipartUpload>, path: Path, backend: Intercepted) -> Self {
        Self { parts, path, backend }
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let shown = payload.clone();
        let part = self.parts.put_part(payload);
        let (backend, path) = (self.backend.clone(), self.path.clone());
        async move { backend.run(Request::new(Operation::PutPart, &path).with(&shown), part).await }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.backend.run(Request::new(Operation::Complete, &self.path), self.parts.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.backend.run(Request::new(Operation::Abort, &self.path), self.parts.abort()).await
    }
}
