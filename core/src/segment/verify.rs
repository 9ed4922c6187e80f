//! Verifies that a segment is what its schema and its manifest entry say, down to the last bit.
//!
//! [`Encoding::verify`] walks everything that rows reach, each object once for each type that it is read as, so that
//! neither sharing nor cycles make it more than linear. It asks for more than safety: objects stand where the writer
//! would have put them, and bits that no field owns are zero. What passes can be read through every door, and in a
//! segment that passes each byte is accounted for.
//!
//! Not checked: that a value equal to its field's default is null, and that equal objects are shared.

use std::ops::Range;

use super::column::{list_shape, struct_shape};
use super::copy_plan::{ColumnPlan, PointerPlan, Scope};
use super::layout::ROWS_AT;
use super::parallel::in_parallel;
use super::stage::Encoding;
use super::{Extent, HEADER_BYTES, Segment};
use crate::error::{Error, Result};
use crate::manifest::{Id, SegmentEntry, verify_hash};
use crate::words::{ElementSize, WORD, Words};

mod depth;
mod objects;
mod starts;
mod structs;
mod vectors;

use depth::Depths;
use objects::Objects;
use structs::{ActiveFields, StructCheck};

impl Segment {
    /// Checks that the file has this hash.
    ///
    /// # Errors
    /// `Corrupt` if it has another.
    pub fn verify_hash(&self, id: &Id) -> Result<()> {
        verify_hash(self.name(), self.bytes(), id)
    }
}

impl Encoding {
    /// Checks all of a segment but its hash, in time linear in its length: pointers, texts, unions, vectors, keys,
    /// extents, and that nothing else is in it. This encoding's schema must be the segment's or a newer one.
    ///
    /// # Errors
    /// `Corrupt`, with the place of the first difference found.
    pub fn verify(&self, segment: &Segment, entry: &SegmentEntry) -> Result<()> {
        let blob = Blob { name: segment.name(), words: segment.words() };
        self.verify_head(blob, segment, entry)?;
        let extents = self.verify_extents(blob, segment, entry)?;
        let structs: Vec<_> = self.plan.structs.iter().map(StructCheck::new).collect();
        let depths = Depths::new(&self.plan.structs);
        let mut routes: Vec<Option<Route<'_>>> = Vec::new();
        routes.resize_with(self.plan.columns.len(), || None);
        find_routes(&self.plan.record.scope, &mut Vec::new(), &mut routes);
        let mut tasks = vec![Task::Rows];
        tasks.extend(routes.iter().zip(&self.plan.columns).zip(extents).filter_map(|((route, plan), extent)| {
            route.as_ref().map(|route| Task::Column(Column { blob, segment, plan, route, extent }))
        }));
        in_parallel(tasks, |task| match task {
            Task::Rows => self.verify_rows(blob, segment, entry),
            Task::Column(column) if column.plan.vector.is_some() => column.verify_vectors(),
            Task::Column(column) => Objects::new(&column, &depths, &structs, entry.sharing).verify(),
        })
        .into_iter()
        .collect()
    }

    /// Checks the file's length, its root and its list of rows.
    fn verify_head(&self, blob: Blob<'_>, segment: &Segment, entry: &SegmentEntry) -> Result<()> {
        let size = segment.bytes().len() as u64;
        if size != entry.size {
            return Err(Error::corrupt(blob.name, size, format!("{} bytes", entry.size), format!("{size} bytes")));
        }
        if segment.rows() != entry.rows {
            let (expected, found) = (format!("{} rows", entry.rows), format!("{} rows", segment.rows()));
            return Err(blob.corrupt(2, expected, found));
        }
        let (data_words, pointer_words) = segment.row_sizes();
        let record = &self.plan.record;
        if data_words > record.data_words || pointer_words > record.pointer_words {
            let expected = format!("rows of at most {}+{} words", record.data_words, record.pointer_words);
            return Err(blob.corrupt(2, expected, format!("{data_words}+{pointer_words}")));
        }
        let rows = u64::from(segment.rows());
        let list_words = rows * (u64::from(data_words) + u64::from(pointer_words));
        let head = [
            struct_shape(0, 1),
            list_shape(ElementSize::Composite, list_words),
            struct_shape(data_words, pointer_words) | rows << 2,
        ];
        for (at, expected) in (0..).zip(head) {
            if blob.words.word(at) != Ok(expected) {
                return Err(blob.unexpected(at, format!("word {expected:#018x}")));
            }
        }
        Ok(())
    }

