//! What a known schema says about the records to come.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::growth::{is_closed, type_id};
use super::shape::{NodeId, Object, ObjectId, Shape, Vector};
use super::walk::{Shapes, join, node};
use kapok_core::schema::{FieldKind, FieldType, StructType, Type};
use kapok_core::{Error, Fault, Result};

/// Bytes of the paths of all fields together, at most: types may stand in long chains.
const PATH_BYTES_MAX: usize = 64 << 20;

/// Struct types that are loaded already, and those that are yet to be.
#[derive(Default)]
struct LoadedTypes {
    objects: HashMap<u64, ObjectId>,
    /// Types in the order in which they were met, so that each is loaded by the shortest path to it.
    open: VecDeque<(ObjectId, Arc<StructType>)>,
    entries: HashSet<u64>,
    /// Maps, and the structs of their entries.
    maps: Vec<(NodeId, ObjectId)>,
    /// Pairs of objects of which one has the other as a member.
    holds: Vec<(ObjectId, ObjectId)>,
    path_bytes: usize,
}

impl Shapes {
    /// Loads the record of a known type.
    pub(super) fn load_record(&mut self, id: u64) -> Result<()> {
        let mut loaded = LoadedTypes::default();
        self.meet(id, "", &mut loaded)?;
        while let Some((at, ty)) = loaded.open.pop_front() {
            self.load_struct(at, &ty, &mut loaded)?;
        }
        for (node, entry) in std::mem::take(&mut loaded.maps) {
            self.nodes[node].shape = self.map_shape(entry)?;
        }
        for at in on_cycles(self.objects.len(), &loaded.holds) {
            // A visit of such an object can begin while another one of it goes on: no telling what is absent.
            self.objects[at].members.iter_mut().for_each(|member| member.null_is_settled = true);
        }
        Ok(())
    }

    /// Returns the object of a struct type, to be loaded if it is new.
    fn meet(&mut self, id: u64, path: &str, loaded: &mut LoadedTypes) -> Result<ObjectId> {
        if let Some(&object) = loaded.objects.get(&id) {
            return Ok(object);
        }
        let ty = Arc::clone(self.known.struct_type(id)?);
        let at = self.objects.len();
        self.objects.push(Object {
            id,
            scope: ty.scope,
            name: ty.name.clone(),
            path: path.to_owned(),
            known: Some(Arc::clone(&ty)),
            is_closed: is_closed(&ty),
            was_seen: true,
            members: Vec::new(),
            by_name: HashMap::new(),
            appended: Vec::new(),
        });
        loaded.objects.insert(id, at);
        loaded.open.push_back((at, ty));
        Ok(at)
    }

    fn load_struct(&mut self, at: ObjectId, ty: &StructType, loaded: &mut LoadedTypes) -> Result<()> {
        // In a type that somebody declared, what is absent is the default; only data says "null" by leaving out.
        let is_declared = ty.id != type_id(&join(&self.record_type, &self.objects[at].path));
        let flagged: HashSet<&str> = ty.fields.iter().filter_map(|flag| flag.null_of.as_deref()).collect();
        for field in ty.fields.iter().filter(|field| field.null_of.is_none()) {
            self.load_field(at, field, is_declared || flagged.contains(field.name.as_str()), loaded)?;
        }
        if is_declared {
            // Who declares a type may write data by the names of the declaration.
            for (index, field) in ty.fields.iter().filter(|field| field.null_of.is_none()).enumerate() {
                self.objects[at].by_name.entry_ref(field.name.as_str()).or_insert(index);
            }
        }
        Ok(())
    }

    fn load_field(
        &mut self,
        at: ObjectId,
        field: &FieldType,
        null_is_settled: bool,
        loaded: &mut LoadedTypes,
    ) -> Result<()> {
        let is_entry = loaded.entries.contains(&self.objects[at].id);
        let step = if is_entry && field.name == "value" { "*" } else { field.json_name() };
        let path = join(&self.objects[at].path, step);
        loaded.path_bytes += path.len();
        if loaded.path_bytes > PATH_BYTES_MAX {
            let (allowed, needed) = (PATH_BYTES_MAX as u64, loaded.path_bytes as u64);
            let (subject, limit) = (self.record_type.clone(), "bytes of the paths of all fields");
            return Err(Fault::Limit { subject, limit, allowed, needed }.into());
        }
        self.check_settings(&path, field)?;
        let at_node = self.push_node(node(path.clone(), at, field.json_name().to_owned()));
        let object = &mut self.objects[at];
        let index = object.push(field.json_name(), at_node);
        let member = &mut object.members[index];
        member.known_name = Some(field.name.clone());
        member.null_is_settled = null_is_settled;
        self.nodes[at_node].shape = match &field.kind {
            FieldKind::Group(_) => Shape::Loose,
            FieldKind::Slot { ty, .. } => {
                if let Type::Struct(id) = ty.innermost() {
                    let held = self.meet(*id, &path, loaded)?;
                    loaded.holds.push((at, held));
                }
                self.load_slot(field, ty, at_node, loaded)?
            }
        };
        Ok(())
    }

