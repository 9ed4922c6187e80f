//! Bytes in memory that are counted, sliced, begin at a multiple of 64, and go back to a pool.
//!
//! What is fetched without a cache, and what must be copied to be aligned, is filled into a [`BufferMut`] from a
//! [`BufferPool`] and frozen into a [`Buffer`], whose clones and slices share the memory. When the last of them is gone, the
//! memory goes back to its pool. `Bytes` made of a buffer hold it as long as they live, and a map is a buffer without a pool.

use std::fmt;
use std::ops::{Bound, Deref, RangeBounds};
use std::sync::{Arc, LazyLock, Weak};

use bytes::Bytes;

use crate::error::{Error, Result};

mod pool;

use pool::Pool;
pub use pool::PoolStats;

/// Buffers begin at a multiple of this many bytes: rows of vectors are read by instructions that want no less.
pub const BUFFER_ALIGNMENT: usize = 64;

/// Memory to be filled, from a [`BufferPool`].
pub struct BufferMut {
    /// Its first `start` bytes are only there to align the others.
    memory: Vec<u8>,
    start: usize,
    pool: Weak<Pool>,
}

/// Bytes that nobody changes any more. Clones and slices share them.
#[derive(Clone, Default)]
pub struct Buffer {
    bytes: Bytes,
}

/// A pool of memory in size classes, the powers of two from 1 KiB to 16 MiB. Clones are the same pool.
///
/// Larger memory is taken from the system and given back to it.
///
/// ```
/// let pool = kapok_blobstore::BufferPool::new(1 << 20);
/// let mut memory = pool.take(3000);
/// memory.extend_from_slice(b"rows");
/// let rows = memory.freeze();
/// assert_eq!(&rows.slice(1..3)?[..], b"ow");
/// drop(rows);
/// let again = pool.take(4000); // of the same class, 4 KiB
/// assert_eq!((pool.stats().hits, pool.stats().misses), (1, 1));
/// # Ok::<(), kapok_blobstore::Error>(())
/// ```
#[derive(Clone)]
pub struct BufferPool {
    pool: Arc<Pool>,
}

/// Bytes that the process's own pool keeps at most.
const SHARED_POOL_BYTES: usize = 64 << 20;

static SHARED: LazyLock<BufferPool> = LazyLock::new(|| BufferPool::new(SHARED_POOL_BYTES));

impl BufferPool {
    /// Makes a pool that keeps so many free bytes at most.
    pub fn new(bytes_max: usize) -> Self {
        Self { pool: Arc::new(Pool::new(bytes_max)) }
    }

    /// Returns the pool of the process, which stores take their memory from. It keeps 64 MiB at most.
    pub fn shared() -> &'static Self {
        &SHARED
    }

    /// Returns empty memory with room for so many bytes.
    pub fn take(&self, capacity: usize) -> BufferMut {
        let mut memory = self.pool.take(capacity);
        let start = memory.as_ptr().align_offset(BUFFER_ALIGNMENT);
        memory.resize(start, 0);
        BufferMut { memory, start, pool: Arc::downgrade(&self.pool) }
    }

    /// Returns what the pool holds, and how often it had what was asked for.
    pub fn stats(&self) -> PoolStats {
        self.pool.stats()
    }
}

impl BufferMut {
    /// Adds bytes to the end. More than there is room for moves what is there.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        if self.memory.capacity() - self.memory.len() < bytes.len() {
            self.grow(self.len() + bytes.len());
        }
        self.memory.extend_from_slice(bytes);
    }

    /// Makes room for so many bytes in all.
    pub fn reserve_total(&mut self, capacity: usize) {
        if self.memory.capacity() - self.start < capacity {
            self.grow(capacity);
        }
    }

    fn grow(&mut self, capacity: usize) {
        let pool = self.pool.upgrade().map_or_else(|| BufferPool::new(0), |pool| BufferPool { pool });
        let mut larger = pool.take(capacity.max(self.len() * 2));
        larger.memory.extend_from_slice(self);
        *self = larger;
    }

    /// Takes all bytes out; the room stays.
    pub fn clear(&mut self) {
        self.memory.truncate(self.start);
    }

    /// The bytes that it takes of the system's memory.
    pub fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// Ends the filling.
    pub fn freeze(self) -> Buffer {
        Buffer { bytes: Bytes::from_owner(Owner(self)) }
    }
}

impl Deref for BufferMut {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.start..]
    }
}

impl Drop for BufferMut {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.give_back(std::mem::take(&mut self.memory));
        }
    }
}

impl fmt::Debug for BufferMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferMut").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

struct Owner(BufferMut);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Buffer {
    /// Returns a buffer of these bytes: themselves if they begin at a multiple of so many bytes, at most 64 and a power of two, as
    /// maps do; else a copy from the shared pool.
    pub fn aligned(bytes: Bytes, alignment: usize) -> Self {
        debug_assert!(alignment.is_power_of_two() && alignment <= BUFFER_ALIGNMENT, "{alignment}");
        if bytes.is_empty() || bytes.as_ptr().align_offset(alignment) == 0 {
            return Self { bytes };
        }
        let mut copy = BufferPool::shared().take(bytes.len());
        copy.extend_from_slice(&bytes);
        copy.freeze()
    }

