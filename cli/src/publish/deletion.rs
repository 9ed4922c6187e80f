//! Deletes the records of the keys in a file.

use std::collections::HashSet;
use std::io::BufRead;

use kapok_core::key::KeyParts;
use kapok_producer::IncrementalCycle;

use super::input::Input;
use crate::failure::{Failure, Result};
use crate::key_argument::KeyArgument;

/// Deletes the record of each line's key, and returns how many keys had no record, which is no error.
pub fn delete_keys(cycle: &IncrementalCycle, record_type: &str, keys: &Input) -> Result<u64> {
    let mut changes = cycle.values(record_type)?;
    let table = cycle.prior().table(record_type)?;
    let unreadable = |error: std::io::Error| Failure::input(format!("{}: cannot be read: {error}", keys.name()));
    let (lines, _bar) = keys.read("deleting", None).map_err(unreadable)?;
    let (mut deleted, mut absent) = (HashSet::new(), 0);
    for (number, line) in (1_u64..).zip(lines.lines()) {
        let line = line.map_err(unreadable)?;
        if line.is_empty() {
            continue;
        }
        let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let about = format!("{} line {number}", keys.name());
        let key = KeyArgument::parse(table, &fields).map_err(|error| error.about(&about).at_line(number))?;
        if changes.delete(&KeyParts(&key.parts()))? {
            deleted.insert(line);
        } else {
            // The second of two equal lines is not counted: its record was there.
            absent += u64::from(!deleted.contains(&line));
        }
    }
    Ok(absent)
}
