//! Probes that a backend creates a file only if there is none.

use bytes::Bytes;
use futures::future::join_all;

use crate::error::{Error, Result};
use crate::objects::{CreateOutcome, Objects};
use crate::token::fresh_token;

/// Number of creates that race.
const WRITERS: usize = 8;
/// Prefix of the names of probe files.
const PROBE: &str = "dataset.probe-";

/// Returns whether a file is left over from a probe or from the making of the marker: it belongs to nobody.
pub(crate) fn is_probe_file(key: &str) -> bool {
    key.starts_with(PROBE) || key.starts_with("dataset#")
}

/// Sees that of eight concurrent creates of one name exactly one wins.
pub(crate) async fn probe(objects: &Objects) -> Result<()> {
    let key = format!("{PROBE}{:032x}", u128::from_le_bytes(fresh_token()));
    let creates = (0..WRITERS).map(|_| objects.create(&key, Bytes::copy_from_slice(&fresh_token())));
    // All of them end before the file is deleted, or a late one would leave it behind.
    let outcomes = join_all(creates).await;
    let deleted = objects.delete(&key).await;
    let mut winners = 0;
    for outcome in outcomes {
        winners += usize::from(outcome? == CreateOutcome::Won);
    }
    deleted?;
    if winners == 1 { Ok(()) } else { Err(Error::NoConditionalWrites { location: objects.location.clone(), winners }) }
}
