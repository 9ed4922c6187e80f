//! Reads a folder as an object store, and opens nothing but regular files.
//!
//! Files are opened as [`local_file`](crate::local_file) does it. All the rest is `object_store`'s.

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Extensions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::local_file::{failed, generic, look, open};
use crate::one_task::blocking;

/// A folder of this host.
#[derive(Debug)]
pub(crate) struct Folder {
    files: LocalFileSystem,
}

impl Folder {
    /// Wraps `object_store`'s own backend of a folder.
    pub(crate) fn over(files: LocalFileSystem) -> Self {
        Self { files }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Folder {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.files.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.files.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let place = self.files.path_to_filesystem(path)?;
        let location = path.clone();
        let is_head = options.head;
        let (file, metadata, place) = blocking(move || {
            if is_head {
                return look(&place).map(|metadata| (None, metadata, place));
            }
            open(&place).map(|(file, metadata)| (Some(file), metadata, place))
        })
        .await?;
        let meta = ObjectMeta {
            location,
            last_modified: metadata.modified().map_err(|source| failed(&place, source))?.into(),
            size: metadata.len(),
            e_tag: None,
            version: None,
        };
        let range = match &options.range {
            Some(range) => range.as_range(meta.size).map_err(|source| generic(source.into()))?,
            None => 0..meta.size,
        };
        let payload = match file {
            Some(file) => GetResultPayload::File(file, place),
            None => GetResultPayload::Stream(Box::pin(futures::stream::empty())),
        };
        Ok(GetResult { payload, meta, range, attributes: Attributes::default(), extensions: Extensions::default() })
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let found = self.get_opts(path, GetOptions { head: true, ..GetOptions::default() }).await?;
        drop(found);
        self.files.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }
}
