//! A backend in memory that counts requests and lets a test interfere with those for some files.

use std::sync::Arc;
use std::time::Duration;

use kapok_blobstore::Store;
use kapok_testing::object_store::ObjectStore;
use kapok_testing::object_store::memory::InMemory;
use kapok_testing::{Counting, Hooks, Intercept, Operation, Slow};

/// A backend in memory, and what counts and interferes in front of it.
#[derive(Default)]
pub struct TestBackend {
    pub memory: Arc<InMemory>,
    counting: Arc<Counting>,
    hooks: Arc<Hooks>,
    slow: Arc<Slow>,
}

impl TestBackend {
    /// Opens a store on the backend.
    pub async fn store(&self) -> Store {
        let backend: Arc<dyn ObjectStore> = Arc::clone(&self.memory) as _;
        let backend = self.counting.over(self.hooks.over(self.slow.over(backend)));
        Store::options().writable().object_store(backend, "set").open("test://set").await.unwrap()
    }

    /// Returns the number of gets and heads so far.
    pub fn gets(&self) -> usize {
        self.counting.count_of(&[Operation::Get, Operation::Head])
    }

    /// Runs a hook just before the first get of a file whose name contains the text.
    pub fn before_get_of(&self, name: &str, hook: impl Future<Output = ()> + Send + 'static) {
        self.hooks.set_once(Operation::Get, name, hook);
    }

    /// Makes gets of files whose name contains the text take this long.
    pub fn slow_down(&self, name: &str, time: Duration) {
        self.slow.slow_down(name, time);
    }

    /// Returns the files whose name contains the text that were read since this was last called.
    pub fn take_reads(&self, name: &str) -> Vec<String> {
        let gets = self.counting.take().into_iter().filter(|(operation, _)| *operation == Operation::Get);
        gets.map(|(_, path)| path).filter(|path| path.contains(name)).collect()
    }
}
