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

use std::ops::Range;

use kapok_core::{Error, Result};
use kapok_distance::{Kernels, Rows};

use crate::BuildSettings;
use crate::number::row;
use crate::order::{LEVELS_MAX, Order};

/// A link or another number, little-endian.
pub(crate) type Word = [u8; 4];

/// A link that there is not.
pub(crate) const NONE: Word = u32::MAX.to_le_bytes();
const HEAD_WORDS: usize = 32;
const SEED_AT: usize = 8;
const COUNTS_AT: usize = 16;
/// Links that a node may have.
pub(crate) const LINKS_MAX: u32 = 256;

/// Sizes of a graph's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub rows: u32,
    pub m: usize,
    pub m0: usize,
    counts: [u32; LEVELS_MAX],
    /// Levels above 0.
    levels: usize,
}

impl Shape {
    pub fn new(rows: u32, m: u32, m0: u32, of_levels: &[u32]) -> Self {
        let mut counts = [0; LEVELS_MAX];
        counts[..of_levels.len()].copy_from_slice(of_levels);
        Self { rows, m: m as usize, m0: m0 as usize, counts, levels: of_levels.len() }
    }

    /// Returns the numbers of rows on levels 1, 2, and so on.
    pub fn counts(&self) -> &[u32] {
        &self.counts[..self.levels]
    }

    pub fn order_at(&self) -> usize {
        HEAD_WORDS + self.rows as usize * self.m0
    }

    /// Returns where the links of a node on a level are.
    pub fn slots(&self, level: usize, node: u32) -> Range<usize> {
        let (at, width) = if level == 0 { (HEAD_WORDS, self.m0) } else { (self.level_at(level), self.m) };
        let from = at + node as usize * width;
        from..from + width
    }

    /// Returns the number of ranks with upper levels.
    pub fn upper_count(&self) -> usize {
        self.counts[0] as usize
    }

    /// Returns where the links of a level above 0 begin.
    pub fn level_at(&self, level: usize) -> usize {
        let below: usize = self.counts[..level - 1].iter().map(|count| *count as usize).sum();
        self.order_at() + self.upper_count() + below * self.m
    }

    pub fn words(&self) -> usize {
        self.level_at(self.levels + 1)
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
    words[..HEAD_WORDS].copy_from_slice(&head.words(shape));
    words
}

impl Head {
    /// Returns the words before the links.
    fn words(&self, shape: &Shape) -> [Word; HEAD_WORDS] {
        let mut words = [[0; 4]; HEAD_WORDS];
        let numbers = [row(shape.m), row(shape.m0), self.ef_construction, self.vectors, self.first];
        for (word, number) in words.iter_mut().zip(numbers) {
            *word = number.to_le_bytes();
        }
        words[SEED_AT..][..4].copy_from_slice(self.seed.as_chunks().0);
        for (word, count) in words[COUNTS_AT..].iter_mut().zip(shape.counts()) {
            *word = count.to_le_bytes();
        }
        words
    }
}

/// Returns what a word of the head is, for people.
fn word_name(word: usize) -> &'static str {
    match word {
        0 => "m",
        1 => "m0",
        2 => "efConstruction",
        3 => "vectors",
        4 => "the first row",
        SEED_AT..12 => "the seed",
        COUNTS_AT..31 => "rows on a level",
        _ => "a reserved word",
    }
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
        let corrupt = |offset: usize, expected: String, found: String| {
            Error::corrupt(name, (at + offset) as u64, expected, found)
        };
        let (words, rest) = body.as_chunks();
        if words.len() < HEAD_WORDS || !rest.is_empty() {
            return Err(corrupt(body.len(), "a head and whole words".into(), format!("{} bytes", body.len())));
        }
        let number = |at: usize| u32::from_le_bytes(words[at]);
        let (m, m0) = (number(0), number(1));
        if !(2..=LINKS_MAX).contains(&m) || !(m..=LINKS_MAX).contains(&m0) {
            return Err(corrupt(0, format!("m and m0 from 2 to {LINKS_MAX}"), format!("m={m} m0={m0}")));
        }
        let counts: [u32; LEVELS_MAX] = std::array::from_fn(|level| number(COUNTS_AT + level));
        let levels = counts.iter().take_while(|count| **count > 0).count();
        let counts = &counts[..levels];
        if !counts.is_sorted_by(|a, b| a >= b) || counts.first().is_some_and(|count| *count > rows) {
            return Err(corrupt(4 * COUNTS_AT, format!("falling counts of at most {rows}"), format!("{counts:?}")));
        }
        let shape = Shape::new(rows, m, m0, counts);
        if words.len() != shape.words() {
            return Err(corrupt(
                body.len(),
                format!("a body of {} bytes", 4 * shape.words()),
                format!("{} bytes", body.len()),
            ));
        }
        let mut seed = [0; 16];
        seed.copy_from_slice(words[SEED_AT..][..4].as_flattened());
        let head = Head { ef_construction: number(2), vectors: number(3), first: number(4), seed };
        if head.vectors > rows || (head.vectors > 0 && head.first >= rows) {
            return Err(corrupt(
                12,
                format!("vectors and a first row among {rows}"),
                format!("{} and {}", head.vectors, head.first),
            ));
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
        self.shape.counts().iter().take_while(|count| self.entry < **count).count()
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
        if self.shape.counts().get(level - 1).is_none_or(|count| rank >= *count) {
            return &[];
        }
        &self.words[self.shape.slots(level, rank)]
    }

