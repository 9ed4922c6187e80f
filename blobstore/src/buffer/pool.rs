//! Free memory in size classes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::BUFFER_ALIGNMENT;

/// The smallest class: 1 KiB.
const CLASS_BITS_MIN: u32 = 10;
/// The largest: 16 MiB.
const CLASS_BITS_MAX: u32 = 24;
const CLASSES: usize = (CLASS_BITS_MAX - CLASS_BITS_MIN + 1) as usize;

/// What a pool holds, and how often it had what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PoolStats {
    /// Times that memory was there.
    pub hits: u64,
    /// Times that it was taken from the system.
    pub misses: u64,
    /// Bytes that the pool keeps for later.
    pub free_bytes: usize,
    /// Bytes that are in use, those beyond all classes included.
    pub lent_bytes: usize,
}

impl PoolStats {
    /// Returns the share of what was asked for that was there; `None` before the first time.
    pub fn hit_rate(&self) -> Option<f64> {
        let all = self.hits + self.misses;
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        (all > 0).then(|| self.hits as f64 / all as f64)
    }
}

/// The free memory and the counts, behind one lock: it is taken for each buffer, not for each byte.
pub(super) struct Pool {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    free: [Vec<Vec<u8>>; CLASSES],
    stats: PoolStats,
}

impl Pool {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, state: Mutex::default() }
    }

    pub(super) fn stats(&self) -> PoolStats {
        self.state().stats
    }

    /// Returns empty memory that has room for so many bytes and for aligning them.
    pub(super) fn take(&self, capacity: usize) -> Vec<u8> {
        let class = class(capacity);
        let found = {
            let mut state = self.state();
            let found = class.and_then(|class| state.free[class].pop());
            match &found {
                Some(memory) => {
                    state.stats.hits += 1;
                    state.stats.free_bytes -= memory.capacity();
                    state.stats.lent_bytes += memory.capacity();
                }
                None => state.stats.misses += 1,
            }
            found
        };
        found.unwrap_or_else(|| {
            let room = class.map_or(capacity, |class| 1 << (class + CLASS_BITS_MIN as usize));
            let memory = Vec::with_capacity(room + BUFFER_ALIGNMENT);
            self.state().stats.lent_bytes += memory.capacity();
            memory
        })
    }

    /// Keeps memory that was taken, if there is room for it.
    pub(super) fn give_back(&self, mut memory: Vec<u8>) {
        memory.clear();
        let size = memory.capacity();
        let mut state = self.state();
        state.stats.lent_bytes = state.stats.lent_bytes.saturating_sub(size);
        let class = class(size.saturating_sub(BUFFER_ALIGNMENT));
        if let Some(class) = class.filter(|_| state.stats.free_bytes + size <= self.bytes_max) {
            state.stats.free_bytes += size;
            state.free[class].push(memory);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the class of memory with room for so many bytes; `None` if there is none as large.
fn class(bytes: usize) -> Option<usize> {
    let bits = bytes.max(1).next_power_of_two().trailing_zeros().max(CLASS_BITS_MIN);
    (bits <= CLASS_BITS_MAX).then(|| (bits - CLASS_BITS_MIN) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_powers_of_two() {
        assert_eq!([0, 1, 1024].map(class), [Some(0); 3]);
        assert_eq!([1025, 2048, 16 << 20].map(class), [Some(1), Some(1), Some(14)]);
        assert_eq!(class((16 << 20) + 1), None);
    }

    #[test]
    fn the_rate_is_of_all_that_was_asked_for() {
        assert_eq!(PoolStats::default().hit_rate(), None);
        assert_eq!(PoolStats { hits: 3, misses: 1, ..PoolStats::default() }.hit_rate(), Some(0.75));
    }
}
