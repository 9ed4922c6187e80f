//! The facts of errors: which record type, field, line or limit an error is about.

use std::fmt;

mod kind;
mod place;

/// Names that a message lists before it says that there are more.
const LISTED_MAX: usize = 40;

/// The facts of an [`Error`](crate::Error).
///
/// Paths of fields begin with the record type: `Movie.director.name`, `Movie.tags[3]`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Stored bytes are not what they must be.
    #[error("corrupt data: blob={blob} offset={offset} expected={expected} found={found}; fetch or publish it again")]
    Corrupt {
        /// Name of the blob, or what it is for.
        blob: String,
        /// Byte offset from the start of the blob.
        offset: u64,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },

    /// Nothing of that name or key.
    #[error("not found: {subject}: {detail}")]
    NotFound {
        /// What was looked for.
        subject: String,
        /// What is missing where, and what there is instead.
        detail: String,
    },
    /// The dataset has no such record type.
    #[error("not found: record type {record_type}: {detail}")]
    NoRecordType {
        /// The name that was asked for.
        record_type: String,
        /// The record types that there are, or why this one is not among them.
        detail: String,
    },
    /// The record type has no such field.
    #[error("not found: {path}: no such field; fields={}", Names(fields))]
    NoField {
        /// The path that was asked for.
        path: String,
        /// The struct type that lacks the field: the record type, or one within it.
        type_name: String,
        /// The fields of that type, by their names in JSON.
        fields: Vec<String>,
    },

    /// The field that was to be dropped is not there.
    #[error("not found: field {path}: {type_name} has {}", fields.join(", "))]
    NoFieldToDrop {
        /// The path that was asked for.
        path: String,
        /// The struct type that lacks the field: the record type, or one within it.
        type_name: String,
        /// The fields of that type, by their names in JSON.
        fields: Vec<String>,
    },

    /// Valid data or code that does not fit this schema or this version of Kapok.
    #[error("incompatible: {subject}: {detail}")]
    Incompatible {
        /// The type, field or file.
        subject: String,
        /// Old and new, and the way out.
        detail: String,
    },
    /// A schema changes a field in a way that stored records do not allow.
    #[error(
        "incompatible: {field}: {what} changed: old={old} new={new}; undo it, or publish the record type anew (--republish)"
    )]
    SchemaChange {
        /// Path of the field or type.
        field: String,
        /// What differs: `type`, `place`, `default value`, …
        what: String,
        /// What the dataset has.
        old: String,
        /// What the new schema has.
        new: String,
    },
    /// A producer's schema lacks something that the dataset's has.
    #[error(
        "incompatible: {field}: the producer's {what} is older than the dataset's: old={missing}; update it, or ask to \
         keep newer fields"
    )]
    OlderSchema {
        /// Path of the field or type.
        field: String,
        /// What is older: `schema`, `enum`, …
        what: String,
        /// What it lacks.
        missing: String,
    },
    /// A program's generated type would misread the dataset's records.
    #[error(
        "incompatible: {field}: {what} differs: dataset={dataset} program={program}{}; generate the program's code anew \
         from the dataset's schema, or publish the record type anew",
        at_ordinal(*ordinal)
    )]
    TypeMismatch {
        /// Path of the field, as the dataset names it.
        field: String,
        /// What differs: `type`, `place`, `default value`, …
        what: String,
        /// What the dataset has.
        dataset: String,
        /// What the program expects.
        program: String,
        /// The field's ordinal in the `.capnp` file, if it is one field on both sides.
        ordinal: Option<u16>,
    },
    /// The primary key is not the one that the record type has.
    #[error(
        "incompatible: {record_type}: key differs: known={known:?} given={given:?}; the key of a record type stays"
    )]
    KeyChange {
        /// Name of the record type.
        record_type: String,
        /// The key's fields, as the dataset has them.
        known: Vec<String>,
        /// The key's fields, as the caller gave them.
        given: Vec<String>,
    },

    /// A value, name or setting that the caller gave cannot be used.
    #[error("{subject}: {detail}")]
    Invalid {
        /// The type, field or setting.
        subject: String,
        /// What is wrong with it and what would be right.
        detail: String,
    },
    /// A schema that no record type can have.
    #[error("{subject}: {detail}")]
    Schema {
        /// The type or field.
        subject: String,
        /// What is wrong with it and what would be right.
        detail: String,
    },
    /// A name that no record type can have.
    #[error("record type {name:?}: not a type name: expected=letters and digits, a capital first; try {suggestion:?}")]
    TypeName {
        /// The name as it was given.
        name: String,
        /// The name that comes closest.
        suggestion: String,
    },
    /// A short name that several types of a schema file have.
    #[error("record type {name}: ambiguous name; say which: {}", candidates.join(", "))]
    AmbiguousName {
        /// The name as it was given.
        name: String,
        /// Longer names, of one type each; not all of many.
        candidates: Vec<String>,
    },
    /// A path that leads to no value.
    #[error("{path}: {problem}")]
    Path {
        /// The path as it was given.
        path: String,
        /// How the path ends, and how to go on.
        problem: String,
    },
    /// A field that cannot be dropped from its type.
    #[error("{field}: cannot be dropped: {reason}")]
    NotDroppable {
        /// Path of the field.
        field: String,
        /// Why not, and what to do instead.
        reason: String,
    },
    /// There is no record to infer a schema from.
    #[error("{record_type}: no record to infer a schema from")]
    NoRecords {
        /// Name of the record type.
        record_type: String,
    },
    /// A setting of an inference that contradicts another one, or the records.
    #[error("{field}: {problem}")]
    InferenceSetting {
        /// Path of the field that the setting names.
        field: String,
        /// What it contradicts.
        problem: String,
    },
    /// A field that is known and cannot be given here.
    #[error("{field}: {problem}")]
    FieldRefused {
        /// Path of the field, or of the object if it is about several fields.
        field: String,
        /// Why not.
        problem: String,
    },
    /// A Rust type that no schema can be made of.
    #[error("{field}: {what} has no Cap'n Proto type: rust_type={rust_type}; declare the schema instead")]
    RustType {
        /// Path of the field.
        field: String,
        /// What there is in the type.
        what: String,
        /// The Rust type.
        rust_type: String,
    },
    /// A text is not JSON, or not JSON that a record can be read from.
    #[error("json: {problem} at line {line} column {column}")]
    Json {
        /// Line in the text, from 1.
        line: u64,
        /// Byte in the line, from 1; 0 if the text ends before the line begins.
        column: u64,
        /// What is wrong.
        problem: String,
    },
    /// A JSON text holds an integer that would have to be rounded.
    #[error(
        "json: integer beyond 64 bits at line {line} column {column}: {literal}; write it as text, or with a fraction if \
         it may be rounded"
    )]
    JsonInteger {
        /// Line in the text, from 1.
        line: u64,
        /// Byte in the line, from 1.
        column: u64,
        /// The integer as it is written.
        literal: String,
    },
    /// A record does not fit the schema that is inferred from the records before it.
    #[error("{field}: line={line}: {detail}")]
    Inference {
        /// Line of the record.
        line: u64,
        /// Path of the field.
        field: String,
        /// What the record has there, and what was expected.
        detail: String,
    },
    /// A value has a field that its type does not have.
    #[error("{path}: field {field} is not in type {type_name}; fields={}", Names(fields))]
    UnknownField {
        /// Path of the object that has the field.
        path: String,
        /// Name of the field.
        field: String,
        /// Name of the object's type.
        type_name: String,
        /// The fields of that type, by their names in JSON.
        fields: Vec<String>,
    },
    /// A value is not of its field's type.
    #[error("{field}: expected {expected}, found {found}")]
    Mismatch {
        /// Path of the field.
        field: String,
        /// The type, with its bounds.
        expected: String,
        /// The value, in short.
        found: String,
    },
    /// A value is null, and its field cannot be.
    #[error("{field}: expected {expected}, found null: the field is not nullable")]
    NotNullable {
        /// Path of the field.
        field: String,
        /// The type of the field.
        expected: String,
    },
    /// A record lacks a field whose type cannot say so.
    #[error("{field}: absent, and its type cannot say so; give it, or let absent fields take their defaults")]
    Absent {
        /// Path of the field.
        field: String,
    },
    /// A stored record has a value that the new type of its field cannot hold.
    #[error(
        "{field}: key={key}: stored value: expected {expected}, found {found}; change or remove this record first, or \
         publish all records anew (--republish)"
    )]
    StoredMismatch {
        /// Path of the field.
        field: String,
        /// The record's key, as JSON.
        key: String,
        /// The new type, with its bounds.
        expected: String,
        /// The stored value, in short.
        found: String,
    },
    /// A vector has not as many elements as all others of its field.
    #[error("{field}: vector of {found} elements where all have {expected}")]
    Dimension {
        /// Path of the field.
        field: String,
        /// Elements of the other vectors.
        expected: u32,
        /// Elements of this one.
        found: u32,
    },
    /// A vector of a field that has a metric has a number that no distance can be measured by.
    #[error("{field}: key={key}: element {element} of the vector is NaN or infinite, which no metric can compare")]
    NotFinite {
        /// Path of the field.
        field: String,
        /// The record's key, for people.
        key: String,
        /// Which element, counted from 0.
        element: usize,
    },
    /// A record type without a primary key.
    #[error("{record_type}: no primary key; name its fields, or annotate the struct with $key")]
    NoKey {
        /// Name of the record type.
        record_type: String,
    },
    /// A field that cannot be part of the primary key.
    #[error("{field}: {problem}")]
    KeyField {
        /// Path of the field.
        field: String,
        /// Why not.
        problem: String,
    },
    /// A value of a key that was asked for is not of its field's type.
    #[error("key field {field}: expected {expected}, found {found}")]
    KeyMismatch {
        /// Path of the field within the record.
        field: String,
        /// The type.
        expected: String,
        /// The value.
        found: String,
    },
    /// A key that was asked for has more or fewer values than the primary key has fields.
    #[error("key: {given} value(s) given, the key has {}: {}", fields.len(), fields.join(", "))]
    KeyLength {
        /// Values that were given.
        given: usize,
        /// Fields of the key.
        fields: Vec<String>,
    },
    /// A record has no value in a field of the primary key.
    #[error("{field}: missing key: the record lacks this key field")]
    MissingKey {
        /// Path of the field.
        field: String,
    },
    /// A record that a builder made has no value in a field of the primary key.
    #[error("{record_type} key: missing key: {} must be set", fields.join(" and "))]
    UnsetKey {
        /// Name of the record type.
        record_type: String,
        /// The fields of the key.
        fields: Vec<String>,
    },
    /// Two records of one type have the same primary key.
    #[error("duplicate key: type={record_type} key={key} first={first} second={second}")]
    DuplicateKey {
        /// Name of the record type.
        record_type: String,
        /// The key, as JSON.
        key: String,
        /// Position of the record that came first.
        first: String,
        /// Position of the record that came second.
        second: String,
    },
    /// Two keys of one type differ, and their bytes do not, by the rules of key revision 0.
    #[error(
        "keys alike: type={record_type} key={first} and key={second} are one in this record type, since an earlier release \
         published it first; change one of them, or drop the type and publish it anew"
    )]
    KeysAlike {
        /// Name of the record type.
        record_type: String,
        /// One of the keys, as JSON.
        first: String,
        /// The other one.
        second: String,
    },
    /// A field cannot be read as the type that was asked for.
    #[error("{field}: a field of type {field_type} cannot be read as {wanted}")]
    ReadAs {
        /// Path of the field.
        field: String,
        /// The field's type.
        field_type: String,
        /// The type that was asked for.
        wanted: String,
    },
    /// A field may be absent, and the type that was asked for cannot say so.
    #[error("{field}: may be absent (a member of a union, or nullable); read it as Option<{wanted}>")]
    ReadAsOption {
        /// Path of the field.
        field: String,
        /// The type that was asked for.
        wanted: String,
    },
    /// A record cannot be deserialized into the Rust type that was asked for.
    #[error("{path}: {problem}")]
    Deserialize {
        /// Path of the field or record.
        path: String,
        /// What the type's `Deserialize` says.
        problem: String,
    },
    /// A row id is of another record type, or of a segment that the view does not have.
    #[error(
        "row id of {record_type}: segment={segment} row={row} is of another record type, or of a segment that this view \
         does not have; take row ids from this view, or find the record by its key"
    )]
    StaleRow {
        /// Name of the record type that was asked.
        record_type: String,
        /// Place of the segment in the view that the id was taken from.
        segment: usize,
        /// Row in the segment.
        row: u32,
    },
    /// A query cannot be parsed, or asks a record type for what it does not have.
    #[error("query{}: {problem}", at_column(*column))]
    Query {
        /// Character in the text of the query, from 1; 0 if the query was not made of text.
        column: u64,
        /// What is wrong there, and what was expected.
        problem: String,
    },
    /// More than the encoding can hold.
    #[error("too large: {subject}: {limit} allows {allowed}, needed {needed}")]
    Limit {
        /// The field or record.
        subject: String,
        /// Name of the limit.
        limit: &'static str,
        /// Value of the limit.
        allowed: u64,
        /// What was asked for.
        needed: u64,
    },
    /// A walk over a record took more steps than its budget allows.
    #[error(
        "record too large to walk: type={record_type} budget={budget} elements; raise the budget if the data is trusted"
    )]
    Budget {
        /// Name of the record type.
        record_type: String,
        /// Elements allowed for one record.
        budget: u64,
    },
    /// The caller had a search stopped.
    #[error("search stopped by its caller: {subject}")]
    Stopped {
        /// What was searched.
        subject: String,
    },
}

/// The first of some names, with commas.
struct Names<'n>(&'n [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().take(LISTED_MAX).enumerate() {
            write!(f, "{}{name}", if index > 0 { "," } else { "" })?;
        }
        if self.0.len() > LISTED_MAX { f.write_str(",…") } else { Ok(()) }
    }
}

fn at_ordinal(ordinal: Option<u16>) -> String {
    ordinal.map_or_else(String::new, |ordinal| format!(" ordinal=@{ordinal}"))
}

fn at_column(column: u64) -> String {
    if column == 0 { String::new() } else { format!(" at column {column}") }
}
