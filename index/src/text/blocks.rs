//! Terms in blocks: each but the first of a block without what it has in common with the one before.

use kapok_core::{Error, Result};

use super::{BLOCK_TERMS, NUMBER_BYTES, TextIndex, number_at};

/// A half of a token that says that more of its number follows.
const MORE: usize = 15;

/// A side of the terms that begin with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Before the first of them.
    Before,
    /// Behind the last of them.
    Behind,
}

impl Side {
    /// Returns whether a term stands before this side.
    fn is_behind(self, term: &[u8], text: &[u8]) -> bool {
        if term.starts_with(text) { self == Self::Behind } else { term < text }
    }
}

/// Appends terms to blocks.
#[derive(Default)]
pub(super) struct BlockWriter {
    /// Where each block begins.
    pub directory: Vec<u32>,
    pub blocks: Vec<u8>,
    count: u32,
}

impl BlockWriter {
    /// Appends a term, which stands behind `before`; `None` if the blocks would take 4 GiB.
    pub fn push(&mut self, term: &[u8], before: &[u8]) -> Option<()> {
        let mut common = 0;
        if self.count.is_multiple_of(BLOCK_TERMS) {
            self.directory.push(u32::try_from(self.blocks.len()).ok()?);
        } else {
            common = common_len(term, before);
        }
        self.count += 1;
        let suffix = term.get(common..)?;
        let half = |len: usize| u8::try_from(len.min(MORE)).unwrap_or(u8::MAX);
        self.blocks.push(half(common) << 4 | half(suffix.len()));
        [common, suffix.len()].into_iter().filter(|len| *len >= MORE).for_each(|len| self.push_number(len - MORE));
        self.blocks.extend_from_slice(suffix);
        u32::try_from(self.blocks.len()).ok().map(drop)
    }

    fn push_number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.blocks.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
            number >>= 7;
        }
        self.blocks.push(u8::try_from(number).unwrap_or_default());
    }
}

/// Returns the number of first bytes that two texts have in common.
pub(super) fn common_len(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Reads the terms of a block: of each, how much it has in common with the one before, and the rest.
#[derive(Clone, Copy, Debug)]
struct BlockTerms<'v>(&'v [u8]);

impl<'v> BlockTerms<'v> {
    /// `None` if the next term is not within the block.
    #[inline]
    fn next(&mut self) -> Option<(usize, &'v [u8])> {
        let (token, rest) = self.0.split_first()?;
        self.0 = rest;
        let (mut common, mut len) = (usize::from(*token >> 4), usize::from(*token & 15));
        if common == MORE {
            common = common.checked_add(self.number()?)?;
        }
        if len == MORE {
            len = len.checked_add(self.number()?)?;
        }
        let (suffix, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some((common, suffix))
    }

    /// Reads a number of at most 35 bits.
    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= usize::from(*byte & 0x7f).checked_shl(shift)?;
            if *byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

/// A walk over the terms of an index, from the beginning of a block on.
pub(super) struct Walk<'v> {
    index: &'v TextIndex,
    block: BlockTerms<'v>,
    /// The number of the next term.
    next: u32,
    term: Vec<u8>,
    /// Bytes that the term has from the one before.
    common: usize,
    /// Bytes of the last term that was come by, which may have been passed over.
    len: usize,
}

impl<'v> Walk<'v> {
    /// Begins at a block.
    pub fn from(index: &'v TextIndex, block: u32) -> Self {
        let next = block.saturating_mul(BLOCK_TERMS);
        Self { index, block: BlockTerms(&[]), next, term: Vec::new(), common: 0, len: 0 }
    }

    /// Returns the number of the term.
    pub fn number(&self) -> u32 {
        self.next.saturating_sub(1)
    }

    /// Returns the term.
    pub fn term(&self) -> &[u8] {
        &self.term
    }

    /// Returns the number of first bytes that the term has in common with the one that the walk came to before it.
    pub fn common(&self) -> usize {
        self.common
    }

