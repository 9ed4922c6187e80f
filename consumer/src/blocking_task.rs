//! Runs work on the threads that may block, and turns its panics into errors.

use crate::error::{Error, Result};

/// Runs work that may wait for a disk or takes long. A panic becomes an error of this version.
pub(crate) async fn run_blocking<T: Send + 'static>(
    version: u64,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(failure) => Err(Error::Panicked {
            version,
            message: match failure.try_into_panic() {
                Ok(panic) => panic_message(&*panic).to_owned(),
                Err(failure) => failure.to_string(),
            },
        }),
    }
}

/// Returns the text of a panic.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