    fn load_slot(&mut self, field: &FieldType, ty: &Type, at: NodeId, loaded: &mut LoadedTypes) -> Result<Shape> {
        if let (Some(space), Type::List(element)) = (field.vector, ty) {
            return Ok(Shape::Vector(Vector {
                element: (**element).clone(),
                form: space.element,
                dimension: space.dimension,
                line: 0,
            }));
        }
        if let (true, Type::List(element)) = (field.is_map, ty)
            && let Type::Struct(entry) = **element
        {
            loaded.entries.insert(entry);
            let entry = self.meet(entry, "", loaded)?;
            loaded.maps.push((at, entry));
            return Ok(Shape::Loose);
        }
        if field.is_json && *ty == Type::Text {
            return Ok(Shape::Json);
        }
        let path = self.nodes[at].path.clone();
        self.load_type(ty, at, &path, loaded)
    }

    fn load_type(&mut self, ty: &Type, of: NodeId, path: &str, loaded: &mut LoadedTypes) -> Result<Shape> {
        Ok(match ty {
            Type::List(element) => {
                let shape = self.load_type(element, of, path, loaded)?;
                Shape::List(self.push_known(of, path, shape))
            }
            Type::Struct(id) => Shape::Object(self.meet(*id, path, loaded)?),
            scalar => Shape::Fixed(scalar.clone()),
        })
    }

    /// Entries are read by position, `key` before `value`, not by their declaration.
    fn map_shape(&self, entry: ObjectId) -> Result<Shape> {
        let object = &self.objects[entry];
        let (Some(&key), Some(&value)) = (object.by_name.get("key"), object.by_name.get("value")) else {
            return Err(Error::schema(&*object.name, "the entries of a map must have two fields, key and value"));
        };
        Ok(if (key, value) == (0, 1) { Shape::Map(entry) } else { Shape::Loose })
    }

    fn push_known(&mut self, of: NodeId, path: &str, shape: Shape) -> NodeId {
        let mut node = node(path.to_owned(), self.nodes[of].owner, String::new());
        node.shape = shape;
        self.push_node(node)
    }

    /// Settings describe fields to come; they cannot contradict a known one.
    fn check_settings(&self, path: &str, field: &FieldType) -> Result<()> {
        let subject = join(&self.record_type, path);
        if field.vector.is_none() && self.settings.vector(path).is_some() {
            return Err(Error::incompatible(subject, "the known schema does not have this field as a vector"));
        }
        if !field.is_map && self.settings.maps.iter().any(|map| map == path) {
            return Err(Error::incompatible(subject, "the known schema does not have this field as a map"));
        }
        if !field.is_json && self.settings.json.iter().any(|json| json == path) {
            let detail = "the known schema does not have this field as JSON; publish all records anew to change that \
                          (--republish)";
            return Err(Error::incompatible(subject, detail));
        }
        Ok(())
    }
}

/// Returns the objects that hold themselves, at any depth, and those between two such. `holds` has pairs of holder and
/// held.
fn on_cycles(count: usize, holds: &[(usize, usize)]) -> impl Iterator<Item = usize> {
    let reversed: Vec<_> = holds.iter().map(|(holder, held)| (*held, *holder)).collect();
    let (ended, begun) = (untied(count, holds), untied(count, &reversed));
    (0..count).filter(move |at| !ended[*at] && !begun[*at])
}

/// Returns the objects that no cycle reaches.
fn untied(count: usize, edges: &[(usize, usize)]) -> Vec<bool> {
    let (mut next, mut open) = (vec![Vec::new(); count], vec![0_usize; count]);
    for (from, to) in edges {
        next[*from].push(*to);
        open[*to] += 1;
    }
    let mut out = vec![false; count];
    let mut ready: Vec<usize> = (0..count).filter(|at| open[*at] == 0).collect();
    while let Some(at) = ready.pop() {
        out[at] = true;
        for to in &next[at] {
            open[*to] -= 1;
            if open[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    out
}
