//! The filter of an index: which rows of a segment are in it, and which queries it may answer.

use std::cell::OnceCell;
use std::sync::Arc;

use kapok_core::schema::{EnumType, FieldKind, FieldType, Schema, StructType, Type};
use kapok_core::segment::Segment;
use kapok_core::view::Table;
use kapok_core::{Error, Result};
use roaring::RoaringBitmap;

use super::bind::{Binding, LENGTH};
use super::check::Ready;
use super::evaluate::Spending;
use super::expr::{Expr, Given, Node, Operand, Operator, Path, Set, Step, Subject};
use super::join::Names;
use super::mask::{BLOCK_ROWS, Mask};
use super::parameters::Parameters;
use super::place::Kind;
use super::resolve::{ScopeType, enumerant};
use super::unreadable::Unreadable;
use super::value::Value;
use crate::row::IndexedRows;

/// An expression that rows of an index satisfy.
///
/// It is a function of one segment, forever: it has no parameters, and no words, whose rules change with Unicode.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    expr: Expr,
    schema: Arc<Schema>,
    type_id: u64,
}

/// A schema that filters of indexes keep: one copy for all of them, if there is one.
pub(crate) struct SharedSchema<'s> {
    pub schema: &'s Schema,
    kept: OnceCell<Arc<Schema>>,
}

impl<'s> SharedSchema<'s> {
    pub fn new(schema: &'s Schema) -> Self {
        Self { schema, kept: OnceCell::new() }
    }

    pub fn get(&self) -> &Arc<Schema> {
        self.kept.get_or_init(|| Arc::new(self.schema.clone()))
    }
}

impl Filter {
    /// Resolves a filter against a record type.
    ///
    /// # Errors
    /// `Invalid` for what is no expression about the type, and for parameters and `~=`.
    pub fn resolve(schema: &Arc<Schema>, record: &StructType, text: &str) -> Result<Self> {
        let expr = Expr::parse(text)?;
        let out = Self { expr, schema: Arc::clone(schema), type_id: record.id };
        out.ready(&out.schema, out.record()?)?;
        if out.expr.has_words() {
            return Err(Error::invalid(
                text,
                "~= cannot filter an index, since the rules of words change with Unicode",
            ));
        }
        if out.identity().is_none() {
            return Err(Error::invalid(text, "names something by which it cannot be told from other filters"));
        }
        Ok(out)
    }

    fn record(&self) -> Result<&StructType> {
        Ok(self.schema.struct_type(self.type_id)?)
    }

    fn ready<'s>(&self, schema: &'s Schema, record: &'s StructType) -> Result<Ready<'s>> {
        // It follows no references, since it is a function of one segment.
        let mut binding = Binding::new(Names { schema, view: None });
        let bound = binding.expression(ScopeType::Struct(record), &self.expr, 0)?;
        if let Some(name) = binding.parameters.first() {
            return Err(Error::invalid(
                self.expr.to_string(),
                format!("the filter of an index has no parameters: ${name}"),
            ));
        }
        bound.ready(&Parameters::new(), true)
    }

    /// Returns the filter as conditions on the records of a table, which is of the schema that it was resolved against.
    pub(super) fn of_table<'v>(&self, table: &'v Table) -> Result<Ready<'v>> {
        self.ready(table.schema(), table.struct_type())
    }

    /// Returns the rows of a segment that satisfy it.
    ///
    /// # Errors
    /// `Corrupt` if a value cannot be read.
    pub fn rows(&self, segment: &Segment) -> Result<IndexedRows> {
        let conditions = self.ready(&self.schema, self.record()?)?;
        let (spending, mut out) = (Spending::new(), RoaringBitmap::new());
        for first in (0..segment.rows()).step_by(BLOCK_ROWS as usize) {
            let mut mask = Mask::first(BLOCK_ROWS.min(segment.rows() - first));
            let narrowed = conditions.narrow(segment, first, &mut mask, &spending);
            narrowed.map_err(|unreadable| match unreadable {
                Unreadable::Here(malformed) => crate::row::unreadable(segment, malformed),
                Unreadable::Elsewhere(error) => *error,
            })?;
            let mut next = mask.next_from(0);
            while let Some(row) = next {
                out.insert(first + row);
                next = mask.next_from(row + 1);
            }
        }
        Ok(IndexedRows::some(out))
    }

    /// Returns its text by the JSON names that a schema gives its fields; `None` if the schema lacks one of them.
    pub fn text_in(&self, schema: &Schema) -> Option<String> {
        let names = JsonNames(schema);
        Some(self.expr.renamed(&self.schema, ScopeType::Struct(self.record().ok()?), &names)?.to_string())
    }

    /// Returns what stays if fields are renamed: its text by type ids and ordinals.
    pub fn identity(&self) -> Option<String> {
        Some(self.expr.renamed(&self.schema, ScopeType::Struct(self.record().ok()?), &Ordinals)?.to_string())
    }
}

/// By what they mean.
impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

/// What fields and enumerants are called.
trait Naming {
    fn field(&self, owner: &StructType, field: &FieldType) -> Option<String>;

    fn enumerant(&self, ty: &EnumType, number: usize) -> Option<Value>;
}

fn ordinal(field: &FieldType) -> u16 {
    field.ordinal.unwrap_or(field.code_order)
}

/// As a schema calls them.
struct JsonNames<'s>(&'s Schema);