    /// Returns a part that shares the memory.
    ///
    /// # Errors
    /// [`Error::Argument`] for a range that ends before it begins, or beyond the buffer.
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Result<Self> {
        let start = match range.start_bound() {
            Bound::Included(start) => Some(*start),
            Bound::Excluded(before) => before.checked_add(1),
            Bound::Unbounded => Some(0),
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.checked_add(1),
            Bound::Excluded(end) => Some(*end),
            Bound::Unbounded => Some(self.bytes.len()),
        };
        match (start, end) {
            (Some(start), Some(end)) if start <= end && end <= self.bytes.len() => {
                Ok(Self { bytes: self.bytes.slice(start..end) })
            }
            _ => Err(Error::Argument {
                argument: "range",
                found: format!("{:?}..{:?} of {} bytes", range.start_bound(), range.end_bound(), self.bytes.len()),
                expected: "a range within the buffer",
            }),
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<Buffer> for Bytes {
    fn from(buffer: Buffer) -> Self {
        buffer.bytes
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.bytes.len()).finish()
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool").field("stats", &self.stats()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn filled(pool: &BufferPool, bytes: &[u8]) -> Buffer {
        let mut memory = pool.take(bytes.len());
        memory.extend_from_slice(bytes);
        memory.freeze()
    }

    #[test]
    fn buffers_begin_at_multiples_of_64_and_hold_what_was_filled_in() {
        let pool = BufferPool::new(1 << 20);
        for len in [0, 1, 1000, 1024, 1025, 70_000, 20 << 20] {
            let bytes: Vec<u8> = (0..=255).cycle().take(len).collect();
            let buffer = filled(&pool, &bytes);
            assert_eq!(buffer[..], bytes[..]);
            assert_eq!(buffer.as_ptr().align_offset(BUFFER_ALIGNMENT), 0, "{len}");
        }
    }

    #[test]
    fn memory_that_grows_keeps_its_bytes_and_stays_aligned() {
        let pool = BufferPool::new(1 << 20);
        let mut memory = pool.take(0);
        for byte in 0..10_000_u32 {
            memory.extend_from_slice(&byte.to_le_bytes());
        }
        let buffer = memory.freeze();
        assert!(buffer.chunks(4).zip(0_u32..).all(|(found, byte)| found == byte.to_le_bytes()));
        assert_eq!((buffer.len(), buffer.as_ptr().align_offset(BUFFER_ALIGNMENT)), (40_000, 0));
    }

    #[test]
    fn memory_goes_back_when_the_last_clone_or_slice_is_gone() {
        let pool = BufferPool::new(1 << 20);
        let buffer = filled(&pool, &[7; 3000]);
        let part = buffer.clone().slice(2999..).unwrap();
        let bytes = Bytes::from(buffer);
        assert_eq!((pool.stats().lent_bytes > 3000, pool.stats().free_bytes), (true, 0));
        drop(bytes);
        assert_eq!((part[0], pool.stats().free_bytes), (7, 0), "the slice holds it");
        drop(part);
        assert_eq!((pool.stats().lent_bytes, pool.stats().free_bytes > 3000), (0, true));
        drop(pool.take(4096));
        assert_eq!((pool.stats().hits, pool.stats().misses), (1, 1));
    }

    #[test]
    fn a_pool_keeps_no_more_than_it_may() {
        let pool = BufferPool::new(10_000);
        let all: Vec<_> = (0..20).map(|_| filled(&pool, &[1; 4096])).collect();
        drop(all);
        assert!(pool.stats().free_bytes <= 10_000 && pool.stats().free_bytes > 0, "{:?}", pool.stats());
        drop(pool.take(17 << 20));
        assert!(pool.stats().free_bytes <= 10_000, "no class is as large");
        let kept = filled(&pool, b"rows");
        drop(pool);
        assert_eq!(&kept[..], b"rows", "a buffer outlives its pool");
    }

    #[test]
    fn slices_beyond_the_buffer_are_errors() {
        let buffer = filled(BufferPool::shared(), b"rows");
        assert_eq!(&buffer.slice(..).unwrap()[..], b"rows");
        assert_eq!(&buffer.slice(1..=2).unwrap()[..], b"ow");
        assert_eq!(buffer.slice(4..).unwrap().len(), 0);
        #[expect(clippy::reversed_empty_ranges, reason = "it is to be refused")]
        for range in [0..5, 5..5, 3..2] {
            let error = buffer.slice(range).unwrap_err();
            assert!(error.to_string().contains("of 4 bytes"), "{error}");
        }
        assert!(buffer.slice(..=usize::MAX).is_err());
    }

    #[test]
    fn bytes_that_are_aligned_are_not_copied() {
        let whole = Bytes::from(filled(BufferPool::shared(), &[1; 300]));
        assert_eq!(Buffer::aligned(whole.clone(), BUFFER_ALIGNMENT).as_ptr(), whole.as_ptr());
        assert_eq!(Buffer::aligned(whole.slice(8..), 8).as_ptr(), whole[8..].as_ptr());
        let part = Buffer::aligned(whole.slice(3..200), 8);
        assert_eq!((part.as_ptr().align_offset(BUFFER_ALIGNMENT), &part[..]), (0, &whole[3..200]));
    }

    #[test]
    fn any_number_of_threads_take_and_give_back() {
        let pool = BufferPool::new(1 << 20);
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let pool = &pool;
                scope.spawn(move || {
                    for len in (0..2000).map(|step| step * 37 % 9000) {
                        let buffer = filled(pool, &vec![thread; len]);
                        assert!(buffer.iter().all(|byte| *byte == thread));
                    }
                });
            }
        });
        let stats = pool.stats();
        assert_eq!((stats.hits + stats.misses, stats.lent_bytes), (8000, 0));
        assert!(stats.hits > 7000, "{stats:?}");
    }
}
