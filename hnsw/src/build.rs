//! Builds a graph in batches: each searches the graph of those before it, so that threads need no locks, and bytes do not
//! depend on their number.

use std::num::NonZeroUsize;

use crate::graph::{Graph, Head, Shape, Word, begin};
use crate::insert::{Entrant, Inserter, write};
use crate::number::row;
use crate::search::{Bottom, Level, Upper};
use crate::seed::{self, Seed};
use crate::spread::Workers;
use crate::{Order, Points, reach};

/// How a graph is built. The names are those of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildSettings {
    /// Links that a row chooses, and may have on an upper level: 2 to 256.
    pub m: u32,
    /// Links that a row may have on level 0: `m` to 256.
    pub m0: u32,
    /// Candidates that links are chosen from.
    pub ef_construction: u32,
}

/// The words of a graph that is being built.
pub(crate) struct Draft<'o> {
    pub shape: Shape,
    pub head: Head,
    pub words: Vec<Word>,
    pub order: &'o Order,
    /// The least rank that is linked.
    pub entry: u32,
}

/// Ranks of a batch are at most this share of those before them, so that few near ones miss each other.
const GROWTH: usize = 8;
/// Ranks of a batch, so that the memory for it is bounded.
const BATCH_MAX: usize = 1024;

/// Builds a graph of the rows of an order, on so many threads, as the body of an artifact (FORMAT.md, "Graph").
///
/// `seeds`: graphs to grow it from; the order's other rows are inserted. `progress` is told how many rows are linked.
pub fn build<P: Points>(
    points: &P,
    order: &Order,
    settings: &BuildSettings,
    seed: Option<&Seed<'_>>,
    threads: NonZeroUsize,
    progress: &mut dyn FnMut(usize),
) -> Vec<u8> {
    let mut draft = Draft::new(points.rows(), order, settings, seed);
    let workers = Workers::new();
    let ranks = match seed {
        Some(seed) => seed::plant(&mut draft, points, seed, threads, &workers),
        None => (0..row(order.rows().len())).collect(),
    };
    let planted = order.rows().len() - ranks.len();
    let mut from = 0;
    if planted == 0 && !ranks.is_empty() {
        (draft.entry, from) = (ranks[0], 1);
    }
    while from < ranks.len() {
        let size = ((planted + from) / GROWTH).clamp(1, BATCH_MAX).min(ranks.len() - from);
        draft.insert(points, &ranks[from..from + size], settings, threads, &workers);
        from += size;
        progress(planted + from);
    }
    reach::mend(&mut draft, points);
    draft.words.into_flattened()
}

impl<'o> Draft<'o> {
    fn new(rows: u32, order: &'o Order, settings: &BuildSettings, seed: Option<&Seed<'_>>) -> Self {
        let shape = Shape::new(rows, settings.m, settings.m0, order.counts());
        let head = Head {
            ef_construction: settings.ef_construction,
            vectors: row(order.rows().len()),
            first: order.rows().first().copied().unwrap_or_default(),
            seed: seed.map_or([0; 16], |seed| seed.tag),
        };
        let mut words = begin(&shape, &head);
        for (word, row) in words[shape.order_at()..].iter_mut().zip(&order.rows()[..shape.upper_count()]) {
            *word = row.to_le_bytes();
        }
        Self { shape, head, words, order, entry: 0 }
    }

    pub fn graph(&self) -> Graph<'_> {
        let start = self.order.rows().get(self.entry as usize).copied().unwrap_or_default();
        match Graph::view(self.shape.clone(), self.head, &self.words, (self.entry, start)) {
            Some(graph) => graph,
            None => unreachable!("words are as long as their shape says"),
        }
    }

    /// Returns the slots of a node on a level.
    pub fn slots(&mut self, level: usize, node: u32) -> &mut [Word] {
        let slots = self.shape.slots(level, node);
        &mut self.words[slots]
    }

    fn insert<P: Points>(
        &mut self,
        points: &P,
        ranks: &[u32],
        settings: &BuildSettings,
        threads: NonZeroUsize,
        workers: &Workers<Inserter<P>>,
    ) {
        let (graph, order) = (self.graph(), self.order);
        let entrants = workers.map(
            threads,
            ranks,
            || Inserter::new(points),
            |inserter, rank| inserter.enter(points, &graph, order, *rank, settings),
        );
        for level in 0..=self.shape.counts().len() {
            self.link(points, level, &entrants, threads, workers);
        }
        self.entry = ranks.iter().fold(self.entry, |least, rank| least.min(*rank));
    }

    /// Writes the links of entrants on a level, and the links back.
    fn link<P: Points>(
        &mut self,
        points: &P,
        level: usize,
        entrants: &[Entrant],
        threads: NonZeroUsize,
        workers: &Workers<Inserter<P>>,
    ) {
        let mut back: Vec<(u32, u32)> = Vec::new();
        for entrant in entrants {
            let Some(links) = entrant.links.get(level) else { continue };
            let node = if level == 0 { self.order.rows()[entrant.rank as usize] } else { entrant.rank };
            write(self.slots(level, node), links);
            back.extend(links.iter().map(|link| (*link, node)));
        }
        back.sort_unstable();
        let groups: Vec<&[(u32, u32)]> = back.chunk_by(|a, b| a.0 == b.0).collect();
        let graph = self.graph();
        let joined = if level == 0 {
            join(points, &Bottom(&graph), &groups, threads, workers)
        } else {
            join(points, &Upper(&graph, level), &groups, threads, workers)
        };
        for (group, links) in groups.iter().zip(joined) {
            write(self.slots(level, group[0].0), &links);
        }
    }
}

fn join<P: Points>(
    points: &P,
    level: &impl Level,
    groups: &[&[(u32, u32)]],
    threads: NonZeroUsize,
    workers: &Workers<Inserter<P>>,
) -> Vec<Vec<u32>> {
    let make = || Inserter::new(points);
    workers.map(threads, groups, make, |inserter, group| {
        let mut joined = Vec::new();
        inserter.join(points, level, group[0].0, group.iter().map(|(_, source)| *source), &mut joined);
        joined
    })
}
