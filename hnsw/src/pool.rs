//! The best candidates of a search, nearest first, and which of them were expanded.

/// A row with its distance, ordered by distance and then by row.
///
/// The upper half holds the distance's bits, made to sort as numbers do; the lower half the row, and in its lowest bit whether
/// the row was expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate(u64);

const EXPANDED: u64 = 1;
const SIGN: u32 = 1 << 31;

impl Candidate {
    #[inline]
    pub fn new(distance: f32, row: u32) -> Self {
        // No number is farther than all numbers, whatever sign and payload the processor gives it.
        let bits = if distance.is_nan() { f32::NAN.to_bits() } else { distance.to_bits() };
        let sortable = if bits & SIGN == 0 { bits | SIGN } else { !bits };
        Self(u64::from(sortable) << 32 | u64::from(row) << 1)
    }

    #[expect(clippy::cast_possible_truncation, reason = "halves")]
    fn halves(self) -> (u32, u32) {
        ((self.0 >> 32) as u32, self.0 as u32)
    }

    #[inline]
    pub fn row(self) -> u32 {
        self.halves().1 >> 1
    }

    #[inline]
    pub fn distance(self) -> f32 {
        let bits = self.halves().0;
        f32::from_bits(if bits & SIGN == 0 { !bits } else { bits & !SIGN })
    }
}

/// At most so many candidates, nearest first.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    sorted: Vec<Candidate>,
    capacity: usize,
    /// No candidate before this place waits to be expanded.
    next: usize,
}

impl Pool {
    pub fn reset(&mut self, capacity: usize) {
        self.sorted.clear();
        self.sorted.reserve(capacity);
        (self.capacity, self.next) = (capacity, 0);
    }

    /// Returns whether a candidate would be kept.
    #[inline]
    pub fn admits(&self, candidate: Candidate) -> bool {
        self.sorted.len() < self.capacity || self.sorted.last().is_some_and(|last| candidate < *last)
    }

    /// Adds a candidate, and drops the farthest if there are too many: whether it was kept.
    #[inline]
    pub fn insert(&mut self, candidate: Candidate) -> bool {
        if !self.admits(candidate) {
            return false;
        }
        if self.sorted.len() == self.capacity {
            self.sorted.pop();
        }
        let at = self.sorted.partition_point(|other| *other < candidate);
        self.sorted.insert(at, candidate);
        self.next = self.next.min(at);
        true
    }

    /// Takes the nearest candidate that was not expanded yet.
    #[inline]
    pub fn expand(&mut self) -> Option<u32> {
        while let Some(candidate) = self.sorted.get_mut(self.next) {
            self.next += 1;
            if candidate.0 & EXPANDED == 0 {
                candidate.0 |= EXPANDED;
                return Some(candidate.row());
            }
        }
        None
    }

    /// Returns them, nearest first.
    pub fn sorted(&self) -> &[Candidate] {
        &self.sorted
    }
}

#[cfg(test)]
mod tests {
    use super::{Candidate, Pool};

    #[test]
    fn candidates_sort_by_distance_and_then_by_row() {
        let distances = [f32::NEG_INFINITY, -2.5, -0.0, 0.0, 1.0e-40, 7.0, f32::INFINITY];
        let candidates: Vec<_> =
            distances.iter().flat_map(|d| [Candidate::new(*d, 3), Candidate::new(*d, 4)]).collect();
        assert!(candidates.is_sorted());
        for (candidate, distance) in candidates.iter().zip(distances.iter().flat_map(|d| [d, d])) {
            assert_eq!(candidate.distance().to_bits(), distance.to_bits());
        }
        assert_eq!(candidates[1].row(), 4);
        for nan in [f32::NAN, -f32::NAN, f32::from_bits(0xffff_ffff)] {
            assert!(Candidate::new(nan, 0) > Candidate::new(f32::INFINITY, u32::MAX >> 3));
            assert_eq!(Candidate::new(nan, 7), Candidate::new(f32::NAN, 7));
        }
    }

    #[test]
    fn a_pool_keeps_the_nearest_and_expands_each_once() {
        let mut pool = Pool::default();
        pool.reset(2);
        for (distance, row) in [(3.0, 1), (1.0, 2), (2.0, 3), (4.0, 4)] {
            pool.insert(Candidate::new(distance, row));
        }
        assert_eq!(pool.sorted().iter().map(|c| c.row()).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(pool.expand(), Some(2));
        assert!(pool.insert(Candidate::new(0.5, 9)), "nearer than what was expanded");
        assert_eq!((pool.expand(), pool.expand()), (Some(9), None));
    }
}
