//! Writes a [`Value`], or JSON text, as a message that a segment, or any reader of Cap'n Proto, can read.
//!
//! Members are found by JSON name, or else by Cap'n Proto name; objects are laid out depth first in one segment,
//! structs at the full size of their types.
//!
//! | field | takes |
//! |---|---|
//! | any with a pointer | `Null`: a null pointer, as if absent |
//! | number, Bool, enum | `Null`: sets its `nullOf` flag, which cannot be given by name; refused if it has none |
//! | … that is not given | as `Null` if it has a flag; else its default, which is counted, see [`AbsentFields`] |
//! | field of the record's key | no `Null`, and it must be given, see [`MessageWriter::of_records`] |
//! | Bool | `Bool` |
//! | integers | `Int` and `UInt` in range |
//! | Float32, Float64 | floats (finite stays finite), integers that are exact, the texts `NaN`, `Infinity` and `-Infinity` |
//! | Text | `Text` |
//! | Text annotated as JSON | anything, as its JSON; what JSON has no kind for as [`json`](crate::json) prints it |
//! | Data | `Data`; `Text` in base64, standard alphabet, padded; `List` of integers up to 255 |
//! | enum | `Text` or `Variant` of an enumerant's JSON name, or else its Cap'n Proto name; its ordinal |
//! | list | `List`; of 8-bit integers also `Data`; annotated as a map also `Struct` and `Map`, whose order it keeps |
//! | struct, group | `Struct`, or `Map` whose keys are texts |
//! | union | the one member that is not null, by name, or else the one Void or pointer that is; `Variant` of its name |
//!
//! A union of which nothing is given, or several members and all of them null, stays at the member of discriminant 0.
//! In lists, only texts, data and lists may be null.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::{RecordVectors, Seen, Value};
use kapok_core::schema::Schema;
use kapok_core::segment::Encoding;
use kapok_core::{Error, Fault, Result};

mod attached;
mod depth;
mod direct;
mod draft;
mod image;
mod json;
mod members;
mod mismatch;
mod plan;
mod scalar;
#[cfg(test)]
mod tests;

use attached::Attached;
use direct::DirectDraft;
use draft::MessageDraft;
use image::Image;
pub(crate) use json::json_text;
use plan::MessagePlan;

/// Writes values as single-segment messages, reusing its buffer. A clone shares what was compiled from the schema.
#[derive(Clone)]
pub struct MessageWriter {
    plan: Arc<MessagePlan>,
    image: Image,
    /// For each struct being written, the member of each field, counted from 1.
    given: Vec<usize>,
    /// The field that followed each field in the record before, of JSON.
    followers: Vec<u32>,
    /// Elements of the lists of numbers that are being read from JSON.
    elements: Vec<u64>,
    /// Whether an inference has to see what it has not seen yet.
    is_guarded: bool,
    /// Numbers of the fields that the record being written was not given.
    absent: Vec<usize>,
    /// How often a field was absent, by number of the field.
    absent_counts: Vec<u64>,
    absent_fields: AbsentFields,
    /// That of a writer of records.
    encoding: Option<Encoding>,
    attached: Option<Box<Attached>>,
}

/// What becomes of a number, Bool or enum that is not given and that no `nullOf` flag can say is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AbsentFields {
    /// The field takes its default, as Cap'n Proto has it, and is counted.
    #[default]
    Default,
    /// The record is refused.
    Refused,
}

impl MessageWriter {
    /// Makes a writer for records of a struct type.
    ///
    /// # Errors
    /// `Invalid` for a schema that lacks types or contradicts itself.
    #[expect(clippy::needless_pass_by_value, reason = "a writer may come to hold it, as its callers know")]
    pub fn new(schema: Arc<Schema>, type_id: u64) -> Result<Self> {
        Ok(Self::of_plan(MessagePlan::new(&schema, type_id)?))
    }

