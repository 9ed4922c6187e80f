//! Merges the rows of several segments in the order of their keys.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use kapok_core::Result;
use kapok_core::segment::RowId;
use kapok_core::view::{RowKey, Table};

use super::scan::SegmentScan;

/// Rows of a table in key order, each segment's being in this order already.
pub(super) struct KeyOrder<'v> {
    table: &'v Table,
    scans: Vec<SegmentScan<'v>>,
    /// The next row of each segment that has one; empty if there is only one segment.
    heads: BinaryHeap<Reverse<Head>>,
    is_begun: bool,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    key: RowKey,
    scan: usize,
    row: u32,
}

impl<'v> KeyOrder<'v> {
    pub fn new(table: &'v Table, scans: Vec<SegmentScan<'v>>) -> Self {
        Self { table, scans, heads: BinaryHeap::new(), is_begun: false }
    }

    /// Takes the next row of a segment among those to choose from.
    fn pull(&mut self, scan: usize) -> Result<()> {
        let Some(row) = self.scans[scan].next() else { return Ok(()) };
        let row = row?;
        let key = self.table.row_key(scan, row)?;
        self.heads.push(Reverse(Head { key, scan, row }));
        Ok(())
    }

    fn merged(&mut self) -> Result<Option<RowId>> {
        if !std::mem::replace(&mut self.is_begun, true) {
            for scan in 0..self.scans.len() {
                self.pull(scan)?;
            }
        }
        let Some(Reverse(head)) = self.heads.pop() else { return Ok(None) };
        self.pull(head.scan)?;
        Ok(Some(self.scans[head.scan].row_id(head.row)))
    }
}

impl Iterator for KeyOrder<'_> {
    type Item = Result<RowId>;

    fn next(&mut self) -> Option<Result<RowId>> {
        if let [scan] = self.scans.as_mut_slice() {
            let row = scan.next()?;
            return Some(row.map(|row| scan.row_id(row)));
        }
        let next = self.merged();
        if next.is_err() {
            self.scans.clear();
            self.heads.clear();
        }
        next.transpose()
    }
}
