//! A backend in memory that counts what it is asked for, and lets a test interfere with some files.

use std::sync::Arc;
use std::time::Duration;

use kapok_blobstore::Store;
use kapok_testing::object_store::ObjectStore;
use kapok_testing::object_store::memory::InMemory;
use kapok_testing::{Counting, Hooks, Intercept, Operation, Slow};

#[derive(Default)]
pub struct Watched {
    pub memory: Arc<InMemory>,
    counting: Arc<Counting>,
    hooks: Arc<Hooks>,
    slow: Arc<Slow>,
}

impl Watched {
    pub async fn store(&self) -> Store {
        let backend: Arc<dyn ObjectStore> = Arc::clone(&self.memory) as _;
        let backend = self.counting.over(self.hooks.over(self.slow.over(backend)));
        Store::options().writable().object_store(backend, "set").open("test://set").await.unwrap()
    }

    /// How many gets and heads there were.
    pub fn gets(&self) -> usize {
        self.counting.count_of(&[Operation::Get, Operation::Head])
    }

    /// What happens just before the first get of a file whose name holds the text.
    pub fn before_get_of(&self, name: &str, hook: impl Future<Output = ()> + Send + 'static) {
        self.hooks.set_once(Operation::Get, name, hook);
    }

    /// How long a get of a file takes whose name holds the text.
    pub fn slow_down(&self, name: &str, time: Duration) {
        self.slow.slow_down(name, time);
    }

    /// The files whose name holds the text that were asked for since this was last asked.
    pub fn asked_for(&self, name: &str) -> Vec<String> {
        let gets = self.counting.take().into_iter().filter(|(operation, _)| *operation == Operation::Get);
        gets.map(|(_, path)| path).filter(|path| path.contains(name)).collect()
    }
}
