//! Searches one segment: over its graph, over its codes, or over its vectors.

use crate::graph::{Graph, Word};
use crate::pool::{Candidate, Pool};
use crate::visited::Visited;
use crate::{Codes, Points, Query, RowSet, Vectors};

mod filtered;
mod plan;
mod scan;

pub use plan::{Strategy, Wanted};

/// A row with its distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Row of the segment.
    pub row: u32,
    /// As the metric defines it: Euclidean, one minus the cosine, the negated inner product, or the number of bits.
    pub distance: f32,
}

/// Steps of a walk between two questions whether to stop.
const STEPS: u32 = 64;

/// Memory of a searching thread, used again by its next search: 1 byte for each row, and some kilobytes.
#[derive(Debug, Default)]
pub struct Scratch {
    visited: Visited,
    pool: Pool,
    nodes: Vec<u32>,
    rows: Vec<u32>,
    distances: Vec<f32>,
    /// Rows measured by the search.
    measured: u64,
}

/// Links of a level, whose nodes are called by rows or by ranks.
pub(crate) trait Level: Sync {
    /// Whether nodes are called by their rows.
    const BY_ROW: bool;

    fn nodes(&self) -> u32;
    fn links(&self, node: u32) -> &[Word];
    fn row(&self, node: u32) -> u32;
    fn prefetch(&self, node: u32);
}

/// Level 0, by rows.
pub(crate) struct Bottom<'g>(pub &'g Graph<'g>);

impl Level for Bottom<'_> {
    const BY_ROW: bool = true;

    fn nodes(&self) -> u32 {
        self.0.shape().rows
    }

    #[inline]
    fn links(&self, node: u32) -> &[Word] {
        self.0.links(node)
    }

    #[inline]
    fn row(&self, node: u32) -> u32 {
        node
    }

    #[inline]
    fn prefetch(&self, node: u32) {
        self.0.prefetch(node);
    }
}

/// A level above, by ranks.
pub(crate) struct Upper<'g>(pub &'g Graph<'g>, pub usize);

impl Level for Upper<'_> {
    const BY_ROW: bool = false;

    fn nodes(&self) -> u32 {
        self.0.shape().counts().get(self.1 - 1).copied().unwrap_or_default()
    }

    fn links(&self, node: u32) -> &[Word] {
        self.0.upper_links(self.1, node)
    }

    fn row(&self, node: u32) -> u32 {
        self.0.row_of(node).unwrap_or_default()
    }

    fn prefetch(&self, _: u32) {}
}

impl Scratch {
    /// Returns how many distances the last search measured.
    pub fn measured(&self) -> u64 {
        self.measured
    }

    /// Keeps the `ef` nodes nearest to the query that a best-first walk from a node meets.
    pub(crate) fn beam<P: Points, L: Level>(&mut self, points: &P, query: &P::Query, level: &L, start: u32, ef: usize) {
        let never = self.beam_until(points, query, level, start, ef, &|| false);
        debug_assert!(never.is_some());
    }

    /// The same; `None` if it was stopped.
    pub(crate) fn beam_until<P: Points, L: Level>(
        &mut self,
        points: &P,
        query: &P::Query,
        level: &L,
        start: u32,
        ef: usize,
        stop: &dyn Fn() -> bool,
    ) -> Option<()> {
        self.visited.reset(level.nodes());
        self.pool.reset(ef);
        if !self.visited.insert(start) {
            return Some(());
        }
        let mut steps = 0_u32;
        self.nodes.clear();
        self.nodes.push(start);
        self.measure_nodes(points, query, level);
        while let Some(node) = self.pool.expand() {
            if steps.is_multiple_of(STEPS) && stop() {
                return None;
            }
            steps = steps.wrapping_add(1);
            let links = level.links(node);
            self.nodes.resize(links.len(), 0);
            let mut count = 0;
            for link in links {
                let link = u32::from_le_bytes(*link);
                // Whether a node was met is hard to foresee, so it is no branch.
                self.nodes[count] = link;
                count += usize::from(self.visited.insert(link));
            }
            self.nodes.truncate(count);
            if L::BY_ROW {
                self.nodes.iter().take(4).for_each(|row| points.prefetch(*row));
            }
            self.measure_nodes(points, query, level);
        }
        Some(())
    }

    /// Measures the nodes just gathered, and keeps the nearest.
    #[inline]
    fn measure_nodes<P: Points, L: Level>(&mut self, points: &P, query: &P::Query, level: &L) {
        let rows = if L::BY_ROW {
            &self.nodes
        } else {
            self.rows.clear();
            self.rows.extend(self.nodes.iter().map(|node| level.row(*node)));
            &self.rows
        };
        if self.distances.len() < rows.len() {
            self.distances.resize(rows.len(), 0.0);
        }
        points.measure(query, rows, &mut self.distances);
        self.measured += rows.len() as u64;
        for (node, distance) in self.nodes.iter().zip(&self.distances) {
            if self.pool.insert(Candidate::new(*distance, *node)) {
                level.prefetch(*node);
            }
        }
    }