    /// Goes to the next term; false behind the last. `dead`: passes over the terms that have as many first bytes in common
    /// with the one at hand, which are at least one.
    pub fn advance(&mut self, dead: Option<usize>) -> Result<bool> {
        loop {
            if self.next >= self.index.terms {
                return Ok(false);
            }
            if self.next.is_multiple_of(BLOCK_TERMS) {
                self.enter_block(dead)?;
            }
            let Some((common, suffix)) = self.block.next().filter(|(common, _)| *common <= self.len) else {
                return Err(self.index.corrupt_block(self.next / BLOCK_TERMS));
            };
            let is_first = self.next.is_multiple_of(BLOCK_TERMS);
            self.next += 1;
            self.len = common + suffix.len();
            // The first of a block is whole.
            let shared = if is_first { common_len(suffix, &self.term) } else { common };
            if dead.is_some_and(|dead| shared >= dead) {
                continue;
            }
            self.term.truncate(common);
            self.term.extend_from_slice(suffix);
            self.common = shared;
            return Ok(true);
        }
    }

    /// Opens the block of the next term, or a later one: the blocks before it have nothing but dead terms.
    fn enter_block(&mut self, dead: Option<usize>) -> Result<()> {
        let (mut block, blocks) = (self.next / BLOCK_TERMS, self.index.block_count());
        let mut terms = self.index.block(block)?;
        if let Some(dead) = dead.and_then(|dead| self.term.get(..dead)) {
            while block + 1 < blocks && self.index.head(block + 1)?.starts_with(dead) {
                block += 1;
                terms = self.index.block(block)?;
            }
        }
        (self.block, self.next, self.len) = (terms, block * BLOCK_TERMS, 0);
        Ok(())
    }
}

impl TextIndex {
    pub(super) fn block_count(&self) -> u32 {
        self.terms.div_ceil(BLOCK_TERMS)
    }

    fn block(&self, block: u32) -> Result<BlockTerms<'_>> {
        let at = |block: u32| number_at(&self.bytes, self.directory_at + block as usize * NUMBER_BYTES) as usize;
        let blocks = self.bytes.get(self.blocks_at..self.blocks_end).unwrap_or_default();
        let end = if block + 1 < self.block_count() { at(block + 1) } else { blocks.len() };
        blocks.get(at(block)..end).map(BlockTerms).ok_or_else(|| self.corrupt_block(block))
    }

    /// Returns the first term of a block.
    fn head(&self, block: u32) -> Result<&[u8]> {
        match self.block(block)?.next() {
            Some((0, head)) => Ok(head),
            _ => Err(self.corrupt_block(block)),
        }
    }

    /// Returns the number of the first term at a side of the terms that begin with a text, and whether it is the text.
    pub(super) fn position(&self, text: &[u8], side: Side) -> Result<(u32, bool)> {
        let (mut low, mut high) = (0, self.block_count());
        while low < high {
            let middle = low.midpoint(high);
            if side.is_behind(self.head(middle)?, text) { low = middle + 1 } else { high = middle }
        }
        let is_head = |block: u32| -> Result<bool> { Ok(block < self.block_count() && self.head(block)? == text) };
        let Some(block) = low.checked_sub(1) else { return Ok((0, is_head(0)?)) };
        let first = block * BLOCK_TERMS;
        let count = BLOCK_TERMS.min(self.terms - first);
        let mut terms = self.block(block)?;
        // Bytes that the last term, which stands before the side, has in common with the text.
        let mut shared = 0;
        for place in 0..count {
            let (common, suffix) = terms.next().ok_or_else(|| self.corrupt_block(block))?;
            if common > shared {
                continue;
            }
            let rest = text.get(common..).unwrap_or_default();
            if common < shared || !side.is_behind(suffix, rest) {
                return Ok((first + place, common == shared && suffix == rest));
            }
            shared = common + common_len(suffix, rest);
        }
        Ok((first + count, is_head(low)?))
    }

    #[cold]
    fn corrupt_block(&self, block: u32) -> Error {
        let at = self.directory_at + block as usize * NUMBER_BYTES;
        Error::corrupt(&*self.name, at as u64, format!("block {block} of terms within the index"), "something else")
    }
}
