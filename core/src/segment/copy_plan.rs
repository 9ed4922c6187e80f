//! Plans how a struct is copied into a segment, so that its bytes depend on its values alone.
//!
//! A [`CopyPlan`] is compiled once from the schema: for each struct type, masks of the bits that fields own, pointers
//! with their kinds, and unions whose active member alone is copied. Bits that no field owns, inactive members, padding
//! and trailing default words never reach a segment.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::schema::{DefaultValue, FieldKind, FieldType, Metric, Schema, StructType, Type, VectorSpace};
use crate::vectors::ElementType;
use crate::words::ElementSize;

/// Most fields that a record type may reach, so that groups that contain themselves, twice, do not take forever.
const FIELDS_MAX: usize = 1 << 20;

/// Copy plans of a record type and of every struct type that it reaches.
#[derive(Debug)]
pub(super) struct CopyPlan {
    /// Nested struct types.
    pub structs: Vec<StructPlan>,
    /// The record's own struct.
    pub record: StructPlan,
    /// One per leaf pointer field of the record: each gets an extent of its own.
    pub columns: Vec<ColumnPlan>,
}

/// A pointer field of the record's struct.
#[derive(Debug)]
pub(super) struct ColumnPlan {
    /// Name, with dots through groups.
    pub name: String,
    /// Index of the pointer in the row.
    pub slot: u16,
    /// Set if the field is a vector.
    pub vector: Option<VectorPlan>,
    /// Whether its objects hold no pointers.
    pub is_flat: bool,
    /// Whether they are compared with a default.
    pub has_default: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct VectorPlan {
    /// Elements; 0: not known yet.
    pub dimension: u32,
    pub element: ElementType,
    /// Whether NaN and infinities are refused.
    pub is_finite: bool,
}

#[derive(Debug)]
pub(super) struct StructPlan {
    pub name: String,
    pub data_words: u16,
    pub pointer_words: u16,
    pub scope: Scope,
}

/// Fields that are there together: those of a struct, or of a union's member.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// Bits of the data section, by word, in order.
    pub masks: Vec<(u16, u64)>,
    /// Pointer fields, in the order of their slots.
    pub pointers: Vec<PointerPlan>,
    pub unions: Vec<UnionPlan>,
}

#[derive(Debug)]
pub(super) struct PointerPlan {
    pub slot: u16,
    pub target: Target,
    /// Index in [`CopyPlan::columns`], for pointers of the record.
    pub column: u16,
    pub default: Option<Arc<[u8]>>,
}

#[derive(Debug)]
pub(super) struct UnionPlan {
    /// Bytes into the data section.
    pub discriminant_at: usize,
    pub members: Vec<Scope>,
}

/// What a pointer points at.
#[derive(Debug)]
pub(super) enum Target {
    Text,
    Data,
    /// List of numbers, Bool, enums or Void.
    Scalars(ElementSize),
    /// List of pointers.
    Pointers(Box<Target>),
    /// List of structs, by index in [`CopyPlan::structs`].
    Structs(usize),
    /// Struct, by index in [`CopyPlan::structs`].
    Struct(usize),
}

impl CopyPlan {
    pub(super) fn new(schema: &Schema, record: u64) -> Result<Self> {
        let ty = schema.struct_type(record)?;
        let mut builder = Builder { schema, structs: Vec::new(), indices: HashMap::new(), open: Vec::new(), fields: 0 };
        let mut columns = Vec::new();
        let scope = builder.scope(ty, "", Some(&mut columns), 0)?;
        while let Some(id) = builder.open.pop() {
            let ty = schema.struct_type(id)?;
            let scope = builder.scope(ty, "", None, 0)?;
            let plan = StructPlan::new(ty, scope)?;
            builder.structs[builder.indices[&id]] = Some(plan);
        }
        // The field that comes first in the row has the first extent.
        let mut order: Vec<usize> = (0..columns.len()).collect();
        order.sort_by_key(|index| columns[*index].slot);
        let mut place = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            place[*old] = u16::try_from(new).map_err(|_| Error::schema(&ty.name, "more than 65,535 pointer fields"))?;
        }
        let mut sorted: Vec<Option<ColumnPlan>> = columns.into_iter().map(Some).collect();
        let columns = order.iter().filter_map(|index| sorted[*index].take()).collect();
        let mut record = StructPlan::new(ty, scope)?;
        record.scope.renumber_columns(&place);
        Ok(Self { structs: builder.structs.into_iter().flatten().collect(), record, columns })
    }
}

