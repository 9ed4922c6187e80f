//! Derives the schema of a Rust type that serde can deserialize.
//!
//! The type's own `Deserialize` is asked: see [`schema_of_rust_type`].
//!
//! | Rust | Cap'n Proto |
//! |---|---|
//! | struct | struct, fields in order, names as serde has them |
//! | `i8` … `u64`, `f32`, `f64`, `bool` | the same kind |
//! | `String`, `char`, what is read from a text | Text |
//! | bytes as with `serde_bytes` | Data |
//! | `Option` of a number, bool or enum | the field, and a flag `<name>IsNull` behind all fields |
//! | `Option` of anything else | the field |
//! | `Vec`, set, array or tuple of one type | `List` |
//! | map | list of entries, annotated as a map |
//! | enum whose variants hold nothing | enum |
//! | newtype struct | what it holds |
//! | `()`, unit struct | Void |
//!
//! Refused, with path and Rust type: enums that hold data, tuples of several types, 128-bit integers, `flatten`,
//! untagged and internally tagged types, `Option<Option<_>>`, and in lists `Option`s of anything but texts, bytes and
//! lists.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use serde::de::DeserializeOwned;

use kapok_core::Result;
use kapok_core::schema::{EnumType, Enumerant, Schema, Type, is_type_name, to_camel_case, to_type_name, unique_name};

use crate::infer::growth::{Growth, key_field, not_a_type_name, type_id};

mod access;
mod halt;
mod probe;
mod trace;

use halt::Halt;
use probe::Probe;
use trace::{Trace, TraceId, Traces, refusal};

/// Returns the schema of a Rust struct as a record type of that name, and its type id. `key` names the fields of the
/// primary key as serde has them.
///
/// The type is deserialized from made-up values, several times if it refuses some: what it does on the way, beyond
/// making a value, happens too. Type ids derive from the record type's and the Rust types' names.
///
/// # Errors
/// `Invalid`, naming the field and the Rust type, for types that Cap'n Proto has no type for; for a name that no type
/// can have; for key fields that do not exist, are optional, or cannot be keys.
pub fn schema_of_rust_type<T: DeserializeOwned>(name: &str, key: &[&str]) -> Result<(Schema, u64)> {
    if !is_type_name(name) {
        return Err(not_a_type_name(name));
    }
    let traces = trace::<T>(name)?;
    let Trace::Struct(root) = traces.places[0] else {
        return Err(refusal(name.to_owned(), "a record that is not a struct", std::any::type_name::<T>()));
    };
    let id = type_id(name);
    let mut builder = Builder {
        traces: &traces,
        schema: Schema::new(),
        root: name,
        root_id: id,
        names: BTreeSet::from([name.to_owned()]),
        structs: HashMap::from([(root, id)]),
        enums: HashMap::new(),
        open: Vec::new(),
    };
    builder.check_key(root, key)?;
    let key: Vec<String> = key.iter().map(|&part| part.to_owned()).collect();
    builder.build_struct(root, Growth::new(id, name.to_owned(), 0), &key)?;
    while let Some((index, growth)) = builder.open.pop() {
        builder.build_struct(index, growth, &[])?;
    }
    Ok((builder.schema, id))
}

/// Deserializes the type until nothing more is learnt of it.
fn trace<T: DeserializeOwned>(name: &str) -> Result<Traces> {
    let mut traces = Traces::new(name);
    loop {
        let before = traces.steps;
        let halt = T::deserialize(Probe { traces: &mut traces, at: 0 }).err();
        traces.open.clear();
        traces.path.clear();
        if let Some(refusal) = traces.refusal.take() {
            return Err(refusal);
        }
        if traces.steps == before {
            if traces.is_complete(0) {
                return Ok(traces);
            }
            let why = match halt {
                None | Some(Halt::Stop) => "it does not read all that it names".to_owned(),
                Some(halt) => halt.to_string(),
            };
            let detail = format!("a type that could not be traced ({why})");
            return Err(refusal(name.to_owned(), &detail, std::any::type_name::<T>()));
        }
    }
}

