//! Walks over a graph of which some rows are not wanted.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::plan::MANY;
use super::{Bottom, Level, STEPS, Scratch, Strategy, Wanted};
use crate::graph::Graph;
use crate::pool::Candidate;
use crate::{Points, RowSet};

/// How many times the candidates are kept if those near the query are not allowed.
const AROUND: usize = 4;

impl Scratch {
    /// Walks over the graph, and keeps what is nearest. `Some(false)` if measuring all that is allowed is cheaper than going
    /// on, `None` if it was stopped.
    pub(super) fn walk<P: Points>(
        &mut self,
        (points, query): (&P, &P::Query),
        graph: &Graph<'_>,
        wanted: &Wanted,
        allowed: Option<&RowSet>,
        strategy: Strategy,
        stop: &dyn Fn() -> bool,
    ) -> Option<bool> {
        if graph.vectors() == 0 {
            return Some(false);
        }
        let start = self.descend(points, query, graph, 0);
        let level = Bottom(graph);
        let Some(allowed) = allowed else {
            self.beam_until(points, query, &level, start, wanted.ef, stop)?;
            return Some(true);
        };
        let share = f64::from(allowed.count()) / f64::from(graph.vectors());
        let least = wanted.k.min(allowed.count() as usize);
        let mut kept = wanted.ef;
        if share >= MANY {
            // More may be allowed than have vectors.
            let ef = (wanted.ef * graph.vectors() as usize / (allowed.count() as usize).max(1) + 1).max(wanted.ef);
            self.beam_until(points, query, &level, start, ef, stop)?;
            // If far fewer are allowed than of all rows, those near the query are the ones that are not.
            let enough = least.max(wanted.ef * 3 / 4);
            if self.candidates().filter(|(row, _)| allowed.contains(*row)).count() >= enough {
                return Some(true);
            }
            // What is nearest then lies around a hole, in more than one place.
            kept *= AROUND;
        }
        let budget = u64::from(allowed.count()) + u64::from(graph.vectors()) / 8;
        self.walk_allowed(points, query, &level, start, kept, allowed, strategy == Strategy::TwoHops, budget, stop)?;
        Some(self.measured <= budget && self.pool.sorted().len() >= least)
    }

    /// Keeps the `ef` allowed rows nearest to the query that a walk meets. `None` if it was stopped.
    #[expect(clippy::too_many_arguments, reason = "one search, taken apart by what it measures with")]
    fn walk_allowed<P: Points>(
        &mut self,
        points: &P,
        query: &P::Query,
        level: &Bottom<'_>,
        start: u32,
        ef: usize,
        allowed: &RowSet,
        is_stepping_over: bool,
        budget: u64,
        stop: &dyn Fn() -> bool,
    ) -> Option<()> {
        self.visited.reset(level.nodes());
        self.pool.reset(ef);
        let mut frontier = BinaryHeap::new();
        self.visited.insert(start);
        self.nodes.clear();
        self.nodes.push(start);
        let mut steps = 0_u32;
        loop {
            self.distances.resize(self.nodes.len().max(self.distances.len()), 0.0);
            points.measure(query, &self.nodes, &mut self.distances);
            self.measured += self.nodes.len() as u64;
            for (row, distance) in self.nodes.iter().zip(&self.distances) {
                let candidate = Candidate::new(*distance, *row);
                if self.pool.admits(candidate) {
                    frontier.push(Reverse(candidate));
                    level.prefetch(*row);
                    if allowed.contains(*row) {
                        self.pool.insert(candidate);
                    }
                }
            }
            let Some(Reverse(next)) = frontier.pop() else { break };
            if !self.pool.admits(next) && !self.pool.sorted().contains(&next) || self.measured > budget {
                break;
            }
            if steps.is_multiple_of(STEPS) && stop() {
                return None;
            }
            steps = steps.wrapping_add(1);
            self.gather(level, next.row(), allowed, is_stepping_over);
        }
        Some(())
    }

    /// Gathers the neighbours of a row that were not met before; in place of those that are not allowed, their neighbours that are.
    fn gather(&mut self, level: &Bottom<'_>, row: u32, allowed: &RowSet, is_stepping_over: bool) {
        self.nodes.clear();
        for link in level.links(row) {
            let link = u32::from_le_bytes(*link);
            if !self.visited.insert(link) {
                continue;
            }
            if !is_stepping_over || allowed.contains(link) {
                self.nodes.push(link);
                continue;
            }
            for beyond in level.links(link) {
                let beyond = u32::from_le_bytes(*beyond);
                if allowed.contains(beyond) && self.visited.insert(beyond) {
                    self.nodes.push(beyond);
                }
            }
        }
    }
}
