//! Chooses what flags for null say of records that were written before there was a flag.

use std::sync::Arc;

use super::{DefaultValue, FieldKind, FieldType, Schema, StructType, Type};

impl Schema {
    /// Returns this schema with flags for null that are right for records of `stored`, an older schema of the same types.
    ///
    /// Such records have no bit for a new flag, so they read its default. If they have the number, it is not null in them,
    /// and the flag is false by default. If they lack the number as well, it is null in them, and the flag is true by
    /// default. A flag that is stored already stays as it is.
    ///
    /// Only for schemas that are made from data or from Rust types: generated code has the defaults of its own schema
    /// compiled in.
    #[must_use]
    pub fn with_null_flags_for(&self, stored: &Self) -> Self {
        let mut out = self.clone();
        for (id, ty) in &mut out.structs {
            if let Some(stored) = stored.get_struct(*id)
                && ty.fields.iter().any(|field| field.null_of.is_some())
            {
                for field in &mut Arc::make_mut(ty).fields {
                    set_default(field, stored);
                }
            }
        }
        out
    }
}

/// Sets the default of a field that is a flag for null.
fn set_default(flag: &mut FieldType, stored: &StructType) {
    let (Some(of), FieldKind::Slot { ty: Type::Bool, default, .. }) = (&flag.null_of, &mut flag.kind) else { return };
    let known = stored.fields.iter().find(|field| field.null_of.as_ref() == Some(of));
    *default = match (known.map(|known| &known.kind), stored.field(of)) {
        (Some(FieldKind::Slot { default, .. }), _) => default.clone(),
        (_, Some(_)) => DefaultValue::Zero,
        (_, None) => DefaultValue::Bits(1),
    };
}
