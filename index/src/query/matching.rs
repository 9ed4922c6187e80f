//! Finds the fields that may be equal to a value, whatever their names: for searches through all record types.

use kapok_core::schema::{FieldKind, FieldType, Schema, StructType, Type};
use kapok_core::view::Table;

use super::build::{FieldExpr, field};
use super::expr::Expr;
use super::number::NumberKind;
use super::place::Kind;
use super::resolve::enumerant;
use super::value::Value;

/// Structs, groups and lists within one another that are searched, at most. A type within itself is searched once.
const DEPTH_MAX: usize = 16;
/// Fields of a record type, at most.
const FIELDS_MAX: usize = 4096;
/// Steps to a field on the way to them, at most: types that all hold each other have ways without end.
const STEPS_MAX: usize = 1 << 16;

/// A field that may be equal to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldMatch {
    /// Names with dots between them, `[]` behind lists: `items[].productId`.
    pub path: String,
    /// The condition that it is equal to the value; through lists, that an element is.
    pub expr: Expr,
}

impl FieldMatch {
    /// Returns the fields of a record type that may be equal to a value: those of Text, and what else the value can be read as, be
    /// it a number, `true` or `false`, an enumerant, or bytes as `b"base64"`. `name`: only fields of this name, or of this path.
    /// Of a type with thousands of such fields, or tens of thousands of ways to look for them, only the first are searched.
    ///
    /// ```
    /// # use kapok_core::Result;
    /// # use kapok_index::View;
    /// use kapok_index::query::{Expr, FieldMatch, Query};
    ///
    /// fn count_anywhere(view: &View, record_type: &str, value: &str) -> Result<u64> {
    ///     let fields = FieldMatch::all(view.table(record_type)?, value, None);
    ///     Query::bind(view, record_type, &Expr::any_of(fields.into_iter().map(|field| field.expr)))?.rows()?.count()
    /// }
    /// ```
    pub fn all(table: &Table, value: &str, name: Option<&str>) -> Vec<Self> {
        let mut search = Search {
            schema: table.schema(),
            text: value,
            parsed: Value::parse(value).ok(),
            within: Vec::new(),
            steps_left: STEPS_MAX,
            found: Vec::new(),
        };
        search.fields(table.struct_type(), &Way::default());
        let is_named = |found: &Self| name.is_none_or(|name| is_named(&found.path, name));
        search.found.into_iter().filter(is_named).collect()
    }
}

/// Returns whether a path, or its last name, is a name; with or without `[]`.
fn is_named(path: &str, name: &str) -> bool {
    let plain = path.replace("[]", "");
    path == name || plain == name || plain.rsplit('.').next() == Some(name)
}

/// The way from the record to a struct.
#[derive(Clone, Default)]
struct Way {
    text: String,
    /// The lists gone through, from the record on.
    lists: Vec<FieldExpr>,
    /// From the record, or the last list's element.
    names: Option<FieldExpr>,
}

impl Way {
    fn field(&self, name: &str) -> Self {
        let text = if self.text.is_empty() { name.to_owned() } else { format!("{}.{name}", self.text) };
        let names = match &self.names {
            Some(names) => names.clone().field(name),
            None => FieldExpr::named(name),
        };
        Self { text, lists: self.lists.clone(), names: Some(names) }
    }

    fn elements(mut self) -> Self {
        self.text.push_str("[]");
        self.lists.push(self.names.take().unwrap_or_else(|| field("it")));
        self
    }

    /// Returns the condition that what stands here is equal to a value.
    fn equals(&self, value: Value) -> Expr {
        let end = self.names.clone().unwrap_or_else(|| field("it")).eq(value);
        self.lists.iter().rev().fold(end, |inner, list| list.clone().any(inner))
    }
}

struct Search<'s> {
    schema: &'s Schema,
    text: &'s str,
    parsed: Option<Value>,
    /// Types of the structs that lead here.
    within: Vec<u64>,
    steps_left: usize,
    found: Vec<FieldMatch>,
}

impl Search<'_> {
    fn fields(&mut self, ty: &StructType, way: &Way) {
        if self.within.len() >= DEPTH_MAX || self.within.contains(&ty.id) {
            return;
        }
        self.within.push(ty.id);
        for one in ty.fields.iter().filter(|one| one.null_of.is_none()) {
            let Some(left) = self.steps_left.checked_sub(1) else { break };
            self.steps_left = left;
            self.field(one, &way.field(one.json_name()));
        }
        self.within.pop();
    }

    fn field(&mut self, field: &FieldType, way: &Way) {
        let schema = self.schema;
        match &field.kind {
            FieldKind::Group(id) => {
                if let Some(group) = schema.get_struct(*id) {
                    self.fields(group, way);
                }
            }
            FieldKind::Slot { ty, .. } => self.value(ty, way.clone()),
        }
    }

    fn value(&mut self, ty: &Type, mut way: Way) {
        let (schema, mut ty) = (self.schema, ty);
        while let Type::List(element) = ty {
            if way.lists.len() >= DEPTH_MAX {
                return;
            }
            (ty, way) = (element, way.elements());
        }
        if let Type::Struct(id) = ty {
            if let Some(inner) = schema.get_struct(*id) {
                self.fields(inner, &way);
            }
            return;
        }
        let Some(kind) = Kind::of(schema, ty, false) else { return };
        if self.found.len() < FIELDS_MAX
            && let Some(value) = self.value_of(kind)
        {
            self.found.push(FieldMatch { expr: way.equals(value), path: way.text });
        }
    }

    /// Returns the value as a kind of fields can have it.
    fn value_of(&self, kind: Kind<'_>) -> Option<Value> {
        match (kind, &self.parsed) {
            (Kind::Text, Some(Value::Text(text))) => Some(Value::Text(text.clone())),
            (Kind::Text, _) => Some(Value::from(self.text)),
            (Kind::Data, Some(Value::Data(_))) | (Kind::Number(NumberKind::Bool), Some(Value::Bool(_))) => {
                self.parsed.clone()
            }
            (Kind::Number(NumberKind::Bool), _) => None,
            (Kind::Number(_), Some(Value::Int(_) | Value::Float(_))) => self.parsed.clone(),
            (Kind::Enum(ty), _) => enumerant(ty, self.text).map(|_| Value::from(self.text)),
            _ => None,
        }
    }
}
