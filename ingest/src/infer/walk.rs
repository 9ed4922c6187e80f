//! Adds what one more value shows to what is known.

use hashbrown::HashMap;

use super::growth::type_id;
use super::misfit::{Fit, Misfit, describe, describe_type, found};
use super::number::{Numbers, Wider, fits};
use super::shape::{AppendedField, Node, NodeId, Object, ObjectId, Shape, Vector};
use super::{InferenceSettings, VectorSetting};
use crate::Value;
use kapok_core::record::DEPTH_MAX;
use kapok_core::schema::{LIST_DEPTH_MAX, Schema, Type};

/// Distinct keys that an object may have before it looks like a map.
const OBJECT_KEYS_MAX: usize = 256;
/// Distinct keys that a record may have: there is no way to say that it is a map.
const RECORD_KEYS_MAX: usize = 4096;
/// What to do about a value of another type than the known one.
const REPUBLISH: &str = "to change the type, publish all records anew (--republish)";

/// Everything that is known so far; the record is object 0.
#[derive(Debug)]
pub(super) struct Shapes {
    pub(super) record_type: String,
    pub(super) settings: InferenceSettings,
    pub(super) known: Schema,
    pub(super) nodes: Vec<Node>,
    pub(super) objects: Vec<Object>,
    /// Known integers may become wider, or Float64.
    pub(super) widens: bool,
    visits: u64,
}

/// Position of the walk.
#[derive(Clone, Copy)]
pub(super) struct Position {
    pub(super) line: u64,
    depth: u32,
    /// Lists around it, within each other and nothing else.
    lists: u32,
}

impl Position {
    pub(super) fn at(line: u64) -> Self {
        Self { line, depth: 0, lists: 0 }
    }

    fn deeper(self) -> Fit<Self> {
        if self.depth == DEPTH_MAX {
            return Err(Misfit::new(format!("nested too deep: allowed={DEPTH_MAX}")));
        }
        Ok(Self { depth: self.depth + 1, lists: 0, ..self })
    }

    /// Returns the position within a list, unless there are more lists within lists than readers accept.
    fn in_list(self) -> Fit<Self> {
        if self.lists == LIST_DEPTH_MAX {
            return Err(Misfit::new(format!("lists nested too deep: allowed={LIST_DEPTH_MAX}")));
        }
        Ok(Self { lists: self.lists + 1, ..self.deeper()? })
    }
}

impl Shapes {
    pub(super) fn new(record_type: &str, settings: InferenceSettings, known: Schema) -> Self {
        let record_type = record_type.to_owned();
        Self { record_type, settings, known, nodes: Vec::new(), objects: Vec::new(), widens: false, visits: 0 }
    }

