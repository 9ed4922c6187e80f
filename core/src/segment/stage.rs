//! Collects records until all of them are known.
//!
//! A [`Stage`] takes the records of one type, in any order, and keeps them by column. Several threads fill a stage
//! each; [`Stage::absorb`] joins them. [`Stage::seal`](super::seal) sorts by key and writes segments.

use std::sync::Arc;

use bytes::Bytes;

use super::Extent;
use super::baseline::{Baseline, UnchangedRun};
use super::column::{Column, Interning, LIST_MAX, NULL, ObjectId};
use super::copy::{Copier, copy_bits, unknown_member, unreadable};
use super::copy_plan::{ColumnPlan, CopyPlan, Scope};
use super::live::LiveSegment;
use super::matrix::Matrix;
use super::parallel::in_parallel;
use super::staged_keys::StagedKeys;
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::key::{KeyRevision, KeySpec};
use crate::schema::Schema;
use crate::words::{StructRef, WORD};

/// Encoding of records of one type: compiled once per type and shared by its stages.
#[derive(Clone, Debug)]
pub struct Encoding {
    pub(super) plan: Arc<CopyPlan>,
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
    /// Equal values are written as often as they occur: the message is a strict tree, as the encoding demands.
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
    /// Records left out since the last one that was staged.
    left_out: u64,
    baseline: Option<Box<Baseline>>,
    /// Rows of the baseline that records were equal to.
    pub(super) unchanged: Vec<UnchangedRun>,
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
    /// Rows whose objects have their final ids.
    settled_rows: usize,
}

#[derive(Debug)]
pub(super) enum ColumnBody {
    Objects(Column),
    Vectors(Matrix),
}

impl Encoding {
    /// Compiles the encoding of a record type. `key`: names of the key's fields, which is encoded by
    /// [revision 0](Self::with_key_revision).
    ///
    /// # Errors
    /// `Invalid` for a key or schema that cannot be used.
    pub fn new(schema: Arc<Schema>, type_id: u64, key: &[String], sharing: Sharing) -> Result<Self> {
        let ty = schema.struct_type(type_id)?;
        let key = KeySpec::new(&schema, ty, key)?;
        let record_type = Arc::from(ty.name.as_str());
        let plan = Arc::new(CopyPlan::new(&schema, type_id)?);
        Ok(Self { plan, key, record_type, schema, type_id, sharing })
    }

    /// Returns the encoding with keys by the rules of a revision.
    #[must_use]
    pub fn with_key_revision(self, revision: KeyRevision) -> Self {
        Self { key: self.key.with_revision(revision), ..self }
    }

    /// Returns the primary key.
    pub fn key(&self) -> &KeySpec {
        &self.key
    }

    /// Returns the types of the records.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Returns the struct type of the records.
    pub fn type_id(&self) -> u64 {
        self.type_id
    }

    /// Returns whether equal values of a field are written once.
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// Returns the unqualified name of the record type.
    pub fn record_type(&self) -> &str {
        &self.record_type
    }

    /// Gives the extents of a segment that was written under an older encoding the names that fields have now.
    pub fn rename_extents(&self, older: &Self, extents: &mut [Extent]) {
        // Fields that share a pointer, as members of a union do, stand in the order of their ordinals, and new ones
        // come last.
        let place = |encoding: &Self, name: &str| {
            let columns = &encoding.plan.columns;
            let at = columns.iter().position(|column| column.name == name)?;
            let slot = columns[at].slot;
            Some((slot, columns[..at].iter().filter(|column| column.slot == slot).count()))
        };
        for extent in extents.iter_mut().filter(|extent| !extent.field.is_empty()) {
            let Some((slot, nth)) = place(older, &extent.field) else { continue };
            if let Some(column) = self.plan.columns.iter().filter(|column| column.slot == slot).nth(nth) {
                column.name.clone_into(&mut extent.field);
            }
        }
    }
}

impl Stage {
    /// Makes an empty stage.
    pub fn new(encoding: &Encoding) -> Self {
        Self::interning(encoding, Interning::InBatches)
    }

    /// Makes an empty stage that leaves out records which these segments have as they are, if records come in the order
    /// of their keys or nearly so. [`SortedStage::compare`](super::SortedStage::compare) needs the same segments; `key` is
    /// their key.
    pub fn over(encoding: &Encoding, key: &KeySpec, segments: &[LiveSegment]) -> Self {
        let baseline = Some(Box::new(Baseline::new(encoding, key, segments)));
        Self { baseline, ..Self::new(encoding) }
    }

