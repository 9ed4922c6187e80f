//! How do keys in a file become records that go?

use std::io::BufRead;

use kapok_core::key::KeyParts;
use kapok_producer::IncrementalCycle;

use super::input::Input;
use crate::failure::{Failure, Result};
use crate::key_argument::KeyArgument;

/// Removes the record of each line's key. A key that no record has is not an error: it is gone already.
pub fn delete_keys(cycle: &IncrementalCycle, record_type: &str, keys: &Input) -> Result<()> {
    let mut changes = cycle.values(record_type)?;
    let table = cycle.prior().table(record_type)?;
    let unreadable = |error: std::io::Error| Failure::input(format!("{}: cannot be read: {error}", keys.name()));
    let (lines, _bar) = keys.read("deleting").map_err(unreadable)?;
    for (number, line) in (1_u64..).zip(lines.lines()) {
        let line = line.map_err(unreadable)?;
        if line.is_empty() {
            continue;
        }
        let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let about = format!("{} line {number}", keys.name());
        let key = KeyArgument::parse(table, &fields).map_err(|error| error.about(&about))?;
        changes.delete(&KeyParts(&key.parts()))?;
    }
    Ok(())
}
