//! Field handles and records without generated code.

use kapok_core::field::{Each, FieldValue, List};
use kapok_core::record::{Budget, Record};
use kapok_core::view::{Table, Tables};
use kapok_core::{ErrorKind, Fault, Result};
use serde::de::IgnoredAny;

/// Elements that are looked at of one list.
const ITEMS: usize = 200;

/// Counts values that cannot be read.
pub(super) struct Doors<'v> {
    view: &'v Tables,
    pub(super) errors: u32,
}

impl<'v> Doors<'v> {
    pub(super) fn new(view: &'v Tables) -> Self {
        Self { view, errors: 0 }
    }

    /// Reads a field of each record, by iteration and one by one, which must agree.
    fn field<T: FieldValue<'v>>(&mut self, path: &str, mut look: impl FnMut(T) -> u32) {
        // A hostile schema may have no such field.
        let Ok(field) = self.view.field::<T>(path) else { return };
        let mut folded = 0;
        field.iter().for_each(|value| folded += u32::from(value.is_err()));
        let row_ids = self.view.table(path.split('.').next().unwrap_or_default()).expect("the field's type").row_ids();
        let mut one_by_one = 0;
        for (value, row_id) in field.iter().zip(row_ids) {
            one_by_one += u32::from(field.get(row_id).is_err());
            match value {
                Ok(value) => self.errors += look(value),
                Err(_) => self.errors += 1,
            }
        }
        assert_eq!(folded, one_by_one, "{path}");
    }

    fn plain<T: FieldValue<'v>>(&mut self, paths: &[&str]) {
        for path in paths {
            self.field::<T>(path, |value| {
                std::hint::black_box(value);
                0
            });
        }
    }

    pub(super) fn movies(&mut self) {
        self.plain::<u32>(&["Movie.id"]);
        self.plain::<u16>(&["Movie.year", "Movie.runtimeMin"]);
        self.plain::<&str>(&["Movie.title"]);
        self.plain::<&[u8]>(&["Movie.title"]);
        self.field::<List<'_, &str>>("Movie.genres", items);
    }

    pub(super) fn kinds(&mut self) {
        self.plain::<i64>(&["Kinds.id"]);
        self.plain::<bool>(&["Kinds.flag", "Kinds.flagOn"]);
        self.plain::<i16>(&["Kinds.i16"]);
        self.plain::<f64>(&["Kinds.f64", "Kinds.place.lat"]);
        self.plain::<u16>(&["Kinds.colour"]);
        self.plain::<&str>(&["Kinds.code", "Kinds.text", "Kinds.address.city", "Kinds.place.label"]);
        self.plain::<&[u8]>(&["Kinds.code", "Kinds.text", "Kinds.data", "Kinds.codes"]);
        self.plain::<Option<&str>>(&["Kinds.name", "Kinds.where.street", "Kinds.contact.email"]);
        self.plain::<Option<u32>>(&["Kinds.count", "Kinds.where.zip", "Kinds.span.to"]);
        self.plain::<&[f32]>(&["Kinds.embedding", "Kinds.f32s"]);
        self.plain::<i32>(&["Kinds.tree.value"]);
        self.field::<List<'_, bool>>("Kinds.bools", items);
        self.field::<List<'_, i8>>("Kinds.i8s", items);
        self.field::<List<'_, i64>>("Kinds.i64s", items);
        self.field::<List<'_, u16>>("Kinds.colours", items);
        self.field::<List<'_, &str>>("Kinds.texts", items);
        self.field::<List<'_, &[u8]>>("Kinds.datas", items);
        self.field::<List<'_, &[u8]>>("Kinds.texts", items);
        self.field::<Each<'_, &str>>("Kinds.addresses[].city", values);
        self.field::<Each<'_, u32>>("Kinds.addresses[].zip", values);
        self.field::<Each<'_, Each<'_, i32>>>("Kinds.tree.children[].children[].value", |each| {
            each.iter().take(ITEMS).map(|inner| inner.map_or(1, values)).sum()
        });
        self.field::<List<'_, List<'_, i32>>>("Kinds.matrix", |list| {
            let rows = list.iter().take(ITEMS);
            rows.map(|row| row.map_or(1, items)).sum()
        });
        self.field::<List<'_, List<'_, Record<'_>>>>("Kinds.groups", |list| {
            list.iter().take(ITEMS).map(|row| row.map_or(1, |row| row.iter().take(ITEMS).map(failed).sum())).sum()
        });
        self.field::<List<'_, Record<'_>>>("Kinds.tree.children", |list| list.iter().take(ITEMS).map(failed).sum());
        self.field::<Record<'_>>("Kinds.address", |record| u32::from(record.get("street").is_err()));
    }

    /// Reads a field's vectors as columns; a row that has a vector has the one that its pointer leads to.
    pub(super) fn vectors(&mut self, table: &'v Table, path: &str) {
        let columns = match table.vectors(path) {
            Ok(columns) => columns,
            Err(error) => {
                self.errors += u32::from(error.kind() == ErrorKind::Corrupt);
                return;
            }
        };
        for (place, column) in columns.iter().enumerate() {
            for row in 0..column.rows().min(20_000) {
                let row_id = table.row_id(place, row).expect("a row of the segment");
                let value = match table.record(row_id).and_then(|record| record.get(path)) {
                    Ok(value) => value,
                    Err(_) if !column.has(row) => continue,
                    Err(error) => panic!("{path}: {error}"),
                };
                let count = value.as_list().map(|list| list.len() as usize).or(value.as_bytes().map(<[u8]>::len));
                if column.has(row) {
                    assert_eq!(count.expect("a vector"), column.dimension() as usize, "{path}");
                }
                std::hint::black_box(column.row(row).iter().fold(0, |all, byte| all | byte));
            }
        }
    }

    /// Reads records as JSON, and compares each with itself and with the next.
    pub(super) fn dynamic(&mut self, table: &'v Table) {
        let mut last: Option<Record<'_>> = None;
        assert_eq!(table.iter().count(), table.row_ids().count());
        for (row_id, iterated) in table.row_ids().zip(table) {
            let record = table.record(row_id).expect("a row of this table");
            let printed = format!("{record:?}");
            assert!(printed.starts_with(table.name()) && printed == format!("{iterated:?}"));
            let mut json = Vec::new();
            if let Err(error) = record.write_json(&mut json, &mut Budget::new(20_000)) {
                // Too large or too deep to print is no fault of the bytes' form.
                let error = error.downcast::<kapok_core::Error>().expect("memory takes all bytes");
                self.errors += unless_too_large(Err::<(), _>(error));
            }
            self.errors += unless_too_large(record.deserialize_within::<IgnoredAny>(&mut Budget::new(20_000)));
            self.errors += equal(&record, &record, Some(true));
            if let Some(last) = last {
                self.errors += equal(&last, &record, None);
            }
            last = Some(record);
        }
        std::hint::black_box(table.row_ids_in_key_order().is_ok());
    }
}

fn items<'v, T: kapok_core::field::Element<'v>>(list: List<'v, T>) -> u32 {
    list.iter().take(ITEMS).map(failed).sum()
}

#[expect(clippy::needless_pass_by_value, reason = "to be mapped with")]
fn values<'v, T: FieldValue<'v>>(each: Each<'v, T>) -> u32 {
    each.iter().take(ITEMS).map(failed).sum()
}

#[expect(clippy::needless_pass_by_value, reason = "to be mapped with")]
fn failed<T, E>(result: std::result::Result<T, E>) -> u32 {
    u32::from(result.is_err())
}

fn equal(a: &Record<'_>, b: &Record<'_>, expected: Option<bool>) -> u32 {
    let result: Result<bool> = a.value_eq(b, &mut Budget::new(20_000));
    match result {
        Ok(equal) => {
            assert!(expected.is_none_or(|expected| expected == equal));
            0
        }
        Err(error) => unless_too_large(Err::<(), _>(error)),
    }
}

fn unless_too_large<T>(result: Result<T>) -> u32 {
    result.map_or_else(|error| u32::from(!matches!(error.fault(), Fault::Budget { .. } | Fault::Limit { .. })), |_| 0)
}
