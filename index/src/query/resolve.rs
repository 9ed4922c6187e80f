//! Finds what the names of a path mean in a schema.

use std::ops::Range;
use std::sync::Arc;

use kapok_core::Result;
use kapok_core::schema::{FieldKind, FieldType, Reference, Schema, StructType, Type};
use kapok_core::view::Table;

use super::expr::{At, Path, Step};
use super::join::{ForeignKey, JOINS_MAX, Join, Names};
use super::number::Number;
use super::place::{EntryKey, Guard, Hop, Kind, Place, Slot};
use super::value::Value;

mod foreign_key;

/// What paths begin at, by its type.
#[derive(Clone, Copy, Debug)]
pub(super) enum ScopeType<'v> {
    /// A record of a table.
    Record(&'v Table),
    /// A struct in a list.
    Struct(&'v StructType),
    /// An element that is no struct, which `it` names, and the record type that it refers to.
    Item(Kind<'v>, Option<&'v str>),
}

/// Names that an error lists before it says that there are more.
const LISTED_MAX: usize = 40;

impl<'v> ScopeType<'v> {
    /// Returns what paths about the elements of a list begin at. `refers`: the record type that they refer to.
    pub fn of_elements(schema: &'v Schema, element: &'v Type, refers: Option<&'v str>, at: At) -> Result<Self> {
        match Kind::of(schema, element, false) {
            Some(Kind::Struct(ty)) => Ok(Self::Struct(ty)),
            Some(kind) => Ok(Self::Item(kind, refers)),
            None => Err(at.error("the schema lacks the type of the elements")),
        }
    }
}

/// A path that is being resolved.
#[derive(Clone)]
struct Resolution<'v> {
    names: Names<'v>,
    at: At,
    /// Whether names are those of Cap'n Proto alone, as declarations have them.
    is_exact: bool,
    /// What was gone through so far.
    walked: Vec<Step>,
    via: Option<Arc<Join<'v>>>,
    hops: Vec<Hop<'v>>,
    guards: Vec<Guard>,
}

/// Resolves a path, which goes through no list.
pub(super) fn resolve<'v>(names: Names<'v>, scope: ScopeType<'v>, path: &Path) -> Result<Place<'v>> {
    let ty = match scope {
        ScopeType::Record(table) => table.struct_type(),
        ScopeType::Struct(ty) => ty,
        ScopeType::Item(kind, refers) => {
            return match path.steps.as_slice() {
                [Step::Name(name)] if name == "it" => Ok(Place::item(kind, refers)),
                [Step::Name(name), ..] if name == "it" => {
                    let mut resolution = Resolution::new(names, path.at);
                    let target = resolution.follow_element(kind, refers)?;
                    resolution.resolve(target, &path.steps, 1)
                }
                _ => Err(path
                    .at
                    .error(format!("expected `it`, which is the element, {}; found `{path}`", kind.describe()))),
            };
        }
    };
    Resolution::new(names, path.at).resolve(ty, &path.steps, 0)
}

/// Resolves a path that a declaration has: names of Cap'n Proto alone, through no reference.
pub(super) fn resolve_exactly<'v>(names: Names<'v>, ty: &'v StructType, path: &str) -> Result<Place<'v>> {
    let names = Names { view: None, ..names };
    Resolution { is_exact: true, ..Resolution::new(names, At::default()) }.resolve(ty, &steps(path), 0)
}

/// Resolves a path whose last step is a reference. That of an element which is no struct begins with `it`.
pub(super) fn resolve_reference<'v>(names: Names<'v>, scope: ScopeType<'v>, path: &Path) -> Result<ForeignKey<'v>> {
    let mut resolution = Resolution::new(names, path.at);
    let (ty, start): (&StructType, usize) = match scope {
        ScopeType::Record(table) => (table.struct_type(), 0),
        ScopeType::Struct(ty) => (ty, 0),
        ScopeType::Item(kind, refers) if path.steps.len() < 2 => return resolution.element_key(kind, refers),
        ScopeType::Item(kind, refers) => (resolution.follow_element(kind, refers)?, 1),
    };
    let Some((Step::Name(last), before)) = path.steps.split_last() else {
        return Err(path.at.error(format!("expected a field that refers to a record, found {path}")));
    };
    let ty = resolution.walk(ty, &path.steps, start..before.len())?;
    if is_list(ty, last) {
        return Err(path.at.error(format!("{last} is a list; what refers are its elements, {path}[]")));
    }
    let Some(reference) = reference(ty, last) else {
        resolution.field(ty, last)?;
        let problem = format!("{}.{last} is not declared to refer to records of any type", ty.name);
        return Err(path.at.error(problem));
    };
    resolution.foreign_key(ty, &reference)
}

/// Returns the reference that a struct has by a name: that of a field, or that of several.
fn reference(ty: &StructType, name: &str) -> Option<Reference> {
    match ty.field_by_any_name(name) {
        Some(field) => {
            let target = field.reference.clone()?;
            Some(Reference { name: name.to_owned(), target, fields: vec![field.name.clone()] })
        }
        None => ty.references.iter().find(|reference| reference.name == name).cloned(),
    }
}

