//! Removes a record type, or a field or a reference of one, from a dataset.

#[cfg(feature = "json")]
use kapok_core::{Error as DataError, Fault};
#[cfg(feature = "json")]
use kapok_ingest::Value;

use crate::cycle::Cycle;
#[cfg(feature = "json")]
use crate::declaration::{Declaration, Evolution, sharing_of};
#[cfg(feature = "json")]
use crate::error::BoxError;
use crate::error::Result;
use crate::producer::Producer;
use crate::report::CycleReport;
#[cfg(feature = "json")]
use crate::rewrite::each_value;

impl Producer {
    /// Publishes a version without a record type: it has neither its records nor its schema.
    ///
    /// Versions before keep it, so a rollback brings it back. A record type that cannot be read can be dropped, too.
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are, and as [`run_cycle`](Self::run_cycle).
    pub async fn drop_type(&self, record_type: &str) -> Result<CycleReport> {
        self.run_cycle(|cycle| {
            keep_tags(cycle);
            Ok(cycle.drop_type(record_type)?)
        })
        .await
    }

    /// Publishes a version in which a field, or several, of a record type refer to no records any more; its records stay as they
    /// are. The reference is named as it was declared ([`Declaration::reference`](crate::Declaration::reference)): `movieId`,
    /// `items[].productId`, or the name of one of several fields.
    ///
    /// A later declaration that has it brings it back, as generated code of a schema that is annotated so does.
    ///
    /// # Errors
    /// `NotFound` for an unknown type or reference, listing those that there are, and as
    /// [`run_incremental_cycle`](Self::run_incremental_cycle).
    pub async fn drop_reference(&self, record_type: &str, reference: &str) -> Result<CycleReport> {
        self.run_incremental_cycle(|cycle| {
            cycle.drop_reference(record_type, reference);
            Ok(())
        })
        .await
    }

    #[cfg(feature = "json")]
    /// Publishes a version in which the records of a type lack the field `path`.
    ///
    /// The path is a name, or names joined by dots, through structs and lists of structs. All records of the type are
    /// written anew, since other fields move. Programs that were compiled with the field refuse the version.
    ///
    /// # Errors
    /// `NotFound` for an unknown type or field; `Invalid` for a field that cannot be dropped
    /// ([`Schema::without_field`](kapok_core::schema::Schema::without_field)); `Corrupt` if the records cannot be read;
    /// and as [`run_cycle`](Self::run_cycle).
    pub async fn drop_field(&self, record_type: &str, path: &str) -> Result<CycleReport> {
        self.run_cycle(|cycle| {
            keep_tags(cycle);
            without_field(cycle, record_type, path)
        })
        .await
    }
}

/// Keeps the tags of the version before.
fn keep_tags(cycle: &Cycle) {
    for (key, value) in &cycle.prior().manifest().tags {
        cycle.tag(key, value);
    }
}

#[cfg(feature = "json")]
fn without_field(cycle: &Cycle, record_type: &str, path: &str) -> std::result::Result<(), BoxError> {
    let manifest = cycle.prior().manifest();
    let entry = manifest.expect_record_type(record_type)?;
    let without = manifest.schema.without_field(entry.type_id, &entry.key, path)?;
    let declaration = Declaration::new(without.schema, entry.type_id)?
        .exact_key(&entry.key)
        .sharing(sharing_of(entry))
        .declared(entry.declared)
        .evolution(Evolution::Republish);
    cycle.declare(&declaration)?;
    let mut records = cycle.values(record_type)?;
    each_value(
        cycle.prior(),
        record_type,
        cycle.prior().table(record_type)?.key(),
        &mut records,
        |_, _| Ok(false),
        |records, _, mut record| {
            take(&mut record, &without.json_path)?;
            records.add(&record)
        },
    )?;
    Ok(())
}

#[cfg(feature = "json")]
/// Removes a member from a value, or from each value of a list.
fn take(value: &mut Value, path: &[String]) -> std::result::Result<(), DataError> {
    match (value, path) {
        (Value::List(items), path) => items.iter_mut().try_for_each(|item| take(item, path)),
        (Value::Struct(members), [last]) => {
            members.retain(|(name, _)| name != last);
            Ok(())
        }
        (Value::Struct(members), [first, rest @ ..]) => {
            members.iter_mut().filter(|(name, _)| name == first).try_for_each(|(_, member)| take(member, rest))
        }
        (Value::Null, _) => Ok(()),
        (other, _) => {
            let (expected, found) = ("an object".to_owned(), format!("{other:?}"));
            Err(Fault::Mismatch { field: path.join("."), expected, found }.into())
        }
    }
}
