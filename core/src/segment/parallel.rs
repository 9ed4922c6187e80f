//! Spreads independent work over the processors.

use std::num::NonZeroUsize;
use std::sync::Mutex;

/// Calls a function with each task, on as many threads as there are processors, and collects the results in order.
pub fn in_parallel<T: Send, R: Send>(tasks: Vec<T>, f: impl Fn(T) -> R + Sync) -> Vec<R> {
    in_parallel_on(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN), tasks, f)
}

/// Calls a function with each task, on at most so many threads, this one among them, and collects the results in order.
pub fn in_parallel_on<T: Send, R: Send>(threads: NonZeroUsize, tasks: Vec<T>, f: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = threads.get().min(tasks.len());
    if threads <= 1 {
        return tasks.into_iter().map(f).collect();
    }
    let count = tasks.len();
    let queue = Mutex::new(tasks.into_iter().enumerate());
    let work = || {
        let mut done = Vec::new();
        loop {
            let next = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
            match next {
                Some((index, task)) => done.push((index, f(task))),
                None => break done,
            }
        }
    };
    let mut results: Vec<Option<R>> = Vec::new();
    results.resize_with(count, || None);
    std::thread::scope(|scope| {
        // Where the system gives no more threads, those that there are do all of it.
        let start = |_| std::thread::Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..threads).filter_map(start).collect();
        let mut done = work();
        for thread in others {
            match thread.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        for (index, result) in done {
            results[index] = Some(result);
        }
    });
    results.into_iter().flatten().collect()
}
