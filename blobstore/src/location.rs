//! Understands a location, and opens the backend that it names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as Prefix;
use url::Url;

use crate::error::{Error, Result};
use crate::folder::Folder;
#[cfg(feature = "_remote")]
use crate::remote::Remote;
use crate::remote_options::RemoteOptions;
use crate::settings::StoreSettings;

/// A location, understood but not yet looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// `memory://NAME`
    Memory(String),
    /// `file:///path`, or a path.
    Folder(PathBuf),
    /// `s3://…`, `az://…`, `gs://…` or `http(s)://…`
    #[cfg(feature = "_remote")]
    Remote(Remote),
}

/// The backend of a location.
pub(crate) struct Backend {
    pub(crate) objects: Arc<dyn ObjectStore>,
    /// Where the store begins in it.
    pub(crate) prefix: Prefix,
    /// The folder, if the location is one.
    pub(crate) root: Option<PathBuf>,
}

/// Schemes of URLs that name a store, whether or not this program was built for them.
const SCHEMES: [&str; 12] =
    ["file", "memory", "s3", "s3a", "az", "adl", "azure", "abfs", "abfss", "gs", "http", "https"];

/// The stores in memory: one per name, for as long as the process lives.
static MEMORY: LazyLock<Mutex<HashMap<String, Arc<InMemory>>>> = LazyLock::new(Mutex::default);

impl Location {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Error::Location { location: shown(text), reason: reason.to_owned() };
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text.split_once(":/") {
                Some((scheme, _)) if SCHEMES.contains(&scheme) => Err(refuse("a URL has two slashes")),
                _ => Ok(Self::Folder(PathBuf::from(text))),
            };
        };
        match scheme {
            "memory" if rest.is_empty() => Err(refuse("a store in memory needs a name")),
            "memory" => Ok(Self::Memory(rest.to_owned())),
            "file" => Url::parse(text)
                .ok()
                .and_then(|url| url.to_file_path().ok())
                .map(Self::Folder)
                .ok_or_else(|| refuse("a file URL has three slashes and an absolute path")),
            #[cfg(feature = "_remote")]
            _ => Remote::parse(text).map(Self::Remote).map_err(|reason| refuse(&reason)),
            #[cfg(not(feature = "_remote"))]
            _ if SCHEMES.contains(&scheme) => {
                Err(refuse(&format!("this program was built without stores by {scheme}")))
            }
            #[cfg(not(feature = "_remote"))]
            _ => Err(refuse(&format!("scheme {scheme} is not supported"))),
        }
    }

    /// Returns whether the store is reached through a network.
    pub(crate) fn is_remote(&self) -> bool {
        match self {
            Self::Memory(_) | Self::Folder(_) => false,
            #[cfg(feature = "_remote")]
            Self::Remote(_) => true,
        }
    }

    /// Returns the backend. If the location is a folder, it must exist.
    #[cfg_attr(not(feature = "_remote"), expect(unused_variables, reason = "they are for stores behind a network"))]
    pub(crate) fn backend(&self, location: &str, options: &RemoteOptions, settings: &StoreSettings) -> Result<Backend> {
        if !self.is_remote() && !options.is_empty() {
            let reason =
                "options, headers and certificates are for stores that are reached through a network".to_owned();
            return Err(Error::Location { location: location.to_owned(), reason });
        }
        match self {
            Self::Memory(name) => {
                let mut stores = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
                let objects = Arc::clone(stores.entry(name.clone()).or_default());
                Ok(Backend { objects, prefix: Prefix::default(), root: None })
            }
            #[cfg(feature = "_remote")]
            Self::Remote(remote) => {
                let (objects, prefix) = remote.backend(location, options, settings)?;
                Ok(Backend { objects, prefix, root: None })
            }
            Self::Folder(path) => {
                let root = path.canonicalize().map_err(|source| match source.kind() {
                    std::io::ErrorKind::NotFound => Error::NotAStore {
                        location: location.to_owned(),
                        reason: "the folder does not exist".to_owned(),
                    },
                    std::io::ErrorKind::NotADirectory => in_a_file("open", location, path),
                    _ => Error::Io { operation: "open", path: path.clone(), source },
                })?;
                if !root.is_dir() {
                    return Err(in_a_file("open", location, path));
                }
                // Flushes files and the folders that name them, so that what was put survives a power cut.
                let files = LocalFileSystem::new_with_prefix(&root)
                    .map_err(|source| Error::Backend { operation: "open", name: location.to_owned(), source })?
                    .with_fsync(true);
                let objects = Arc::new(Folder::over(files));
                Ok(Backend { objects, prefix: Prefix::default(), root: Some(root) })
            }
        }
    }

    /// Returns the folders on the way to it that are not there, the outermost first.
    pub(crate) fn missing_folders(&self) -> Vec<PathBuf> {
        let Self::Folder(path) = self else { return Vec::new() };
        let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let mut missing: Vec<_> = path.ancestors().take_while(is_missing).map(Path::to_owned).collect();
        missing.reverse();
        missing
    }

    /// Makes the folder and those above it, durably. Does nothing if there are no folders.
    pub(crate) fn create(&self, location: &str) -> Result<()> {
        match self {
            Self::Memory(_) => Ok(()),
            #[cfg(feature = "_remote")]
            Self::Remote(_) => Ok(()),
            Self::Folder(path) if file_on_the_way(path).is_some() => Err(in_a_file("create folder", location, path)),
            Self::Folder(path) => create_folder(path),
        }
    }
}

