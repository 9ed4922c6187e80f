//! Puts vectors that come beside a record into its message.

use std::sync::Arc;

use bytes::Bytes;
use kapok_core::key::KeySpec;
use kapok_core::segment::Encoding;
use kapok_core::vectors::{ElementType, VectorField};
use kapok_core::words::{ElementSize, Words};
use kapok_core::{Error, Result};

use super::image::{Image, StructSize};
use crate::RecordVectors;
use crate::vectors::KeyedRows;

/// Vectors for the records of a writer.
#[derive(Clone)]
pub(super) struct Attached {
    vectors: Arc<RecordVectors>,
    /// Where each input's vectors go.
    fields: Vec<AttachedField>,
    key: KeySpec,
    /// Row of the next record, of inputs that are told by position.
    pub(super) row: u64,
    /// Vectors of the record written last, by the indexes of their pointers.
    pub(super) taken: Vec<(u32, Bytes)>,
    encoded: Vec<u8>,
}

#[derive(Clone)]
struct AttachedField {
    subject: String,
    /// Index of the pointer in the record.
    slot: usize,
    size: ElementSize,
    by_key: Option<Arc<KeyedRows>>,
}

impl Attached {
    /// Resolves fields, which must be of the tables' elements and dimensions.
    pub(super) fn new(encoding: &Encoding, vectors: &Arc<RecordVectors>) -> Result<Self> {
        let (schema, key) = (encoding.schema(), encoding.key().clone());
        let record = schema.struct_type(encoding.type_id())?;
        let mut fields: Vec<AttachedField> = Vec::new();
        for rows in &vectors.inputs {
            let table = &rows.input.table;
            let field = VectorField::new(schema, record, &rows.input.field)?;
            let subject = format!("{}.{}", record.name, rows.input.field);
            let refuse = |problem: String| Err(Error::invalid(&subject, problem));
            if field.is_in_union() {
                return refuse(format!("is a member of a union, which {} cannot choose", table.name()));
            }
            // Bits come packed into bytes.
            let (element, per_byte) =
                if field.element() == ElementType::Bit { (ElementType::UInt8, 8) } else { (field.element(), 1) };
            if table.element() != element {
                return refuse(format!("holds {}, {} has {}", field.element(), table.name(), table.element()));
            }
            let (known, given) = (field.space().dimension, table.dimension().saturating_mul(per_byte));
            if known != 0 && known != given {
                return refuse(format!("is of dimension {known}, {} has vectors of dimension {given}", table.name()));
            }
            let slot = field.slot() as usize;
            if fields.iter().any(|other| other.slot == slot) {
                return refuse(format!("has vectors from two files, one of which is {}", table.name()));
            }
            let size = match element.bits() {
                8 => ElementSize::Byte,
                16 => ElementSize::TwoBytes,
                _ => ElementSize::FourBytes,
            };
            fields.push(AttachedField { subject, slot, size, by_key: rows.by_key(encoding)? });
        }
        Ok(Self { vectors: Arc::clone(vectors), fields, key, row: 0, taken: Vec::new(), encoded: Vec::new() })
    }

    /// Adds the vectors of the record whose message this is, of a struct of this size.
    pub(super) fn attach(&mut self, image: &mut Image, size: StructSize) -> Result<()> {
        self.encoded.clear();
        self.taken.clear();
        if self.fields.iter().any(|field| field.by_key.is_some()) {
            let root = Words::new(image.bytes()).struct_of(0).ok().flatten();
            let is_there = root.is_some_and(|root| self.key.encode_row(root, &mut self.encoded) == Ok(true));
            if !is_there {
                // The stage tells what is missing.
                return Ok(());
            }
        }
        for (rows, field) in self.vectors.inputs.iter().zip(&self.fields) {
            let row = match &field.by_key {
                None => self.row,
                Some(by_key) => match by_key.get(&self.encoded) {
                    Some(row) => *row,
                    None => continue,
                },
            };
            let vector = rows.take(row)?;
            if !image.put_root_list(size, field.slot, field.size, &vector)? {
                let problem = format!("is given by the record and by {}, row {row}", rows.input.table.name());
                return Err(Error::invalid(&field.subject, problem));
            }
            self.taken.push((u32::try_from(field.slot).unwrap_or(u32::MAX), vector));
        }
        Ok(())
    }
}
