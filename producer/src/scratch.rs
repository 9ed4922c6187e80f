//! The buffer that a writer's records are built in, one after the other.

use capnp::message::{self, ScratchSpaceHeapAllocator};

/// Words of the buffer; larger records are copied once more.
const WORDS_MAX: usize = 1024;
/// Words that are used at first.
const WORDS_AT_FIRST: usize = 32;

/// A buffer of which as much is used as records need: all of it is zeroed for each of them.
#[derive(Debug)]
pub(crate) struct Scratch {
    words: Vec<capnp::Word>,
    used: usize,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { words: capnp::Word::allocate_zeroed_vec(WORDS_MAX), used: WORDS_AT_FIRST }
    }

    /// Makes a message in the buffer, and makes room for the next ones if it took more than there was.
    #[inline]
    pub(crate) fn build<R>(
        &mut self,
        with: impl FnOnce(&mut message::Builder<ScratchSpaceHeapAllocator<'_>>) -> R,
    ) -> R {
        let buffer = capnp::Word::words_to_bytes_mut(&mut self.words[..self.used]);
        let mut message = message::Builder::new(ScratchSpaceHeapAllocator::new(buffer));
        let result = with(&mut message);
        let words = message.size_in_words();
        drop(message);
        if words > self.used {
            self.used = words.next_power_of_two().min(WORDS_MAX);
        }
        result
    }
}
