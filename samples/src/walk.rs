//! Reads everything that a view holds, by generated readers, field handles and records.

use crate::kinds_capnp::kinds;
use crate::movies_capnp::movie;
use kapok_core::ErrorKind;
use kapok_core::view::Tables;

mod doors;
mod generated;

use doors::Doors;
use generated::Walk;

/// Reads a view through every door; returns the number of values that could not be read.
///
/// # Panics
/// If two doors do not agree.
pub fn read(view: &Tables) -> u32 {
    let mut walk = Walk::new(20_000);
    match view.records::<movie::Owned>() {
        Ok(records) => records.iter().for_each(|movie| walk.movie(movie)),
        Err(error) => walk.errors += u32::from(error.kind() == ErrorKind::Corrupt),
    }
    let kinds = view.records::<kinds::Owned>();
    walk.errors += kinds.as_ref().err().map_or(0, |error| u32::from(error.kind() == ErrorKind::Corrupt));
    if let Ok(records) = kinds {
        for record in &records {
            walk.kinds(record);
        }
        // As many rows as the manifest says.
        let source = &records.table().segments()[0];
        let rows = source.segment().rows();
        assert!(records.get(source.mark().row_id(0, rows)).is_err());
        assert!(rows == 0 || records.get(source.mark().row_id(0, rows - 1)).is_ok());
    }
    let mut doors = Doors::new(view);
    if view.table("Movie").is_ok() {
        doors.movies();
    }
    if let Ok(table) = view.table("Kinds") {
        doors.kinds();
        doors.vectors(table, "embedding");
        doors.vectors(table, "codes");
    }
    for table in view.tables() {
        doors.dynamic(table);
    }
    walk.errors + doors.errors
}