/// Makes types of traces.
struct Builder<'t> {
    traces: &'t Traces,
    schema: Schema,
    root: &'t str,
    root_id: u64,
    names: BTreeSet<String>,
    structs: HashMap<usize, u64>,
    enums: HashMap<usize, u64>,
    /// Struct types that are named and not built yet.
    open: Vec<(usize, Growth)>,
}

impl Builder<'_> {
    /// Adds a struct type's fields, then the flags of those that can be null.
    fn build_struct(&mut self, index: usize, mut growth: Growth, key: &[String]) -> Result<()> {
        let ty = &self.traces.structs[index];
        let owner = if self.structs.get(&index) == Some(&self.root_id) { self.root } else { ty.name };
        let mut meanings: HashMap<u64, &str> = HashMap::new();
        let mut nullable = Vec::new();
        for &(json_name, at) in ty.fields.iter().filter(|(name, _)| !ty.aliases.contains(name)) {
            let path = format!("{owner}.{json_name}");
            if let Some(meaning) = ty.meanings.get(json_name)
                && let Some(other) = meanings.insert(*meaning, json_name)
            {
                let what = format!("a field that is also called {other}, either name being an alias,");
                return Err(refusal(path, &what, ty.rust_type));
            }
            let (name, is_nullable) = self.add_field(&mut growth, &path, json_name, at)?;
            if is_nullable {
                nullable.push(name);
            }
        }
        for name in nullable {
            growth.add_null_flag(&name)?;
        }
        growth.set_key(key)?;
        self.schema.insert_struct(growth.finish()?);
        Ok(())
    }

    /// Adds a field; gives its name and whether it needs a null flag.
    fn add_field(&mut self, growth: &mut Growth, path: &str, json_name: &str, at: TraceId) -> Result<(String, bool)> {
        let (at, is_optional) = match self.traces.places[at] {
            Trace::Option(held) => (held, true),
            _ => (at, false),
        };
        if let Trace::Map(key, value) = self.traces.places[at] {
            let ty = self.entry_type(path, json_name, key, value)?;
            let name = growth.name(json_name);
            growth.add(&name, json_name, ty, |field| field.is_map = true)?;
            return Ok((name, false));
        }
        let ty = self.type_of(path, at)?;
        if is_optional && ty == Type::Void {
            return Err(refusal(path.to_owned(), "an optional unit", "Option<()>"));
        }
        let is_nullable = is_optional && !ty.is_pointer();
        let name = growth.name(json_name);
        growth.add(&name, json_name, ty, |_| {})?;
        Ok((name, is_nullable))
    }

    fn type_of(&mut self, path: &str, at: TraceId) -> Result<Type> {
        Ok(match &self.traces.places[at] {
            Trace::Plain(ty) => ty.clone(),
            Trace::Struct(index) => Type::Struct(self.struct_id(*index)),
            Trace::Enum(index) => Type::Enum(self.enum_id(*index)),
            Trace::List(element) => Type::List(Box::new(self.element_type(path, *element)?)),
            Trace::Option(_) => return Err(refusal(path.to_owned(), "an optional option", "Option<Option<_>>")),
            Trace::Map(..) => {
                return Err(refusal(path.to_owned(), "a map that is not itself a field", "map in a list"));
            }
            Trace::Unknown => return Err(refusal(path.to_owned(), "a type that was never reached", "unknown")),
        })
    }

    fn element_type(&mut self, path: &str, at: TraceId) -> Result<Type> {
        let Trace::Option(held) = self.traces.places[at] else { return self.type_of(path, at) };
        match self.type_of(path, held)? {
            ty @ (Type::Text | Type::Data | Type::List(_)) => Ok(ty),
            _ => {
                Err(refusal(path.to_owned(), "a list of optional numbers, bools, enums or structs", "Option in a list"))
            }
        }
    }

    fn entry_type(&mut self, path: &str, json_name: &str, key: TraceId, value: TraceId) -> Result<Type> {
        let key_type = self.type_of(path, key)?;
        let is_integer_or_bool = key_type.data_bits().is_some_and(|bits| bits > 0)
            && !matches!(key_type, Type::Float32 | Type::Float64 | Type::Enum(_));
        if key_type != Type::Text && !is_integer_or_bool {
            let what = "a map whose keys are neither texts nor integers nor bools";
            return Err(refusal(path.to_owned(), what, &format!("{key_type:?}")));
        }
        let name = self.new_name(&format!("{json_name}_entry"));
        let id = self.id_of(&name);
        let mut growth = Growth::new(id, name, self.root_id);
        let key_name = growth.name("key");
        growth.add(&key_name, "key", key_type, |_| {})?;
        let (value, is_nullable) = self.add_field(&mut growth, path, "value", value)?;
        if is_nullable {
            growth.add_null_flag(&value)?;
        }
        self.schema.insert_struct(growth.finish()?);
        Ok(Type::List(Box::new(Type::Struct(id))))
    }

    fn struct_id(&mut self, index: usize) -> u64 {
        if let Some(id) = self.structs.get(&index) {
            return *id;
        }
        let name = self.new_name(self.traces.structs[index].name);
        let id = self.id_of(&name);
        self.structs.insert(index, id);
        self.open.push((index, Growth::new(id, name, self.root_id)));
        id
    }

    fn enum_id(&mut self, index: usize) -> u64 {
        if let Some(id) = self.enums.get(&index) {
            return *id;
        }
        let ty = &self.traces.enums[index];
        let name = self.new_name(ty.name);
        let id = self.id_of(&name);
        let mut taken = BTreeSet::new();
        let mut enumerants = Vec::with_capacity(ty.variants.len());
        for (code_order, &variant) in (0..).zip(ty.variants) {
            let name = unique_name(&taken, &to_camel_case(variant));
            taken.insert(name.clone());
            let json_name = (variant != name).then(|| variant.to_owned());
            enumerants.push(Enumerant { name, json_name, code_order });
        }
        self.schema.insert_enum(EnumType { id, name, scope: self.root_id, enumerants });
        self.enums.insert(index, id);
        id
    }

    fn new_name(&mut self, wanted: &str) -> String {
        let name = unique_name(&self.names, &to_type_name(wanted));
        self.names.insert(name.clone());
        name
    }

    fn id_of(&self, name: &str) -> u64 {
        type_id(&format!("{}.{name}", self.root))
    }

    fn check_key(&mut self, root: usize, key: &[&str]) -> Result<()> {
        let ty = &self.traces.structs[root];
        for (index, &part) in key.iter().enumerate() {
            let path = format!("{}.{part}", self.root);
            if key[..index].contains(&part) {
                return Err(key_field(path, "named twice in the key"));
            }
            let field = ty.fields.iter().find(|(name, _)| *name == part && !ty.aliases.contains(name));
            let Some(&(_, at)) = field else {
                let names: Vec<_> = ty.fields.iter().map(|field| field.0).collect();
                return Err(key_field(path, format!("the key names a field that does not exist: fields={names:?}")));
            };
            let detail = match &self.traces.places[at] {
                Trace::Option(_) => "a key field cannot be optional",
                Trace::Plain(Type::Void | Type::Float32 | Type::Float64)
                | Trace::List(_)
                | Trace::Map(..)
                | Trace::Struct(_)
                | Trace::Unknown => "only integers, bools, enums, texts and bytes can be keys",
                Trace::Plain(_) | Trace::Enum(_) => continue,
            };
            return Err(key_field(path, detail));
        }
        Ok(())
    }
}
