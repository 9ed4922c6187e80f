//! Finds the references that a schema declares, and values of them that are the key of no record.

use kapok_core::schema::{FieldKind, Schema, StructType, Type};
use kapok_core::{Error, Result};

use super::evaluate::Spending;
use super::expr::{At, Path, Step};
use super::join::Names;
use super::parse;
use super::place::Scope;
use super::reference_path::ReferencePath;
use super::resolve::ScopeType;
use super::scan::corrupt;
use crate::View;

/// Structs and fields that are looked at for references, at most: schemas may have more ways to them than anybody lists.
const STEPS_MAX: usize = 1 << 16;

/// A reference of a record type, as its schema declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredReference {
    /// Name of the record type that refers.
    pub record_type: String,
    /// Path of the field, or of the reference of several fields, with `[]` behind lists: `items[].productId`, `actorIds[]`.
    pub path: String,
    /// Name of the record type that is referred to, which the version may lack.
    pub target: String,
}

/// Values that refer to no record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dangling {
    /// How many there are. Those of several records, or several in one, count each.
    pub count: u64,
    /// The first of them, as keys are printed.
    pub first: Vec<String>,
}

impl View {
    /// Returns the references that records of a type have, by their schema: in structs and lists of structs within them, too.
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are; `Invalid` if structs within one another lead to references by more ways
    /// than are looked at.
    pub fn declared_references(&self, record_type: &str) -> Result<Vec<DeclaredReference>> {
        let table = self.table(record_type)?;
        let mut walk =
            Walk { schema: table.schema(), path: Vec::new(), within: Vec::new(), left: STEPS_MAX, out: Vec::new() };
        walk.walk(table.struct_type())?;
        let reference = |(path, target)| DeclaredReference { record_type: record_type.to_owned(), path, target };
        Ok(walk.out.into_iter().map(reference).collect())
    }

    /// Finds the values of a reference that are the key of no record, and names the first of them. Null refers to nothing.
    ///
    /// ```
    /// # use kapok_core::Result;
    /// # use kapok_index::View;
    /// fn check(view: &View) -> Result<()> {
    ///     for reference in view.declared_references("Rating")? {
    ///         let dangling = view.dangling(&reference, 5)?;
    ///         println!("{}: {} {:?}", reference.path, dangling.count, dangling.first);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// `Invalid` if the version lacks the record type that is referred to, or its key is of other fields; `Corrupt` if the bytes
    /// are not as they must be.
    pub fn dangling(&self, reference: &DeclaredReference, named_max: usize) -> Result<Dangling> {
        let table = self.table(&reference.record_type)?;
        let names = Names { schema: table.schema(), view: Some(self) };
        let path = parse::path(&reference.path)?;
        let reference = ReferencePath::bind(names, ScopeType::Record(table), &path)?;
        let (lookup, mut out) = (self.lookup(reference.key.target.name())?, Dangling::default());
        let spending = Spending::new();
        for source in table.segments() {
            for row in source.live_rows() {
                let Some(at) = source.segment().row(row) else { continue };
                spending.renew();
                let visited = reference.for_each(Scope::Struct(at), &spending, &mut |parts| {
                    if lookup.find_parts(parts)?.is_none() {
                        out.count += 1;
                        if out.first.len() < named_max {
                            out.first.push(parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
                        }
                    }
                    Ok(())
                });
                visited.map_err(|unreadable| corrupt(source, unreadable))?;
            }
        }
        Ok(out)
    }
}

/// A walk through a struct and those within it.
struct Walk<'s> {
    schema: &'s Schema,
    path: Vec<Step>,
    /// Ids of the structs around.
    within: Vec<u64>,
    left: usize,
    out: Vec<(String, String)>,
}

impl Walk<'_> {
    fn walk(&mut self, ty: &StructType) -> Result<()> {
        if self.within.contains(&ty.id) {
            return Ok(());
        }
        self.within.push(ty.id);
        for field in &ty.fields {
            self.left = self.left.checked_sub(1).ok_or_else(|| {
                Error::invalid(
                    &ty.name,
                    format!("more than {STEPS_MAX} fields within one another, searched for references"),
                )
            })?;
            let depth = self.path.len();
            self.path.push(Step::Name(field.name.clone()));
            let inner = match &field.kind {
                FieldKind::Group(id) => Some(*id),
                FieldKind::Slot { ty, .. } => {
                    let mut ty = ty;
                    while let Type::List(element) = ty {
                        self.path.push(Step::Each);
                        ty = element;
                    }
                    if let Type::Struct(id) = ty { Some(*id) } else { None }
                }
            };
            if let Some(target) = &field.reference {
                self.found(target);
            }
            if let Some(inner) = inner.and_then(|id| self.schema.get_struct(id)) {
                self.walk(inner)?;
            }
            self.path.truncate(depth);
        }
        for reference in &ty.references {
            self.path.push(Step::Name(reference.name.clone()));
            self.found(&reference.target);
            self.path.pop();
        }
        self.within.pop();
        Ok(())
    }

    fn found(&mut self, target: &str) {
        let path = Path { steps: self.path.clone(), at: At::default() };
        self.out.push((path.to_string(), target.to_owned()));
    }
}
