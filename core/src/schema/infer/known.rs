//! What does a known schema say about the records to come?

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::growth::{is_closed, type_id};
use super::shape::{NodeId, Object, ObjectId, Shape, Vector};
use super::walk::{Shapes, join, node};
use crate::error::{Error, Result};
use crate::schema::{FieldKind, FieldType, StructType, Type};

/// Struct types that are loaded already, and those that are being loaded.
#[derive(Default)]
struct Loaded {
    objects: HashMap<u64, ObjectId>,
    open: Vec<u64>,
    recursive: HashSet<u64>,
    entries: HashSet<u64>,
}

impl Shapes {
    /// The record of a known type.
    pub(super) fn load_record(&mut self, id: u64) -> Result<()> {
        let mut loaded = Loaded::default();
        self.load_struct(id, "", &mut loaded)?;
        Ok(())
    }

    fn load_struct(&mut self, id: u64, path: &str, loaded: &mut Loaded) -> Result<ObjectId> {
        if let Some(&object) = loaded.objects.get(&id) {
            if let Some(first) = loaded.open.iter().position(|open| *open == id) {
                loaded.recursive.extend(&loaded.open[first..]);
            }
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
        loaded.open.push(id);
        // In a type that somebody declared, what is absent is the default; only data says "null" by leaving out.
        let is_declared = id != type_id(&join(&self.record_type, path));
        for field in &ty.fields {
            if field.null_of.is_none() {
                self.load_field(at, &ty, field, is_declared, loaded)?;
            }
        }
        if is_declared {
            // Who declares a type may write data by the names of the declaration.
            for (index, field) in ty.fields.iter().filter(|field| field.null_of.is_none()).enumerate() {
                self.objects[at].by_name.entry_ref(field.name.as_str()).or_insert(index);
            }
        }
        loaded.open.pop();
        if loaded.recursive.contains(&id) {
            // A visit of such an object can begin while another one of it goes on: no telling what is absent.
            self.objects[at].members.iter_mut().for_each(|member| member.null_is_settled = true);
        }
        Ok(at)
    }

    fn load_field(
        &mut self,
        at: ObjectId,
        ty: &StructType,
        field: &FieldType,
        is_declared: bool,
        loaded: &mut Loaded,
    ) -> Result<()> {
        let is_entry = loaded.entries.contains(&self.objects[at].id);
        let step = if is_entry && field.name == "value" { "*" } else { field.json_name() };
        let path = join(&self.objects[at].path, step);
        self.check_settings(&path, field)?;
        // The member comes first, so that a type that reaches itself meets it.
        let at_node = self.push_node(node(path.clone(), at, field.json_name().to_owned()));
        let object = &mut self.objects[at];
        let index = object.push(field.json_name(), at_node);
        let member = &mut object.members[index];
        member.known_name = Some(field.name.clone());
        member.null_is_settled =
            is_declared || ty.fields.iter().any(|flag| flag.null_of.as_deref() == Some(field.name.as_str()));
        self.nodes[at_node].shape = match &field.kind {
            FieldKind::Group(_) => Shape::Loose,
            FieldKind::Slot { ty, .. } => self.load_slot(field, ty, &path, loaded)?,
        };
        Ok(())
    }

    fn load_slot(&mut self, field: &FieldType, ty: &Type, path: &str, loaded: &mut Loaded) -> Result<Shape> {
        if let (Some(space), Type::List(element)) = (field.vector, ty) {
            return Ok(Shape::Vector(Vector { element: (**element).clone(), dimension: space.dimension, line: 0 }));
        }
        if let (true, Type::List(element)) = (field.is_map, ty)
            && let Type::Struct(entry) = **element
        {
            return self.load_map(entry, path, loaded);
        }
        self.load_type(ty, path, loaded)
    }

    fn load_type(&mut self, ty: &Type, path: &str, loaded: &mut Loaded) -> Result<Shape> {
        Ok(match ty {
            Type::List(element) => {
                let shape = self.load_type(element, path, loaded)?;
                Shape::List(self.push_known(path, shape))
            }
            Type::Struct(id) => Shape::Object(self.load_struct(*id, path, loaded)?),
            scalar => Shape::Fixed(scalar.clone()),
        })
    }

    /// Entries are read by position, `key` before `value`, whatever their declaration says.
    fn load_map(&mut self, entry: u64, path: &str, loaded: &mut Loaded) -> Result<Shape> {
        loaded.entries.insert(entry);
        let at = self.load_struct(entry, path, loaded)?;
        let object = &self.objects[at];
        let (Some(&key), Some(&value)) = (object.by_name.get("key"), object.by_name.get("value")) else {
            return Err(Error::invalid(&*object.name, "the entries of a map must have two fields, key and value"));
        };
        if (key, value) != (0, 1) {
            return Ok(Shape::Loose);
        }
        Ok(Shape::Map(at))
    }

    fn push_known(&mut self, path: &str, shape: Shape) -> NodeId {
        let mut node = node(path.to_owned(), 0, String::new());
        node.shape = shape;
        self.push_node(node)
    }

    /// Settings describe fields to come; they cannot contradict a known one.
    fn check_settings(&self, path: &str, field: &FieldType) -> Result<()> {
        let subject = join(&self.record_type, path);
        if field.vector.is_none() && self.settings.vectors.iter().any(|vector| vector == path) {
            return Err(Error::incompatible(subject, "the known schema does not have this field as a vector"));
        }
        if !field.is_map && self.settings.maps.iter().any(|map| map == path) {
            return Err(Error::incompatible(subject, "the known schema does not have this field as a map"));
        }
        Ok(())
    }
}
