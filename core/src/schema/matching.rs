//! Checks that a program's generated type may read a dataset's records.
//!
//! Fields are matched by ordinal and compared by place and kind, under Cap'n Proto's upgrade rules; names and type ids
//! say nothing. Either side may know more fields, enumerants and union members than the other. A field that only one
//! side has in a union is refused, although Cap'n Proto lets one field join a union later: the dataset never makes that
//! change.

use std::collections::HashSet;

use super::places::{Places, difference};
use super::steps::Steps;
use super::{FieldKind, Schema, Type};
use crate::error::Result;
use crate::fault::Fault;

impl Schema {
    /// Checks that a generated struct type `other_id` of `other` reads the bytes of this schema's struct type `id`.
    ///
    /// Every typed view does so by itself. Call it to find out before there is a view, in a test of a program's types, say.
    ///
    /// # Errors
    /// `Incompatible`, naming the field by its path (`Movie.address.zip`), what the dataset has there and what the
    /// program expects; `Invalid` if one of the schemas is broken.
    pub fn check_readable_as(&self, id: u64, other: &Self, other_id: u64) -> Result<()> {
        let mut steps = Steps::default();
        let mut open = vec![(steps.begin(&self.struct_type(id)?.name), id, other_id)];
        let mut seen = HashSet::from([(id, other_id)]);
        while let Some((at, id, other_id)) = open.pop() {
            let ours = Places::of(self, self.struct_type(id)?)?;
            let theirs = Places::of(other, other.struct_type(other_id)?)?;
            for (ordinal, field) in &ours.by_ordinal {
                let Some(expected) = theirs.by_ordinal.get(ordinal) else { continue };
                if let Some(found) = difference((self, field), (other, expected)) {
                    return Err(Fault::TypeMismatch {
                        field: format!("{}.{}", steps.path(at), field.path),
                        what: found.what.to_string(),
                        dataset: found.old,
                        program: found.new,
                        ordinal: Some(*ordinal),
                    }
                    .into());
                }
                let pair = (&field.field.kind, &expected.field.kind);
                let (FieldKind::Slot { ty, .. }, FieldKind::Slot { ty: expected, .. }) = pair else { continue };
                let (Type::Struct(a), Type::Struct(b)) = (ty.innermost(), expected.innermost()) else { continue };
                if seen.insert((*a, *b)) {
                    open.push((steps.go(at, &field.path), *a, *b));
                }
            }
            if let Some((new, taken)) = theirs.collision(&ours) {
                return Err(Fault::TypeMismatch {
                    field: format!("{}.{new}", steps.path(at)),
                    what: "place".to_owned(),
                    dataset: taken,
                    program: new,
                    ordinal: None,
                }
                .into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::{DefaultValue, FieldType, StructType};
    use super::*;
    use crate::ErrorKind;

    fn schema(types: &[(u64, &[Type])]) -> Schema {
        let mut schema = Schema::new();
        for (id, types) in types {
            let fields = (0..).zip(*types).map(|(n, ty)| FieldType::slot(&format!("f{n}"), n, 0, ty.clone())).collect();
            let mut ty = StructType::new(*id, format!("T{id}"), fields);
            ty.lay_out().unwrap();
            schema.insert_struct(ty);
        }
        schema
    }

    #[test]
    fn recursive_types_of_other_ids_match() {
        let list = |id| Type::List(Box::new(Type::Struct(id)));
        let dataset = schema(&[(1, &[Type::Int32, list(1), Type::Struct(2)]), (2, &[Type::Text, Type::Struct(1)])]);
        let program = schema(&[(8, &[Type::Int32, list(8)]), (9, &[Type::Text, Type::Struct(8), Type::Bool])]);
        dataset.check_readable_as(1, &program, 8).unwrap();
        dataset.check_readable_as(2, &program, 9).unwrap();
    }

    #[test]
    fn a_difference_deep_down_is_named_by_its_path() {
        let dataset = schema(&[(1, &[Type::List(Box::new(Type::Struct(2)))]), (2, &[Type::Bool, Type::Int32])]);
        let program = schema(&[(1, &[Type::List(Box::new(Type::Struct(2)))]), (2, &[Type::Bool, Type::UInt32])]);
        let error = dataset.check_readable_as(1, &program, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Incompatible);
        let text = error.to_string();
        assert!(
            text.contains("T1.f0.f1") && text.contains("dataset=Int32") && text.contains("program=UInt32"),
            "{text}"
        );
    }

    #[test]
    fn defaults_must_agree() {
        let dataset = schema(&[(1, &[Type::Int32])]);
        let mut program = schema(&[(1, &[Type::Int32])]);
        let mut ty = StructType::clone(program.struct_type(1).unwrap());
        ty.fields[0].kind = FieldKind::Slot { offset: 0, ty: Type::Int32, default: DefaultValue::Bits(7) };
        program.insert_struct(ty);
        assert!(dataset.check_readable_as(1, &program, 1).unwrap_err().to_string().contains("default"));
    }
}