impl Naming for JsonNames<'_> {
    fn field(&self, owner: &StructType, field: &FieldType) -> Option<String> {
        let is_it = |other: &&FieldType| match (&other.kind, &field.kind) {
            (FieldKind::Group(other), FieldKind::Group(id)) => other == id,
            // A field that was dropped leaves its ordinal behind, as one without a value.
            (FieldKind::Slot { ty: other_type, .. }, FieldKind::Slot { ty, .. }) => {
                ordinal(other) == ordinal(field) && (*other_type == Type::Void) == (*ty == Type::Void)
            }
            _ => false,
        };
        Some(self.0.get_struct(owner.id)?.fields.iter().find(is_it)?.json_name().to_owned())
    }

    fn enumerant(&self, ty: &EnumType, number: usize) -> Option<Value> {
        Some(Value::Text(self.0.get_enum(ty.id)?.enumerants.get(number)?.json_name().to_owned()))
    }
}

/// By numbers alone.
struct Ordinals;

impl Naming for Ordinals {
    fn field(&self, owner: &StructType, field: &FieldType) -> Option<String> {
        Some(match &field.kind {
            FieldKind::Group(id) => format!("{:x}@{id:x}", owner.id),
            FieldKind::Slot { .. } => format!("{:x}@{}", owner.id, ordinal(field)),
        })
    }

    fn enumerant(&self, _: &EnumType, number: usize) -> Option<Value> {
        i128::try_from(number).ok().map(Value::Int)
    }
}

impl Expr {
    fn has_words(&self) -> bool {
        match &self.0 {
            Node::And(all) | Node::Or(all) => all.iter().any(Self::has_words),
            Node::Not(inner) | Node::Each { condition: inner, .. } => inner.has_words(),
            Node::Compare { operator, .. } => *operator == Operator::Matches,
            _ => false,
        }
    }

    /// Returns the expression, which was bound to a scope, with other names.
    fn renamed(&self, schema: &Schema, scope: ScopeType<'_>, names: &dyn Naming) -> Option<Self> {
        let each = |all: &[Self]| all.iter().map(|one| one.renamed(schema, scope, names)).collect::<Option<Vec<_>>>();
        let path = |path: &Path| path.renamed(schema, scope, names);
        let subject = |subject: &Subject| match subject {
            Subject::Field(it) => path(it).map(|(it, kind)| (Subject::Field(it), kind)),
            Subject::Len(it) => path(it).map(|(it, _)| (Subject::Len(it), LENGTH)),
        };
        let operand = |operand: &Operand, kind| operand.renamed(kind, names);
        Some(Self(match &self.0 {
            Node::Constant(value) => Node::Constant(*value),
            Node::And(all) => Node::And(each(all)?),
            Node::Or(all) => Node::Or(each(all)?),
            Node::Not(inner) => Node::Not(Box::new(inner.renamed(schema, scope, names)?)),
            Node::Compare { subject: it, operator, value } => {
                let (it, kind) = subject(it)?;
                Node::Compare { subject: it, operator: *operator, value: operand(value, kind)? }
            }
            Node::Between { subject: it, low, high } => {
                let (it, kind) = subject(it)?;
                Node::Between { subject: it, low: operand(low, kind)?, high: operand(high, kind)? }
            }
            Node::In { subject: it, set } => {
                let (it, kind) = subject(it)?;
                let Set::Values(values) = set else { return None };
                let values = values.iter().map(|value| operand(value, kind)).collect::<Option<_>>()?;
                Node::In { subject: it, set: Set::Values(values) }
            }
            Node::Has { list, value } => {
                let (list, kind) = path(list)?;
                let Kind::List(element, _) = kind else { return None };
                Node::Has { list, value: operand(value, Kind::of(schema, element, false)?)? }
            }
            Node::Each { quantifier, list, condition } => {
                let at = list.at;
                let (list, kind) = path(list)?;
                let Kind::List(element, _) = kind else { return None };
                let inner = ScopeType::of_elements(schema, element, None, at).ok()?;
                let condition = Box::new(condition.renamed(schema, inner, names)?);
                Node::Each { quantifier: *quantifier, list, condition }
            }
            Node::IsNull(it) => Node::IsNull(path(it)?.0),
        }))
    }
}

impl Operand {
    fn renamed(&self, kind: Kind<'_>, names: &dyn Naming) -> Option<Self> {
        let (Given::Value(Value::Name(name) | Value::Text(name)), Kind::Enum(ty)) = (&self.given, kind) else {
            return Some(self.clone());
        };
        let value = names.enumerant(ty, usize::try_from(enumerant(ty, name)?).ok()?)?;
        Some(Self { given: Given::Value(value), at: self.at })
    }
}

impl Path {
    /// Returns the path with other names, and what it leads to.
    fn renamed<'s>(&self, schema: &'s Schema, scope: ScopeType<'s>, names: &dyn Naming) -> Option<(Self, Kind<'s>)> {
        let mut kind = match scope {
            ScopeType::Struct(ty) => Kind::Struct(ty),
            ScopeType::Record(table) => Kind::Struct(table.struct_type()),
            ScopeType::Item(kind, _) => return Some((self.clone(), kind)),
        };
        let mut steps = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let (name, owner) = match (step, kind) {
                (Step::Name(name), Kind::Struct(owner)) => (name.as_str(), owner),
                (Step::Key(_), Kind::List(Type::Struct(id), _)) => ("value", &**schema.get_struct(*id)?),
                _ => return None,
            };
            let field = owner.field_by_any_name(name)?;
            steps.push(match step {
                Step::Name(_) => Step::Name(names.field(owner, field)?),
                other => other.clone(),
            });
            kind = match &field.kind {
                FieldKind::Group(id) => Kind::Struct(schema.get_struct(*id)?),
                FieldKind::Slot { ty, .. } => Kind::of(schema, ty, field.is_map)?,
            };
        }
        Some((Self { steps, at: self.at }, kind))
    }
}
