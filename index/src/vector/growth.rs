//! What graphs grow from, and how far they are.

use kapok_core::Result;
use kapok_core::key::KeySpec;
use kapok_core::manifest::Id;
use kapok_core::segment::Segment;
use kapok_core::vectors::VectorColumn;

use super::GraphIndex;
use crate::row::encode_row;

/// A segment that was merged, with its graph, to grow that of the merged segment from.
#[derive(Clone, Debug)]
pub struct GraphSource {
    /// Id of the segment.
    pub(crate) id: Id,
    /// Hash of the index that the graph is of.
    pub(crate) of: Id,
    pub(crate) column: VectorColumn,
    pub(crate) index: GraphIndex,
}

/// What a graph is built from beside its segment.
pub(crate) struct Growth<'b> {
    /// The codes of the segment; they are made if they are lacking and the index has some.
    pub codes: Option<&'b [u8]>,
    /// Graphs of this index.
    pub sources: Vec<&'b GraphSource>,
    /// Name of the index.
    pub name: &'b str,
    pub progress: &'b mut dyn FnMut(GraphProgress<'_>),
}

/// How far a graph is. The first is told before any row is linked, the last when the graph is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GraphProgress<'i> {
    /// Name of the index.
    pub index: &'i str,
    /// Rows that the graph is to have.
    pub vectors: usize,
    /// Rows among them that came with their links from the graph of a segment that was merged.
    pub planted: usize,
    /// Rows that it has by now.
    pub linked: usize,
}

impl GraphSource {
    /// Returns whether its graph is one of the index of a hash.
    pub(crate) fn is_of(&self, hash: &Id) -> bool {
        self.of == *hash
    }

    pub(super) fn tag(&self) -> [u8; 16] {
        let mut tag = [0; 16];
        tag.copy_from_slice(&self.id[..16]);
        tag
    }

    /// Returns for each row the row of another segment that has the same key and the same vector.
    pub(super) fn moved(&self, key: &KeySpec, to: &Segment, column: &VectorColumn) -> Result<Vec<Option<u32>>> {
        let from = self.column.segment();
        let (mut here, mut there) = (Vec::new(), Vec::new());
        let mut at = 0;
        let mut moved = Vec::with_capacity(from.rows() as usize);
        let rows = to.rows();
        if rows > 0 {
            encode_row(key, to, 0, &mut there)?;
        }
        for row in 0..from.rows() {
            encode_row(key, from, row, &mut here)?;
            // Both stand in key order.
            while at < rows && there < here {
                at += 1;
                if at < rows {
                    encode_row(key, to, at, &mut there)?;
                }
            }
            let is_same = at < rows && there == here && self.column.has(row) && column.has(at);
            moved.push((is_same && self.column.row(row) == column.row(at)).then_some(at));
        }
        Ok(moved)
    }
}
