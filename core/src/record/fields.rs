//! Iterates over the fields of a record, in the order in which people declared them.

use hashbrown::HashSet;

use super::{Record, ValueRef};
use crate::error::Result;
use crate::schema::FieldType;

/// The active fields of a [`Record`] and their values.
#[derive(Clone, Debug)]
pub struct Fields<'v> {
    record: Record<'v>,
    /// Fields that already stand in order: the usual case, which needs no allocation.
    in_order: std::slice::Iter<'v, FieldType>,
    sorted: std::vec::IntoIter<&'v FieldType>,
    nulls: HashSet<&'v str>,
}

impl<'v> Fields<'v> {
    pub(super) fn new(record: Record<'v>) -> Self {
        let (ty, nulls) = (record.struct_type(), record.nulls());
        if ty.fields.is_sorted_by_key(|field| field.code_order) {
            return Self { record, in_order: ty.fields.iter(), sorted: Vec::new().into_iter(), nulls };
        }
        Self { record, in_order: [].iter(), sorted: ty.fields_in_code_order().into_iter(), nulls }
    }
}

impl<'v> Iterator for Fields<'v> {
    type Item = Result<(&'v FieldType, ValueRef<'v>)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let field = self.in_order.next().or_else(|| self.sorted.next())?;
            if field.null_of.is_none() && self.record.is_active(field) {
                return Some(self.record.value_beside(field, &self.nulls).map(|value| (field, value)));
            }
        }
    }
}