    /// Takes a value that is not null.
    fn observe(&mut self, at: NodeId, value: &Value, position: Position) -> Fit {
        if matches!(self.nodes[at].shape, Shape::Unknown) {
            self.nodes[at].shape = self.begin(at, value)?;
            self.nodes[at].line = position.line;
        }
        if let Shape::Number(numbers) = &mut self.nodes[at].shape
            && let Value::Int(_) | Value::UInt(_) | Value::Float32(_) | Value::Float64(_) = value
        {
            return numbers.join(value, position.line);
        }
        if let (Shape::Vector(vector), Value::List(items)) = (&mut self.nodes[at].shape, value) {
            position.in_list()?;
            return vector.join(items, position.line);
        }
        let node = &self.nodes[at];
        match (&node.shape, value) {
            (Shape::Loose | Shape::Json, _)
            | (Shape::Bool, Value::Bool(_))
            | (Shape::Text, Value::Text(_))
            // Bytes also stand for small integers.
            | (Shape::Data | Shape::Vector(Vector { element: Type::Int8, .. }), Value::Data(_)) => Ok(()),
            (Shape::Fixed(ty), _) if fits(ty, value) => Ok(()),
            (Shape::Fixed(ty) | Shape::Wider(Wider { ty, .. }), _) => {
                let wider = node.shape.widened_by(value).filter(|_| !self.objects[node.owner].is_closed);
                let way_out = match wider {
                    Some(wider) if self.widens => {
                        self.nodes[at].shape = wider;
                        return Ok(());
                    }
                    Some(Shape::Wider(Wider { ty, .. })) => {
                        format!("to make the field wider ({}), publish with --widen", describe_type(&ty))
                    }
                    Some(_) => "to make the field a Float64, publish with --widen".to_owned(),
                    None => REPUBLISH.to_owned(),
                };
                Err(Misfit::new(format!("known type={}, found={}; {way_out}", describe_type(ty), found(value))))
            }
            (Shape::List(elements), Value::List(items)) => {
                let elements = *elements;
                self.observe_elements(elements, items, position.in_list()?)
            }
            (Shape::Object(object), Value::Struct(_) | Value::Map(_)) => {
                let object = *object;
                self.observe_object(object, value, position.deeper()?)
            }
            // A member of a union, for the encoder to judge.
            (Shape::Object(object), Value::Variant(..)) if self.objects[*object].is_closed => Ok(()),
            (Shape::List(elements), Value::Data(_)) if holds_bytes(&self.nodes[*elements].shape) => Ok(()),
            (Shape::Map(entry), Value::Struct(_) | Value::Map(_)) => {
                let entry = *entry;
                self.observe_entries(entry, value, position.deeper()?)
            }
            (shape, _) if node.line == 0 => {
                // What the settings said is to be mended there.
                let is_set = self.settings.vector(&node.path).is_some() || self.settings.maps.contains(&node.path);
                let way_out = if is_set { String::new() } else { format!("; {REPUBLISH}") };
                Err(Misfit::new(format!("known as {}, found={}{way_out}", shape.describe(), found(value))))
            }
            (shape, _) => {
                // What the settings made a map or a vector was not meant to be anything else.
                let hint = if matches!(shape, Shape::Map(_) | Shape::Vector(_)) { String::new() } else { node.json_hint() };
                let (found, known) = (found(value), shape.describe());
                Err(Misfit::new(format!("mixed types: {found} here, {known} line={}{hint}", node.line)))
            }
        }
    }

    /// Infers the shape of a place from its first value.
    fn begin(&mut self, at: NodeId, value: &Value) -> Fit<Shape> {
        Ok(match value {
            Value::Null => Shape::Unknown,
            Value::Bool(_) => Shape::Bool,
            Value::Int(_) | Value::UInt(_) | Value::Float32(_) | Value::Float64(_) => Shape::Number(Numbers::default()),
            Value::Text(_) => Shape::Text,
            Value::Data(_) => Shape::Data,
            Value::List(_) => {
                let Node { path, owner, stem, .. } = &self.nodes[at];
                let elements = node(path.clone(), *owner, stem.clone());
                Shape::List(self.push_node(elements))
            }
            Value::Struct(_) => {
                let Node { path, owner, stem, .. } = &self.nodes[at];
                let (path, owner, stem) = (path.clone(), *owner, stem.clone());
                Shape::Object(self.push_object(path, owner, stem))
            }
            Value::Map(_) => Shape::Map(self.push_entry(at)),
            Value::Variant(..) => {
                return Err(Misfit::new("an enum's variants are not known from one value; declare the schema"));
            }
        })
    }

    /// Takes an object whose members are the members of a struct.
    pub(super) fn observe_object(&mut self, at: ObjectId, value: &Value, position: Position) -> Fit {
        self.visits += 1;
        let visit = self.visits;
        let mut expected = 0;
        let mut present = 0;
        for_each_member(value, |name, item| {
            let index = match self.objects[at].find(name, expected) {
                Some(index) => index,
                None => self.push_member(at, name)?,
            };
            expected = index + 1;
            if matches!(item, Value::Null) {
                return Ok(());
            }
            let member = &mut self.objects[at].members[index];
            member.visit = visit;
            present += 1;
            let node = member.node;
            self.observe(node, item, position).map_err(|misfit| misfit.within(name))?;
            self.settle_null(at, index);
            Ok(())
        })?;
        if present < self.objects[at].members.len() {
            for index in 0..self.objects[at].members.len() {
                if self.objects[at].members[index].visit != visit {
                    self.note_null(at, index);
                }
            }
        }
        self.objects[at].was_seen = true;
        Ok(())
    }