    /// Makes a writer for the records of an encoding, which refuses those that lack a field of their key.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_records(encoding: &Encoding) -> Result<Self> {
        let mut plan = MessagePlan::new(encoding.schema(), encoding.type_id())?;
        plan.set_key(encoding.key().names())?;
        Ok(Self { encoding: Some(encoding.clone()), ..Self::of_plan(plan) })
    }

    fn of_plan(plan: MessagePlan) -> Self {
        Self {
            plan: Arc::new(plan),
            image: Image::default(),
            given: Vec::new(),
            followers: Vec::new(),
            elements: Vec::new(),
            is_guarded: false,
            absent: Vec::new(),
            absent_counts: Vec::new(),
            absent_fields: AbsentFields::default(),
            encoding: None,
            attached: None,
        }
    }

    /// Gives the records to come vectors that stand beside them: of their [row](Self::set_vector_row), or of their key.
    ///
    /// # Errors
    /// `NotFound` and `Invalid` for a field that is no vector, is of other elements or of another dimension than its table, or
    /// in a union; for keys that are none of the records, or stand twice; and for a writer that is not one of
    /// [records](Self::of_records).
    pub fn set_vectors(&mut self, vectors: &Arc<RecordVectors>) -> Result<()> {
        let Some(encoding) = &self.encoding else {
            return Err(Error::invalid("vectors", "need a writer of records, which knows their key"));
        };
        self.attached = Some(Box::new(Attached::new(encoding, vectors)?));
        Ok(())
    }

    /// Sets the row of the next record in tables whose rows belong to records by position, counted from 0.
    pub fn set_vector_row(&mut self, row: u64) {
        if let Some(attached) = &mut self.attached {
            attached.row = row;
        }
    }

    /// Returns the words of the record that was written last, and its vectors that [stand beside it](Self::set_vectors), by the
    /// indexes of their pointers: where they lie, which is not in the words.
    pub fn written(&self) -> (&[u8], &[(u32, Bytes)]) {
        (self.image.bytes(), self.attached.as_ref().map_or(&[], |attached| &attached.taken))
    }

    /// Completes a message that was written, and returns it.
    fn complete(&mut self) -> Result<&[u8]> {
        if let Some(attached) = &mut self.attached {
            attached.attach(&mut self.image, self.plan.structs[0].size)?;
        }
        if !self.absent.is_empty() {
            self.count_absent()?;
        }
        Ok(self.image.bytes())
    }

    /// Chooses what becomes of fields that are not given.
    pub fn set_absent_fields(&mut self, absent_fields: AbsentFields) {
        self.absent_fields = absent_fields;
    }

    /// Has [`Self::write_seen_json`] write nothing but what an inference has seen, whose schema this writer has.
    pub fn set_seen(&mut self, seen: &Seen) {
        Arc::make_mut(&mut self.plan).set_seen(seen);
        self.is_guarded = true;
    }

    /// Returns how often each number, Bool and enum was not given and took its default, by type and field; begins anew
    /// with each call.
    pub fn take_absent(&mut self) -> BTreeMap<String, u64> {
        let counts = std::mem::take(&mut self.absent_counts);
        if counts.is_empty() {
            return BTreeMap::new();
        }
        self.plan.field_names().into_iter().zip(counts).filter(|(_, count)| *count > 0).collect()
    }

    /// Returns the words of a record: one segment, without the stream's header, whose word 0 points at the struct.
    ///
    /// # Errors
    /// `Invalid` for a value that does not fit the type, and [`Fault::Limit`](kapok_core::Fault::Limit) beyond a limit
    /// of the encoding or of depth; both name the path of the field, such as `Movie.genres[3]`.
    pub fn write(&mut self, value: &Value) -> Result<&[u8]> {
        self.image.clear();
        self.given.clear();
        self.absent.clear();
        let Self { plan, image, given, absent, .. } = self;
        MessageDraft { plan, image, given, absent }.record(value)?;
        self.complete()
    }

    /// Returns the words of a record from a JSON text, which holds one object.
    ///
    /// The same record as [`Self::write`] makes of [`Value::from_json`], without a value in between if the text is plain.
    /// Objects may lie in another order in it.
    ///
    /// # Errors
    /// As [`Value::from_json`] and [`Self::write`].
    pub fn write_json(&mut self, json: &[u8]) -> Result<&[u8]> {
        // At once for the whole text, not for each string.
        if !std::str::from_utf8(json).is_ok_and(|json| self.write_directly(json)) {
            return self.write(&Value::from_json(json)?);
        }
        self.complete()
    }

    /// Returns the words of a record from a JSON text that shows nothing but what was [seen](Self::set_seen); `None` for
    /// all other texts, those that are in error among them.
    ///
    /// # Errors
    /// [`Fault::Absent`] for a field that must not be absent.
    pub fn write_seen_json(&mut self, json: &str) -> Result<Option<&[u8]>> {
        if !self.write_directly(json) {
            return Ok(None);
        }
        self.complete().map(Some)
    }

    fn write_directly(&mut self, json: &str) -> bool {
        self.image.clear();
        self.given.clear();
        self.elements.clear();
        self.absent.clear();
        let Self { plan, image, given, absent, followers, elements, is_guarded, .. } = self;
        let draft = MessageDraft { plan, image, given, absent };
        plan.structs[0].is_plain && DirectDraft { draft, followers, elements, is_guarded: *is_guarded }.record(json)
    }

    fn count_absent(&mut self) -> Result<()> {
        if let (AbsentFields::Refused, Some(first)) = (self.absent_fields, self.absent.first()) {
            let field = self.plan.field_names().swap_remove(*first);
            return Err(Fault::Absent { field }.into());
        }
        if self.absent_counts.is_empty() {
            self.absent_counts.resize(self.plan.structs.iter().map(|ty| ty.fields.len()).sum(), 0);
        }
        for field in &self.absent {
            self.absent_counts[*field] += 1;
        }
        Ok(())
    }
}

impl fmt::Debug for MessageWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageWriter({})", self.plan.structs[0].name)
    }
}
