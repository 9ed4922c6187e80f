//! Finds what the names of a path mean in a schema.

use kapok_core::Result;
use kapok_core::schema::{FieldKind, FieldType, Schema, StructType, Type};

use super::expr::{At, Path, Step};
use super::number::Number;
use super::place::{EntryKey, Guard, Hop, Kind, Place, Slot};
use super::value::Value;

/// What paths begin at, by its type.
#[derive(Clone, Copy, Debug)]
pub(super) enum ScopeType<'v> {
    Struct(&'v StructType),
    /// An element that is no struct, which `it` names.
    Item(Kind<'v>),
}

/// Names that an error lists before it says that there are more.
const LISTED_MAX: usize = 40;

impl<'v> ScopeType<'v> {
    /// Returns what paths about the elements of a list begin at.
    pub fn of_elements(schema: &'v Schema, element: &'v Type, at: At) -> Result<Self> {
        match Kind::of(schema, element, false) {
            Some(Kind::Struct(ty)) => Ok(Self::Struct(ty)),
            Some(kind) => Ok(Self::Item(kind)),
            None => Err(at.error("the schema lacks the type of the elements")),
        }
    }
}

/// A path that is being resolved.
struct Resolution<'v> {
    schema: &'v Schema,
    at: At,
    hops: Vec<Hop<'v>>,
    guards: Vec<Guard>,
}

/// Resolves a path, which goes through no list.
pub(super) fn resolve<'v>(schema: &'v Schema, scope: ScopeType<'v>, path: &Path) -> Result<Place<'v>> {
    let ty = match scope {
        ScopeType::Struct(ty) => ty,
        ScopeType::Item(kind) => {
            return match path.steps.as_slice() {
                [Step::Name(name)] if name == "it" => Ok(Place::item(kind)),
                _ => Err(path
                    .at
                    .error(format!("expected `it`, which is the element, {}; found `{path}`", kind.describe()))),
            };
        }
    };
    Resolution { schema, at: path.at, hops: Vec::new(), guards: Vec::new() }.resolve(ty, path)
}

impl<'v> Resolution<'v> {
    fn resolve(mut self, mut ty: &'v StructType, path: &Path) -> Result<Place<'v>> {
        let mut steps = path.steps.iter().peekable();
        while let Some(step) = steps.next() {
            let Step::Name(name) = step else { return Err(self.unexpected(step, path)) };
            let mut field = self.field(ty, name)?;
            if let Some(Step::Key(key)) = steps.peek() {
                (ty, field) = self.entry(ty, field, key)?;
                steps.next();
            }
            self.guards.extend(Guard::of(ty, field));
            let kind = self.kind(field)?;
            let Some(next) = steps.peek() else {
                return Ok(Place { hops: self.hops, guards: self.guards, slot: Slot::of(ty, field), kind });
            };
            match (kind, Slot::of(ty, field)) {
                (_, _) if !matches!(next, Step::Name(_)) => return Err(self.unexpected(next, path)),
                (Kind::Struct(inner), Slot::Pointer { index, default }) => {
                    let guards = std::mem::take(&mut self.guards);
                    self.hops.push(Hop::Struct { guards, index, default });
                    ty = inner;
                }
                (Kind::Struct(group), _) => ty = group,
                (Kind::List(_, true), _) => {
                    return Err(self
                        .at
                        .error(format!("{name} is a map; expected a key behind it, as in {name}[\"key\"]")));
                }
                (Kind::List(..), _) => {
                    return Err(self.at.error(format!(
                        "{name} is a list; ask for its elements by any({name}, ..) or all({name}, ..)"
                    )));
                }
                (kind, _) => return Err(self.at.error(format!("{name} is {}, which has no fields", kind.describe()))),
            }
        }
        Err(self.at.error("expected a field"))
    }

    #[cold]
    fn unexpected(&self, step: &Step, path: &Path) -> kapok_core::Error {
        self.at.error(match step {
            Step::Key(_) => format!("only a map has keys: {path}"),
            _ => format!("only aggregates read every element of a list: {path}"),
        })
    }

    fn field(&self, ty: &'v StructType, name: &str) -> Result<&'v FieldType> {
        if let Some(field) = ty.field_by_any_name(name) {
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
            FieldKind::Group(id) => self.schema.get_struct(*id).map(|ty| Kind::Struct(ty)),
            FieldKind::Slot { ty, .. } => Kind::of(self.schema, ty, field.is_map),
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
        let list = Place { guards, slot: Slot::of(ty, field), ..Place::item(self.kind(field)?) };
        let not_a_map =
            || self.at.error(format!("only a map has keys, and {} is {}", field.json_name(), list.kind.describe()));
        let Kind::List(Type::Struct(id), true) = list.kind else { return Err(not_a_map()) };
        let entry = self.schema.get_struct(*id).ok_or_else(not_a_map)?;
        let (Some(key_field), Some(value_field)) = (entry.field("key"), entry.field("value")) else {
            return Err(not_a_map());
        };
        let kind = self.kind(key_field)?;
        let wanted = self.entry_key(kind, key)?;
        let guards = Guard::of(entry, key_field).into_iter().collect();
        let key = Box::new(Place { guards, slot: Slot::of(entry, key_field), ..Place::item(kind) });
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

/// Returns the number of the enumerant of a JSON name, or else of a Cap'n Proto name.
pub(super) fn enumerant(ty: &kapok_core::schema::EnumType, name: &str) -> Option<i128> {
    let by = |of: fn(&kapok_core::schema::Enumerant) -> &str| ty.enumerants.iter().position(|one| of(one) == name);
    let number = by(|one| one.json_name()).or_else(|| by(|one| &one.name))?;
    i128::try_from(number).ok()
}
