//! A graph in place: links of rows on level 0, links of ranks on the levels above.
//!
//! ```text
//! │ head      │ counts   │ level 0                      │ order        │ level 1            │ level 2 │ …
//! │ 16 words  │ 16 words │ m0 links of each row         │ row of each  │ m links of each    │         │
//! │           │          │ (rows; unused: 0xffffffff)   │ upper rank   │ rank (ranks)       │         │
//! ```
//!
//! Ranks are rows with vectors in the [`Order`](crate::Order) of their keys' hashes; a level is the first so many of them.
//! A word is a little-endian `u32`.

use kapok_core::{Error, Result};
use kapok_distance::{Kernels, Rows};

use crate::number::row;
use crate::order::LEVELS_MAX;

/// A link or another number, little-endian.
pub(crate) type Word = [u8; 4];

/// A link that there is not.
pub(crate) const NONE: Word = u32::MAX.to_le_bytes();
const HEAD_WORDS: usize = 32;
const COUNTS_AT: usize = 16;
/// Links that a node may have.
pub(crate) const LINKS_MAX: u32 = 256;

/// Sizes of a graph's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub rows: u32,
    pub m: usize,
    pub m0: usize,
    /// Rows on levels 1, 2, and so on.
    pub counts: Vec<u32>,
}

impl Shape {
    pub fn order_at(&self) -> usize {
        HEAD_WORDS + self.rows as usize * self.m0
    }

    fn upper_count(&self) -> usize {
        self.counts.first().map_or(0, |count| *count as usize)
    }

    /// Returns where the links of a level above 0 begin.
    pub fn level_at(&self, level: usize) -> usize {
        let below: usize = self.counts[..level - 1].iter().map(|count| *count as usize).sum();
        self.order_at() + self.upper_count() + below * self.m
    }

    pub fn words(&self) -> usize {
        self.level_at(self.counts.len() + 1)
    }
}

/// What stands in a graph's head beside its shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub ef_construction: u32,
    /// Rows with vectors.
    pub vectors: u32,
    /// Row with which searches begin, unless there are upper levels.
    pub first: u32,
    /// First bytes of the id of the segment whose graph it was grown from; zeros for none.
    pub seed: [u8; 16],
}

/// Begins the words of a graph without links.
pub(crate) fn begin(shape: &Shape, head: &Head) -> Vec<Word> {
    let mut words = vec![NONE; shape.words()];
    words[..HEAD_WORDS].fill([0; 4]);
    let numbers = [row(shape.m), row(shape.m0), head.ef_construction, head.vectors, head.first];
    for (word, number) in words.iter_mut().zip(numbers) {
        *word = number.to_le_bytes();
    }
    words[8..12].copy_from_slice(head.seed.as_chunks().0);
    for (word, count) in words[COUNTS_AT..].iter_mut().zip(&shape.counts) {
        *word = count.to_le_bytes();
    }
    words
}

/// A graph in place.
#[derive(Clone, Debug)]
pub struct Graph<'a> {
    shape: Shape,
    head: Head,
    words: &'a [Word],
    level0: Rows<'a>,
    kernels: Kernels,
    /// Rank with which searches begin: the least of those that are linked.
    pub(crate) entry: u32,
    /// Its row.
    start: u32,
}

impl<'a> Graph<'a> {
    /// Opens the body of an artifact. `name`: what errors call it; `at`: where in it the body begins.
    ///
    /// # Errors
    /// `Corrupt` if it is not a graph of so many rows. Links themselves may be anything: those that are wrong are passed over.
    pub fn open(name: &str, at: usize, body: &'a [u8], rows: u32) -> Result<Self> {
        let corrupt = |offset: usize, expected: String, found: String| Error::corrupt(name, (at + offset) as u64, expected, found);
        let (words, rest) = body.as_chunks();
        if words.len() < HEAD_WORDS || !rest.is_empty() {
            return Err(corrupt(body.len(), "a head and whole words".into(), format!("{} bytes", body.len())));
        }
        let number = |at: usize| u32::from_le_bytes(words[at]);
        let (m, m0) = (number(0), number(1));
        if !(2..=LINKS_MAX).contains(&m) || !(m..=LINKS_MAX).contains(&m0) {
            return Err(corrupt(0, format!("m and m0 from 2 to {LINKS_MAX}"), format!("m={m} m0={m0}")));
        }
        let counts: Vec<u32> = (0..LEVELS_MAX).map(|level| number(COUNTS_AT + level)).take_while(|count| *count > 0).collect();
        if !counts.is_sorted_by(|a, b| a >= b) || counts.first().is_some_and(|count| *count > rows) {
            return Err(corrupt(4 * COUNTS_AT, format!("falling counts of at most {rows}"), format!("{counts:?}")));
        }
        let shape = Shape { rows, m: m as usize, m0: m0 as usize, counts };
        if words.len() != shape.words() {
            return Err(corrupt(body.len(), format!("a body of {} bytes", 4 * shape.words()), format!("{} bytes", body.len())));
        }
        let mut seed = [0; 16];
        seed.copy_from_slice(words[8..12].as_flattened());
        let head = Head { ef_construction: number(2), vectors: number(3), first: number(4), seed };
        if head.vectors > rows || (head.vectors > 0 && head.first >= rows) {
            return Err(corrupt(12, format!("vectors and a first row among {rows}"), format!("{} and {}", head.vectors, head.first)));
        }
        Self::view(shape, head, words, (0, head.first))
            .ok_or_else(|| corrupt(0, "links within the body".into(), format!("{} bytes", body.len())))
    }

