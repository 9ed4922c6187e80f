//! Verifies that a struct holds only what its active fields own.

use super::Blob;
use crate::error::Result;
use crate::segment::copy_plan::{PointerPlan, Scope, StructPlan};
use crate::words::StructRef;

/// A struct type, prepared for checking many structs of it.
pub(super) struct StructCheck<'p> {
    plan: &'p StructPlan,
    /// The active fields of a type without unions, which are always the same.
    fixed: Option<ActiveFields<'p>>,
}

/// Bits and pointers of the active fields of a struct.
#[derive(Default)]
pub(super) struct ActiveFields<'p> {
    /// Bits of the data section, by word, in order.
    masks: Vec<(u16, u64)>,
    /// Pointer fields, by slot.
    pointers: Vec<&'p PointerPlan>,
}

impl<'p> StructCheck<'p> {
    pub(super) fn new(plan: &'p StructPlan) -> Self {
        let fixed = plan.scope.unions.is_empty().then(|| {
            let mut active = ActiveFields::default();
            active.add(&plan.scope);
            active.settle();
            active
        });
        Self { plan, fixed }
    }

    /// Returns whether a struct of these sizes may be of this type.
    pub(super) fn fits(&self, data_words: u16, pointer_words: u16) -> bool {
        data_words <= self.plan.data_words && pointer_words <= self.plan.pointer_words
    }

    /// Checks the data section and the pointers that no field owns; gives those that fields own, by slot. `at`: the
    /// struct's first word. `scratch` is for structs with unions.
    #[inline]
    pub(super) fn check<'s>(
        &'s self,
        blob: Blob<'_>,
        at: u32,
        from: StructRef<'_>,
        scratch: &'s mut ActiveFields<'p>,
    ) -> Result<&'s [&'p PointerPlan]> {
        let active = if let Some(fixed) = &self.fixed {
            fixed
        } else {
            scratch.restart();
            self.choose(blob, at, &self.plan.scope, from, scratch)?;
            scratch.settle();
            scratch
        };
        let mut masks = active.masks.iter();
        let mut next = masks.next();
        for (index, word) in (0..).zip(from.data().as_chunks().0) {
            let owned = match next {
                Some((place, mask)) if u32::from(*place) == index => {
                    next = masks.next();
                    *mask
                }
                _ => 0,
            };
            if u64::from_le_bytes(*word) & !owned != 0 {
                return Err(blob.unexpected(at + index, format!("zeros outside the mask {owned:#018x}")));
            }
        }
        let mut owned = active.pointers.iter().map(|pointer| pointer.slot).peekable();
        for slot in 0..from.pointer_count() {
            if owned.peek() == Some(&slot) {
                while owned.next_if_eq(&slot).is_some() {}
            } else if let Some(word) = from.pointer_at(u32::from(slot))
                && from.words().word(word) != Ok(0)
            {
                return Err(blob.unexpected(word, format!("null, since {} has no such field there", self.plan.name)));
            }
        }
        Ok(&active.pointers)
    }

    /// Collects what the active members of unions own.
    fn choose(
        &self,
        blob: Blob<'_>,
        at: u32,
        scope: &'p Scope,
        from: StructRef<'_>,
        active: &mut ActiveFields<'p>,
    ) -> Result<()> {
        active.add(scope);
        for union in &scope.unions {
            let value = u16::from_le_bytes(from.scalar(union.discriminant_at));
            let Some(member) = union.members.get(value as usize) else {
                let word = u32::try_from(union.discriminant_at / 8).unwrap_or(0);
                let expected = format!("a discriminant of {} below {}", self.plan.name, union.members.len());
                return Err(blob.corrupt(at + word, expected, value.to_string()));
            };
            self.choose(blob, at, member, from, active)?;
        }
        Ok(())
    }
}

impl<'p> ActiveFields<'p> {
    fn restart(&mut self) {
        self.masks.clear();
        self.pointers.clear();
    }

    fn add(&mut self, scope: &'p Scope) {
        self.masks.extend_from_slice(&scope.masks);
        self.pointers.extend(&scope.pointers);
    }

    /// Joins what several scopes own.
    fn settle(&mut self) {
        self.masks.sort_unstable_by_key(|(word, _)| *word);
        self.masks.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            kept.1 |= if is_same { next.1 } else { 0 };
            is_same
        });
        self.pointers.sort_by_key(|pointer| pointer.slot);
    }
}
