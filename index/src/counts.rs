//! Counts what readers do, on each thread by itself.
//!
//! A thread adds to numbers that no other thread writes, so readers never wait for each other's cache lines. Whoever asks adds
//! the threads up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kapok_hnsw::Strategy;

/// What all readers of this process have done since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadCounts {
    /// Runs of queries: calls of [`Query::rows_with`](crate::query::Query::rows_with) and of what calls it.
    pub queries: u64,
    /// Searches for near vectors, each of a batch counted.
    pub searches: u64,
    /// Segments that were searched, and how, in the order of [`Strategy::ALL`].
    pub segments: [SegmentCounts; Strategy::ALL.len()],
}

/// Searches of single segments by one strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentCounts {
    /// Segments that were searched.
    pub searches: u64,
    /// Distances that were measured: nodes that walks visited, or rows or codes of a scan.
    pub distances: u64,
}

const QUERIES: usize = 0;
const SEARCHES: usize = 1;
/// Two for each strategy.
const SEGMENTS: usize = 2;
const NUMBERS: usize = SEGMENTS + 2 * Strategy::ALL.len();

type Numbers = [u64; NUMBERS];

/// Numbers that one thread adds to, in cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct ThreadNumbers([AtomicU64; NUMBERS]);

impl ThreadNumbers {
    /// Adds to a number. Only its own thread calls this, so that nothing is lost between the load and the store.
    fn add(&self, place: usize, more: u64) {
        let number = &self.0[place];
        number.store(number.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    fn add_to(&self, sums: &mut Numbers) {
        for (sum, number) in sums.iter_mut().zip(&self.0) {
            *sum = sum.wrapping_add(number.load(Ordering::Relaxed));
        }
    }
}

/// The numbers of all threads.
struct AllNumbers {
    /// Sums of the threads that have ended.
    ended: Numbers,
    threads: Vec<Arc<ThreadNumbers>>,
}

static ALL: Mutex<AllNumbers> = Mutex::new(AllNumbers { ended: [0; NUMBERS], threads: Vec::new() });

fn all() -> MutexGuard<'static, AllNumbers> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The numbers of a thread, which it leaves behind when it ends.
struct Own(Arc<ThreadNumbers>);

impl Own {
    fn new() -> Self {
        let numbers = Arc::default();
        all().threads.push(Arc::clone(&numbers));
        Self(numbers)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut all = all();
        self.0.add_to(&mut all.ended);
        all.threads.retain(|numbers| !Arc::ptr_eq(numbers, &self.0));
    }
}

thread_local! {
    static OWN: Own = Own::new();
}

/// Adds to numbers of this thread; to none if it is ending.
fn add(numbers: &[(usize, u64)]) {
    _ = OWN.try_with(|own| numbers.iter().for_each(|(place, more)| own.0.add(*place, *more)));
}

/// Counts a run of a query.
pub(crate) fn query() {
    add(&[(QUERIES, 1)]);
}

/// Counts a search.
pub(crate) fn search() {
    add(&[(SEARCHES, 1)]);
}

/// Counts the search of a segment, in which so many distances were measured.
pub(crate) fn segment(strategy: Strategy, distances: u64) {
    let place = SEGMENTS + 2 * strategy as usize;
    add(&[(place, 1), (place + 1, distances)]);
}

impl ReadCounts {
    /// Adds up what the threads of this process have counted.
    pub fn of_process() -> Self {
        let all = all();
        let mut sums = all.ended;
        all.threads.iter().for_each(|numbers| numbers.add_to(&mut sums));
        let of_segments =
            |at: usize| SegmentCounts { searches: sums[SEGMENTS + 2 * at], distances: sums[SEGMENTS + 2 * at + 1] };
        Self { queries: sums[QUERIES], searches: sums[SEARCHES], segments: std::array::from_fn(of_segments) }
    }
}

#[cfg(test)]
mod tests {
    use super::{ReadCounts, Strategy, query, search, segment};

    #[test]
    fn what_threads_count_stays_when_they_end() {
        let before = ReadCounts::of_process();
        let counting = || {
            for round in 0..1000 {
                query();
                search();
                segment(Strategy::ALL[round % 4], 7);
            }
        };
        std::thread::scope(|scope| {
            (0..4).for_each(|_| _ = scope.spawn(counting));
        });
        let after = ReadCounts::of_process();
        assert!(after.queries - before.queries >= 4000 && after.searches - before.searches >= 4000);
        for (after, before) in after.segments.iter().zip(before.segments) {
            assert!(after.searches - before.searches >= 1000 && after.distances - before.distances >= 7000);
        }
        counting();
        let last = ReadCounts::of_process();
        assert!(last.queries - after.queries >= 1000, "those of a living thread, too");
    }
}
