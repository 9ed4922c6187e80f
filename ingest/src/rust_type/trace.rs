//! What a Rust type asked for when it was deserialized.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashSet;

use super::halt::Halt;
use kapok_core::schema::Type;
use kapok_core::{Error, Fault};

/// Index of a [`Trace`].
pub(super) type TraceId = usize;

/// What stands at one place of the type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Trace {
    /// Not reached yet.
    Unknown,
    /// A number, Bool, text, bytes or nothing.
    Plain(Type),
    Option(TraceId),
    List(TraceId),
    Map(TraceId, TraceId),
    /// A struct, by index of [`StructTrace`].
    Struct(usize),
    /// An enum, by index of [`EnumTrace`].
    Enum(usize),
}

/// A struct.
#[derive(Debug)]
pub(super) struct StructTrace {
    /// Name that serde gives.
    pub(super) name: &'static str,
    /// Path of the Rust type, since two types may have one name.
    pub(super) rust_type: &'static str,
    /// Names that the type answers to, and their places.
    pub(super) fields: Vec<(&'static str, TraceId)>,
    /// Names that stand for another one.
    pub(super) aliases: BTreeSet<&'static str>,
    /// Names that must come before their aliases to be told apart from them.
    pub(super) leaders: BTreeSet<&'static str>,
    /// The field that the type took a name for, as far as that is known.
    pub(super) meanings: BTreeMap<&'static str, u64>,
}

/// An enum whose variants hold nothing.
#[derive(Debug)]
pub(super) struct EnumTrace {
    pub(super) name: &'static str,
    pub(super) rust_type: &'static str,
    pub(super) variants: &'static [&'static str],
    /// Variants that were seen to hold nothing.
    pub(super) explored: usize,
}

/// All that was learnt so far. A type is deserialized again and again, each time a bit further, since a value that its
/// type refuses ends a run.
#[derive(Debug)]
pub(super) struct Traces {
    pub(super) root: String,
    pub(super) places: Vec<Trace>,
    pub(super) structs: Vec<StructTrace>,
    pub(super) enums: Vec<EnumTrace>,
    /// Texts that a place has refused, by number.
    pub(super) refused_texts: BTreeMap<TraceId, usize>,
    /// Structs within which the run stands.
    pub(super) open: Vec<usize>,
    /// Names of the fields within which the run stands.
    pub(super) path: Vec<&'static str>,
    pub(super) refusal: Option<Error>,
    /// Grows with all that is learnt.
    pub(super) steps: u64,
}

impl Traces {
    pub(super) fn new(root: &str) -> Self {
        Self {
            root: root.to_owned(),
            places: vec![Trace::Unknown],
            structs: Vec::new(),
            enums: Vec::new(),
            refused_texts: BTreeMap::new(),
            open: Vec::new(),
            path: Vec::new(),
            refusal: None,
            steps: 0,
        }
    }

    /// Adds a place that is not traced yet.
    pub(super) fn push(&mut self) -> TraceId {
        self.places.push(Trace::Unknown);
        self.places.len() - 1
    }

    /// Notes what stands at a place; elements of tuples share one.
    pub(super) fn note(&mut self, at: TraceId, trace: Trace, rust_type: &str) -> Result<(), Halt> {
        if self.places[at] == Trace::Unknown {
            self.places[at] = trace;
            self.steps += 1;
        } else if self.places[at] != trace {
            return Err(self.refuse("a tuple of different types, or a type that changes", rust_type));
        }
        Ok(())
    }

    /// Returns the index of a struct type.
    pub(super) fn struct_trace(
        &mut self,
        name: &'static str,
        rust_type: &'static str,
        fields: &'static [&'static str],
    ) -> usize {
        let is_it = |ty: &StructTrace| ty.rust_type == rust_type && ty.fields.iter().map(|f| &f.0).eq(fields);
        if let Some(index) = self.structs.iter().position(is_it) {
            return index;
        }
        let fields = fields.iter().map(|field| (*field, self.push())).collect();
        self.structs.push(StructTrace {
            name,
            rust_type,
            fields,
            aliases: BTreeSet::new(),
            leaders: BTreeSet::new(),
            meanings: BTreeMap::new(),
        });
        self.structs.len() - 1
    }

    /// Returns the index of an enum type.
    pub(super) fn enum_trace(
        &mut self,
        name: &'static str,
        rust_type: &'static str,
        variants: &'static [&'static str],
    ) -> usize {
        let is_it = |ty: &EnumTrace| ty.rust_type == rust_type && ty.variants == variants;
        self.enums.iter().position(is_it).unwrap_or_else(|| {
            self.enums.push(EnumTrace { name, rust_type, variants, explored: 0 });
            self.enums.len() - 1
        })
    }

    /// Returns whether everything from a place on is known, up to the structs within which the run stands: these
    /// explore themselves.
    pub(super) fn is_complete(&self, at: TraceId) -> bool {
        let mut seen: HashSet<usize> = self.open.iter().copied().collect();
        let mut open = vec![at];
        while let Some(at) = open.pop() {
            match &self.places[at] {
                Trace::Unknown => return false,
                Trace::Option(held) | Trace::List(held) => open.push(*held),
                Trace::Map(key, value) => open.extend([*key, *value]),
                Trace::Enum(index) if self.enums[*index].explored < self.enums[*index].variants.len() => return false,
                Trace::Plain(_) | Trace::Enum(_) => {}
                Trace::Struct(index) => {
                    if seen.insert(*index) {
                        let ty = &self.structs[*index];
                        open.extend(
                            ty.fields.iter().filter(|(name, _)| !ty.aliases.contains(name)).map(|field| field.1),
                        );
                    }
                }
            }
        }
        true
    }

    /// Notes a refusal, which ends the tracing; the first one stays.
    #[cold]
    pub(super) fn refuse(&mut self, what: &str, rust_type: &str) -> Halt {
        if self.refusal.is_none() {
            let subject =
                [self.root.as_str()].into_iter().chain(self.path.iter().copied()).collect::<Vec<_>>().join(".");
            self.refusal = Some(refusal(subject, what, rust_type));
        }
        Halt::Stop
    }
}

/// Returns the error about a Rust type that has no schema by itself.
pub(super) fn refusal(subject: String, what: &str, rust_type: &str) -> Error {
    Fault::RustType { field: subject, what: what.to_owned(), rust_type: rust_type.to_owned() }.into()
}