    /// Walks down from the top to a level, always to the nearest node: a rank, or a row for level 0.
    pub(crate) fn descend<P: Points>(&mut self, points: &P, query: &P::Query, graph: &Graph<'_>, target: usize) -> u32 {
        let mut rank = graph.entry;
        let Some(row) = graph.row_of(rank) else { return if target == 0 { graph.start() } else { rank } };
        let mut best = [f32::INFINITY];
        points.measure(query, &[row], &mut best);
        for level in (target + 1..=graph.top()).rev() {
            loop {
                let before = rank;
                self.nodes.clear();
                self.rows.clear();
                for link in graph.upper_links(level, rank) {
                    let link = u32::from_le_bytes(*link);
                    if let Some(row) = graph.row_of(link) {
                        self.nodes.push(link);
                        self.rows.push(row);
                    }
                }
                self.distances.resize(self.rows.len().max(self.distances.len()), 0.0);
                points.measure(query, &self.rows, &mut self.distances);
                self.measured += self.rows.len() as u64;
                for (node, distance) in self.nodes.iter().zip(&self.distances) {
                    if *distance < best[0] {
                        (best[0], rank) = (*distance, *node);
                    }
                }
                if rank == before {
                    break;
                }
            }
        }
        if target == 0 { graph.row_of(rank).unwrap_or_default() } else { rank }
    }

    /// Returns what the last walk kept, nearest first.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = (u32, f32)> + '_ {
        self.pool.sorted().iter().map(|candidate| (candidate.row(), candidate.distance()))
    }

    /// Returns the nearest node of the last walk.
    pub(crate) fn nearest(&self) -> Option<u32> {
        self.pool.sorted().first().map(|candidate| candidate.row())
    }
}

/// What a segment has for searches in the vectors of one field.
#[derive(Clone, Debug)]
pub struct Search<'a> {
    /// The vectors.
    pub vectors: Vectors<'a>,
    /// Their codes, if it has some.
    pub codes: Option<Codes<'a>>,
    /// Their graph, if it has one.
    pub graph: Option<Graph<'a>>,
}

impl Search<'_> {
    /// Finds the rows nearest to the query among those allowed (all that have a vector, if there is no set), nearest first,
    /// the lower row first among equals.
    ///
    /// `stop` is asked now and then; if it says so, the search ends with `None`.
    pub fn nearest(
        &self,
        scratch: &mut Scratch,
        query: &Query,
        wanted: &Wanted,
        allowed: Option<&RowSet>,
        stop: &dyn Fn() -> bool,
    ) -> Option<(Vec<Found>, Strategy)> {
        scratch.measured = 0;
        let wanted = &wanted.of_rows(self.vectors.rows());
        let strategy = wanted.strategy(self, allowed);
        let found = match (&self.graph, &self.codes, strategy) {
            (_, _, Strategy::Exact) | (None, _, _) => self.scan(scratch, query, wanted.k, allowed, stop)?,
            (_, Some(codes), Strategy::Codes) => self.scan_codes(scratch, codes, query, wanted, allowed, stop)?,
            (Some(graph), Some(codes), strategy) => {
                let coded = codes.query(query);
                match scratch.walk((codes, &coded), graph, wanted, allowed, strategy, stop)? {
                    true => self.rescore(scratch, query, wanted, allowed),
                    false => self.scan_codes(scratch, codes, query, wanted, allowed, stop)?,
                }
            }
            (Some(graph), None, strategy) => {
                match scratch.walk((&self.vectors, query), graph, wanted, allowed, strategy, stop)? {
                    true => self.take(scratch, wanted.k, allowed),
                    false => self.scan(scratch, query, wanted.k, allowed, stop)?,
                }
            }
        };
        Some((found, strategy))
    }

    /// Measures the best candidates again by the vectors.
    fn rescore(&self, scratch: &mut Scratch, query: &Query, wanted: &Wanted, allowed: Option<&RowSet>) -> Vec<Found> {
        let most = wanted.rescored(self.codes.as_ref().map(Codes::kind), self.vectors.row_bytes(), allowed.is_some());
        let Scratch { pool, nodes, distances, .. } = scratch;
        nodes.clear();
        nodes.extend(
            pool.sorted().iter().map(|candidate| candidate.row()).filter(|row| self.gives(*row, allowed)).take(most),
        );
        for row in nodes.iter().take(8) {
            self.vectors.prefetch(*row);
        }
        distances.resize(nodes.len().max(distances.len()), 0.0);
        self.vectors.measure(query, nodes, distances);
        pool.reset(wanted.k);
        for (row, distance) in nodes.iter().zip(distances) {
            pool.insert(Candidate::new(*distance, *row));
        }
        self.found(pool.sorted().iter().map(|candidate| (candidate.row(), candidate.distance())))
    }

    /// Takes the best candidates as they are.
    fn take(&self, scratch: &Scratch, k: usize, allowed: Option<&RowSet>) -> Vec<Found> {
        let candidates = scratch.candidates().filter(|(row, _)| self.gives(*row, allowed)).take(k);
        self.found(candidates)
    }

    /// Returns whether a row may be given: it is allowed, and has a vector.
    fn gives(&self, row: u32, allowed: Option<&RowSet>) -> bool {
        allowed.is_none_or(|allowed| allowed.contains(row)) && self.vectors.has(row)
    }

    fn found(&self, sorted: impl Iterator<Item = (u32, f32)>) -> Vec<Found> {
        let found = |(row, distance)| Found { row, distance: self.vectors.distance(distance) };
        let mut found: Vec<Found> = sorted.map(found).collect();
        // Roots of different squares may be equal.
        found.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
        found
    }
}
