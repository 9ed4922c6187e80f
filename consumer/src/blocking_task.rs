//! Runs work on the threads that may block, and turns its panics into errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kapok_blobstore::compute_here;

use crate::error::{Error, Result};

/// Runs work that may wait for a disk or takes long, on this thread if it may wait. A panic becomes an error of this version.
pub(crate) async fn run_blocking<T: Send + 'static>(
    version: u64,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    catching(work).await.unwrap_or_else(|message| Err(Error::Panicked { version, message }))
}

/// Runs work on this thread if it may wait, else on a blocking one. Of a panic its text is returned.
///
/// A call that has a blocking thread must not wait for another: there may be no more.
pub(crate) async fn catching<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> std::result::Result<T, String> {
    let work = || catch_unwind(AssertUnwindSafe(work));
    let caught = match compute_here(work) {
        Ok(caught) => caught,
        Err(work) => tokio::task::spawn_blocking(work).await.map_err(|failure| failure.to_string())?,
    };
    caught.map_err(|panic| panic_message(&*panic).to_owned())
}

/// Returns the text of a panic.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
