//! Makes every row reachable from where searches begin, and that place from every row.

use std::collections::VecDeque;

use crate::Points;
use crate::build::Draft;
use crate::graph::{Graph, NONE};
use crate::search::{Bottom, Scratch};

/// Returns the row with which a walk over level 0 begins.
fn start(graph: &Graph<'_>) -> Option<u32> {
    (graph.vectors() > 0).then(|| graph.first())
}

/// Rows that were reached, and from which.
struct Reached {
    /// For each row, the row whose link reached it; itself for the first; `NONE` for none.
    parent: Vec<u32>,
    queue: VecDeque<u32>,
    count: u32,
}

const UNREACHED: u32 = u32::MAX;

impl Reached {
    fn new(rows: u32) -> Self {
        Self { parent: vec![UNREACHED; rows as usize], queue: VecDeque::new(), count: 0 }
    }

    fn add(&mut self, row: u32, parent: u32) {
        if let Some(place) = self.parent.get_mut(row as usize)
            && *place == UNREACHED
        {
            *place = parent;
            self.count += 1;
            self.queue.push_back(row);
        }
    }

    fn has(&self, row: u32) -> bool {
        self.parent.get(row as usize).is_some_and(|parent| *parent != UNREACHED)
    }

    fn spread(&mut self, graph: &Graph<'_>) {
        while let Some(row) = self.queue.pop_front() {
            for link in graph.links(row).iter().take_while(|link| **link != NONE) {
                self.add(u32::from_le_bytes(*link), row);
            }
        }
    }
}

/// Counts the rows that links of level 0 reach from where searches begin.
pub(crate) fn count_reachable(graph: &Graph<'_>) -> u32 {
    let mut reached = Reached::new(graph.shape().rows);
    if let Some(first) = start(graph) {
        reached.add(first, first);
        reached.spread(graph);
    }
    reached.count
}

/// Candidates among which a row that is not reached looks for a place.
const NEAR: usize = 64;

/// Links every row that no walk from the first one reaches to a row near it that one does, and every row from which no walk
/// reaches the first one to a row near it from which one does.
///
/// A link that is replaced is one by which nothing was reached first, so that nothing is lost.
pub(crate) fn mend<P: Points>(draft: &mut Draft<'_>, points: &P) {
    let rows = draft.order.rows();
    let Some(&first) = rows.first() else { return };
    let mut near = Neighbourhood { scratch: Scratch::default(), query: points.blank() };
    let mut reached = Reached::new(draft.shape.rows);
    reached.add(first, first);
    reached.spread(&draft.graph());
    for row in rows {
        if reached.has(*row) {
            continue;
        }
        let graph = draft.graph();
        // A row always finds a place somewhere, since reached rows have more slots than there are rows.
        let hosts = near.of(points, &graph, *row).into_iter().chain(rows.iter().copied());
        let mut place = hosts.filter(|host| host != row && reached.has(*host));
        let place = place.find_map(|host| Some((host, spare_slot(&graph, &reached, host)?)));
        let Some((host, slot)) = place else { continue };
        draft.slots(0, host)[slot] = row.to_le_bytes();
        reached.add(*row, host);
        reached.spread(&draft.graph());
    }
    let mut returns = Returns::new(&draft.graph(), first);
    for row in rows {
        if returns.has(*row) {
            continue;
        }
        let graph = draft.graph();
        let Some(slot) = spare_slot(&graph, &reached, *row) else { continue };
        let mut hosts = near.of(points, &graph, *row).into_iter().chain([first]);
        let Some(host) = hosts.find(|host| host != row && returns.has(*host)) else { continue };
        draft.slots(0, *row)[slot] = host.to_le_bytes();
        returns.0[*row as usize] = true;
        returns.spread(&draft.graph());
    }
}

/// Rows from which links of level 0 lead to the first one.
struct Returns(Vec<bool>);

impl Returns {
    fn new(graph: &Graph<'_>, first: u32) -> Self {
        let mut returns = Self(vec![false; graph.shape().rows as usize]);
        returns.0[first as usize] = true;
        returns.spread(graph);
        returns
    }

    fn has(&self, row: u32) -> bool {
        self.0.get(row as usize).is_some_and(|returns| *returns)
    }

    fn spread(&mut self, graph: &Graph<'_>) {
        loop {
            let mut is_changed = false;
            for row in 0..graph.shape().rows {
                let returns = |link: &[u8; 4]| self.has(u32::from_le_bytes(*link));
                if !self.has(row) && graph.links(row).iter().take_while(|link| **link != NONE).any(returns) {
                    self.0[row as usize] = true;
                    is_changed = true;
                }
            }
            if !is_changed {
                break;
            }
        }
    }
}

/// Finds the rows near one.
struct Neighbourhood<P: Points> {
    scratch: Scratch,
    query: P::Query,
}

impl<P: Points> Neighbourhood<P> {
    fn of(&mut self, points: &P, graph: &Graph<'_>, row: u32) -> Vec<u32> {
        points.load(row, &mut self.query);
        let start = self.scratch.descend(points, &self.query, graph, 0);
        self.scratch.beam(points, &self.query, &Bottom(graph), start, NEAR);
        self.scratch.candidates().map(|(node, _)| node).collect()
    }
}

/// Returns a slot of a row that is free, or by which nothing was reached first.
fn spare_slot(graph: &Graph<'_>, reached: &Reached, row: u32) -> Option<usize> {
    let links = graph.links(row);
    let is_spare =
        |link: &[u8; 4]| reached.parent.get(u32::from_le_bytes(*link) as usize).is_none_or(|parent| *parent != row);
    links.iter().position(|link| *link == NONE).or_else(|| links.iter().rposition(is_spare))
}
