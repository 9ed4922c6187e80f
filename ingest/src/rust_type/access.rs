//! What a type finds within the sequences, maps, structs and enums that a probe stands for.

use std::any::type_name;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::halt::Halt;
use super::probe::Probe;
use super::trace::{TraceId, Traces};

/// Elements of a sequence or tuple, which share one place.
pub(super) struct Elements<'t> {
    pub(super) traces: &'t mut Traces,
    pub(super) element: TraceId,
    pub(super) count: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Halt;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Halt> {
        if self.count == 0 {
            return Ok(None);
        }
        self.count -= 1;
        seed.deserialize(Probe { traces: self.traces, at: self.element }).map(Some)
    }
}

/// Entries of a map: one, or none if it has nothing to tell.
pub(super) struct Entries<'t> {
    pub(super) traces: &'t mut Traces,
    pub(super) key: TraceId,
    pub(super) value: TraceId,
    pub(super) count: usize,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Halt;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Halt> {
        if self.count == 0 {
            return Ok(None);
        }
        self.count -= 1;
        seed.deserialize(Probe { traces: self.traces, at: self.key }).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Halt> {
        seed.deserialize(Probe { traces: self.traces, at: self.value })
    }
}

/// Members of a struct: what is least known comes first, since a value that is refused ends the run.
pub(super) struct Members<'t> {
    pub(super) traces: &'t mut Traces,
    pub(super) index: usize,
    /// Names to come, the next one last.
    queue: Vec<(&'static str, TraceId)>,
    current: (&'static str, TraceId),
}

impl<'t> Members<'t> {
    pub(super) fn new(traces: &'t mut Traces, index: usize) -> Self {
        let ty = &traces.structs[index];
        let mut queue: Vec<_> = ty.fields.iter().copied().filter(|(name, _)| !ty.aliases.contains(name)).collect();
        queue.sort_by_key(|(name, at)| (!ty.leaders.contains(name), traces.is_complete(*at)));
        queue.reverse();
        Self { traces, index, queue, current: ("", 0) }
    }

    /// Notes that the type took the current name for the field `own_name`, which it has under another name already.
    pub(super) fn note_alias(&mut self, own_name: &'static str) -> Halt {
        let ty = &mut self.traces.structs[self.index];
        let is_new =
            if self.current.0 == own_name { ty.leaders.insert(own_name) } else { ty.aliases.insert(self.current.0) };
        self.traces.steps += u64::from(is_new);
        Halt::Stop
    }
}

impl<'de> MapAccess<'de> for &mut Members<'_> {
    type Error = Halt;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Halt> {
        let Some(current) = self.queue.pop() else { return Ok(None) };
        self.current = current;
        let key = seed.deserialize(BorrowedStrDeserializer::<Halt>::new(current.0))?;
        // The enum that derived code reads names into: aliases give the same variant.
        if type_name::<K::Value>().ends_with("__Field") {
            let mut hasher = DefaultHasher::new();
            discriminant(&key).hash(&mut hasher);
            self.traces.structs[self.index].meanings.insert(current.0, hasher.finish());
        }
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Halt> {
        let (name, at) = self.current;
        self.traces.path.push(name);
        let out = seed.deserialize(Probe { traces: self.traces, at });
        self.traces.path.pop();
        out
    }
}

/// A variant that should hold nothing.
pub(super) struct Variant<'t> {
    pub(super) traces: &'t mut Traces,
    pub(super) index: usize,
    pub(super) name: &'static str,
    pub(super) rust_type: &'static str,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Halt;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Halt> {
        let variant = seed.deserialize(BorrowedStrDeserializer::<Halt>::new(self.name))?;
        Ok((variant, self))
    }
}

impl Variant<'_> {
    fn refuse<T>(self) -> Result<T, Halt> {
        Err(self.traces.refuse(&format!("an enum whose variant {} holds data", self.name), self.rust_type))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Halt;

    fn unit_variant(self) -> Result<(), Halt> {
        let ty = &mut self.traces.enums[self.index];
        if ty.variants.get(ty.explored) == Some(&self.name) {
            ty.explored += 1;
            self.traces.steps += 1;
        }
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Halt> {
        self.refuse()
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Halt> {
        self.refuse()
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Halt> {
        self.refuse()
    }
}