    pub(super) fn interning(encoding: &Encoding, interning: Interning) -> Self {
        let unique = encoding.key.only_pointer();
        let of_column = |plan: &ColumnPlan| match interning {
            // Each key is new.
            _ if encoding.sharing == Sharing::StrictTree || unique == Some(u32::from(plan.slot)) => Interning::Never,
            // Defaults are compared with what is interned.
            Interning::InBatches if plan.has_default => Interning::AtOnce,
            other => other,
        };
        let column = |plan: &ColumnPlan| StagedColumn {
            roots: Vec::new(),
            body: match plan.vector {
                Some(plan) => ColumnBody::Vectors(Matrix::new(plan)),
                None => ColumnBody::Objects(Column::new(of_column(plan))),
            },
            settled_rows: 0,
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
            left_out: 0,
            baseline: None,
            unchanged: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Returns the encoding of its records.
    pub fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// Returns the number of records that are staged, without those that were left out.
    pub fn len(&self) -> usize {
        self.row_count as usize
    }

    /// Returns whether no records were added.
    pub fn is_empty(&self) -> bool {
        self.row_count == 0 && self.unchanged.is_empty()
    }

    /// Says where the next records come from, for error messages: "line", "record"; they count up from `position`.
    pub fn set_source(&mut self, source: &Arc<str>, position: u64) {
        match self.sources.last() {
            Some(last) if Arc::ptr_eq(&last.source, source) && self.next_position(last) == position => {}
            _ => self.begin_source(Arc::clone(source), position),
        }
    }

    fn begin_source(&mut self, source: Arc<str>, first_position: u64) {
        self.left_out = 0;
        let run = SourceRun { first_row: self.row_count, source, first_position };
        match self.sources.last_mut() {
            Some(last) if last.first_row == self.row_count => *last = run,
            _ => self.sources.push(run),
        }
    }

    /// Returns the position of the next record, by the source of the last.
    fn next_position(&self, last: &SourceRun) -> u64 {
        last.position(self.row_count) + self.left_out
    }

    /// Returns where the next record comes from.
    fn next_source(&self) -> (Arc<str>, u64) {
        match self.sources.last() {
            Some(last) => (Arc::clone(&last.source), self.next_position(last)),
            None => (Arc::from("record"), u64::from(self.row_count) + self.left_out + 1),
        }
    }

    /// Describes where a row came from, for people.
    pub(super) fn describe_source(&self, row: u32) -> String {
        match self.sources.iter().rev().find(|run| run.first_row <= row) {
            Some(run) => format!("{} {}", run.source, run.position(row)),
            None => format!("record {}", u64::from(row) + 1),
        }
    }

    /// Returns a row's position in a source, if it came from there.
    pub(super) fn position_in(&self, source: &Arc<str>, row: u32) -> Option<u64> {
        let run = self.sources.iter().rev().find(|run| run.first_row <= row)?;
        Arc::ptr_eq(&run.source, source).then(|| run.position(row))
    }

    /// Adds a record from a struct in place: of a builder's message or of another segment of the same schema.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a record: no key, text that is not UTF-8, a vector of another dimension, NaN or infinity
    /// in a vector that has a metric, beyond a limit of the encoding. The stage is as it was before.
    pub fn add_struct(&mut self, record: StructRef<'_>) -> Result<()> {
        self.add_struct_beside(record, &[])
    }

    /// Adds a record as [`add_struct`](Self::add_struct) does, some of whose vectors also lie elsewhere, such as in a mapped file,
    /// where they stay until the segment is written: they are not copied.
    ///
    /// `vectors`: the index of the pointer in the record, and the bytes. Those that differ from the record's are not looked at.
    ///
    /// # Errors
    /// As [`add_struct`](Self::add_struct).
    pub fn add_struct_beside(&mut self, record: StructRef<'_>, vectors: &[(u32, Bytes)]) -> Result<()> {
        if let Some(baseline) = &mut self.baseline
            && let Some((place, row)) = baseline.find_equal(record)
        {
            self.leave_out(place, row);
            return Ok(());
        }
        self.add_from(record, Origin::New(vectors))
    }

    /// Notes that a record is as a row of the baseline has it.
    fn leave_out(&mut self, place: usize, row: u32) {
        let last = self.sources.last();
        let position = match last {
            Some(last) => self.next_position(last),
            None => u64::from(self.row_count) + self.left_out + 1,
        };
        let source = last.map(|last| &last.source);
        match self.unchanged.last_mut() {
            Some(run) if run.continues(place, row, source, position) => run.rows.end += 1,
            _ => {
                let (source, first_position) = self.next_source();
                self.unchanged.push(UnchangedRun { place, rows: row..row + 1, source, first_position });
            }
        }
        self.left_out += 1;
    }

    /// Stages the records that were left out after all: their rows are equal.
    pub(super) fn take_back(&mut self) -> Result<()> {
        let Some(baseline) = self.baseline.take() else { return Ok(()) };
        for run in std::mem::take(&mut self.unchanged) {
            self.begin_source(Arc::clone(&run.source), run.first_position);
            let segment = baseline.segment(run.place);
            for row in run.rows {
                if let Some(record) = segment.row(row) {
                    self.add_from(record, Origin::Segment)?;
                }
            }
        }
        Ok(())
    }

    fn add_from(&mut self, record: StructRef<'_>, origin: Origin<'_>) -> Result<()> {
        let result = self
            .begin_row()
            .and_then(|()| self.copy_record(record, origin))
            .and_then(|()| self.push_key(record))
            .map_err(|error| self.name_key(error, record));
        self.end_row(result)
    }

    /// Copies a record into the row that was begun last.
    fn copy_record(&mut self, record: StructRef<'_>, origin: Origin<'_>) -> Result<()> {
        // Borrowed, not counted: threads with stages of their own share the plan.
        let Self { encoding, data, columns, scratch, .. } = self;
        let at = data.len() - encoding.plan.record.data_words as usize * WORD;
        let mut row = RowCopier { encoding, data: &mut data[at..], columns, scratch, origin };
        row.copy_scope(&encoding.plan.record.scope, record)
    }

    /// Makes room for a row of zeros and nulls.
    pub(super) fn begin_row(&mut self) -> Result<()> {
        if u64::from(self.row_count) >= LIST_MAX {
            return Err(self.limit("records staged at once", LIST_MAX, LIST_MAX + 1));
        }
        if self.left_out > 0 {
            let (source, position) = self.next_source();
            self.begin_source(source, position);
        }
        self.data.resize(self.data.len() + self.encoding.plan.record.data_words as usize * WORD, 0);
        for column in &mut self.columns {
            if column.is_batch_full() {
                column.settle();
            }
            column.roots.push(NULL);
        }
        Ok(())
    }

    /// Counts the row, or takes it back if there was an error.
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

    /// Completes an error about a vector by its record's key.
    fn name_key(&self, error: Error, record: StructRef<'_>) -> Error {
        let Fault::NotFinite { field, element, .. } = error.fault() else { return error };
        let (mut encoded, key) = (Vec::new(), &self.encoding.key);
        let is_there = key.encode_row(record, &mut encoded).unwrap_or(false);
        let key = if is_there { key.describe(&encoded) } else { "none".to_owned() };
        Fault::NotFinite { field: field.clone(), key, element: *element }.into()
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
                    let fields = key.names().map(str::to_owned).collect();
                    return Err(Fault::UnsetKey { record_type: self.encoding.record_type.to_string(), fields }.into());
                }
                ends.push(arena.len());
            }
        }
        Ok(())
    }

    /// Gives all objects their final ids.
    pub(super) fn settle(&mut self) {
        self.columns.iter_mut().for_each(StagedColumn::settle);
    }

    /// Takes over the records of another stage of the same encoding.
    ///
    /// # Errors
    /// `Invalid` if together they are beyond a limit, or their vectors differ in dimension.
    pub fn absorb(&mut self, mut other: Self) -> Result<()> {
        let unchanged = std::mem::take(&mut other.unchanged);
        self.unchanged.extend(unchanged);
        self.baseline = self.baseline.take().or(other.baseline.take());
        if other.row_count == 0 {
            return Ok(());
        }
        if self.row_count == 0 {
            *self = Self { baseline: self.baseline.take(), unchanged: std::mem::take(&mut self.unchanged), ..other };
            return Ok(());
        }
        let first = self.row_count;
        let rows = u64::from(first) + u64::from(other.row_count);
        self.row_count = u32::try_from(rows)
            .ok()
            .filter(|rows| u64::from(*rows) <= LIST_MAX)
            .ok_or_else(|| self.limit("records staged at once", LIST_MAX, rows))?;
        self.sources.extend(other.sources.into_iter().map(|run| SourceRun { first_row: run.first_row + first, ..run }));
        let Self { encoding, data, columns, keys, .. } = self;
        // Columns, rows and keys know nothing of each other.
        let mut tasks: Vec<Box<dyn FnOnce() -> Result<()> + Send + '_>> = Vec::new();
        for ((own, other), plan) in columns.iter_mut().zip(other.columns).zip(&encoding.plan.columns) {
            let name = || format!("{}.{}", encoding.record_type, plan.name);
            tasks.push(Box::new(move || own.absorb(other, plan, &name)));
        }
        tasks.push(Box::new(|| {
            data.extend_from_slice(&other.data);
            Ok(())
        }));
        tasks.push(Box::new(|| {
            keys.append(other.keys);
            Ok(())
        }));
        in_parallel(tasks, |task| task()).into_iter().collect()
    }

    /// Returns an upper bound of the bytes that sealing will write.
    pub(super) fn bytes_max(&self) -> usize {
        let rows = self.row_count as usize * self.encoding.plan.record.words() * WORD;
        let columns: usize = self
            .columns
            .iter()
            .map(|column| match &column.body {
                ColumnBody::Objects(objects) => objects.size(),
                ColumnBody::Vectors(matrix) => self.row_count as usize * matrix.stride() + 64,
            })
            .sum();
        rows + columns + 64
    }

    /// Iterates over the vector fields whose dimension is known, by name.
    pub(super) fn dimensions(&self) -> impl Iterator<Item = (&str, u32)> {
        self.columns.iter().zip(&self.encoding.plan.columns).filter_map(|(column, plan)| match &column.body {
            ColumnBody::Vectors(matrix) if matrix.plan.dimension > 0 => {
                Some((plan.name.as_str(), matrix.plan.dimension))
            }
            _ => None,
        })
    }
}

