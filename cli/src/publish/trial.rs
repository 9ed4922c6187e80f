//! Samples of what a dry run would publish. A dry run is a whole cycle over an overlay of the store.

use std::io::Write;

use kapok_blobstore::Store;
use kapok_producer::{CycleReport, Outcome};
use serde::Serialize;
use serde_json::Value;

use crate::diff::VersionDiff;
use crate::failure::Result;

/// Keys of each kind that are shown.
const SAMPLE_MAX: usize = 5;

/// The first keys of each kind.
#[derive(Debug, Default, Serialize)]
pub struct Sample {
    added: Vec<Value>,
    changed: Vec<Value>,
    removed: Vec<Value>,
    #[serde(skip)]
    text: Vec<u8>,
}

impl Sample {
    /// Compares the version that a cycle made in an overlay with the one that it builds on.
    pub async fn of(overlay: &Store, report: &CycleReport, record_type: &str) -> Result<Self> {
        let Outcome::Published { version } = report.outcome else { return Ok(Self::default()) };
        let after = overlay.manifests().read(version).await?;
        let before = match after.parent {
            Some(parent) => Some(overlay.manifests().read(parent).await?),
            None => None,
        };
        let diff = VersionDiff::between(overlay, before, after, Some(record_type), SAMPLE_MAX).await?;
        let mut sample = Self::default();
        for ty in &diff.types {
            sample.added.extend(ty.added.iter().map(|key| key.fields.clone()));
            sample.changed.extend(ty.changed.iter().map(|record| record.key.fields.clone()));
            sample.removed.extend(ty.removed.iter().map(|key| key.fields.clone()));
            ty.print(&mut sample.text)?;
        }
        Ok(sample)
    }

    /// Prints it as a diff.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        Ok(out.write_all(&self.text)?)
    }
}