impl Scope {
    fn renumber_columns(&mut self, place: &[u16]) {
        for pointer in &mut self.pointers {
            pointer.column = place[pointer.column as usize];
        }
        for union in &mut self.unions {
            for member in &mut union.members {
                member.renumber_columns(place);
            }
        }
    }

    /// Returns whether all of it lies within a struct's sections.
    fn is_within(&self, data_words: u16, pointer_words: u16) -> bool {
        let members =
            |union: &UnionPlan| union.members.iter().all(|member| member.is_within(data_words, pointer_words));
        self.masks.iter().all(|(word, _)| *word < data_words)
            && self.pointers.iter().all(|pointer| pointer.slot < pointer_words)
            && self.unions.iter().all(|union| union.discriminant_at + 2 <= data_words as usize * 8 && members(union))
    }

    fn own_bits(&mut self, bit: u64, width: u32) {
        let Ok(word) = u16::try_from(bit / 64) else { return };
        let mask = if width == 64 { u64::MAX } else { ((1 << width) - 1) << (bit % 64) };
        self.masks.push((word, mask));
    }

    /// Brings masks and pointers into the order of their places, each word once.
    fn settle(&mut self) {
        self.masks.sort_unstable();
        self.masks.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            kept.1 |= if is_same { next.1 } else { 0 };
            is_same
        });
        self.pointers.sort_by_key(|pointer| pointer.slot);
    }
}

impl StructPlan {
    fn new(ty: &StructType, scope: Scope) -> Result<Self> {
        let (data_words, pointer_words) = (ty.data_words, ty.pointer_words);
        // A group says how large its struct is, and may lie.
        if !scope.is_within(data_words, pointer_words) {
            return Err(Error::schema(&ty.name, "has a field beyond its sections, in a group or union"));
        }
        Ok(Self { name: ty.name.clone(), data_words, pointer_words, scope })
    }

    /// Returns the number of words of a struct of full size.
    pub(super) fn words(&self) -> usize {
        self.data_words as usize + self.pointer_words as usize
    }
}

struct Builder<'s> {
    schema: &'s Schema,
    /// `None` until planned.
    structs: Vec<Option<StructPlan>>,
    indices: HashMap<u64, usize>,
    open: Vec<u64>,
    /// Fields planned so far.
    fields: usize,
}

