//! Where do records wait until all of them are known?
//!
//! A [`Stage`] takes the records of one type, in any order, and keeps them by column. Several threads fill a stage each;
//! [`Stage::absorb`] joins them. [`Stage::seal`](super::seal) sorts by key and writes segments.

use std::sync::Arc;

use super::column::{Column, LIST_MAX, NULL, ObjectId, list_shape, struct_shape};
use super::seal::in_parallel;
use super::plan::{ColumnPlan, Plan, PointerPlan, Scope, Target, VectorPlan};
use crate::error::{Error, Fault, Result};
use crate::key::KeySpec;
use crate::schema::Schema;
use crate::words::{ElementSize, ListRef, Malformed, StructRef, WORD, Words};

/// Deepest nesting of a record's objects.
pub(super) const DEPTH_MAX: u32 = 64;

/// How records of one type become bytes: compiled once per type and shared by its stages.
#[derive(Clone, Debug)]
pub struct Encoding {
    pub(super) plan: Arc<Plan>,
    pub(super) key: KeySpec,
    pub(super) record_type: Arc<str>,
    pub(super) schema: Arc<Schema>,
    pub(super) type_id: u64,
    pub(super) sharing: Sharing,
}

/// Whether equal values of a field are written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sharing {
    /// Once per segment and field; every record's pointer aims at the first copy.
    #[default]
    Shared,
    /// As often as they occur: the message is a strict tree, as the encoding calls for.
    StrictTree,
}

/// Records of one type on their way into segments.
#[derive(Debug)]
pub struct Stage {
    pub(super) encoding: Encoding,
    /// Data sections of the rows, one after another.
    pub(super) data: Vec<u8>,
    pub(super) columns: Vec<StagedColumn>,
    pub(super) keys: StagedKeys,
    pub(super) row_count: u32,
    pub(super) sources: Vec<SourceRun>,
    scratch: Vec<u8>,
}

/// Rows that came from one source in order.
#[derive(Clone, Debug)]
pub(super) struct SourceRun {
    first_row: u32,
    source: Arc<str>,
    first_position: u64,
}

/// Objects of one pointer field, and which row has which.
#[derive(Debug)]
pub(super) struct StagedColumn {
    /// Object of each row; for vectors, 1 + its place in the matrix.
    pub roots: Vec<ObjectId>,
    pub body: ColumnBody,
}

#[derive(Debug)]
pub(super) enum ColumnBody {
    Objects(Column),
    Vectors(Matrix),
}

/// Vectors of one field, one after another.
#[derive(Debug)]
pub(super) struct Matrix {
    pub plan: VectorPlan,
    pub bytes: Vec<u8>,
}

/// Keys of the rows, in a form that orders as they do.
#[derive(Debug)]
pub(super) enum StagedKeys {
    Numbers(Vec<u64>),
    Bytes { arena: Vec<u8>, ends: Vec<usize> },
}

impl Encoding {
    /// Compiles the encoding of a record type. `key`: names of the key's fields.
    ///
    /// # Errors
    /// `Invalid` for a key or schema that cannot be used.
    pub fn new(schema: Arc<Schema>, type_id: u64, key: &[String], sharing: Sharing) -> Result<Self> {
        let ty = schema.struct_type(type_id)?;
        let key = KeySpec::new(&schema, ty, key)?;
        let record_type = Arc::from(ty.name.as_str());
        let plan = Arc::new(Plan::new(&schema, type_id)?);
        Ok(Self { plan, key, record_type, schema, type_id, sharing })
    }

    /// The primary key.
    pub fn key(&self) -> &KeySpec {
        &self.key
    }

    /// Types of the records.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Struct type of the records.
    pub fn type_id(&self) -> u64 {
        self.type_id
    }

    /// Unqualified name of the record type.
    pub fn record_type(&self) -> &str {
        &self.record_type
    }
}