    /// Extents: that of the rows, then of fields in their order, with nothing between them but zeros for alignment.
    fn verify_extents<'e>(
        &self,
        blob: Blob<'_>,
        segment: &Segment,
        entry: &'e SegmentEntry,
    ) -> Result<Vec<Option<&'e Extent>>> {
        let wrong = |extent: &Extent, expected: String| {
            let found = format!("field={:?} bytes={} stride={}", extent.field, extent.size, extent.stride);
            Err(Error::corrupt(blob.name, extent.offset, expected, found))
        };
        let mut out = vec![None; self.plan.columns.len()];
        let Some((rows, fields)) = entry.extents.split_first() else {
            return Err(Error::corrupt(blob.name, 0, "an extent of the rows", "no extents"));
        };
        let (offset, stride) = (HEADER_BYTES as u64 + u64::from(ROWS_AT) * WORD as u64, segment.stride() as u64);
        let bytes = u64::from(segment.rows()) * stride;
        if (rows.field.as_str(), rows.offset, rows.size, u64::from(rows.stride)) != ("", offset, bytes, stride) {
            return wrong(rows, format!("the extent of the rows: offset={offset} bytes={bytes} stride={stride}"));
        }
        let mut end = offset + bytes;
        let mut next = 0;
        for extent in fields {
            let column = self.plan.columns[next..].iter().position(|column| column.name == extent.field);
            let Some(column) = column else {
                return wrong(extent, format!("a field of {} behind those before", self.record_type));
            };
            next += column + 1;
            let plan = &self.plan.columns[next - 1];
            if extent.size == 0 || extent.size % WORD as u64 != 0 || extent.offset % WORD as u64 != 0 {
                return wrong(extent, "an extent of whole words".into());
            }
            if plan.vector.is_none() && extent.stride != 0 {
                return wrong(extent, "no stride, since it is no vector".into());
            }
            let begin = if plan.vector.is_some() { end.next_multiple_of(64) } else { end };
            if extent.offset != begin {
                return wrong(extent, format!("an extent at {begin}"));
            }
            blob.expect_zeros(blob.word_of(end)..blob.word_of(begin), "zeros for alignment")?;
            end = begin.saturating_add(extent.size);
            if end > entry.size {
                return wrong(extent, format!("an extent within {} bytes", entry.size));
            }
            out[next - 1] = Some(extent);
        }
        if end != entry.size {
            return Err(Error::corrupt(blob.name, end, "the end of the file behind the last extent", "more bytes"));
        }
        Ok(out)
    }

    /// Checks data sections, pointers that must be null, and keys. Pointers are followed by field.
    fn verify_rows(&self, blob: Blob<'_>, segment: &Segment, entry: &SegmentEntry) -> Result<()> {
        let check = StructCheck::new(&self.plan.record);
        let mut active = ActiveFields::default();
        let mut keys = Keys { entry, last_number: 0, last: Vec::new(), next: Vec::new() };
        let mut at = ROWS_AT;
        let step = u32::try_from(segment.stride() / WORD).unwrap_or(u32::MAX);
        for row in 0..segment.rows() {
            let Some(from) = segment.row(row) else { break };
            check.check(blob, at, from, &mut active)?;
            keys.verify(self, blob, (row, at), from)?;
            at += step;
        }
        Ok(())
    }
}

/// A segment's words, and what errors call them.
#[derive(Clone, Copy)]
struct Blob<'a> {
    name: &'a str,
    words: Words<'a>,
}

impl Blob<'_> {
    #[cold]
    fn corrupt(self, word: u32, expected: impl Into<String>, found: impl Into<String>) -> Error {
        let offset = u64::from(word) * WORD as u64 + HEADER_BYTES as u64;
        Error::corrupt(self.name, offset, expected, found)
    }

    /// Makes the error [`Blob::corrupt`] with the word that was found.
    #[cold]
    fn unexpected(self, word: u32, expected: impl Into<String>) -> Error {
        let found = self.words.word(word).map_or_else(|_| "the end".into(), |found| format!("word {found:#018x}"));
        self.corrupt(word, expected, found)
    }

    /// Returns the word at a byte of the file.
    #[expect(clippy::unused_self, clippy::cast_possible_truncation, reason = "offsets within a file of 2^29 words")]
    fn word_of(self, byte: u64) -> u32 {
        ((byte - HEADER_BYTES as u64) / WORD as u64) as u32
    }

    fn expect_zeros(self, words: Range<u32>, what: &str) -> Result<()> {
        for at in words {
            if self.words.word(at) != Ok(0) {
                return Err(self.unexpected(at, what));
            }
        }
        Ok(())
    }
}

