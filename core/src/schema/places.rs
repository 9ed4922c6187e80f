//! Maps bits and pointers of a struct, its groups included, to the fields that own them.
//!
//! Ordinals count through a struct and all of its groups, so two revisions of a struct are compared as two flat lists
//! of fields by ordinal, each with the groups and unions that it stands in.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{DefaultValue, FieldKind, FieldType, Schema, StructType, Type};
use crate::error::{Error, Result};

/// Groups nested deeper than this are refused.
const DEPTH_MAX: usize = 64;

/// A union that a field stands in, and the value of its discriminant while the field's branch is the active one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Branch {
    /// Offset in 16-bit units.
    discriminant_offset: u32,
    value: u16,
}

/// A field of a struct or of one of its groups.
#[derive(Clone, Debug)]
pub(super) struct PlacedField<'s> {
    /// Names from the struct down: `place.lat`.
    pub path: String,
    pub field: &'s FieldType,
    /// Ids of the groups from the struct down.
    pub groups: Vec<u64>,
    /// Unions from the struct down.
    pub branches: Vec<Branch>,
}

/// A struct and its groups as one list.
#[derive(Debug, Default)]
pub(super) struct Places<'s> {
    /// Everything that has an ordinal: slots and some named unions.
    pub by_ordinal: BTreeMap<u16, PlacedField<'s>>,
    /// Groups and named unions.
    pub groups: BTreeMap<u64, PlacedField<'s>>,
    /// Ordinals by the innermost group, 0 for none, and the name in it.
    named: HashMap<(u64, &'s str), u16>,
    /// Discriminants: the branches that they stand in themselves, their offset, the name of the union.
    discriminants: Vec<(Vec<Branch>, u32, String)>,
}

/// What a field or discriminant takes of a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Extent {
    Bits { start: u64, end: u64 },
    Pointer(u32),
}

impl<'s> Places<'s> {
    /// Collects the fields of a type and its groups by their places.
    ///
    /// # Errors
    /// `Invalid` if groups are missing, nested too deep or used twice, and if a field lacks its ordinal or has
    /// that of another.
    pub fn of(schema: &'s Schema, ty: &'s StructType) -> Result<Self> {
        let mut places = Self::default();
        places.add(schema, ty, &ty.name, "", &mut Vec::new(), &mut Vec::new())?;
        Ok(places)
    }

    fn add(
        &mut self,
        schema: &'s Schema,
        ty: &'s StructType,
        struct_name: &str,
        prefix: &str,
        groups: &mut Vec<u64>,
        branches: &mut Vec<Branch>,
    ) -> Result<()> {
        if groups.len() > DEPTH_MAX {
            return Err(Error::schema(struct_name, format!("groups nested deeper than {DEPTH_MAX}")));
        }
        if ty.discriminant_count > 0 {
            let name = if prefix.is_empty() { "its union".to_owned() } else { format!("union {prefix}") };
            self.discriminants.push((branches.clone(), ty.discriminant_offset, name));
        }
        for field in &ty.fields {
            let path = if prefix.is_empty() { field.name.clone() } else { format!("{prefix}.{}", field.name) };
            let depth = branches.len();
            if let Some(value) = field.discriminant {
                branches.push(Branch { discriminant_offset: ty.discriminant_offset, value });
            }
            let placed =
                || PlacedField { path: path.clone(), field, groups: groups.clone(), branches: branches.clone() };
            if let Some(ordinal) = field.ordinal {
                self.named.entry((groups.last().copied().unwrap_or(0), &field.name)).or_insert(ordinal);
                if self.by_ordinal.insert(ordinal, placed()).is_some() {
                    return Err(Error::schema(format!("{struct_name}.{path}"), format!("ordinal taken: @{ordinal}")));
                }
            } else if matches!(field.kind, FieldKind::Slot { .. }) {
                return Err(Error::schema(format!("{struct_name}.{path}"), "field without an ordinal"));
            }
            if let FieldKind::Group(id) = field.kind {
                if self.groups.insert(id, placed()).is_some() {
                    return Err(Error::schema(format!("{struct_name}.{path}"), format!("group twice: id={id:#018x}")));
                }
                groups.push(id);
                self.add(schema, schema.struct_type(id)?, struct_name, &path, groups, branches)?;
                groups.pop();
            }
            branches.truncate(depth);
        }
        Ok(())
    }

    /// Returns the ordinal of the field at the end of a path.
    pub fn ordinal(&self, path: &str) -> Option<u16> {
        self.by_ordinal.iter().find(|(_, placed)| placed.path == path).map(|(ordinal, _)| *ordinal)
    }

    /// Returns the ordinal of the field of a name beside another field.
    pub fn beside(&self, field: &PlacedField<'_>, name: &str) -> Option<u16> {
        self.named.get(&(field.groups.last().copied().unwrap_or(0), name)).copied()
    }

    /// Returns the highest ordinal.
    pub fn last_ordinal(&self) -> Option<u16> {
        self.by_ordinal.last_key_value().map(|(ordinal, _)| *ordinal)
    }

    /// Returns whether any struct or group of it has a union.
    pub fn has_unions(&self) -> bool {
        !self.discriminants.is_empty()
    }