    /// Takes an object whose members are the entries of a map.
    fn observe_entries(&mut self, entry: ObjectId, value: &Value, position: Position) -> Fit {
        let [key, held, ..] = self.objects[entry].members.as_slice() else {
            return Err(Misfit::new("the known map's entries have no key and value"));
        };
        let (key, held) = (key.node, held.node);
        match value {
            Value::Struct(members) => {
                for (_, item) in members {
                    match self.nodes[key].shape {
                        Shape::Unknown => self.nodes[key].shape = Shape::Text,
                        // Names of members stand for keys of any type: the encoder reads them.
                        Shape::Text | Shape::Fixed(_) => {}
                        _ => return Err(Misfit::new("mixed types: text keys and other keys in one map")),
                    }
                    self.observe_held(entry, held, item, position)?;
                }
            }
            Value::Map(entries) => {
                for (name, item) in entries {
                    match name {
                        Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Text(_) | Value::Data(_) => {}
                        _ => return Err(Misfit::new(format!("{} cannot be the key of a map", found(name)))),
                    }
                    self.observe(key, name, position).map_err(|misfit| misfit.within("key"))?;
                    self.observe_held(entry, held, item, position)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes the value of a map's entry.
    fn observe_held(&mut self, entry: ObjectId, at: NodeId, item: &Value, position: Position) -> Fit {
        if matches!(item, Value::Null) {
            self.note_null(entry, 1);
            return Ok(());
        }
        self.observe(at, item, position).map_err(|misfit| misfit.within("*"))?;
        self.settle_null(entry, 1);
        Ok(())
    }

    fn observe_elements(&mut self, at: NodeId, items: &[Value], position: Position) -> Fit {
        for (index, item) in items.iter().enumerate() {
            if matches!(item, Value::Null) {
                self.nodes[at].null_line.get_or_insert(position.line);
            } else {
                self.observe(at, item, position).map_err(|misfit| misfit.at(index))?;
            }
            let node = &self.nodes[at];
            if let Some(null_line) = node.null_line
                && !node.shape.may_be_null_in_list()
            {
                return Err(Misfit::new(format!(
                    "a list of {} cannot hold null: null line={null_line}{}",
                    match node.shape {
                        Shape::Object(_) => "objects",
                        _ => "numbers or bools",
                    },
                    node.json_hint()
                ))
                .at(index));
            }
        }
        Ok(())
    }

    /// Notes that a member was null or absent.
    fn note_null(&mut self, at: ObjectId, index: usize) {
        let member = &mut self.objects[at].members[index];
        if !member.is_null_somewhere {
            member.is_null_somewhere = true;
            self.settle_null(at, index);
        }
    }

    /// Appends the flag of a member that needs one.
    fn settle_null(&mut self, at: ObjectId, index: usize) {
        let object = &mut self.objects[at];
        let member = &mut object.members[index];
        if member.is_null_somewhere && !member.null_is_settled && self.nodes[member.node].shape.is_data() {
            member.null_is_settled = true;
            object.appended.push(AppendedField::NullFlag(index));
        }
    }

    #[cold]
    pub(super) fn push_member(&mut self, at: ObjectId, name: &str) -> Fit<usize> {
        let object = &self.objects[at];
        let (limit, hint) = if at == 0 {
            (RECORD_KEYS_MAX, "; declare the schema".to_owned())
        } else {
            (OBJECT_KEYS_MAX, format!(" looks like a map; use --map {}", object.path))
        };
        if object.is_closed {
            return Err(Misfit::new(format!(
                "the schema is declared and lacks this field: type={} has unions or groups and cannot be extended by data",
                object.name
            ))
            .within(name));
        }
        if let Some(flag) = object.known.as_ref().and_then(|ty| ty.field(name)).filter(|flag| flag.null_of.is_some()) {
            let of = flag.null_of.as_deref().unwrap_or_default();
            return Err(Misfit::new(format!("the schema has this name for what says that {of} is null")).within(name));
        }
        if object.members.len() >= limit {
            return Err(Misfit::new(format!("an object of more than {limit} distinct keys{hint}")));
        }
        let path = join(&object.path, name);
        // Whoever came before, in this or an earlier run, lacked it.
        let is_null_somewhere = object.was_seen;
        let is_map = self.settings.maps.contains(&path);
        let vector = self.settings.vector(&path).map(VectorSetting::shape);
        let is_json = self.settings.json.contains(&path);
        let node = self.push_node(node(path, at, name.to_owned()));
        if is_map {
            self.nodes[node].shape = Shape::Map(self.push_entry(node));
        } else if let Some(vector) = vector {
            self.nodes[node].shape = vector;
        } else if is_json {
            self.nodes[node].shape = Shape::Json;
        }
        let object = &mut self.objects[at];
        let index = object.push(name, node);
        object.members[index].is_null_somewhere = is_null_somewhere;
        object.appended.push(AppendedField::Member(index));
        Ok(index)
    }

    /// Adds the struct of a map's entries.
    fn push_entry(&mut self, at: NodeId) -> ObjectId {
        let Node { path, owner, stem, .. } = &self.nodes[at];
        let (path, owner, stem) = (path.clone(), *owner, stem.clone());
        let entry = self.push_object(path.clone(), owner, format!("{stem}_entry"));
        for (name, path, stem) in
            [("key", join(&path, "key"), format!("{stem}_key")), ("value", join(&path, "*"), format!("{stem}_value"))]
        {
            let is_json = name == "value" && self.settings.json.contains(&path);
            let node = self.push_node(node(path, entry, stem));
            if is_json {
                self.nodes[node].shape = Shape::Json;
            }
            let object = &mut self.objects[entry];
            let index = object.push(name, node);
            object.appended.push(AppendedField::Member(index));
        }
        entry
    }

    pub(super) fn push_node(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn push_object(&mut self, path: String, owner: ObjectId, stem: String) -> ObjectId {
        let mut type_path = join(&self.record_type, &path);
        let mut id = type_id(&type_path);
        while self.known.get_struct(id).is_some() || self.objects.iter().any(|object| object.id == id) {
            // Two paths read alike where names hold dots.
            type_path.push('\'');
            id = type_id(&type_path);
        }
        self.objects.push(Object {
            id,
            scope: self.objects.get(owner).map_or(0, |owner| owner.id),
            name: stem,
            path,
            known: None,
            is_closed: false,
            was_seen: false,
            members: Vec::new(),
            by_name: HashMap::new(),
            appended: Vec::new(),
        });
        self.objects.len() - 1
    }

    /// Adds the record of a new type.
    pub(super) fn push_record(&mut self) {
        self.push_object(String::new(), 0, self.record_type.clone());
    }
}

/// Returns whether a list of such elements can be given as bytes.
fn holds_bytes(elements: &Shape) -> bool {
    matches!(elements, Shape::Fixed(Type::Int8 | Type::UInt8))
}

/// Returns a place of which nothing is known.
pub(super) fn node(path: String, owner: ObjectId, stem: String) -> Node {
    Node { shape: Shape::Unknown, line: 0, null_line: None, path, owner, stem }
}

pub(super) fn join(path: &str, name: &str) -> String {
    match (path, name) {
        ("", name) => name.to_owned(),
        (path, "") => path.to_owned(),
        (path, name) => format!("{path}.{name}"),
    }
}

/// Visits the members of an object, in either representation.
fn for_each_member(value: &Value, mut visit: impl FnMut(&str, &Value) -> Fit) -> Fit {
    match value {
        Value::Struct(members) => members.iter().try_for_each(|(name, item)| visit(name, item)),
        Value::Map(entries) => entries.iter().try_for_each(|(name, item)| match name {
            Value::Text(name) => visit(name, item),
            _ => Err(Misfit::new(format!("{} cannot be the name of a member", found(name)))),
        }),
        _ => Err(Misfit::new(format!("found={}, expected=an object", describe(value)))),
    }
}
