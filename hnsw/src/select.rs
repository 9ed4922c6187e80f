//! Which candidates become links: those nearer to the node than to any link chosen before (Malkov and Yashunin, Algorithm 4).

use crate::Points;

/// A node that may become a link: a row or a rank, its row, and the distance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Near {
    pub node: u32,
    pub row: u32,
    pub distance: f32,
}

/// Memory of a thread that selects.
pub(crate) struct Selector<P: Points> {
    query: P::Query,
    distances: [f32; GROUP],
    rows: Vec<u32>,
}

/// Links that are compared at once.
const GROUP: usize = 4;

impl<P: Points> Selector<P> {
    pub fn new(points: &P) -> Self {
        Self { query: points.blank(), distances: [0.0; GROUP], rows: Vec::new() }
    }

    /// Chooses at most `most` of the candidates, which come nearest first.
    pub fn select(&mut self, points: &P, candidates: impl Iterator<Item = Near>, most: usize, chosen: &mut Vec<u32>) {
        chosen.clear();
        self.rows.clear();
        for candidate in candidates {
            if chosen.len() == most {
                break;
            }
            if self.is_apart(points, &candidate) {
                chosen.push(candidate.node);
                self.rows.push(candidate.row);
            }
        }
    }

    /// Returns whether a candidate is nearer to the node than to each link chosen before.
    fn is_apart(&mut self, points: &P, candidate: &Near) -> bool {
        if self.rows.is_empty() {
            return true;
        }
        points.load(candidate.row, &mut self.query);
        self.rows.chunks(GROUP).all(|rows| {
            points.measure(&self.query, rows, &mut self.distances);
            self.distances[..rows.len()].iter().all(|distance| *distance >= candidate.distance)
        })
    }
}
