//! How does somebody learn of a swap without being in its way?

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use kapok_index::View;
use tokio::sync::watch;
use tracing::error;

use crate::consumer::Inner;

/// What is called with the view before and the view after.
pub(crate) type Listener = Box<dyn FnMut(&Arc<View>, &Arc<View>) + Send>;

/// Calls a listener after swaps until the consumer is gone. `seen`: the view as of the last call.
pub(crate) async fn run(
    consumer: Weak<Inner>,
    mut swaps: watch::Receiver<u64>,
    mut seen: Arc<View>,
    mut listener: Listener,
) {
    while swaps.changed().await.is_ok() {
        let Some(new) = consumer.upgrade().map(|inner| inner.view_arc()) else { return };
        if Arc::ptr_eq(&seen, &new) {
            continue;
        }
        let call = tokio::task::spawn_blocking(move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| listener(&seen, &new))) {
                error!(from = seen.version(), to = new.version(), cause = message(&*panic), "a listener panicked");
            }
            (listener, new)
        });
        // An error is the runtime's end.
        let Ok(returned) = call.await else { return };
        (listener, seen) = returned;
    }
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
