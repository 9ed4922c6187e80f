//! Where a pointer field of the record lies in a row.

use super::super::copy_plan::{CopyPlan, PointerPlan, Scope};
use crate::words::StructRef;

/// A pointer field of the record, which may be in a union's member.
#[derive(Clone)]
pub(super) struct FieldPlace<'p> {
    pub pointer: &'p PointerPlan,
    /// Members that are active where the field is: where the discriminant is, in bytes, and its value.
    members: Vec<(usize, u16)>,
}

/// Returns the fields, in the order of the columns.
pub(super) fn of_columns(plan: &CopyPlan) -> Vec<FieldPlace<'_>> {
    let mut out = Vec::with_capacity(plan.columns.len());
    collect(&plan.record.scope, &mut Vec::new(), &mut out);
    out.sort_by_key(|place| place.pointer.column);
    out
}

fn collect<'p>(scope: &'p Scope, members: &mut Vec<(usize, u16)>, out: &mut Vec<FieldPlace<'p>>) {
    out.extend(scope.pointers.iter().map(|pointer| FieldPlace { pointer, members: members.clone() }));
    for union in &scope.unions {
        for (value, member) in (0..).zip(&union.members) {
            members.push((union.discriminant_at, value));
            collect(member, members, out);
            members.pop();
        }
    }
}

impl FieldPlace<'_> {
    /// Returns the word of the pointer of a row that has the field.
    #[inline]
    pub(super) fn word(&self, record: StructRef<'_>) -> Option<u32> {
        let is_active = |(at, value): &(usize, u16)| u16::from_le_bytes(record.scalar(*at)) == *value;
        if !self.members.iter().all(is_active) {
            return None;
        }
        record.pointer_at(u32::from(self.pointer.slot))
    }
}
