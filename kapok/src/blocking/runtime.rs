//! The runtime that blocking calls share.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{Error, Result};

/// The runtime in use, if there is one.
static CURRENT: Mutex<Weak<SharedRuntime>> = Mutex::new(Weak::new());

/// A runtime of one worker thread, which runs tasks. Callers wait for their calls on their own threads.
#[derive(Debug)]
pub(super) struct SharedRuntime {
    /// Taken when this is dropped.
    runtime: Option<Runtime>,
}

impl SharedRuntime {
    /// Returns the runtime in use, or starts one.
    pub(super) fn get() -> Result<Arc<Self>> {
        refuse_async_code()?;
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = current.upgrade() {
            return Ok(shared);
        }
        let built = Builder::new_multi_thread().worker_threads(1).thread_name("kapok-blocking").enable_all().build();
        let runtime = built.map_err(|source| Error::Runtime { source })?;
        let shared = Arc::new(Self { runtime: Some(runtime) });
        *current = Arc::downgrade(&shared);
        Ok(shared)
    }

    /// Runs a call to its end on this thread.
    pub(super) fn wait<F: Future>(&self, call: F) -> Result<F::Output> {
        refuse_async_code()?;
        match &self.runtime {
            Some(runtime) => Ok(runtime.block_on(call)),
            None => Err(Error::InsideRuntime),
        }
    }

    /// Runs an opening to its end on this thread, which also waits for the disk itself.
    pub(super) fn wait_for_opening<F: Future>(&self, opening: F) -> Result<F::Output> {
        self.wait(kapok_blobstore::on_this_thread(opening))
    }
}

impl Drop for SharedRuntime {
    fn drop(&mut self) {
        // To wait for its tasks is not allowed in async code, and none of them has anything to finish.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn refuse_async_code() -> Result<()> {
    if Handle::try_current().is_ok() { Err(Error::InsideRuntime) } else { Ok(()) }
}
