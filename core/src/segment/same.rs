//! Compares a record with a stored row before it is copied, by the plan that would copy it.
//!
//! What it calls equal is equal. Now and then it does not recognize an equal record: one that gives a field's default
//! explicitly, or sets bits that no field owns. Such a record is staged, and found to be equal later.

use super::copy::DEPTH_MAX;
use super::copy_plan::{CopyPlan, PointerPlan, Scope, Target};
use crate::words::{ElementSize, Read, StructRef, Words};

/// Words of a data section that unions may share with other fields.
const UNION_WORDS: usize = 32;

/// Returns whether a record has the value of a stored row of its type, or of an older one.
///
/// # Errors
/// The malformed word of either.
pub(super) fn is_same(plan: &CopyPlan, record: StructRef<'_>, row: StructRef<'_>) -> Read<bool> {
    is_same_struct(plan, &plan.record.scope, record, row, 1)
}

fn is_same_struct(plan: &CopyPlan, scope: &Scope, new: StructRef<'_>, old: StructRef<'_>, depth: u32) -> Read<bool> {
    if depth >= DEPTH_MAX || !has_same_data(scope, new, old) {
        return Ok(false);
    }
    let Some(found) = same_pointers(plan, scope, new, old, depth)? else { return Ok(false) };
    // What the record has is there; is that all?
    let mut stored = 0;
    for slot in 0..u32::from(old.pointer_count()) {
        if let Some(at) = old.pointer_at(slot) {
            stored += u32::from(old.words().word(at)? != 0);
        }
    }
    Ok(found == stored)
}

fn has_same_data(scope: &Scope, new: StructRef<'_>, old: StructRef<'_>) -> bool {
    let words = old.data().len() / 8;
    if scope.unions.is_empty() {
        let mut next = 0;
        for (word, mask) in &scope.masks {
            let at = usize::from(*word);
            let between = (next..at.min(words)).all(|at| old.data_word(at) == 0);
            if !between || new.data_word(at) & mask != old.data_word(at) {
                return false;
            }
            next = at + 1;
        }
        return (next..words).all(|at| old.data_word(at) == 0);
    }
    let mut masks = [0; UNION_WORDS];
    words <= UNION_WORDS
        && add_masks(scope, new, &mut masks)
        && masks.iter().enumerate().all(|(at, mask)| new.data_word(at) & mask == old.data_word(at))
}

/// Adds the bits that fields own; false if there are too many words, or an unknown union member.
fn add_masks(scope: &Scope, new: StructRef<'_>, masks: &mut [u64; UNION_WORDS]) -> bool {
    for (word, mask) in &scope.masks {
        let Some(word) = masks.get_mut(usize::from(*word)) else { return false };
        *word |= mask;
    }
    scope.unions.iter().all(|union| {
        let value = u16::from_le_bytes(new.scalar(union.discriminant_at));
        union.members.get(usize::from(value)).is_some_and(|member| add_masks(member, new, masks))
    })
}

/// Compares pointers. Returns the number of those that are not null; `None` if they differ.
fn same_pointers(
    plan: &CopyPlan,
    scope: &Scope,
    new: StructRef<'_>,
    old: StructRef<'_>,
    depth: u32,
) -> Read<Option<u32>> {
    let mut found = 0;
    for PointerPlan { slot, target, .. } in &scope.pointers {
        let (Some(at), place) = (new.pointer_at(u32::from(*slot)), old.pointer_at(u32::from(*slot))) else { break };
        if new.words().word(at)? == 0 {
            continue;
        }
        let Some(place) = place else { return Ok(None) };
        if !is_same_target(plan, target, (new.words(), at), (old.words(), place), depth)? {
            return Ok(None);
        }
        found += 1;
    }
    for union in &scope.unions {
        let value = u16::from_le_bytes(new.scalar(union.discriminant_at));
        let Some(member) = union.members.get(usize::from(value)) else { return Ok(None) };
        let Some(more) = same_pointers(plan, member, new, old, depth)? else { return Ok(None) };
        found += more;
    }
    Ok(Some(found))
}

/// Returns whether two pointers point at equal values.
fn is_same_target(
    plan: &CopyPlan,
    target: &Target,
    (new, new_at): (Words<'_>, u32),
    (old, old_at): (Words<'_>, u32),
    depth: u32,
) -> Read<bool> {
    if depth >= DEPTH_MAX {
        return Ok(false);
    }
    let lists = |size: ElementSize| {
        Read::Ok(new.list_of(new_at, size)?.zip(old.list_of(old_at, size)?).filter(|(a, b)| a.len() == b.len()))
    };
    match target {
        Target::Text => Ok(has_same_bytes((new, new_at), (old, old_at))? && new.check_text_at(new_at).is_ok()),
        Target::Data => has_same_bytes((new, new_at), (old, old_at)),
        Target::Scalars(size) => Ok(match (new.list_of(new_at, *size)?, old.list_of(old_at, *size)?) {
            (None, None) => true,
            (Some(a), Some(b)) => a.len() == b.len() && a.bytes() == b.bytes(),
            _ => false,
        }),
        Target::Pointers(element) => {
            if new.word(new_at)? == 0 {
                return Ok(old.word(old_at)? == 0);
            }
            let Some((a, b)) = lists(ElementSize::Pointer)? else { return Ok(false) };
            for index in 0..a.len() {
                let (at, place) = ((new, a.at() + index), (old, b.at() + index));
                if !is_same_target(plan, element, at, place, depth + 1)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Target::Structs(index) => {
            if new.word(new_at)? == 0 {
                return Ok(old.word(old_at)? == 0);
            }
            let Some((a, b)) = lists(ElementSize::Composite)? else { return Ok(false) };
            // Of no size, a hostile list may claim 2^30 of them in no bytes.
            if a.struct_sizes() == (0, 0) {
                return Ok(b.struct_sizes() == (0, 0));
            }
            for element in 0..a.len() {
                let (Some(a), Some(b)) = (a.get_struct(element), b.get_struct(element)) else { return Ok(false) };
                if !is_same_struct(plan, &plan.structs[*index].scope, a, b, depth + 2)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Target::Struct(index) => Ok(match (new.struct_of(new_at)?, old.struct_of(old_at)?) {
            (None, None) => true,
            (Some(a), Some(b)) => is_same_struct(plan, &plan.structs[*index].scope, a, b, depth + 1)?,
            _ => false,
        }),
    }
}

/// Returns whether two pointers point at equal bytes, with equal bytes behind them up to the next word: so that words can
/// be compared, which is faster than a comparison of a few bytes that have just been written.
fn has_same_bytes((new, new_at): (Words<'_>, u32), (old, old_at): (Words<'_>, u32)) -> Read<bool> {
    let (a, b) = (new.word(new_at)?, old.word(old_at)?);
    if a == 0 || b == 0 || a >> 32 != b >> 32 {
        return Ok(a == b);
    }
    let (Some(a), Some(b)) = (whole_words(new, new_at, a)?, whole_words(old, old_at, b)?) else { return Ok(false) };
    Ok(a.iter().zip(b).all(|(a, b)| u64::from_le_bytes(*a) == u64::from_le_bytes(*b)))
}

/// Returns the words of the bytes that a pointer points at.
fn whole_words(words: Words<'_>, at: u32, pointer: u64) -> Read<Option<&[[u8; 8]]>> {
    let range = Words::data_range(at, pointer)?;
    Ok(words.bytes().get(range.start..range.end.next_multiple_of(8)).map(|bytes| bytes.as_chunks().0))
}
