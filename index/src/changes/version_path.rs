//! The versions on the way from one version to another.

use std::collections::HashMap;
use std::sync::Arc;

use kapok_core::manifest::{Id, Manifest};

/// The versions whose changes lie between two versions: from each up to, and without, their common ancestor.
pub(super) struct VersionPath<'m> {
    steps: Vec<&'m Manifest>,
}

impl<'m> VersionPath<'m> {
    /// The way, or `None` if the manifests do not show all of it.
    pub(super) fn between(old: &'m Manifest, new: &'m Manifest, manifests: &'m [Arc<Manifest>]) -> Option<Self> {
        if old.version == new.version {
            // Two stores may count alike.
            return (old.writer_token == new.writer_token).then(|| Self { steps: Vec::new() });
        }
        let mut known: HashMap<u64, &Manifest> =
            manifests.iter().map(|manifest| (manifest.version, &**manifest)).collect();
        known.extend([(old.version, old), (new.version, new)]);
        let mut steps = Vec::new();
        let (mut left, mut right) = (old.version, new.version);
        // Parents have smaller numbers, so the greater of the two is never the common ancestor.
        while left != right {
            let greater = if left > right { &mut left } else { &mut right };
            let step = *known.get(greater)?;
            let parent = step.parent.unwrap_or(0);
            if parent >= *greater {
                return None;
            }
            steps.push(step);
            *greater = parent;
        }
        Some(Self { steps })
    }

    /// The rows that the steps list for a record type, or `None` if a step does not list them.
    pub(super) fn row_sets(&self, record_type: &str) -> Option<Vec<(&'m Id, &'m [u8])>> {
        let mut out = Vec::new();
        for step in &self.steps {
            let changes = step.record_type(record_type)?.changes.as_ref()?;
            out.extend(changes.added.iter().chain(&changes.removed).map(|(segment, rows)| (segment, rows.as_slice())));
        }
        Some(out)
    }
}
