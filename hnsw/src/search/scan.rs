//! Measures all rows.

use super::{Found, Scratch, Search, Wanted};
use crate::pool::{Candidate, Pool};
use crate::{Codes, Points, Query, RowSet};

/// Rows measured between two questions whether to stop.
const CHUNK: u32 = 1024;

impl Search<'_> {
    /// Measures every allowed vector.
    pub(super) fn scan(
        &self,
        scratch: &mut Scratch,
        query: &Query,
        k: usize,
        allowed: Option<&RowSet>,
        stop: &dyn Fn() -> bool,
    ) -> Option<Vec<Found>> {
        let Scratch { pool, nodes, distances, measured, .. } = scratch;
        pool.reset(k);
        distances.resize(distances.len().max(CHUNK as usize), 0.0);
        let rows = self.vectors.rows();
        if let Some(allowed) = allowed {
            let mut members = allowed.iter().filter(|row| *row < rows);
            loop {
                nodes.clear();
                nodes.extend(members.by_ref().take(CHUNK as usize));
                if nodes.is_empty() {
                    break;
                }
                self.vectors.measure(query, nodes, distances);
                *measured += nodes.len() as u64;
                self.keep(pool, nodes.iter().copied(), distances);
                if stop() {
                    return None;
                }
            }
            return Some(self.found(scratch.candidates()));
        }
        for from in (0..rows).step_by(CHUNK as usize) {
            let to = rows.min(from + CHUNK);
            self.vectors.measure_rows(query, (from..to).into(), distances);
            *measured += u64::from(to - from);
            self.keep(pool, from..to, distances);
            if stop() {
                return None;
            }
        }
        Some(self.found(scratch.candidates()))
    }

    /// Keeps the nearest of some rows that were measured and have a vector.
    fn keep(&self, pool: &mut Pool, rows: impl Iterator<Item = u32>, distances: &[f32]) {
        for (row, distance) in rows.zip(distances) {
            let candidate = Candidate::new(*distance, row);
            // Whether it has one is asked last: that reads the row.
            if pool.admits(candidate) && self.vectors.has(row) {
                pool.insert(candidate);
            }
        }
    }

    /// Measures every allowed code, and the best again by the vectors.
    pub(super) fn scan_codes(
        &self,
        scratch: &mut Scratch,
        codes: &Codes<'_>,
        query: &Query,
        wanted: &Wanted,
        allowed: Option<&RowSet>,
        stop: &dyn Fn() -> bool,
    ) -> Option<Vec<Found>> {
        let coded = codes.query(query);
        scratch.pool.reset(wanted.ef.max(wanted.rescored(
            Some(codes.kind()),
            self.vectors.row_bytes(),
            allowed.is_some(),
        )));
        scratch.distances.resize(scratch.distances.len().max(CHUNK as usize), 0.0);
        let rows = self.vectors.rows();
        let everything = RowSet::default();
        let mut members = allowed.unwrap_or(&everything).iter().filter(|row| *row < rows);
        let mut all = 0..if allowed.is_some() { 0 } else { rows };
        loop {
            let Scratch { pool, nodes, distances, measured, .. } = &mut *scratch;
            nodes.clear();
            nodes.extend(members.by_ref().take(CHUNK as usize));
            nodes.extend(all.by_ref().take(CHUNK as usize));
            if nodes.is_empty() {
                break;
            }
            codes.measure(&coded, nodes, distances);
            *measured += nodes.len() as u64;
            self.keep(pool, nodes.iter().copied(), distances);
            if stop() {
                return None;
            }
        }
        Some(self.rescore(scratch, query, wanted, allowed))
    }
}
