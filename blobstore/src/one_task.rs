//! Runs a call with all of its work on files in one task of a blocking thread.
//!
//! To hand work to another thread and to be woken again costs more than to read a small file. So a call that reads
//! several files of this host, such as an opening, is handed over as a whole, and its work is done as it comes.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::error::{Error, Result};

thread_local! {
    /// The call that this thread is in, if the thread may wait for a disk.
    static CALL: RefCell<Option<Arc<Steps>>> = const { RefCell::new(None) };
}

/// How far a call has come.
#[derive(Debug, Default)]
struct Steps {
    /// Number of works on files that are done.
    done: AtomicU64,
    /// Whether it computes, which takes as long as it takes.
    computes: AtomicBool,
}

/// Runs a call in one task of a blocking thread, and waits for it as long as one of its steps is done in this time.
///
/// Within the call, work on files of this host is done by the same thread, without a task of its own. If this thread may wait
/// for a disk anyway, the call runs here. A call that is no longer waited for goes on to its end, so it must not change
/// what others see.
///
/// # Errors
/// [`Error::TimedOut`] about `operation` and `name`.
pub async fn in_one_task<T: Send + 'static>(
    (operation, name): (&'static str, &str),
    patience: Duration,
    call: impl Future<Output = T> + Send + 'static,
) -> Result<T> {
    if current().is_some() {
        return Ok(call.await);
    }
    let steps = Arc::<Steps>::default();
    let (runtime, taken) = (Handle::current(), Arc::clone(&steps));
    let mut task = pin!(tokio::task::spawn_blocking(move || runtime.block_on(poll_here(taken, call))));
    loop {
        let before = steps.done.load(Ordering::Relaxed);
        match tokio::time::timeout(patience, &mut task).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(failure)) => std::panic::resume_unwind(failure.into_panic()),
            Err(_) if steps.computes.load(Ordering::Relaxed) || steps.done.load(Ordering::Relaxed) > before => {}
            Err(_) => return Err(Error::TimedOut { operation, name: name.to_owned(), waited: patience }),
        }
    }
}

/// Runs a call whose work on files of this host is done by the thread that polls it: one that may wait for a disk.
pub async fn on_this_thread<T>(call: impl Future<Output = T>) -> T {
    poll_here(Arc::default(), call).await
}

/// Does work here if this thread may wait for a disk, however long it takes, else returns it.
///
/// # Errors
/// The work, which is not begun.
pub fn compute_here<T, W: FnOnce() -> T>(work: W) -> std::result::Result<T, W> {
    let Some(steps) = current() else { return Err(work) };
    steps.computes.store(true, Ordering::Relaxed);
    let done = work();
    steps.computes.store(false, Ordering::Relaxed);
    Ok(done)
}

/// Does work on files by a thread that may wait for a disk: this one, or another. A panic of the work goes on in the
/// caller.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    if let Some(steps) = current() {
        let done = work();
        steps.done.fetch_add(1, Ordering::Relaxed);
        return done;
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

fn current() -> Option<Arc<Steps>> {
    CALL.with_borrow(Clone::clone)
}

async fn poll_here<T>(steps: Arc<Steps>, call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    poll_fn(|context| {
        let _entered = Entered { before: CALL.replace(Some(Arc::clone(&steps))) };
        call.as_mut().poll(context)
    })
    .await
}

/// Puts back on drop what the thread was in before.
struct Entered {
    before: Option<Arc<Steps>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CALL.replace(self.before.take());
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::thread::{self, ThreadId};

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(100);

    async fn threads() -> [ThreadId; 3] {
        let first = blocking(|| thread::current().id()).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        [first, blocking(|| thread::current().id()).await, compute_here(|| thread::current().id()).ok().unwrap()]
    }

    #[tokio::test]
    async fn all_work_of_a_call_is_done_by_one_other_thread() {
        let [first, second, third] = in_one_task(("open", "x"), PATIENCE, threads()).await.unwrap();
        assert!(first == second && second == third && first != thread::current().id());
        assert!(compute_here(|| ()).is_err(), "this thread may not wait");
        assert_ne!(blocking(|| thread::current().id()).await, thread::current().id());
    }

    #[test]
    fn all_work_of_a_call_is_done_by_the_thread_that_may_wait() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let nested = async { in_one_task(("open", "x"), PATIENCE, threads()).await.unwrap() };
        assert_eq!(runtime.block_on(on_this_thread(nested)), [thread::current().id(); 3]);
    }

    #[tokio::test]
    async fn a_call_is_waited_for_as_long_as_it_moves() {
        let step = PATIENCE / 2;
        let moves = in_one_task(("open", "x"), PATIENCE, async move {
            for _ in 0..5 {
                blocking(move || thread::sleep(step)).await;
            }
            compute_here(|| thread::sleep(PATIENCE * 3)).is_ok()
        });
        assert!(moves.await.unwrap());
        let stands = in_one_task(("open", "x"), PATIENCE, blocking(|| thread::sleep(PATIENCE * 4)));
        assert!(matches!(stands.await.unwrap_err(), Error::TimedOut { operation: "open", name, .. } if name == "x"));
    }

    #[tokio::test]
    #[should_panic(expected = "of the call")]
    async fn a_panic_of_the_call_goes_on_in_the_caller() {
        _ = in_one_task(("open", "x"), PATIENCE * 600, async { panic!("of the call") }).await;
    }
}
