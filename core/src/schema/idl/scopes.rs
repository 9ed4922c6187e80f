//! Names every type of the printed file, and gives the name by which other types refer to it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Schema;
use super::super::names::{BUILT_IN, is_type_name};
use super::RecordDeclaration;
use crate::error::{Error, Result};

/// Types nested deeper than this go to the top level.
const DEPTH_MAX: usize = 32;

/// A type that others are declared in; `None` is the file.
type Scope = Option<u64>;

/// Scope and name of each type in the printed file.
pub(super) struct Scopes {
    names: BTreeMap<u64, String>,
    parents: BTreeMap<u64, Scope>,
    children: BTreeMap<Scope, Vec<u64>>,
    by_name: BTreeMap<(Scope, String), u64>,
    /// The last number behind a name of which there are several in a scope.
    numbers: BTreeMap<(Scope, String), u64>,
    segments: Vec<String>,
}

impl Scopes {
    /// Names every type: its own name, or with a number behind it if an earlier one in its scope has that. First
    /// come the record types, then the others by name and id, then the roots of segments, then the types that only
    /// annotations need (`support`).
    pub fn new(schema: &Schema, record_types: &[RecordDeclaration<'_>], support: &BTreeSet<u64>) -> Result<Self> {
        let mut scopes = Self {
            names: BTreeMap::new(),
            parents: BTreeMap::new(),
            children: BTreeMap::new(),
            by_name: BTreeMap::new(),
            numbers: BTreeMap::new(),
            segments: Vec::new(),
        };
        let structs = schema.structs().filter(|ty| !ty.is_group).map(|ty| (ty.name.as_str(), ty.id));
        let mut others: Vec<_> = structs.chain(schema.enums().map(|ty| (ty.name.as_str(), ty.id))).collect();
        others.sort_unstable();
        for record_type in record_types {
            if scopes.names.contains_key(&record_type.type_id) {
                return Err(Error::schema(record_type.name, "a struct that is already another record type's"));
            }
            scopes.declare(schema, record_type.name, record_type.type_id)?;
        }
        for (name, id) in others.iter().filter(|(_, id)| !support.contains(id)) {
            scopes.declare(schema, name, *id)?;
        }
        for record_type in record_types {
            let name = scopes.free_name(None, &format!("{}Segment", record_type.name));
            scopes.by_name.insert((None, name.clone()), segment_id(record_type.type_id));
            scopes.segments.push(name);
        }
        for (name, id) in others.iter().filter(|(_, id)| support.contains(id)) {
            scopes.declare(schema, name, *id)?;
        }
        Ok(scopes)
    }

    fn declare(&mut self, schema: &Schema, name: &str, id: u64) -> Result<()> {
        if self.names.contains_key(&id) {
            return Ok(());
        }
        if !is_type_name(name) {
            return Err(Error::schema("schema", format!("a type name that Cap'n Proto refuses: {name:?}")));
        }
        let parent = scope_of(schema, id);
        let name = self.free_name(parent, name);
        self.by_name.insert((parent, name.clone()), id);
        self.names.insert(id, name);
        self.parents.insert(id, parent);
        self.children.entry(parent).or_default().push(id);
        Ok(())
    }

    /// Returns the wanted name, or else the first with a number behind it that is not taken.
    fn free_name(&mut self, scope: Scope, wanted: &str) -> String {
        let is_free = |name: &String| !BUILT_IN.contains(&name.as_str());
        let mut key = (scope, wanted.to_owned());
        if is_free(&key.1) && !self.by_name.contains_key(&key) {
            return key.1;
        }
        let last = self.numbers.entry(key.clone()).or_insert(1);
        loop {
            *last += 1;
            key.1 = format!("{wanted}{last}");
            if is_free(&key.1) && !self.by_name.contains_key(&key) {
                return key.1;
            }
        }
    }

    /// Returns the types declared directly in a scope, in the order of printing.
    pub fn children(&self, scope: Scope) -> &[u64] {
        self.children.get(&scope).map_or(&[], Vec::as_slice)
    }

    /// Returns the unqualified name of a type that is declared.
    pub fn name(&self, id: u64) -> Result<&str> {
        let name = self.names.get(&id);
        name.map(String::as_str).ok_or_else(|| Error::schema("schema", format!("type missing: id={id:#018x}")))
    }

    /// Returns the name of the root struct of a record type's segments, by the record type's index.
    pub fn segment_name(&self, index: usize) -> &str {
        self.segments.get(index).map_or("", String::as_str)
    }

    /// Returns the shortest name by which the compiler finds a type from within a scope.
    pub fn reference(&self, scope: Scope, id: u64) -> Result<String> {
        let mut path = self.name(id)?.to_owned();
        let mut outermost = id;
        loop {
            if self.resolve(scope, self.name(outermost)?) == Some(outermost) {
                return Ok(path);
            }
            match self.parents.get(&outermost) {
                Some(Some(parent)) => outermost = *parent,
                // Hidden by a nested type of the same name.
                _ => return Ok(format!(".{path}")),
            }
            path = format!("{}.{path}", self.name(outermost)?);
        }
    }

    /// Returns what the compiler finds under a name: it looks in the scope itself, then in the scopes around it.
    fn resolve(&self, scope: Scope, name: &str) -> Option<u64> {
        let mut scope = scope;
        loop {
            if let Some(id) = self.by_name.get(&(scope, name.to_owned())) {
                return Some(*id);
            }
            scope = *self.parents.get(&scope?)?;
        }
    }
}

/// Returns the struct that a type is declared in, if the schema has it, and the scopes around lead to a file.
fn scope_of(schema: &Schema, id: u64) -> Scope {
    let around = |id| {
        let scope = schema.get_struct(id).map(|ty| ty.scope).or_else(|| schema.get_enum(id).map(|ty| ty.scope))?;
        schema.get_struct(scope).filter(|ty| !ty.is_group).map(|ty| ty.id)
    };
    let outermost = (0..DEPTH_MAX).try_fold(id, |id, _| around(id));
    if outermost.is_some() { None } else { around(id) }
}

/// Returns an id for something that only the printed file declares.
pub(super) fn declared_id(context: &str, bytes: &[u8]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(context.as_bytes()).update(bytes);
    let mut id = [0; 8];
    hasher.finalize_xof().fill(&mut id);
    u64::from_le_bytes(id) | 1 << 63
}

/// Returns the id of the root struct of a record type's segments.
pub(super) fn segment_id(type_id: u64) -> u64 {
    declared_id("kapok segment root", &type_id.to_le_bytes())
}
