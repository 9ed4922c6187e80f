//! A field of a merge whose objects are staged: those that hold pointers, and those whose bytes are not as they will stand.

use super::super::column::{Column, Interning, NULL, ObjectId};
use super::super::column_order::ColumnOrder;
use super::super::copy::{CopiedObjects, Copier};
use super::super::copy_plan::CopyPlan;
use super::field_place::FieldPlace;
use super::rows::{MergedRow, MergedRows};
use crate::error::Result;

/// Rows of a segment after which copied objects are forgotten. A part of the bytes: in a strict tree, rows that share a long object
/// go on to share it within so many rows.
const ROWS_AT_ONCE: u32 = 1 << 17;

/// Objects of a field, and which row has which.
pub(super) struct StagedObjects {
    pub objects: Column,
    pub roots: Vec<ObjectId>,
    pub order: ColumnOrder,
}

impl StagedObjects {
    pub(super) fn new(
        plan: &CopyPlan,
        rows: &MergedRows<'_>,
        place: &FieldPlace<'_>,
        interning: Interning,
        name: &dyn Fn() -> String,
    ) -> Result<Self> {
        let mut objects = Column::new(interning);
        let mut roots = Vec::with_capacity(rows.len());
        let (mut scratch, mut copied) = (Vec::new(), Vec::new());
        copied.resize_with(rows.inputs(), || (0, CopiedObjects::default()));
        for at in 0..rows.len() {
            let MergedRow { input, row, record } = rows.get(at);
            let Some(word) = place.word(record) else {
                roots.push(NULL);
                continue;
            };
            let (part, copied) = &mut copied[input];
            if *part != row / ROWS_AT_ONCE {
                (*part, *copied) = (row / ROWS_AT_ONCE, CopiedObjects::default());
            }
            let mut copier = Copier { plan, column: &mut objects, scratch: &mut scratch, copied: Some(copied) };
            let root = copier.copy_field(place.pointer, record.words(), word, 1);
            roots.push(root.map_err(|refusal| refusal.into_error(&name()))?);
        }
        objects.end_interning();
        drop(copied);
        let order = ColumnOrder::new(&objects, roots.iter().copied());
        Ok(Self { objects, roots, order })
    }
}
