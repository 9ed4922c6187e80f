//! The contract of a store, against each backend.

use std::sync::Arc;

use kapok_blobstore::Store;
use object_store::memory::InMemory;
use tempfile::TempDir;

async fn open_memory(name: &str) -> Store {
    Store::options().writable().open(&format!("memory://{name}")).await.unwrap()
}

async fn open_folder(_name: &str) -> (Store, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("made/on the way");
    (Store::options().writable().open(url.to_str().unwrap()).await.unwrap(), folder)
}

async fn open_prefix(_name: &str) -> Store {
    let backend = Arc::new(InMemory::new());
    Store::options().writable().object_store(backend, "some/prefix").open("test://prefix").await.unwrap()
}

mod memory {
    kapok_testing::conformance!(super::open_memory);
}
mod folder {
    kapok_testing::conformance!(super::open_folder);
}
mod prefix {
    kapok_testing::conformance!(super::open_prefix);
}
