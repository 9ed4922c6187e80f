//! A folder with schemas in it, and what was generated from them.

use std::fs;
use std::path::PathBuf;

use kapok_build::{Compiler, Error};
use tempfile::TempDir;

/// A schema that uses an annotation, and a type of `kapok.capnp` in a field.
pub const HUT: &str = include_str!("../outside/schemas/hut.capnp");

pub struct Workshop {
    folder: PathBuf,
    /// Deletes the folder at the end.
    _temporary: Option<TempDir>,
}

impl Workshop {
    pub fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        Self { folder: temporary.path().to_owned(), _temporary: Some(temporary) }
    }

    /// A folder that stays, so that what was built in it is not built again.
    pub fn kept(folder: PathBuf) -> Self {
        Self { folder, _temporary: None }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn compiler(&self) -> Compiler {
        Compiler::new().out_dir(self.path("out"))
    }

    pub fn generated(&self, name: &str) -> String {
        fs::read_to_string(self.path("out").join(name)).unwrap()
    }

    /// Whether code was generated; `false` if the `capnp` tool is not installed.
    pub fn runs(compiler: &Compiler) -> bool {
        match compiler.run() {
            Err(Error::MissingTool { .. }) => {
                eprintln!("skipped: the capnp tool is not installed");
                false
            }
            done => {
                done.unwrap();
                true
            }
        }
    }
}