    /// Returns a field or union of `self` that `other` lacks although its bits or pointer mean something else there:
    /// its path here and what the place is there. None between two revisions of one declaration, whatever was appended.
    pub fn collision(&self, other: &Self) -> Option<(String, String)> {
        let mut theirs: HashMap<(bool, u64), Vec<_>> = HashMap::new();
        let mut discriminants = HashSet::new();
        for place in other.taken() {
            theirs.entry(place.1.area()).or_default().push(place);
            if place.0.is_none() {
                discriminants.insert((place.1, place.2));
            }
        }
        for (ordinal, extent, branches, name) in self.taken() {
            let known = match ordinal {
                Some(ordinal) => other.by_ordinal.contains_key(&ordinal),
                None => discriminants.contains(&(extent, branches)),
            };
            if known {
                continue;
            }
            let near = theirs.get(&extent.area()).map_or(&[][..], Vec::as_slice);
            if let Some(hit) = near.iter().find(|place| place.1.overlaps(extent) && !are_exclusive(place.2, branches)) {
                return Some((name.to_owned(), hit.3.to_owned()));
            }
        }
        None
    }

    /// Places of all fields (by ordinal) and discriminants (without).
    fn taken(&self) -> impl Iterator<Item = (Option<u16>, Extent, &[Branch], &str)> {
        let fields = self.by_ordinal.iter().filter_map(|(ordinal, placed)| {
            let extent = Extent::of(placed.field)?;
            Some((Some(*ordinal), extent, placed.branches.as_slice(), placed.path.as_str()))
        });
        let discriminants = self.discriminants.iter().map(|(branches, offset, name)| {
            let start = u64::from(*offset) * 16;
            (None, Extent::Bits { start, end: start + 16 }, branches.as_slice(), name.as_str())
        });
        fields.chain(discriminants)
    }
}

impl Extent {
    fn of(field: &FieldType) -> Option<Self> {
        let FieldKind::Slot { offset, ty, .. } = &field.kind else { return None };
        match ty.data_bits() {
            None => Some(Self::Pointer(*offset)),
            Some(0) => None,
            Some(bits) => {
                let start = u64::from(*offset) * u64::from(bits);
                Some(Self::Bits { start, end: start + u64::from(bits) })
            }
        }
    }

    /// Returns the pointer, or the word of the data section: only what has the same one can overlap.
    fn area(self) -> (bool, u64) {
        match self {
            Self::Pointer(at) => (true, at.into()),
            Self::Bits { start, .. } => (false, start / 64),
        }
    }

    fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::Pointer(a), Self::Pointer(b)) => a == b,
            (Self::Bits { start: a, end: b }, Self::Bits { start: c, end: d }) => a < d && c < b,
            _ => false,
        }
    }
}

/// Returns whether two fields are never set at once: they stand in different branches of one union.
fn are_exclusive(a: &[Branch], b: &[Branch]) -> bool {
    a.iter().zip(b).find(|(a, b)| a != b).is_some_and(|(a, b)| a.discriminant_offset == b.discriminant_offset)
}

/// What differs between two revisions of a field, names of fields and types aside.
#[derive(Debug)]
pub(super) struct Difference {
    pub what: &'static str,
    pub old: String,
    pub new: String,
}

/// Returns the first difference of two fields in place and value; the caller compares the structs or enums that they
/// hold.
pub(super) fn difference(old: (&Schema, &PlacedField<'_>), new: (&Schema, &PlacedField<'_>)) -> Option<Difference> {
    let differ = |what, old, new| Some(Difference { what, old, new });
    let ((old_schema, old), (new_schema, new)) = (old, new);
    let (old_kind, new_kind) = (&old.field.kind, &new.field.kind);
    let (
        FieldKind::Slot { offset, ty, default },
        FieldKind::Slot { offset: new_offset, ty: new_ty, default: new_default },
    ) = (old_kind, new_kind)
    else {
        let same = matches!((old_kind, new_kind), (FieldKind::Group(_), FieldKind::Group(_)));
        let describe =
            |kind: &FieldKind| if matches!(kind, FieldKind::Group(_)) { "a union" } else { "a value" }.to_owned();
        return if same { None } else { differ("kind", describe(old_kind), describe(new_kind)) };
    };
    if !have_same_shape(ty, new_ty) {
        return differ("type", describe_type(old_schema, ty), describe_type(new_schema, new_ty));
    }
    if old.branches != new.branches {
        return differ("union", describe_branches(&old.branches), describe_branches(&new.branches));
    }
    if offset != new_offset {
        return differ("offset", offset.to_string(), new_offset.to_string());
    }
    if default != new_default {
        return differ("default", describe_default(default), describe_default(new_default));
    }
    None
}

fn have_same_shape(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::List(a), Type::List(b)) => have_same_shape(a, b),
        (Type::Struct(_), Type::Struct(_)) | (Type::Enum(_), Type::Enum(_)) => true,
        (a, b) => a == b,
    }
}

/// Returns a type in the words of the schema language.
pub(super) fn describe_type(schema: &Schema, ty: &Type) -> String {
    match ty {
        Type::List(element) => format!("List({})", describe_type(schema, element)),
        Type::Enum(id) => format!("enum {}", schema.get_enum(*id).map_or("of an unknown type", |ty| &ty.name)),
        Type::Struct(id) => format!("struct {}", schema.get_struct(*id).map_or("of an unknown type", |ty| &ty.name)),
        simple => format!("{simple:?}"),
    }
}

fn describe_default(default: &DefaultValue) -> String {
    match default {
        DefaultValue::Zero => "none".to_owned(),
        DefaultValue::Bits(bits) => format!("bits {bits:#x}"),
        DefaultValue::Pointer(words) => {
            format!("{} words, blake3 {:.8}", words.len() / 8, blake3::hash(words).to_hex())
        }
    }
}

fn describe_branches(branches: &[Branch]) -> String {
    match branches.last() {
        None => "outside of unions".to_owned(),
        Some(Branch { discriminant_offset, value }) => {
            format!("member {value} of the union whose discriminant is at {discriminant_offset}")
        }
    }
}
