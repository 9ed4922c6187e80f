//! Every door at once.

use kapok_core::ErrorKind;
use kapok_core::view::Tables;
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::movies_capnp::movie;

use crate::doors::Doors;
use crate::generated::Walk;

/// Every door; the number of values that could not be read.
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
    if view.table("Kinds").is_ok() {
        doors.kinds();
    }
    for table in view.tables() {
        doors.dynamic(table);
    }
    walk.errors + doors.errors
}