enum Task<'t> {
    Rows,
    Column(Column<'t>),
}

/// A pointer field of the record, and where its objects should be.
#[derive(Clone, Copy)]
struct Column<'t> {
    blob: Blob<'t>,
    segment: &'t Segment,
    plan: &'t ColumnPlan,
    route: &'t Route<'t>,
    /// `None`: it has no objects.
    extent: Option<&'t Extent>,
}

/// The way to a pointer of the row.
struct Route<'p> {
    /// Discriminants (by byte of the data section) and the values by which the field is active.
    conditions: Vec<(usize, u16)>,
    pointer: &'p PointerPlan,
}

fn find_routes<'p>(scope: &'p Scope, conditions: &mut Vec<(usize, u16)>, out: &mut [Option<Route<'p>>]) {
    for pointer in &scope.pointers {
        if let Some(route) = out.get_mut(pointer.column as usize) {
            *route = Some(Route { conditions: conditions.clone(), pointer });
        }
    }
    for union in &scope.unions {
        for (value, member) in (0..=u16::MAX).zip(&union.members) {
            conditions.push((union.discriminant_at, value));
            find_routes(member, conditions, out);
            conditions.pop();
        }
    }
}

impl Column<'_> {
    /// Calls a function with each row if the field is active and not null: the row, the word of its pointer, the
    /// pointer.
    fn for_each_pointer(&self, mut f: impl FnMut(u32, u32, u64) -> Result<()>) -> Result<()> {
        let slot = u32::from(self.route.pointer.slot);
        for index in 0..self.segment.rows() {
            let Some(row) = self.segment.row(index) else { break };
            // An older segment's rows have no such pointer.
            let Some(at) = row.pointer_at(slot) else { break };
            let pointer = self.blob.words.word(at).unwrap_or(0);
            let conditions = &self.route.conditions;
            let active = || conditions.iter().all(|(at, value)| u16::from_le_bytes(row.scalar(*at)) == *value);
            if pointer != 0 && active() {
                f(index, at, pointer)?;
            }
        }
        Ok(())
    }

    /// Returns the first word of the extent and the word behind it.
    fn words(&self) -> Range<u32> {
        self.extent
            .map_or(0..0, |extent| self.blob.word_of(extent.offset)..self.blob.word_of(extent.offset + extent.size))
    }

    /// Describes what was expected, such as "a pointer to a struct in address".
    #[cold]
    fn expected(&self, what: &str) -> String {
        format!("{what} in {}", self.plan.name)
    }
}

/// Keys must be there, ascend, and be those of the manifest at both ends.
struct Keys<'e> {
    entry: &'e SegmentEntry,
    last_number: u64,
    last: Vec<u8>,
    next: Vec<u8>,
}

impl Keys<'_> {
    fn verify(
        &mut self,
        encoding: &Encoding,
        blob: Blob<'_>,
        (row, at): (u32, u32),
        from: crate::words::StructRef<'_>,
    ) -> Result<()> {
        let key = &encoding.key;
        let ends = row == 0 || row + 1 == self.entry.rows;
        let mut ascends = true;
        if key.fixed_bytes().is_some() {
            let number = key.row_number(from);
            ascends = row == 0 || number > self.last_number;
            self.last_number = number;
        }
        if key.fixed_bytes().is_none() || ends || !ascends {
            self.next.clear();
            match key.encode_row(from, &mut self.next) {
                Ok(true) => {}
                Ok(false) => return Err(blob.corrupt(at, "a row with a key", format!("row {row} without"))),
                Err(malformed) => return Err(malformed.into_error_with(blob.name, blob.words)),
            }
            if key.fixed_bytes().is_none() {
                ascends = row == 0 || self.next > self.last;
            }
            if !ascends {
                let found = format!("key {} in row {row}", key.describe(&self.next));
                return Err(blob.corrupt(at, "keys that ascend", found));
            }
            let same = |expected: &[u8]| match self.next == expected {
                true => Ok(()),
                false => Err(blob.corrupt(
                    at,
                    format!("key {} as the manifest says", key.describe(expected)),
                    format!("key {} in row {row}", key.describe(&self.next)),
                )),
            };
            if row == 0 {
                same(&self.entry.first_key)?;
            }
            if row + 1 == self.entry.rows {
                same(&self.entry.last_key)?;
            }
            std::mem::swap(&mut self.last, &mut self.next);
        }
        Ok(())
    }
}