    #[inline]
    pub(crate) fn prefetch(&self, row: u32) {
        self.kernels.prefetch(&self.level0, row);
    }

    /// Checks that it is a graph of the rows of an order by these settings, each of which can be reached, in time linear in its
    /// length. `name`: what errors call it; `at`: where in the artifact the body begins.
    ///
    /// # Errors
    /// `Corrupt` with the place of the first word that is not as it must be.
    pub fn verify(&self, name: &str, at: usize, order: &Order, settings: &BuildSettings) -> Result<()> {
        let corrupt = |word: usize, expected: &str, found: String| {
            Err(Error::corrupt(name, (at + 4 * word) as u64, expected, found))
        };
        let shape = Shape::new(self.shape.rows, settings.m, settings.m0, order.counts());
        let head = Head {
            ef_construction: settings.ef_construction,
            vectors: row(order.rows().len()),
            first: order.rows().first().copied().unwrap_or_default(),
            seed: self.head.seed,
        };
        let heads = head.words(&shape).into_iter().zip(self.words);
        if let Some((word, (expected, found))) = heads.enumerate().find(|(_, (expected, found))| expected != *found) {
            let [expected, found] = [expected, *found].map(u32::from_le_bytes);
            return corrupt(word, &format!("{expected} as {}", word_name(word)), found.to_string());
        }
        for (rank, row) in order.rows()[..self.shape.upper_count()].iter().enumerate() {
            if self.row_of(crate::number::row(rank)) != Some(*row) {
                let at = self.shape.order_at() + rank;
                return corrupt(
                    at,
                    &format!("row {row} at rank {rank}"),
                    u32::from_le_bytes(self.words[at]).to_string(),
                );
            }
        }
        let mut has_vector = vec![false; self.shape.rows as usize];
        order.rows().iter().for_each(|row| has_vector[*row as usize] = true);
        for node in 0..self.shape.rows {
            let at = self.shape.slots(0, node).start;
            let links = self.links(node);
            let is_node = |link: u32| has_vector.get(link as usize) == Some(&true);
            if let Some(wrong) = wrong_link(node, links, is_node, has_vector[node as usize]) {
                let found = u32::from_le_bytes(links[wrong]).to_string();
                return corrupt(at + wrong, "a row with a vector that is not linked yet, or none up to the end", found);
            }
        }
        for (level, count) in (1..).zip(self.shape.counts()) {
            for rank in 0..*count {
                let links = self.upper_links(level, rank);
                if let Some(wrong) = wrong_link(rank, links, |link| link < *count, true) {
                    let at = self.shape.slots(level, rank).start + wrong;
                    let found = u32::from_le_bytes(links[wrong]).to_string();
                    return corrupt(at, "a rank of the level that is not linked yet, or none up to the end", found);
                }
            }
        }
        let reachable = crate::reach::count_reachable(self);
        if reachable != self.head.vectors {
            let found = format!("{reachable} of {}", self.head.vectors);
            return corrupt(HEAD_WORDS, "links that reach every row with a vector", found);
        }
        Ok(())
    }

    /// Counts what it consists of, in time linear in its length.
    pub fn statistics(&self) -> GraphStatistics {
        let held = |row| self.links(row).iter().take_while(|link| **link != NONE).count();
        let counts = (0..self.shape.rows).map(held);
        let (links, most) = counts.fold((0, 0), |(sum, most), count| (sum + count as u64, most.max(count)));
        GraphStatistics {
            vectors: self.head.vectors,
            levels: self.shape.counts().to_vec(),
            links,
            links_max: row(most),
            reachable: crate::reach::count_reachable(self),
        }
    }
}

/// Returns the place of the first link that a node must not have.
fn wrong_link(node: u32, links: &[Word], is_node: impl Fn(u32) -> bool, has_links: bool) -> Option<usize> {
    let count = links.iter().take_while(|link| **link != NONE).count();
    let is_wrong = |at: usize| {
        let link = u32::from_le_bytes(links[at]);
        !has_links || link == node || !is_node(link) || links[..at].contains(&links[at])
    };
    (0..count).find(|at| is_wrong(*at)).or_else(|| (count..links.len()).find(|at| links[*at] != NONE))
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
