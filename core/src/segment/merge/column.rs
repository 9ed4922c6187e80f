//! A field of a merge: which objects are equal, and where each comes to stand.

use super::super::column::{Interning, NULL, aim};
use super::super::copy::unreadable;
use super::super::layout::ColumnSize;
use super::super::matrix::Matrix;
use super::super::stage::{Encoding, Sharing};
use super::field_place::FieldPlace;
use super::flat::{FlatObjects, is_flat};
use super::rows::MergedRows;
use super::staged::StagedObjects;
use crate::error::Result;
use crate::words::{ListRef, Read, StructRef, WORD, Words};

/// A field, ready to be written.
pub(super) struct MergedColumn<'p> {
    pub place: FieldPlace<'p>,
    pub body: ColumnBody,
}

pub(super) enum ColumnBody {
    Flat(FlatObjects),
    Staged(Box<StagedObjects>),
    Vectors {
        /// Without vectors: these stay where they are.
        matrix: Matrix,
        is_empty: bool,
    },
}

impl<'p> MergedColumn<'p> {
    pub(super) fn new(encoding: &'p Encoding, rows: &MergedRows<'_>, place: FieldPlace<'p>) -> Result<Self> {
        let plan = &encoding.plan.columns[place.pointer.column as usize];
        let name = || format!("{}.{}", encoding.record_type, plan.name);
        let unreadable = |malformed| unreadable(&name(), malformed);
        // Each key is new.
        let is_key = encoding.key.only_pointer() == Some(u32::from(plan.slot));
        let is_shared = encoding.sharing == Sharing::Shared && !is_key;
        let body = if let Some(vector) = plan.vector {
            let mut out = Matrix::new(vector);
            let mut is_empty = true;
            for at in 0..rows.len() {
                if let Some(vector) = vector_of(&out, &place, rows.get(at).record).map_err(unreadable)? {
                    out.fix_dimension(out.plan.element.dimension_of(vector.len()), &name)?;
                    is_empty = false;
                }
            }
            Some(ColumnBody::Vectors { matrix: out, is_empty })
        } else if is_flat(&place.pointer.target) {
            FlatObjects::new(rows, &place, is_shared).map_err(unreadable)?.map(ColumnBody::Flat)
        } else {
            None
        };
        let interning = if is_shared { Interning::AtOnce } else { Interning::Never };
        let body = if let Some(body) = body {
            body
        } else {
            let staged = StagedObjects::new(&encoding.plan, rows, &place, interning, &name)?;
            ColumnBody::Staged(Box::new(staged))
        };
        Ok(Self { place, body })
    }

    pub(super) fn size(&self) -> ColumnSize {
        match &self.body {
            ColumnBody::Flat(objects) => ColumnSize::Objects(objects.words),
            ColumnBody::Staged(staged) => ColumnSize::Objects(staged.order.words),
            ColumnBody::Vectors { is_empty: true, .. } => ColumnSize::Vectors(0),
            ColumnBody::Vectors { .. } => ColumnSize::Vectors(self.stride_words()),
        }
    }

    /// Returns the number of words of a vector; 0 for other fields.
    pub(super) fn stride_words(&self) -> u64 {
        match &self.body {
            ColumnBody::Vectors { matrix, .. } => (matrix.stride() / WORD) as u64,
            _ => 0,
        }
    }

    /// Returns the pointer word at `from` of the row at a place; the extent begins at `start`.
    #[inline]
    pub(super) fn pointer(&self, at: usize, record: StructRef<'_>, from: u32, start: u32) -> u64 {
        let Some(word) = self.place.word(record) else { return 0 };
        match &self.body {
            ColumnBody::Flat(objects) => objects.pointer(at, (record.words(), word), from, start),
            ColumnBody::Staged(staged) => match staged.roots[at] {
                NULL => 0,
                root => staged.objects.pointer_from(root, from, start, &staged.order.place),
            },
            ColumnBody::Vectors { matrix, .. } => {
                if record.words().word(word).unwrap_or(0) == 0 {
                    return 0;
                }
                #[expect(clippy::cast_possible_truncation, reason = "a segment has fewer than 2^29 words")]
                let (stride, to) = ((matrix.stride() / WORD) as u32, start + (at * matrix.stride() / WORD) as u32);
                aim(matrix.shape(), stride, from, to)
            }
        }
    }
}

/// Returns the bytes of a row's vector.
pub(super) fn vector_of<'s>(matrix: &Matrix, place: &FieldPlace<'_>, record: StructRef<'s>) -> Read<Option<&'s [u8]>> {
    let Some(word) = place.word(record) else { return Ok(None) };
    let words: Words<'s> = record.words();
    Ok(words.list_of(word, matrix.plan.element.list_size())?.map(ListRef::bytes))
}
