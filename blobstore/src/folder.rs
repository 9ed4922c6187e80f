//! Reads a folder as an object store, and opens nothing but regular files.
//!
//! A FIFO in the place of a file would be waited for until somebody writes to it, by a thread that cannot be stopped.
//! So a file is opened without waiting, and looked at before it is read. All the rest is `object_store`'s.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::Path as FilePath;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, Extensions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What stands in the place of a file and is none.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("not a regular file but {found}")]
pub(crate) struct NotAFile {
    /// What it is.
    pub(crate) found: &'static str,
}

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
        let opened = tokio::task::spawn_blocking(move || {
            if is_head {
                let metadata = std::fs::metadata(&place).map_err(|source| failed(&place, source))?;
                return check_kind(&metadata).map(|()| (None, metadata, place));
            }
            let file = open(&place).map_err(|source| failed(&place, source))?;
            let metadata = file.metadata().map_err(|source| failed(&place, source))?;
            check_kind(&metadata).map(|()| (Some(file), metadata, place))
        });
        let (file, metadata, place) = match opened.await {
            Ok(opened) => opened?,
            Err(failure) => std::panic::resume_unwind(failure.into_panic()),
        };
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

/// Opens for reading, without waiting for a writer of a FIFO or for a device.
fn open(path: &FilePath) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.open(path)
}

fn check_kind(metadata: &Metadata) -> Result<()> {
    if metadata.is_file() { Ok(()) } else { Err(generic(NotAFile { found: kind(metadata) }.into())) }
}

#[cfg(unix)]
fn kind(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_dir() {
        "a folder"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn kind(metadata: &Metadata) -> &'static str {
    if metadata.is_dir() { "a folder" } else { "a device" }
}

fn failed(path: &FilePath, source: io::Error) -> Error {
    let name = path.display().to_string();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::NotFound { path: name, source: source.into() },
        io::ErrorKind::PermissionDenied => Error::PermissionDenied { path: name, source: source.into() },
        // A socket cannot be opened at all.
        _ if is_socket(path) => generic(NotAFile { found: "a socket" }.into()),
        _ => generic(source.into()),
    }
}

fn is_socket(path: &FilePath) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && kind(&metadata) == "a socket")
}

fn generic(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Generic { store: "folder", source }
}