    /// Views words that are as long as the shape says.
    pub(crate) fn view(shape: Shape, head: Head, words: &'a [Word], (entry, start): (u32, u32)) -> Option<Self> {
        let row_bytes = 4 * shape.m0;
        let level0 = Rows::new(words.as_flattened(), 4 * HEAD_WORDS, row_bytes, row_bytes, shape.rows).ok()?;
        Some(Self { shape, head, words, level0, kernels: Kernels::detect(), entry, start })
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Returns the number of rows with vectors.
    pub fn vectors(&self) -> u32 {
        self.head.vectors
    }

    /// Returns the first bytes of the id of the segment whose graph this one was grown from; zeros for none.
    pub fn seed(&self) -> [u8; 16] {
        self.head.seed
    }

    /// Returns `m`, `m0` and `ef_construction`.
    pub fn parameters(&self) -> (u32, u32, u32) {
        (row(self.shape.m), row(self.shape.m0), self.head.ef_construction)
    }

    /// Returns the number of levels above 0 that the entry is on.
    pub(crate) fn top(&self) -> usize {
        self.shape.counts.iter().take_while(|count| self.entry < **count).count()
    }

    /// Returns the row of the first rank.
    pub(crate) fn first(&self) -> u32 {
        self.head.first
    }

    /// Returns the row with which a search begins that no upper level leads.
    pub(crate) fn start(&self) -> u32 {
        self.start
    }

    /// Returns the row of a rank with upper levels.
    #[inline]
    pub(crate) fn row_of(&self, rank: u32) -> Option<u32> {
        if rank as usize >= self.shape.upper_count() {
            return None;
        }
        let row = u32::from_le_bytes(*self.words.get(self.shape.order_at() + rank as usize)?);
        (row < self.shape.rows).then_some(row)
    }

    /// Returns the slots of a row's links on level 0.
    #[inline]
    pub(crate) fn links(&self, row: u32) -> &'a [Word] {
        if row < self.shape.rows { self.level0.row(row).as_chunks().0 } else { &[] }
    }

    /// Returns the slots of a rank's links on a level above 0.
    #[inline]
    pub(crate) fn upper_links(&self, level: usize, rank: u32) -> &'a [Word] {
        if self.shape.counts.get(level - 1).is_none_or(|count| rank >= *count) {
            return &[];
        }
        let at = self.shape.level_at(level) + rank as usize * self.shape.m;
        &self.words[at..at + self.shape.m]
    }

    #[inline]
    pub(crate) fn prefetch(&self, row: u32) {
        self.kernels.prefetch(&self.level0, row);
    }

    /// Counts what it consists of, in time linear in its length.
    pub fn statistics(&self) -> GraphStatistics {
        let held = |row| self.links(row).iter().take_while(|link| **link != NONE).count();
        let counts = (0..self.shape.rows).map(held);
        let (links, most) = counts.fold((0, 0), |(sum, most), count| (sum + count as u64, most.max(count)));
        GraphStatistics {
            vectors: self.head.vectors,
            levels: self.shape.counts.clone(),
            links,
            links_max: row(most),
            reachable: crate::reach::count_reachable(self),
        }
    }
}

/// What a graph consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GraphStatistics {
    /// Rows with vectors.
    pub vectors: u32,
    /// Rows on levels 1, 2, and so on.
    pub levels: Vec<u32>,
    /// Links of level 0.
    pub links: u64,
    /// Most links of a row on level 0.
    pub links_max: u32,
    /// Rows that a walk over level 0 reaches from where searches begin.
    pub reachable: u32,
}