impl Stage {
    /// An empty stage.
    pub fn new(encoding: &Encoding) -> Self {
        let column = |plan: &ColumnPlan| StagedColumn {
            roots: Vec::new(),
            body: match plan.vector {
                Some(plan) => ColumnBody::Vectors(Matrix { plan, bytes: Vec::new() }),
                None => ColumnBody::Objects(Column::new(encoding.sharing == Sharing::Shared)),
            },
        };
        let keys = match encoding.key.fixed_bytes() {
            Some(_) => StagedKeys::Numbers(Vec::new()),
            None => StagedKeys::Bytes { arena: Vec::new(), ends: Vec::new() },
        };
        Self {
            encoding: encoding.clone(),
            data: Vec::new(),
            columns: encoding.plan.columns.iter().map(column).collect(),
            keys,
            row_count: 0,
            sources: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// How its records are encoded.
    pub fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.row_count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.row_count == 0
    }

    /// Says where the next records come from, for error messages: "line", "record"; they count up from `position`.
    pub fn set_source(&mut self, source: &Arc<str>, position: u64) {
        let run = SourceRun { first_row: self.row_count, source: Arc::clone(source), first_position: position };
        match self.sources.last_mut() {
            Some(last) if Arc::ptr_eq(&last.source, source) && last.position(self.row_count) == position => {}
            Some(last) if last.first_row == self.row_count => *last = run,
            _ => self.sources.push(run),
        }
    }

    /// Where a row came from, for people.
    pub(super) fn describe_source(&self, row: u32) -> String {
        match self.sources.iter().rev().find(|run| run.first_row <= row) {
            Some(run) => format!("{} {}", run.source, run.position(row)),
            None => format!("record {}", u64::from(row) + 1),
        }
    }

    /// Adds a record from a struct in place: of a builder's message or of another segment of the same schema.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a record: no key, text that is not UTF-8, a vector of another dimension, beyond a
    /// limit of the encoding. The stage is as it was before.
    pub fn add_struct(&mut self, record: StructRef<'_>) -> Result<()> {
        let result = self.begin_row().and_then(|()| {
            let plan = Arc::clone(&self.encoding.plan);
            let at = self.data.len() - plan.record.data_words as usize * WORD;
            self.copy_record_scope(&plan, &plan.record.scope, record, at)?;
            self.push_key(record)
        });
        self.end_row(result)
    }

    /// Makes room for a row of zeros and nulls.
    pub(super) fn begin_row(&mut self) -> Result<()> {
        if u64::from(self.row_count) >= LIST_MAX {
            return Err(self.limit("records staged at once", LIST_MAX, LIST_MAX + 1));
        }
        self.data.resize(self.data.len() + self.encoding.plan.record.data_words as usize * WORD, 0);
        for column in &mut self.columns {
            column.roots.push(NULL);
        }
        Ok(())
    }

    /// Counts the row, or takes it back where there was an error.
    pub(super) fn end_row(&mut self, result: Result<()>) -> Result<()> {
        if let Err(error) = result {
            let rows = self.row_count as usize;
            self.data.truncate(rows * self.encoding.plan.record.data_words as usize * WORD);
            for column in &mut self.columns {
                column.roots.truncate(rows);
            }
            self.keys.truncate(rows);
            self.scratch.clear();
            return Err(self.name_subject(error));
        }
        self.row_count += 1;
        Ok(())
    }

    fn name_subject(&self, error: Error) -> Error {
        match error.fault() {
            Fault::Limit { subject, limit, allowed, needed } if subject.is_empty() => {
                let subject = format!("a field of {}", self.encoding.record_type);
                Fault::Limit { subject, limit, allowed: *allowed, needed: *needed }.into()
            }
            _ => error,
        }
    }

    fn limit(&self, limit: &'static str, allowed: u64, needed: u64) -> Error {
        Fault::Limit { subject: self.encoding.record_type.to_string(), limit, allowed, needed }.into()
    }

    pub(super) fn push_key(&mut self, row: StructRef<'_>) -> Result<()> {
        let key = &self.encoding.key;
        match &mut self.keys {
            StagedKeys::Numbers(numbers) => numbers.push(key.row_number(row)),
            StagedKeys::Bytes { arena, ends } => {
                if !key.encode_row(row, arena).map_err(|e| unreadable(&self.encoding.record_type, e))? {
                    let names: Vec<_> = key.names().collect();
                    return Err(Error::invalid(
                        format!("{} key", self.encoding.record_type),
                        format!("missing key: {} must be set", names.join(" and ")),
                    ));
                }
                ends.push(arena.len());
            }
        }
        Ok(())
    }

    fn copy_record_scope(&mut self, plan: &Plan, scope: &Scope, from: StructRef<'_>, at: usize) -> Result<()> {
        copy_bits(scope, from, &mut self.data[at..]);
        for pointer in &scope.pointers {
            let Some(word) = from.pointer_at(u32::from(pointer.slot)) else { continue };
            let column = &mut self.columns[pointer.column as usize];
            let name = || format!("{}.{}", self.encoding.record_type, plan.columns[pointer.column as usize].name);
            let root = match &mut column.body {
                ColumnBody::Objects(objects) => {
                    let mut copier = Copier { plan, column: objects, scratch: &mut self.scratch };
                    copier.copy_field(pointer, from.words(), word, 0).map_err(|e| e.into_error(&name()))?
                }
                ColumnBody::Vectors(matrix) => {
                    let list = match pointer.target {
                        Target::Data => from.words().list_of(word, ElementSize::Byte),
                        _ => from.words().list_of(word, matrix.plan.size),
                    };
                    match list.map_err(|e| unreadable(&name(), e))? {
                        Some(list) => matrix.push(list.bytes(), &name)?,
                        None => NULL,
                    }
                }
            };
            if let Some(last) = column.roots.last_mut() {
                *last = root;
            }
        }
        for union in &scope.unions {
            let value = u16::from_le_bytes(from.scalar(union.discriminant_at));
            let member = union.members.get(value as usize).ok_or_else(|| unknown_member(&plan.record.name, value))?;
            self.copy_record_scope(plan, member, from, at)?;
        }
        Ok(())
    }

    /// Takes over the records of another stage of the same encoding.
    ///
    /// # Errors
    /// `Invalid` where together they are beyond a limit, or their vectors differ in dimension.
    pub fn absorb(&mut self, other: Self) -> Result<()> {
        if other.is_empty() {
            return Ok(());
        }
        if self.is_empty() {
            *self = other;
            return Ok(());
        }
        let first = self.row_count;
        let rows = u64::from(first) + u64::from(other.row_count);
        self.row_count = u32::try_from(rows)
            .ok()
            .filter(|rows| u64::from(*rows) <= LIST_MAX)
            .ok_or_else(|| self.limit("records staged at once", LIST_MAX, rows))?;
        self.data.extend_from_slice(&other.data);
        self.sources.extend(other.sources.into_iter().map(|run| SourceRun { first_row: run.first_row + first, ..run }));
        self.keys.append(other.keys);
        let record_type = &self.encoding.record_type;
        let plans = &self.encoding.plan.columns;
        // Columns know nothing of each other.
        let tasks = self.columns.iter_mut().zip(other.columns).zip(plans).collect();
        in_parallel(tasks, |((own, other), plan): ((&mut StagedColumn, StagedColumn), &ColumnPlan)| {
            own.absorb(other, &|| format!("{record_type}.{}", plan.name))
        })
        .into_iter()
        .collect()
    }

    /// Upper bound of the bytes that sealing will write.
    pub(super) fn bytes_max(&self) -> usize {
        let rows = self.row_count as usize * self.encoding.plan.record.words() * WORD;
        let columns: usize = self
            .columns
            .iter()
            .map(|column| match &column.body {
                ColumnBody::Objects(objects) => objects.bytes(),
                ColumnBody::Vectors(matrix) => self.row_count as usize * matrix.stride() + 64,
            })
            .sum();
        rows + columns + 64
    }

    /// Dimension of each vector field, where it is known by now, by name.
    pub fn dimensions(&self) -> impl Iterator<Item = (&str, u32)> {
        self.columns.iter().zip(&self.encoding.plan.columns).filter_map(|(column, plan)| match &column.body {
            ColumnBody::Vectors(matrix) if matrix.plan.dimension > 0 => Some((plan.name.as_str(), matrix.plan.dimension)),
            _ => None,
        })
    }
}

impl SourceRun {
    fn position(&self, row: u32) -> u64 {
        self.first_position + u64::from(row - self.first_row)
    }
}

impl StagedKeys {
    fn truncate(&mut self, rows: usize) {
        match self {
            Self::Numbers(numbers) => numbers.truncate(rows),
            Self::Bytes { arena, ends } => {
                ends.truncate(rows);
                arena.truncate(ends.last().copied().unwrap_or(0));
            }
        }
    }

    fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Numbers(own), Self::Numbers(other)) => own.extend(other),
            (Self::Bytes { arena, ends }, Self::Bytes { arena: more, ends: more_ends }) => {
                let base = arena.len();
                arena.extend(more);
                ends.extend(more_ends.into_iter().map(|end| end + base));
            }
            _ => {}
        }
    }

    /// Encoded key of a row, for kinds that are not numbers.
    pub(super) fn bytes(&self, row: u32) -> &[u8] {
        match self {
            Self::Numbers(_) => &[],
            Self::Bytes { arena, ends } => {
                let row = row as usize;
                let start = if row == 0 { 0 } else { ends[row - 1] };
                &arena[start..ends[row]]
            }
        }
    }
}

impl StagedColumn {
    fn absorb(&mut self, other: Self, name: &dyn Fn() -> String) -> Result<()> {
        let base = self.roots.len();
        self.roots.extend_from_slice(&other.roots);
        let new = &mut self.roots[base..];
        match (&mut self.body, other.body) {
            (ColumnBody::Objects(own), ColumnBody::Objects(other)) => {
                let map = own.absorb(&other)?;
                new.iter_mut().for_each(|root| *root = map[*root as usize]);
            }
            (ColumnBody::Vectors(own), ColumnBody::Vectors(other)) => {
                if other.plan.dimension != 0 {
                    own.fix_dimension(other.plan.dimension, name)?;
                }
                let shift = u32::try_from(own.count()).unwrap_or(u32::MAX);
                own.bytes.extend_from_slice(&other.bytes);
                new.iter_mut().filter(|root| **root != NULL).for_each(|root| *root += shift);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Matrix {
    /// Bytes of an element.
    fn element(&self) -> usize {
        self.plan.size.bits() / 8
    }

    /// Bytes from one vector to the next: whole words.
    pub(super) fn stride(&self) -> usize {
        (self.plan.dimension as usize * self.element()).next_multiple_of(WORD)
    }

    fn count(&self) -> usize {
        self.bytes.len().checked_div(self.stride()).unwrap_or(0)
    }

    fn fix_dimension(&mut self, dimension: u32, name: &dyn Fn() -> String) -> Result<()> {
        match self.plan.dimension {
            0 if dimension == 0 => Err(Error::invalid(name(), "a vector needs at least one element")),
            0 => {
                self.plan.dimension = dimension;
                Ok(())
            }
            known if known == dimension => Ok(()),
            known => Err(Error::invalid(name(), format!("vector of {dimension} elements where all have {known}"))),
        }
    }

    /// Adds a vector of the elements' bytes; 1 + its place.
    pub(super) fn push(&mut self, bytes: &[u8], name: &dyn Fn() -> String) -> Result<ObjectId> {
        let dimension = u32::try_from(bytes.len() / self.element()).unwrap_or(u32::MAX);
        self.fix_dimension(dimension, name)?;
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(WORD), 0);
        Ok(u32::try_from(self.count()).unwrap_or(u32::MAX))
    }
}

/// Copies objects out of a message into a column.
struct Copier<'c> {
    plan: &'c Plan,
    column: &'c mut Column,
    scratch: &'c mut Vec<u8>,
}

/// Why a record cannot be copied.
enum Refusal {
    Malformed(Malformed),
    Error(Error),
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Refusal {
    #[cold]
    fn into_error(self, field: &str) -> Error {
        match self {
            Self::Malformed(malformed) => unreadable(field, malformed),
            Self::Error(error) => match error.fault() {
                Fault::Limit { subject, limit, allowed, needed } if subject.is_empty() => {
                    Fault::Limit { subject: field.to_owned(), limit, allowed: *allowed, needed: *needed }.into()
                }
                _ => error,
            },
        }
    }
}

impl Copier<'_> {
    /// Copies what a pointer field aims at; a value equal to the field's default becomes null.
    fn copy_field(
        &mut self,
        field: &PointerPlan,
        words: Words<'_>,
        at: u32,
        depth: u32,
    ) -> std::result::Result<ObjectId, Refusal> {
        let id = self.copy(&field.target, words, at, depth)?;
        if let (Some(default), true) = (&field.default, id != NULL) {
            let default = self.copy(&field.target, Words::new(default), 0, depth)?;
            if self.column.same(id, default) {
                return Ok(NULL);
            }
        }
        Ok(id)
    }

    fn copy(
        &mut self,
        target: &Target,
        words: Words<'_>,
        at: u32,
        depth: u32,
    ) -> std::result::Result<ObjectId, Refusal> {
        if depth >= DEPTH_MAX {
            return Err(Error::invalid("record", format!("nested deeper than {DEPTH_MAX}")).into());
        }
        match target {
            Target::Text => match words.text_of(at)? {
                Some(text) => Ok(self.column.intern_bytes(text.as_bytes(), true)?),
                None => Ok(NULL),
            },
            Target::Data => match words.data_of(at)? {
                Some(data) => Ok(self.column.intern_bytes(data, false)?),
                None => Ok(NULL),
            },
            Target::Scalars(size) => match words.list_of(at, *size)? {
                Some(list) => self.copy_scalars(list),
                None => Ok(NULL),
            },
            Target::Pointers(element) => match words.list_of(at, ElementSize::Pointer)? {
                Some(list) => self.copy_pointers(element, list, depth),
                None => Ok(NULL),
            },
            Target::Structs(index) => match words.list_of(at, ElementSize::Composite)? {
                Some(list) => self.copy_structs(*index, list, depth),
                None => Ok(NULL),
            },
            Target::Struct(index) => match words.struct_of(at)? {
                Some(from) => self.copy_struct(*index, from, depth),
                None => Ok(NULL),
            },
        }
    }

    fn copy_scalars(&mut self, list: ListRef<'_>) -> std::result::Result<ObjectId, Refusal> {
        let bytes = list.bytes();
        let base = self.scratch.len();
        self.scratch.extend_from_slice(bytes);
        if list.size() == ElementSize::Bit && !list.len().is_multiple_of(8) {
            if let Some(last) = self.scratch.last_mut() {
                *last &= (1 << (list.len() % 8)) - 1;
            }
        }
        self.scratch.resize(base + bytes.len().next_multiple_of(WORD), 0);
        self.take(list_shape(list.size(), u64::from(list.len())), base)
    }

    fn copy_pointers(
        &mut self,
        element: &Target,
        list: ListRef<'_>,
        depth: u32,
    ) -> std::result::Result<ObjectId, Refusal> {
        let base = self.scratch.len();
        for index in 0..list.len() {
            let id = self.copy(element, list.words(), list.at() + index, depth + 1)?;
            self.scratch.extend_from_slice(&u64::from(id).to_le_bytes());
        }
        self.take(list_shape(ElementSize::Pointer, u64::from(list.len())), base)
    }

    fn copy_structs(
        &mut self,
        index: usize,
        list: ListRef<'_>,
        depth: u32,
    ) -> std::result::Result<ObjectId, Refusal> {
        let plan = self.plan;
        let ty = &plan.structs[index];
        let base = self.scratch.len();
        self.scratch.extend_from_slice(&[0; WORD]);
        for element in 0..list.len() {
            let Some(from) = list.get_struct(element) else { break };
            let at = self.scratch.len();
            self.scratch.resize(at + ty.words() * WORD, 0);
            self.copy_scope(&ty.scope, from, at, ty.data_words, depth + 1)?;
        }
        self.take_structs(base, list.len(), ty.data_words, ty.pointer_words)
    }

    fn take_structs(
        &mut self,
        base: usize,
        count: u32,
        data_words: u16,
        pointer_words: u16,
    ) -> std::result::Result<ObjectId, Refusal> {
        let shape = compact_structs(self.scratch, base, count, data_words, pointer_words)?;
        self.take(shape, base)
    }

    fn copy_struct(
        &mut self,
        index: usize,
        from: StructRef<'_>,
        depth: u32,
    ) -> std::result::Result<ObjectId, Refusal> {
        let plan = self.plan;
        let ty = &plan.structs[index];
        let base = self.scratch.len();
        self.scratch.resize(base + ty.words() * WORD, 0);
        self.copy_scope(&ty.scope, from, base, ty.data_words, depth + 1)?;
        let shape = compact_struct(self.scratch, base, ty.data_words, ty.pointer_words);
        self.take(shape, base)
    }

    /// Copies fields into the full-size struct at a byte of the scratch.
    fn copy_scope(
        &mut self,
        scope: &Scope,
        from: StructRef<'_>,
        at: usize,
        data_words: u16,
        depth: u32,
    ) -> std::result::Result<(), Refusal> {
        copy_bits(scope, from, &mut self.scratch[at..]);
        for pointer in &scope.pointers {
            let Some(word) = from.pointer_at(u32::from(pointer.slot)) else { continue };
            let id = self.copy_field(pointer, from.words(), word, depth)?;
            let place = at + (data_words as usize + pointer.slot as usize) * WORD;
            self.scratch[place..place + 4].copy_from_slice(&id.to_le_bytes());
        }
        for union in &scope.unions {
            let value = u16::from_le_bytes(from.scalar(union.discriminant_at));
            let member = union.members.get(value as usize).ok_or_else(|| unknown_member("struct", value))?;
            self.copy_scope(member, from, at, data_words, depth)?;
        }
        Ok(())
    }

    /// Interns the image at the end of the scratch and takes it off.
    fn take(&mut self, shape: u64, base: usize) -> std::result::Result<ObjectId, Refusal> {
        let id = self.column.intern(shape, &self.scratch[base..])?;
        self.scratch.truncate(base);
        Ok(id)
    }
}

#[inline]
fn copy_bits(scope: &Scope, from: StructRef<'_>, to: &mut [u8]) {
    for (word, mask) in &scope.masks {
        let at = *word as usize * WORD;
        let bits = from.data_word(*word as usize) & mask;
        // Words that two scopes share: a union's members and what stands beside them.
        for (to, from) in to[at..at + WORD].iter_mut().zip(bits.to_le_bytes()) {
            *to |= from;
        }
    }
}

/// Drops a struct's trailing zero words and null pointers, as Cap'n Proto's canonical form does; its shape.
pub(super) fn compact_struct(scratch: &mut Vec<u8>, base: usize, data_words: u16, pointer_words: u16) -> u64 {
    let pointers_at = base + data_words as usize * WORD;
    let data = used_words(&scratch[base..pointers_at]);
    let pointers = used_words(&scratch[pointers_at..]).min(pointer_words);
    scratch.truncate(pointers_at + pointers as usize * WORD);
    scratch.drain(base + data as usize * WORD..pointers_at);
    struct_shape(data, pointers)
}

/// Makes the full-size structs behind a tag word as small as the largest of them needs, and writes the tag.
pub(super) fn compact_structs(
    scratch: &mut Vec<u8>,
    base: usize,
    count: u32,
    data_words: u16,
    pointer_words: u16,
) -> Result<u64> {
    let (full_data, full) = (data_words as usize * WORD, (data_words as usize + pointer_words as usize) * WORD);
    let (mut data, mut pointers) = (0, 0);
    if full > 0 {
        for element in scratch[base + WORD..].chunks_exact(full) {
            data = data.max(used_words(&element[..full_data]));
            pointers = pointers.max(used_words(&element[full_data..]));
        }
    }
    if full > 0 && (data, pointers) != (data_words, pointer_words) {
        let mut to = base + WORD;
        for element in 0..count as usize {
            let from = base + WORD + element * full;
            scratch.copy_within(from..from + data as usize * WORD, to);
            to += data as usize * WORD;
            scratch.copy_within(from + full_data..from + full_data + pointers as usize * WORD, to);
            to += pointers as usize * WORD;
        }
        scratch.truncate(to);
    }
    let words = ((scratch.len() - base) / WORD - 1) as u64;
    if words > LIST_MAX || u64::from(count) > LIST_MAX {
        let (limit, needed) = ("the words of a list of structs", words.max(u64::from(count)));
        return Err(Fault::Limit { subject: String::new(), limit, allowed: LIST_MAX, needed }.into());
    }
    let tag = struct_shape(data, pointers) | u64::from(count) << 2;
    scratch[base..base + WORD].copy_from_slice(&tag.to_le_bytes());
    Ok(list_shape(ElementSize::Composite, words))
}

/// Words up to the last that is not zero.
fn used_words(bytes: &[u8]) -> u16 {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last / WORD + 1);
    u16::try_from(used).unwrap_or(u16::MAX)
}

fn unreadable(subject: &str, malformed: Malformed) -> Error {
    Error::invalid(subject, format!("the record cannot be read: expected {}", malformed.expected))
}

fn unknown_member(subject: &str, value: u16) -> Error {
    Error::incompatible(subject, format!("unknown union member {value}: made with a newer schema than this one"))
}
