//! Checks that a schema from outside is one that Cap'n Proto's compiler could have made.
//!
//! Later code sizes memory by what types claim and follows groups as far as they lead. A few kilobytes can claim far
//! more than they hold: unions of 65,535 members without a member, sections without fields, groups within themselves.
//! Such a schema is refused here, in time linear in its length, before anything is compiled from it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{FieldKind, Schema, StructType, Type};
use crate::error::{Error, Result};
use crate::fault::Fault;

/// Groups within one another, at most.
const GROUPS_MAX: usize = 64;
/// Steps from a record type to a struct type, at most: no record can hold a value further down.
const STEPS_MAX: u32 = 64;
/// Bytes of a field's name with the names of the groups around it, at most.
const PATH_BYTES_MAX: usize = 4096;

/// Numbers of fields of a struct and its groups.
#[derive(Default)]
struct FieldCounts {
    data_fields: u32,
    pointer_fields: u32,
}

impl Schema {
    /// Checks a schema that comes from outside: unions have the members that they claim, sections are no larger than
    /// their fields can fill, each group belongs to one struct, and the record types reach every type in a few steps
    /// that exists.
    ///
    /// # Errors
    /// `Invalid`, naming the type and the field; `Limit` for groups, types or names beyond what Kapok reads.
    pub fn check(&self, record_types: impl IntoIterator<Item = u64>) -> Result<()> {
        let mut groups = BTreeSet::new();
        for ty in self.structs() {
            check_union(ty)?;
        }
        for ty in self.structs().filter(|ty| !ty.is_group) {
            self.check_struct(ty, &mut groups)?;
        }
        if let Some(stray) = self.structs().find(|ty| ty.is_group && !groups.contains(&ty.id)) {
            return Err(Error::schema(&*stray.name, format!("a group of no struct: id={:#018x}", stray.id)));
        }
        self.check_reach(record_types)
    }

    /// Checks a struct with its groups, each of which it must be the only owner of.
    fn check_struct(&self, ty: &StructType, groups: &mut BTreeSet<u64>) -> Result<()> {
        let mut held = FieldCounts::default();
        let mut open = vec![(ty, 0, 0)];
        while let Some((part, depth, path_bytes)) = open.pop() {
            held.data_fields += u32::from(part.discriminant_count > 0);
            for field in &part.fields {
                let path_bytes = path_bytes + field.name.len() + 1;
                within(&ty.name, "bytes of a field's path", PATH_BYTES_MAX, path_bytes)?;
                match &field.kind {
                    FieldKind::Slot { ty, .. } if ty.is_pointer() => held.pointer_fields += 1,
                    FieldKind::Slot { .. } => held.data_fields += 1,
                    FieldKind::Group(id) => {
                        let group = self.struct_type(*id)?;
                        if !group.is_group || !groups.insert(*id) {
                            let detail = format!("no group, or one of another field too: id={id:#018x}");
                            return Err(Error::schema(format!("{}.{}", ty.name, field.name), detail));
                        }
                        within(&ty.name, "groups within one another", GROUPS_MAX, depth + 1)?;
                        open.push((group, depth + 1, path_bytes));
                    }
                }
            }
        }
        let claims =
            [("data words", ty.data_words, held.data_fields), ("pointers", ty.pointer_words, held.pointer_fields)];
        match claims.into_iter().find(|(_, claimed, held)| u32::from(*claimed) > *held) {
            Some((what, claimed, held)) => Err(Error::schema(
                &*ty.name,
                format!("{claimed} {what} for {held} fields; each field fills one at most"),
            )),
            None => Ok(()),
        }
    }

    /// Checks that every type that the record types reach exists, and is not too far from them.
    fn check_reach(&self, record_types: impl IntoIterator<Item = u64>) -> Result<()> {
        let mut open: VecDeque<(u64, u32)> = record_types.into_iter().map(|id| (id, 0)).collect();
        let mut seen: BTreeMap<u64, u32> = BTreeMap::new();
        while let Some((id, steps)) = open.pop_front() {
            if seen.contains_key(&id) {
                continue;
            }
            let ty = self.struct_type(id)?;
            within(&ty.name, "steps from a record type to a type", STEPS_MAX as usize, steps as usize)?;
            seen.insert(id, steps);
            for field in &ty.fields {
                match &field.kind {
                    // A group is as near as its struct.
                    FieldKind::Group(id) => open.push_front((*id, steps)),
                    FieldKind::Slot { ty: value, .. } => match value.innermost() {
                        Type::Struct(next) => {
                            if self.struct_type(*next)?.is_group {
                                let detail = "its type is a group, which is no type of its own";
                                return Err(Error::schema(format!("{}.{}", ty.name, field.name), detail));
                            }
                            open.push_back((*next, steps + 1));
                        }
                        Type::Enum(id) => {
                            self.enum_type(*id)?;
                        }
                        _ => {}
                    },
                }
            }
        }
        Ok(())
    }
}

/// Members of a union count from 0, each once.
fn check_union(ty: &StructType) -> Result<()> {
    let mut members: Vec<u16> = ty.fields.iter().filter_map(|field| field.discriminant).collect();
    members.sort_unstable();
    let count = usize::from(ty.discriminant_count);
    if members.len() == count && members.iter().copied().eq((0..=u16::MAX).take(count)) {
        return Ok(());
    }
    let found = members.len();
    Err(Error::schema(&*ty.name, format!("a union of {count} members, of which {found} are there, or one is twice")))
}

fn within(subject: &str, limit: &'static str, allowed: usize, needed: usize) -> Result<()> {
    if needed <= allowed {
        return Ok(());
    }
    let (allowed, needed) = (allowed as u64, needed as u64);
    Err(Fault::Limit { subject: subject.to_owned(), limit, allowed, needed }.into())
}
