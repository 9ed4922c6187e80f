//! Lets one process of a host at a time make what all of them would make.

use std::fs::File;
use std::time::Duration;

use super::folder::private;
use super::mapped::lock_now;
use crate::clock::timer_instant;
use crate::store::Store;

/// The file that is locked by whoever merges.
const MERGING: &str = "merging";
/// Pause before it is tried again; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// After this time a process does the work itself: the other one may stand still.
const PATIENCE: Duration = Duration::from_secs(10);

/// A turn, from [`Store::turn_to_merge`]. It ends when it is dropped, and with its process.
#[derive(Debug)]
pub struct Turn {
    _locked: File,
}

impl Store {
    /// Waits until no other process that shares the cache of this host merges segments, for ten seconds at most. `None`: there is
    /// no cache, or the turn could not be had, and whoever asks does the work all the same.
    pub async fn turn_to_merge(&self) -> Option<Turn> {
        let path = self.cache()?.folder().join(MERGING);
        let file = private().write(true).create(true).truncate(false).open(&path).ok()?;
        let (begun, mut pause) = (timer_instant(), PAUSE);
        // That neither waits for a disk nor for another process.
        while !lock_now(&file).ok()? {
            if begun.elapsed() > PATIENCE {
                return None;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        Some(Turn { _locked: file })
    }
}