/// Returns a location as it is printed: without what may hold a secret.
pub(crate) fn shown(location: &str) -> String {
    let Some((scheme, rest)) = location.split_once("://") else { return location.to_owned() };
    if matches!(scheme, "file" | "memory") {
        return location.to_owned();
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// Returns what stands where a folder must be for this path to be one.
fn file_on_the_way(path: &Path) -> Option<&Path> {
    path.ancestors().find(|it| it.exists()).filter(|it| !it.is_dir())
}

/// Returns the error of a path that is a file, or leads through one.
fn in_a_file(operation: &'static str, location: &str, path: &Path) -> Error {
    let file = file_on_the_way(path).unwrap_or(path).to_owned();
    Error::NotAFolder { operation, location: location.to_owned(), file }
}

/// Makes a folder and those above it, and flushes each folder that gained an entry.
pub(crate) fn create_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let failed = |source| Error::Io { operation: "create folder", path: path.to_owned(), source };
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_folder(parent)?;
    match std::fs::create_dir(path) {
        Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(source) => Err(failed(source)),
        Ok(()) if cfg!(unix) => std::fs::File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn paths_and_urls_are_understood() {
        let folder = |path: &str| Location::Folder(PathBuf::from(path));
        assert_eq!(Location::parse("data/movies").expect("path"), folder("data/movies"));
        assert_eq!(Location::parse("/srv/movies").expect("path"), folder("/srv/movies"));
        assert_eq!(Location::parse("file:///srv/my%20movies").expect("url"), folder("/srv/my movies"));
        assert_eq!(Location::parse("memory://a/b").expect("url"), Location::Memory("a/b".to_owned()));
    }

    #[test]
    fn other_schemes_are_refused_with_what_works() {
        for text in ["ftp://host/x", "s3:/bucket/x", "", "memory://", "file://host/share/x"] {
            let error = Location::parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            assert!(error.to_string().contains("file:///path, memory://NAME"), "{error}");
        }
    }

    #[test]
    fn a_location_is_shown_without_what_may_be_secret() {
        assert_eq!(shown("https://me:pa55@host:1/films?sig=pa55#x"), "https://host:1/films");
        assert_eq!(shown("s3://bucket/films?region=x"), "s3://bucket/films");
        assert_eq!(shown("data/what?is@this"), "data/what?is@this");
    }
}
