//! How does a [`Value`] become a message that a segment, or any reader of Cap'n Proto, can read?
//!
//! Members are found by JSON name, or else by Cap'n Proto name; objects are laid out depth first in one segment, structs at
//! the full size of their types.
//!
//! | field | takes |
//! |---|---|
//! | any with a pointer | `Null`: a null pointer, as if absent |
//! | number, Bool, enum | `Null`: sets its `nullOf` flag, which cannot be given by name; refused where it has none |
//! | Bool | `Bool` |
//! | integers | `Int` and `UInt` in range |
//! | Float32, Float64 | floats (finite stays finite), integers that are exact, the texts `NaN`, `Infinity` and `-Infinity` |
//! | Text | `Text` |
//! | Data | `Data`; `Text` in base64, standard alphabet, padded; `List` of integers up to 255 |
//! | enum | `Text` or `Variant` of an enumerant's JSON name, or else its Cap'n Proto name; its ordinal |
//! | list | `List`; of 8-bit integers also `Data`; annotated as a map also `Struct` and `Map`, whose order it keeps |
//! | struct, group | `Struct`, or `Map` whose keys are texts |
//! | union | the one member that is not null, by name, or else the one Void or pointer that is; `Variant` of its name |
//!
//! A union of which nothing is given, or several members and all of them null, stays at the member of discriminant 0. In
//! lists, only texts, data and lists may be null.

use std::fmt;
use std::sync::Arc;

use crate::error::Result;
use crate::schema::Schema;
use crate::value::Value;

mod draft;
mod image;
mod members;
mod mismatch;
mod plan;
mod scalar;
#[cfg(test)]
mod tests;

use draft::Draft;
use image::Image;
use plan::Plan;

/// Writes values as single-segment messages, reusing its buffer. A clone shares what was compiled from the schema.
#[derive(Clone)]
pub struct MessageWriter {
    plan: Arc<Plan>,
    schema: Arc<Schema>,
    type_id: u64,
    image: Image,
    /// Of each struct being written: which member is which field's, counted from 1.
    given: Vec<usize>,
}

impl MessageWriter {
    /// A writer for records of a struct type.
    ///
    /// # Errors
    /// `Invalid` for a schema that lacks types or contradicts itself.
    pub fn new(schema: Arc<Schema>, type_id: u64) -> Result<Self> {
        let plan = Arc::new(Plan::new(&schema, type_id)?);
        Ok(Self { plan, schema, type_id, image: Image::default(), given: Vec::new() })
    }

    /// Types of the records.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Struct type of the records.
    pub fn type_id(&self) -> u64 {
        self.type_id
    }

    /// The words of a record: one segment, without the stream's header, whose word 0 points at the struct.
    ///
    /// # Errors
    /// `Invalid` for a value that does not fit the type, and [`Fault::Limit`](crate::Fault::Limit) beyond a limit of the
    /// encoding or of depth; both name the path of the field, such as `Movie.genres[3]`.
    pub fn write(&mut self, value: &Value) -> Result<&[u8]> {
        self.image.clear();
        self.given.clear();
        Draft { plan: &self.plan, image: &mut self.image, given: &mut self.given }.record(value)?;
        Ok(self.image.bytes())
    }
}

impl fmt::Debug for MessageWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageWriter({})", self.plan.structs[0].name)
    }
}
