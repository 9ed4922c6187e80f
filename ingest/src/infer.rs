//! Infers the schema of records that come without one.
//!
//! Records are [observed](Inference::observe) one at a time; [`Inference::finish`] gives the schema that holds them
//! all. The same records in the same order give the same schema. Rules:
//!
//! * Integers are Int64, or `UInt64` if one exceeds it and none is negative. Integers and floats join to Float64 if
//!   each integer is exact in it. Other mixes are errors that name both lines. In a [compact](InferenceSettings::compact)
//!   type, integers are of the narrowest signed type that holds four times the least and the greatest, if any does.
//! * A number or Bool that is null or absent somewhere gets a flag field `<name>IsNull`, appended where the need was
//!   first seen. Text, lists and objects need none.
//! * An object becomes a struct type named after its field, declared within the struct that has the field; fields stand
//!   in the order of their first appearance. An object of more than 256 distinct keys is taken for a map that nobody
//!   declared and refused.
//! * A member that the settings keep as JSON is Text, annotated as JSON, whatever it holds; null stays null.
//! * What is always null is Text, what is always an empty list is `List(Text)`.
//! * A known schema is extended by appending only, never by guessing again: a value that does not fit is an error. What
//!   was observed in two runs gives the schema of one run over both, but for guesses that the second would have made
//!   otherwise.
//!
//! # Limitations
//! Types that somebody declared with unions or groups cannot be extended, and values of their unions, groups, enums and
//! Data fields are judged by the encoder. In declared types an absent number is the default, not null.

use std::collections::BTreeSet;

use crate::Value;
use kapok_core::schema::{Schema, StructType, Type, is_type_name, to_type_name, unique_name};
use kapok_core::{Fault, Result};

pub(crate) mod growth;
mod known;
mod misfit;
mod number;
pub(crate) mod seen;
mod shape;
mod vector;
mod vector_setting;
mod walk;

use growth::{Growth, key_field, not_a_type_name};
use number::Wider;
pub use seen::Seen;
use shape::{AppendedField, Member, NodeId, Object, Shape};
pub use vector_setting::VectorSetting;
use walk::{Position, Shapes};

/// What data does not say about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InferenceSettings {
    /// Names of the primary key's fields; may be left empty if a known type has a key.
    pub key: Vec<String>,
    /// Vector fields.
    pub vectors: Vec<VectorSetting>,
    /// Paths of objects that are maps, whose keys are data; `*` stands for the values of a map.
    pub maps: Vec<String>,
    /// Paths of members that are kept as JSON text, such as lists whose elements are not of one type; `*` stands for
    /// the values of a map.
    pub json: Vec<String>,
    /// New fields of integers are no wider than their values need, with room to grow: the narrowest signed type that
    /// holds four times the least and the greatest. Greater ones to come may then need
    /// [`widen_integers`](Inference::widen_integers).
    pub compact: bool,
}

/// Infers a schema from records, one by one.
#[derive(Debug)]
pub struct Inference {
    shapes: Shapes,
    records: u64,
}

impl Inference {
    /// Begins a new record type.
    ///
    /// # Errors
    /// `Invalid` for a name that no type can have, and for settings that contradict each other.
    pub fn new(record_type: &str, settings: InferenceSettings) -> Result<Self> {
        if !is_type_name(record_type) {
            return Err(not_a_type_name(record_type));
        }
        check(record_type, &settings)?;
        let mut shapes = Shapes::new(record_type, settings, Schema::new());
        shapes.push_record();
        shapes.push_held_vectors()?;
        Ok(Self { shapes, records: 0 })
    }

    /// Begins with a known record type, which may grow.
    ///
    /// # Errors
    /// `Incompatible` if the settings contradict the known type, `Invalid` if they contradict each other or the
    /// schema has no such type.
    pub fn extending(known: &Schema, record_type_id: u64, mut settings: InferenceSettings) -> Result<Self> {
        let ty = known.struct_type(record_type_id)?;
        check(&ty.name, &settings)?;
        if settings.key.is_empty() {
            let in_json = |part: &String| known.json_path(record_type_id, part).unwrap_or_else(|| part.clone());
            settings.key = ty.key.iter().map(in_json).collect();
        }
        if !ty.key.is_empty() {
            let key: Vec<_> =
                settings.key.iter().map(|part| ty.field_by_any_name(part).map_or(part, |field| &field.name)).collect();
            if !key.iter().copied().eq(&ty.key) {
                let (record_type, known, given) = (ty.name.clone(), ty.key.clone(), settings.key);
                return Err(Fault::KeyChange { record_type, known, given }.into());
            }
        }
        let mut shapes = Shapes::new(&ty.name, settings, known.clone());
        shapes.load_record(record_type_id)?;
        shapes.push_held_vectors()?;
        Ok(Self { shapes, records: 0 })
    }

