//! Makes the foreign keys of references: which values are the key of which record type.

use std::sync::Arc;

use kapok_core::Result;
use kapok_core::schema::{Reference, StructType};
use kapok_core::view::Table;

use super::super::expr::{Path, Step};
use super::super::join::{ForeignKey, Names};
use super::super::number::NumberKind;
use super::super::place::{Kind, Place};
use super::{Resolution, resolve_exactly, steps};

impl<'v> Resolution<'v> {
    /// Makes the foreign key of a reference of the struct that was come to.
    pub(super) fn foreign_key(&self, ty: &'v StructType, reference: &Reference) -> Result<ForeignKey<'v>> {
        let Reference { name, target, fields } = reference;
        let subject = format!("{}.{name} refers to {target}", ty.name);
        let error = |problem: String| self.at.error(format!("{subject}{problem}"));
        let target = self.target(&subject, target)?;
        let key: Vec<&str> = target.key().names().collect();
        if key.len() != fields.len() {
            let (count, key) = (fields.len(), key.join(", "));
            return Err(error(format!(", whose key is {key}; {name} has {count} field(s)")));
        }
        let mut parts = Vec::with_capacity(key.len());
        for (field, key) in fields.iter().zip(key) {
            // It goes through no reference, which might be this one.
            let names = Names { view: None, ..self.names };
            let part = Self { names, is_exact: true, walked: Vec::new(), via: None, ..self.clone() }.resolve(
                ty,
                &steps(field),
                0,
            )?;
            self.check_part(&subject, (field, part.kind), target, key)?;
            parts.push(Arc::new(part));
        }
        Ok(self.key_of(Step::Name(name.clone()), parts, target))
    }

    /// Makes the foreign key of an element of a list, which is no struct. `refers`: the record type that it refers to.
    pub(super) fn element_key(&self, kind: Kind<'v>, refers: Option<&str>) -> Result<ForeignKey<'v>> {
        let found = kind.describe();
        let Some(refers) = refers else {
            let problem =
                format!("the element is {found}, which has no fields, and is not declared to refer to records");
            return Err(self.at.error(problem));
        };
        let subject = format!("the element refers to {refers}");
        let target = self.target(&subject, refers)?;
        let key: Vec<&str> = target.key().names().collect();
        let [name] = key[..] else {
            let key = key.join(", ");
            return Err(self.at.error(format!("{subject}, whose key is {key}; the element is one value")));
        };
        self.check_part(&subject, ("it", kind), target, name)?;
        Ok(self.key_of(Step::Name("it".to_owned()), vec![Arc::new(Place::item(kind, None))], target))
    }

    /// Returns the table of the records that are referred to.
    fn target(&self, subject: &str, target: &str) -> Result<&'v Table> {
        let error = |problem: String| self.at.error(format!("{subject}{problem}"));
        match self.names.view {
            Some(view) => view.table(target).map_err(|problem| error(format!(": {problem}"))),
            None => Err(error(", which is not followed here: bind the query to a view".to_owned())),
        }
    }

    /// Checks that a value can be that of a field of a key.
    fn check_part(&self, subject: &str, (field, kind): (&str, Kind<'v>), target: &'v Table, key: &str) -> Result<()> {
        // A key goes through no reference.
        let names = Names { view: None, ..self.names };
        let wanted = resolve_exactly(names, target.struct_type(), key)?.kind;
        if kind.is_comparable_key(wanted) {
            return Ok(());
        }
        let (wanted, found) = (wanted.describe(), kind.describe());
        Err(self.at.error(format!("{subject}, whose key field {key} is {wanted}; {field} is {found}")))
    }

    fn key_of(&self, last: Step, parts: Vec<Arc<Place<'v>>>, target: &'v Table) -> ForeignKey<'v> {
        let steps: Vec<_> = self.walked.iter().cloned().chain([last]).collect();
        let (count, text) = (steps.len(), Path { steps, at: self.at }.to_string());
        ForeignKey { text: text.into(), steps: count, before: self.via.clone(), parts, target }
    }
}

impl Kind<'_> {
    /// Returns whether values of this kind can be part of a key whose field is of another kind.
    fn is_comparable_key(self, key: Kind<'_>) -> bool {
        let is_integer = |kind: Kind<'_>| matches!(kind, Kind::Number(NumberKind::Signed(_) | NumberKind::Unsigned(_)));
        match (self, key) {
            (Kind::Text, Kind::Text)
            | (Kind::Data, Kind::Data)
            | (Kind::Number(NumberKind::Bool), Kind::Number(NumberKind::Bool)) => true,
            (Kind::Enum(ty), Kind::Enum(key)) => ty.id == key.id,
            (kind, key) => is_integer(kind) && is_integer(key),
        }
    }
}