/// Copies a record into the last row of a stage.
struct RowCopier<'s> {
    encoding: &'s Encoding,
    /// Data section of the row.
    data: &'s mut [u8],
    columns: &'s mut [StagedColumn],
    scratch: &'s mut Vec<u8>,
    origin: Origin<'s>,
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug)]
enum Origin<'s> {
    /// From a caller, with vectors that lie elsewhere, too, by their pointers' indexes.
    New(&'s [(u32, Bytes)]),
    /// From a segment: it was checked when it was new.
    Segment,
}

impl RowCopier<'_> {
    fn copy_scope(&mut self, scope: &Scope, from: StructRef<'_>) -> Result<()> {
        let plan = &*self.encoding.plan;
        copy_bits(scope, from, plan.record.data_words, self.data);
        for pointer in &scope.pointers {
            // In the order of their slots.
            let Some(word) = from.pointer_at(u32::from(pointer.slot)) else { break };
            let column = &mut self.columns[pointer.column as usize];
            let name = || format!("{}.{}", self.encoding.record_type, plan.columns[pointer.column as usize].name);
            let root = match &mut column.body {
                ColumnBody::Objects(objects) => {
                    let mut copier = Copier { plan, column: objects, scratch: self.scratch, copied: None };
                    copier.copy_field(pointer, from.words(), word, 1).map_err(|e| e.into_error(&name()))?
                }
                ColumnBody::Vectors(matrix) => {
                    let list = from.words().list_of(word, matrix.plan.element.list_size());
                    match list.map_err(|e| unreadable(&name(), e))? {
                        Some(list) => {
                            let mut outside = None;
                            if let Origin::New(vectors) = self.origin {
                                matrix.check_finite(list.bytes(), &name)?;
                                outside = vectors.iter().find(|(slot, _)| *slot == u32::from(pointer.slot));
                            }
                            matrix.push(list.bytes(), outside.map(|(_, bytes)| bytes), &name)?
                        }
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
            self.copy_scope(member, from)?;
        }
        Ok(())
    }
}

impl SourceRun {
    fn position(&self, row: u32) -> u64 {
        self.first_position + u64::from(row - self.first_row)
    }
}

impl StagedColumn {
    fn is_batch_full(&self) -> bool {
        matches!(&self.body, ColumnBody::Objects(objects) if objects.is_batch_full())
    }

    /// Gives all objects their final ids.
    fn settle(&mut self) {
        if let ColumnBody::Objects(objects) = &mut self.body {
            objects.settle(&mut self.roots[self.settled_rows..]);
        }
        self.settled_rows = self.roots.len();
    }

    /// Takes over the rows of another column.
    fn absorb(&mut self, mut other: Self, plan: &ColumnPlan, name: &dyn Fn() -> String) -> Result<()> {
        self.settle();
        other.settle();
        let base = self.roots.len();
        self.roots.extend_from_slice(&other.roots);
        let new = &mut self.roots[base..];
        match (&mut self.body, other.body) {
            (ColumnBody::Objects(own), ColumnBody::Objects(other)) => {
                let map = if plan.is_flat { own.absorb_flat(&other)? } else { own.absorb(&other)? };
                for root in new {
                    *root = map[*root as usize];
                }
            }
            (ColumnBody::Vectors(own), ColumnBody::Vectors(other)) => {
                if other.plan.dimension != 0 {
                    own.fix_dimension(other.plan.dimension, name)?;
                }
                own.absorb(other, new);
            }
            _ => {}
        }
        self.settled_rows = self.roots.len();
        Ok(())
    }
}