    /// Lets integer fields of the known type become Float64 if a record has a float, and wider if one has an integer
    /// beyond them: to the narrowest type that holds the known one and four times what is beyond. Those of structs with
    /// groups or unions stay, and those of the key stay integers. Records that there are must then be written anew.
    pub fn widen_integers(&mut self) {
        self.shapes.widens = true;
    }

    /// Takes one record; `line` is where it comes from, for errors.
    ///
    /// # Errors
    /// `Invalid` if no schema, or not the known one, can hold the record: names line and field. The inference is of
    /// no use after an error.
    pub fn observe(&mut self, record: &Value, line: u64) -> Result<()> {
        self.check_key(record, line)?;
        let outcome = self.shapes.observe_object(0, record, Position::at(line));
        outcome.map_err(|misfit| misfit.into_error(&self.shapes.record_type, line))?;
        self.records += 1;
        Ok(())
    }

    /// Returns the schema, and the id of the record type in it.
    ///
    /// # Errors
    /// `Invalid` if there was no record to infer a new type from, if a path of the settings was never met, and
    /// if a type exceeds what the encoding can hold.
    pub fn finish(self) -> Result<(Schema, u64)> {
        let Self { shapes, records } = &self;
        let root = &shapes.objects[0];
        if root.known.is_none() {
            if *records == 0 {
                return Err(Fault::NoRecords { record_type: root.name.clone() }.into());
            }
            let InferenceSettings { vectors, maps, json, .. } = &shapes.settings;
            for path in vectors.iter().map(|vector| &vector.path).chain(maps).chain(json) {
                if !shapes.nodes.iter().any(|node| node.path == *path) {
                    let problem = "the settings name a field that no record has".to_owned();
                    return Err(Fault::InferenceSetting { field: format!("{}.{path}", root.name), problem }.into());
                }
            }
        }
        self.schema()
    }

    /// Returns the schema of the records so far, and the id of the record type in it.
    ///
    /// # Errors
    /// `Invalid` if a type exceeds what the encoding can hold.
    pub fn schema(&self) -> Result<(Schema, u64)> {
        let shapes = &self.shapes;
        let mut schema = shapes.known.clone();
        for (object, name) in shapes.objects.iter().zip(shapes.type_names()) {
            schema.insert_struct(shapes.build(object, name)?);
        }
        Ok((schema, shapes.objects[0].id))
    }

    /// Returns what has been seen so far: a record that shows no more than this need not be observed.
    pub fn seen(&self) -> Seen {
        self.shapes.seen()
    }

    fn check_key(&self, record: &Value, line: u64) -> Result<()> {
        let root = &self.shapes.objects[0];
        for part in &self.shapes.settings.key {
            let known = root.known.as_ref().and_then(|ty| ty.field_by_any_name(part));
            let of_name = |wanted: &str| match record {
                Value::Struct(members) => members.iter().find(|(name, _)| name == wanted).map(|(_, value)| value),
                Value::Map(entries) => entries
                    .iter()
                    .find(|(name, _)| matches!(name, Value::Text(name) if name == wanted))
                    .map(|(_, value)| value),
                _ => None,
            };
            if !matches!(record, Value::Struct(_) | Value::Map(_)) {
                break;
            }
            // A member may be called as another field's Cap'n Proto name.
            let value = match known {
                Some(field) => of_name(field.json_name()).or_else(|| of_name(&field.name)),
                None => of_name(part),
            };
            let detail = match value {
                None => "the record lacks this key field".to_owned(),
                Some(Value::Null) => "a key field cannot be null".to_owned(),
                Some(
                    value @ (Value::Float32(_) | Value::Float64(_) | Value::List(_) | Value::Struct(_) | Value::Map(_)),
                ) => format!("{} cannot be a key; integers, bools, enums, text and bytes can", misfit::describe(value)),
                Some(_) => continue,
            };
            return Err(Fault::Inference { line, field: format!("{}.{part}", root.name), detail }.into());
        }
        Ok(())
    }
}

