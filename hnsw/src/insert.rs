//! Finds the links of a row that enters a graph, and makes room for it among those of the rows that it links to.

use crate::graph::{Graph, NONE, Word};
use crate::order::Order;
use crate::pool::Candidate;
use crate::search::{Bottom, Level, Scratch, Upper};
use crate::select::{Near, Selector};
use crate::{BuildSettings, Points};

/// What a row that enters links to: rows on level 0, ranks on the levels above.
#[derive(Debug)]
pub(crate) struct Entrant {
    pub rank: u32,
    /// Of level 0, 1, and so on.
    pub links: Vec<Vec<u32>>,
}

/// Memory of a thread that inserts.
pub(crate) struct Inserter<P: Points> {
    scratch: Scratch,
    selector: Selector<P>,
    query: P::Query,
    near: Vec<Near>,
    rows: Vec<u32>,
    distances: Vec<f32>,
}

impl<P: Points> Inserter<P> {
    pub fn new(points: &P) -> Self {
        Self {
            scratch: Scratch::default(),
            selector: Selector::new(points),
            query: points.blank(),
            near: Vec::new(),
            rows: Vec::new(),
            distances: Vec::new(),
        }
    }

    /// Finds what a rank links to in the graph of those before it.
    pub fn enter(
        &mut self,
        points: &P,
        graph: &Graph<'_>,
        order: &Order,
        rank: u32,
        settings: &BuildSettings,
    ) -> Entrant {
        let mut links = vec![Vec::new(); order.level(rank) + 1];
        points.load(order.rows()[rank as usize], &mut self.query);
        let top = order.level(rank).min(graph.top());
        let mut start = self.scratch.descend(points, &self.query, graph, top);
        for level in (0..=top).rev() {
            let most = settings.m as usize;
            if level == 0 {
                self.beam(points, &Bottom(graph), start, most, settings, &mut links[0]);
            } else {
                self.beam(points, &Upper(graph, level), start, most, settings, &mut links[level]);
                let nearest = self.scratch.nearest().unwrap_or(start);
                start = if level == 1 { graph.row_of(nearest).unwrap_or_default() } else { nearest };
            }
        }
        Entrant { rank, links }
    }

    fn beam(
        &mut self,
        points: &P,
        level: &impl Level,
        start: u32,
        most: usize,
        settings: &BuildSettings,
        links: &mut Vec<u32>,
    ) {
        self.scratch.beam(points, &self.query, level, start, settings.ef_construction as usize);
        let near = self.scratch.candidates().map(|(node, distance)| Near { node, row: level.row(node), distance });
        self.selector.select(points, near, most, links);
    }

    /// Joins new links to a node with those that it has, and chooses among them if they are too many.
    pub fn join(
        &mut self,
        points: &P,
        level: &impl Level,
        node: u32,
        new: impl Iterator<Item = u32>,
        joined: &mut Vec<u32>,
    ) {
        let slots = level.links(node);
        joined.clear();
        joined.extend(slots.iter().take_while(|link| **link != NONE).map(|link| u32::from_le_bytes(*link)));
        for link in new {
            if !joined.contains(&link) {
                joined.push(link);
            }
        }
        if joined.len() > slots.len() {
            self.choose(points, level, node, slots.len(), joined);
        }
    }

    /// Adds to the links of a node at most so many of some others: those that would be chosen among all.
    pub fn heal(
        &mut self,
        points: &P,
        level: &impl Level,
        (node, lost): (u32, usize),
        others: &[u32],
        joined: &mut Vec<u32>,
    ) {
        let slots = level.links(node);
        let held: Vec<u32> =
            slots.iter().take_while(|link| **link != NONE).map(|link| u32::from_le_bytes(*link)).collect();
        joined.clear();
        joined.extend(held.iter().chain(others));
        self.choose(points, level, node, slots.len(), joined);
        // Links back, which no choice made, stay: without them a graph gets poorer with each merge.
        joined.retain(|link| !held.contains(link));
        joined.truncate(lost.min(slots.len() - held.len()));
        joined.splice(..0, held);
    }

    /// Reduces the links of a node to the best.
    pub fn choose(&mut self, points: &P, level: &impl Level, node: u32, most: usize, links: &mut Vec<u32>) {
        points.load(level.row(node), &mut self.query);
        self.rows.clear();
        self.rows.extend(links.iter().map(|link| level.row(*link)));
        self.distances.resize(self.rows.len().max(self.distances.len()), 0.0);
        points.measure(&self.query, &self.rows, &mut self.distances);
        self.near.clear();
        let near = links.iter().zip(&self.rows).zip(&self.distances);
        self.near.extend(near.map(|((node, row), distance)| Near { node: *node, row: *row, distance: *distance }));
        self.near.sort_unstable_by_key(|near| Candidate::new(near.distance, near.node));
        self.selector.select(points, self.near.iter().copied(), most, links);
    }
}

/// Writes links into a node's slots.
pub(crate) fn write(slots: &mut [Word], links: &[u32]) {
    for (at, slot) in slots.iter_mut().enumerate() {
        *slot = links.get(at).map_or(NONE, |link| link.to_le_bytes());
    }
}
