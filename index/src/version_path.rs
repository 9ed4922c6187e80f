//! Finds the versions whose changes lie between two versions.

use std::collections::HashMap;
use std::sync::Arc;

use kapok_core::manifest::{Id, Manifest, SegmentEntry};

/// The versions on the way from one version to another: from each up to, and without, their common ancestor.
///
/// A manifest lists what its version changed against its parent. So the manifests of these versions name every row
/// whose key may be different, whatever lies between the two: versions that were skipped, a rollback, another branch.
///
/// The path reads nothing. Its caller drives it: it names the manifest that it needs next, one parent after another,
/// and is given it. The common ancestor of two branches is asked for too, since it may name segments whose rows are
/// listed as removed.
///
/// ```
/// # use std::sync::Arc;
/// # use kapok_core::manifest::Manifest;
/// use kapok_index::VersionPath;
///
/// # fn example(old: &Arc<Manifest>, new: &Arc<Manifest>, read: impl Fn(u64) -> Option<Arc<Manifest>>) -> VersionPath {
/// let mut path = VersionPath::new(old, new);
/// while let Some(version) = path.next_version() {
///     match read(version) {
///         Some(manifest) => path.add(manifest),
///         None => path.skip(),
///     }
/// }
/// # path
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct VersionPath {
    /// The old and the new version, by number and token.
    between: [(u64, [u8; 16]); 2],
    /// How far the walks up from the old and from the new version have come.
    ends: [End; 2],
    steps: Vec<Arc<Manifest>>,
    state: State,
}

/// The version that a walk has come to.
#[derive(Clone, Debug)]
struct End {
    version: u64,
    /// Its manifest; `None` if it is not known.
    manifest: Option<Arc<Manifest>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The manifest of this end, by its place in `ends`, is needed.
    Needs(usize),
    Complete,
    Incomplete,
}

impl VersionPath {
    /// Begins the path between two versions of one dataset.
    ///
    /// To and from the empty version 0 there is no path: all records are added, or all are removed.
    pub fn new(old: &Arc<Manifest>, new: &Arc<Manifest>) -> Self {
        let ends = [old, new].map(|it| End { version: it.version, manifest: Some(Arc::clone(it)) });
        let between = [old, new].map(|it| identity(it));
        let mut path = Self { between, ends, steps: Vec::new(), state: State::Incomplete };
        if old.version == new.version {
            // Two stores may count alike.
            path.state = if old.writer_token == new.writer_token { State::Complete } else { State::Incomplete };
        } else if old.version != 0 && new.version != 0 {
            path.advance();
        }
        path
    }

    /// Finds the path among manifests in any order.
    pub(crate) fn among(old: &Arc<Manifest>, new: &Arc<Manifest>, manifests: &[Arc<Manifest>]) -> Self {
        let known: HashMap<u64, &Arc<Manifest>> =
            manifests.iter().map(|manifest| (manifest.version, manifest)).collect();
        let mut path = Self::new(old, new);
        while let Some(version) = path.next_version() {
            match known.get(&version) {
                Some(manifest) => path.add(Arc::clone(manifest)),
                None => path.skip(),
            }
        }
        path
    }

    /// Returns the version whose manifest is needed next; `None` if no more are.
    pub fn next_version(&self) -> Option<u64> {
        match self.state {
            State::Needs(end) => Some(self.ends[end].version),
            State::Complete | State::Incomplete => None,
        }
    }

    /// Takes the manifest of the version that is needed. One of another version counts as missing.
    pub fn add(&mut self, manifest: Arc<Manifest>) {
        if let State::Needs(end) = self.state {
            if manifest.version == self.ends[end].version {
                self.ends[end].manifest = Some(manifest);
            }
            self.advance();
        }
    }

    /// Goes on without the manifest that is needed.
    ///
    /// The path may come to its end all the same, if the missing version is the common ancestor.
    pub fn skip(&mut self) {
        if let State::Needs(_) = self.state {
            self.advance();
        }
    }

    /// Returns the manifests of the versions on the way; `None` if the path did not come to its end.
    pub fn steps(&self) -> Option<&[Arc<Manifest>]> {
        (self.state == State::Complete).then_some(&self.steps)
    }

    /// Returns whether this is the path from the one version to the other.
    pub(crate) fn is_between(&self, old: &Manifest, new: &Manifest) -> bool {
        self.between == [identity(old), identity(new)]
    }

    /// Returns the rows that the steps list for a record type; `None` if the path did not come to its end or a step
    /// lists none.
    pub(crate) fn row_sets(&self, record_type: &str) -> Option<Vec<(&Id, &[u8])>> {
        let mut out = Vec::new();
        for step in self.steps()? {
            let changes = step.record_type(record_type)?.changes.as_ref()?;
            out.extend(changes.added.iter().chain(&changes.removed).map(|(segment, rows)| (segment, rows.as_slice())));
        }
        Some(out)
    }

    /// Iterates over the segments of all versions on the way and of their common ancestor, as far as they are known.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &SegmentEntry> {
        let ends = self.ends.iter().filter_map(|end| end.manifest.as_ref());
        self.steps.iter().chain(ends).flat_map(|manifest| manifest.segments())
    }

    /// Steps from version to parent until a manifest is needed or the ends meet.
    fn advance(&mut self) {
        self.state = loop {
            let [old, new] = &self.ends;
            if old.version == new.version {
                break State::Complete;
            }
            // Parents have smaller numbers, so the greater of the two is never the common ancestor.
            let (greater, other) = if old.version > new.version { (0, 1) } else { (1, 0) };
            let Some(step) = self.ends[greater].manifest.take() else { break State::Incomplete };
            let parent = step.parent.unwrap_or(0);
            if parent >= step.version {
                break State::Incomplete;
            }
            self.ends[greater].version = parent;
            self.steps.push(step);
            // Version 0 has no manifest, and that of the other end is known or cannot be had.
            if parent != 0 && parent != self.ends[other].version {
                break State::Needs(greater);
            }
        };
    }
}

fn identity(manifest: &Manifest) -> (u64, [u8; 16]) {
    (manifest.version, manifest.writer_token)
}