/// Settings that no data could follow.
fn check(record_type: &str, settings: &InferenceSettings) -> Result<()> {
    let InferenceSettings { key, vectors, maps, json, compact: _ } = settings;
    for (index, part) in key.iter().enumerate() {
        if key[..index].contains(part) {
            return Err(key_field(format!("{record_type}.{part}"), "named twice in the key"));
        }
        if vectors.iter().any(|vector| vector.path == *part) || maps.contains(part) {
            return Err(key_field(format!("{record_type}.{part}"), "a key field cannot be a vector or a map"));
        }
        if json.contains(part) {
            return Err(key_field(format!("{record_type}.{part}"), "a key field cannot be kept as JSON"));
        }
    }
    let twice = |path: &str, what: &str| {
        let (field, problem) = (format!("{record_type}.{path}"), format!("named both {what}"));
        Err(Fault::InferenceSetting { field, problem }.into())
    };
    let is_vector = |path: &String| vectors.iter().any(|vector| vector.path == *path);
    for (index, vector) in vectors.iter().enumerate() {
        if vectors[..index].iter().any(|other| other.path == vector.path) {
            return twice(&vector.path, "as a vector and as another");
        }
    }
    if let Some(path) = maps.iter().find(|path| is_vector(path)) {
        return twice(path, "as a vector and as a map");
    }
    match json.iter().find(|path| is_vector(path) || maps.contains(path)) {
        Some(path) => twice(path, "as JSON and as a vector or a map"),
        None => Ok(()),
    }
}

impl Shapes {
    /// Returns a name for each object's type: known ones stay, new ones differ from each other and from those.
    fn type_names(&self) -> Vec<String> {
        let mut taken: BTreeSet<String> = self.known.structs().map(|ty| ty.name.clone()).collect();
        taken.extend(self.known.enums().map(|ty| ty.name.clone()));
        let mut names = Vec::with_capacity(self.objects.len());
        for object in &self.objects {
            let name = match &object.known {
                Some(ty) => ty.name.clone(),
                None if object.path.is_empty() => object.name.clone(),
                None => unique_name(&taken, &to_type_name(&object.name)),
            };
            taken.insert(name.clone());
            names.push(name);
        }
        names
    }

    fn build(&self, object: &Object, name: String) -> Result<StructType> {
        let mut growth = match &object.known {
            Some(ty) => Growth::of(self.with_metrics(object, self.widened(object, ty)?)),
            None => Growth::new(object.id, name, object.scope),
        };
        let names: Vec<String> =
            object.members.iter().map(|m| m.known_name.clone().unwrap_or_else(|| growth.name(&m.json_name))).collect();
        // Those that come beside the records stand behind what the records have.
        let is_held = |appended: &&AppendedField| match **appended {
            AppendedField::Member(index) => self.is_held(object.members[index].node),
            AppendedField::NullFlag(_) => false,
        };
        let (held, own): (Vec<&AppendedField>, Vec<&AppendedField>) = object.appended.iter().partition(is_held);
        for appended in own.into_iter().chain(held) {
            match *appended {
                AppendedField::Member(index) => self.append(&mut growth, &object.members[index], &names[index])?,
                AppendedField::NullFlag(index) => growth.add_null_flag(&names[index])?,
            }
        }
        if object.id == self.objects[0].id {
            growth.set_key(&self.settings.key)?;
        }
        growth.finish()
    }

    /// Returns a known type, with what its integers were widened to.
    fn widened(&self, object: &Object, ty: &StructType) -> Result<StructType> {
        let mut ty = ty.clone();
        if !self.widens || object.is_closed {
            return Ok(ty);
        }
        let mut is_wider = false;
        for member in &object.members {
            let known = member.known_name.as_deref();
            if let Some(field) = ty.fields.iter_mut().find(|field| Some(field.name.as_str()) == known) {
                is_wider |= field.widen(&self.type_of(member.node));
            }
        }
        if is_wider {
            ty.lay_out()?;
        }
        Ok(ty)
    }

    fn append(&self, growth: &mut Growth, member: &Member, name: &str) -> Result<()> {
        let shape = &self.nodes[member.node].shape;
        growth.add(name, &member.json_name, self.type_of(member.node), |field| {
            field.is_map = matches!(shape, Shape::Map(_));
            field.is_json = matches!(shape, Shape::Json);
            field.vector = self.vector_space(member.node);
        })
    }

    fn type_of(&self, at: NodeId) -> Type {
        match &self.nodes[at].shape {
            Shape::Unknown | Shape::Loose | Shape::Text | Shape::Json => Type::Text,
            Shape::Fixed(ty) | Shape::Wider(Wider { ty, .. }) => ty.clone(),
            Shape::Bool => Type::Bool,
            Shape::Data => Type::Data,
            Shape::Number(numbers) => numbers.ty(self.settings.compact),
            Shape::Vector(vector) => Type::List(Box::new(vector.element.clone())),
            Shape::List(elements) => Type::List(Box::new(self.type_of(*elements))),
            Shape::Object(object) => Type::Struct(self.objects[*object].id),
            Shape::Map(entry) => Type::List(Box::new(Type::Struct(self.objects[*entry].id))),
        }
    }
}