/// Returns whether a field is a list, whose elements are meant if it refers.
fn is_list(ty: &StructType, name: &str) -> bool {
    let is_list = |field: &FieldType| matches!(&field.kind, FieldKind::Slot { ty: Type::List(_), .. });
    ty.field_by_any_name(name).is_some_and(is_list)
}

impl<'v> Resolution<'v> {
    fn new(names: Names<'v>, at: At) -> Self {
        Self { names, at, is_exact: false, walked: Vec::new(), via: None, hops: Vec::new(), guards: Vec::new() }
    }

    /// Resolves the steps from one on.
    fn resolve(mut self, ty: &'v StructType, path: &[Step], start: usize) -> Result<Place<'v>> {
        let last = path.len().saturating_sub(if let [.., _, Step::Key(_)] = path { 2 } else { 1 }).max(start);
        let ty = self.walk(ty, path, start..last)?;
        let name = match &path[last..] {
            [Step::Name(name), ..] => name,
            [step, ..] => return Err(self.unexpected(step, path)),
            [] => return Err(self.at.error("expected a field")),
        };
        if ty.field_by_any_name(name).is_none()
            && let Some(reference) = reference(ty, name)
        {
            let target = self.follow(ty, &reference)?;
            return match path.get(last + 1) {
                Some(step) => Err(self.unexpected(step, path)),
                None => Ok(self.place(Slot::Nothing, Kind::Struct(target))),
            };
        }
        let (owner, field) = self.field_or_entry(ty, path, last)?;
        self.guards.extend(Guard::of(owner, field));
        let kind = self.kind(field)?;
        let refers = field.reference.as_deref().filter(|_| matches!(kind, Kind::List(..)));
        Ok(Place { refers, ..self.place(Slot::of(owner, field), kind) })
    }

    /// Goes through some steps of a path, all of which lead to structs, and returns the type of the last one.
    fn walk(&mut self, mut ty: &'v StructType, path: &[Step], steps: Range<usize>) -> Result<&'v StructType> {
        let mut at = steps.start;
        while at < steps.end {
            let Step::Name(name) = &path[at] else { return Err(self.unexpected(&path[at], path)) };
            if let (Some(reference), Some(Step::Name(_)) | None) = (reference(ty, name), path.get(at + 1))
                && !is_list(ty, name)
            {
                ty = self.follow(ty, &reference)?;
                self.walked.push(path[at].clone());
                at += 1;
                continue;
            }
            let (owner, field) = self.field_or_entry(ty, path, at)?;
            at += if let Some(Step::Key(_)) = path.get(at + 1) { 2 } else { 1 };
            self.walked.extend_from_slice(&path[self.walked.len()..at]);
            self.guards.extend(Guard::of(owner, field));
            match (self.kind(field)?, Slot::of(owner, field), path.get(at)) {
                (_, _, Some(next @ (Step::Key(_) | Step::Each))) => return Err(self.unexpected(next, path)),
                (Kind::Struct(inner), Slot::Pointer { index, default }, _) => {
                    let guards = std::mem::take(&mut self.guards);
                    self.hops.push(Hop::Struct { guards, index, default });
                    ty = inner;
                }
                (Kind::Struct(group), ..) => ty = group,
                (kind, ..) => return Err(self.no_struct(name, kind)),
            }
        }
        Ok(ty)
    }

    /// Returns the field of a step, or that of the value if a key stands behind it, and the struct that has it.
    fn field_or_entry(
        &mut self,
        ty: &'v StructType,
        path: &[Step],
        at: usize,
    ) -> Result<(&'v StructType, &'v FieldType)> {
        let Step::Name(name) = &path[at] else { return Err(self.unexpected(&path[at], path)) };
        let field = self.field(ty, name)?;
        match path.get(at + 1) {
            Some(Step::Key(key)) => self.entry(ty, field, key),
            _ => Ok((ty, field)),
        }
    }

    #[cold]
    fn no_struct(&self, name: &str, kind: Kind<'_>) -> kapok_core::Error {
        self.at.error(match kind {
            Kind::List(_, true) => format!("{name} is a map; expected a key behind it, as in {name}[\"key\"]"),
            Kind::List(..) => {
                format!("{name} is a list; ask for its elements by any({name}, ..) or all({name}, ..)")
            }
            kind => {
                let kind = kind.describe();
                format!("{name} is {kind}, which has no fields, and is not declared to refer to records")
            }
        })
    }

    fn place(self, slot: Slot<'v>, kind: Kind<'v>) -> Place<'v> {
        Place { via: self.via, hops: self.hops, guards: self.guards, slot, kind, refers: None }
    }

    /// Goes on to the record that a reference leads to, and returns its type.
    fn follow(&mut self, ty: &'v StructType, reference: &Reference) -> Result<&'v StructType> {
        let key = self.foreign_key(ty, reference)?;
        self.follow_key(key)
    }

    /// Goes on to the record that an element of a list refers to, and returns its type.
    fn follow_element(&mut self, kind: Kind<'v>, refers: Option<&str>) -> Result<&'v StructType> {
        let key = self.element_key(kind, refers)?;
        let target = self.follow_key(key)?;
        self.walked.push(Step::Name("it".to_owned()));
        Ok(target)
    }

    fn follow_key(&mut self, key: ForeignKey<'v>) -> Result<&'v StructType> {
        let (target, walked) = (key.target, std::mem::take(&mut self.walked));
        // A foreign key is made of a view alone.
        let Some(view) = self.names.view else { return Err(self.at.error("expected a view")) };
        let join = Join::new(key, view)?;
        if join.depth > JOINS_MAX {
            return Err(self.at.error(format!("more than {JOINS_MAX} references in one path")));
        }
        let is_exact = self.is_exact;
        *self = Self { walked, is_exact, via: Some(Arc::new(join)), ..Self::new(self.names, self.at) };
        Ok(target.struct_type())
    }

    #[cold]
    fn unexpected(&self, step: &Step, path: &[Step]) -> kapok_core::Error {
        let path = Path { steps: path.to_vec(), at: self.at };
        self.at.error(match step {
            Step::Key(_) => format!("only a map has keys: {path}"),
            _ => format!("only aggregates read every element of a list: {path}"),
        })
    }

    fn field(&self, ty: &'v StructType, name: &str) -> Result<&'v FieldType> {
        let field = if self.is_exact { ty.field(name) } else { ty.field_by_any_name(name) };
        if let Some(field) = field {
            return Ok(field);
        }
        let mut names: Vec<_> =
            ty.fields.iter().filter(|field| field.null_of.is_none()).map(FieldType::json_name).collect();
        if names.len() > LISTED_MAX {
            names.truncate(LISTED_MAX);
            names.push("…");
        }
        Err(self.at.error(format!("{} has no field {name:?}; expected one of {}", ty.name, names.join(", "))))
    }

    fn kind(&self, field: &'v FieldType) -> Result<Kind<'v>> {
        let kind = match &field.kind {
            FieldKind::Group(id) => self.names.schema.get_struct(*id).map(|ty| Kind::Struct(ty)),
            FieldKind::Slot { ty, .. } => Kind::of(self.names.schema, ty, field.is_map),
        };
        kind.ok_or_else(|| self.at.error(format!("the schema lacks the type of {}", field.name)))
    }

    /// Goes on to the entry of a map that has a key, and returns its type and the field of its value.
    fn entry(
        &mut self,
        ty: &'v StructType,
        field: &'v FieldType,
        key: &Value,
    ) -> Result<(&'v StructType, &'v FieldType)> {
        self.guards.extend(Guard::of(ty, field));
        let guards = std::mem::take(&mut self.guards);
        let list = Place { guards, slot: Slot::of(ty, field), ..Place::item(self.kind(field)?, None) };
        let not_a_map =
            || self.at.error(format!("only a map has keys, and {} is {}", field.json_name(), list.kind.describe()));
        let Kind::List(Type::Struct(id), true) = list.kind else { return Err(not_a_map()) };
        let entry = self.names.schema.get_struct(*id).ok_or_else(not_a_map)?;
        let (Some(key_field), Some(value_field)) = (entry.field("key"), entry.field("value")) else {
            return Err(not_a_map());
        };
        let kind = self.kind(key_field)?;
        let wanted = self.entry_key(kind, key)?;
        let guards = Guard::of(entry, key_field).into_iter().collect();
        let key = Box::new(Place { guards, slot: Slot::of(entry, key_field), ..Place::item(kind, None) });
        self.hops.push(Hop::Entry { list: Box::new(list), key, wanted });
        Ok((entry, value_field))
    }

    fn entry_key(&self, kind: Kind<'_>, key: &Value) -> Result<EntryKey> {
        let number = match (kind, key) {
            (Kind::Text, Value::Text(text)) => return Ok(EntryKey::Bytes(text.clone().into_bytes())),
            (Kind::Data, Value::Data(bytes)) => return Ok(EntryKey::Bytes(bytes.clone())),
            (Kind::Number(_), _) => Number::of(key),
            (Kind::Enum(ty), Value::Name(name) | Value::Text(name)) => enumerant(ty, name).map(Number::Int),
            _ => None,
        };
        let key_of = |number| kind.number().and_then(|kind| kind.equal(number));
        match number.and_then(key_of) {
            Some(range) => Ok(EntryKey::Number(range.low)),
            None => Err(self.at.error(format!("expected a key of type {}, found {key}", kind.describe()))),
        }
    }
}

/// Returns the steps of a path as schemas have it.
fn steps(path: &str) -> Vec<Step> {
    path.split('.').map(|name| Step::Name(name.to_owned())).collect()
}

/// Returns the number of the enumerant of a JSON name, or else of a Cap'n Proto name.
pub(super) fn enumerant(ty: &kapok_core::schema::EnumType, name: &str) -> Option<i128> {
    let by = |of: fn(&kapok_core::schema::Enumerant) -> &str| ty.enumerants.iter().position(|one| of(one) == name);
    let number = by(|one| one.json_name()).or_else(|| by(|one| &one.name))?;
    i128::try_from(number).ok()
}