impl Builder<'_> {
    fn scope(
        &mut self,
        ty: &StructType,
        prefix: &str,
        mut columns: Option<&mut Vec<ColumnPlan>>,
        depth: u32,
    ) -> Result<Scope> {
        let mut out = Scope::default();
        self.add_fields(&mut out, ty, prefix, &mut columns, depth)?;
        out.settle();
        Ok(out)
    }

    fn add_fields(
        &mut self,
        out: &mut Scope,
        ty: &StructType,
        prefix: &str,
        columns: &mut Option<&mut Vec<ColumnPlan>>,
        depth: u32,
    ) -> Result<()> {
        if depth > 64 {
            return Err(Error::schema(&ty.name, "groups nested deeper than 64"));
        }
        for field in ty.fields.iter().filter(|field| field.discriminant.is_none()) {
            self.add_field(out, ty, field, prefix, columns, depth)?;
        }
        if ty.discriminant_count > 0 {
            // A union has the members that the schema lists, even if it claims another number.
            let count = ty.fields.iter().filter(|field| field.discriminant.is_some()).count();
            let mut members: Vec<Option<Scope>> = Vec::new();
            members.resize_with(count.min(ty.discriminant_count as usize), || None);
            for field in &ty.fields {
                let Some(value) = field.discriminant else { continue };
                let place = members.get_mut(value as usize).ok_or_else(|| {
                    Error::schema(
                        format!("{}.{}", ty.name, field.name),
                        "its discriminant is beyond the union's members",
                    )
                })?;
                let mut member = Scope::default();
                self.add_field(&mut member, ty, field, prefix, columns, depth)?;
                member.settle();
                *place = Some(member);
            }
            out.own_bits(u64::from(ty.discriminant_offset) * 16, 16);
            out.unions.push(UnionPlan {
                discriminant_at: ty.discriminant_offset as usize * 2,
                members: members.into_iter().map(Option::unwrap_or_default).collect(),
            });
        }
        Ok(())
    }

    fn add_field(
        &mut self,
        out: &mut Scope,
        owner: &StructType,
        field: &FieldType,
        prefix: &str,
        columns: &mut Option<&mut Vec<ColumnPlan>>,
        depth: u32,
    ) -> Result<()> {
        self.fields += 1;
        if self.fields > FIELDS_MAX {
            return Err(Error::schema(&owner.name, format!("more than {FIELDS_MAX} fields, or a group within itself")));
        }
        let path = format!("{prefix}{}", field.name);
        match &field.kind {
            FieldKind::Group(id) => {
                let ty = Arc::clone(self.schema.struct_type(*id)?);
                self.add_fields(out, &ty, &format!("{path}."), columns, depth + 1)?;
            }
            FieldKind::Slot { offset, ty, default } => {
                let beyond = || Error::schema(format!("{}.{path}", owner.name), "lies beyond its struct's sections");
                if let Some(bits) = ty.data_bits() {
                    let bit = u64::from(*offset) * u64::from(bits);
                    if bit + u64::from(bits) > u64::from(owner.data_words) * 64 {
                        return Err(beyond());
                    }
                    if bits > 0 {
                        out.own_bits(bit, bits);
                    }
                    return Ok(());
                }
                let slot = u16::try_from(*offset).ok().filter(|slot| *slot < owner.pointer_words).ok_or_else(beyond)?;
                let target = self.target(ty);
                let default = match default {
                    DefaultValue::Pointer(words) => Some(Arc::clone(words)),
                    _ => None,
                };
                let mut column = 0;
                if let Some(columns) = columns {
                    column = u16::try_from(columns.len()).map_err(|_| beyond())?;
                    let vector = field.vector.map(|space| VectorPlan::new(&path, ty, space)).transpose()?;
                    let is_flat = matches!(target, Target::Text | Target::Data | Target::Scalars(_));
                    columns.push(ColumnPlan { name: path, slot, vector, is_flat, has_default: default.is_some() });
                } else if field.vector.is_some() {
                    return Err(Error::schema(
                        format!("{}.{path}", owner.name),
                        "a vector must be a field of the record itself",
                    ));
                }
                out.pointers.push(PointerPlan { slot, target, column, default });
            }
        }
        Ok(())
    }

    fn target(&mut self, ty: &Type) -> Target {
        match ty {
            Type::Text => Target::Text,
            Type::Struct(id) => Target::Struct(self.struct_index(*id)),
            Type::List(element) => match &**element {
                Type::Struct(id) => Target::Structs(self.struct_index(*id)),
                Type::Text | Type::Data | Type::List(_) => Target::Pointers(Box::new(self.target(element))),
                scalar => Target::Scalars(scalar_size(scalar)),
            },
            _ => Target::Data,
        }
    }

    fn struct_index(&mut self, id: u64) -> usize {
        if let Some(index) = self.indices.get(&id) {
            return *index;
        }
        let index = self.structs.len();
        self.structs.push(None);
        self.indices.insert(id, index);
        self.open.push(id);
        index
    }
}

impl VectorPlan {
    fn new(path: &str, ty: &Type, space: VectorSpace) -> Result<Self> {
        let element = space.element_type(path, ty)?;
        let is_finite = element.is_float() && space.metric != Metric::Unspecified;
        Ok(Self { dimension: space.dimension, element, is_finite })
    }

    /// Returns the bytes of a vector; 0 if its dimension is not known, or is none.
    pub(super) fn vector_bytes(self) -> usize {
        self.element.vector_bytes(self.dimension).unwrap_or(0)
    }

    /// Returns the pointer to a vector, but for its offset.
    pub(super) fn shape(self) -> u64 {
        self.element.list_shape(self.dimension)
    }
}

/// Returns the element size of a list of a type that lies in data sections.
fn scalar_size(ty: &Type) -> ElementSize {
    match ty.data_bits() {
        Some(0) => ElementSize::Void,
        Some(1) => ElementSize::Bit,
        Some(8) => ElementSize::Byte,
        Some(16) => ElementSize::TwoBytes,
        Some(32) => ElementSize::FourBytes,
        Some(_) => ElementSize::EightBytes,
        None => ElementSize::Pointer,
    }
}
