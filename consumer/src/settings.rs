//! Says what a consumer takes of a version, and how carefully.

use std::time::Duration;

use kapok_blobstore::Store;
use kapok_core::manifest::{Artifact, Manifest, RecordType};
use kapok_index::{Kind, unique};

/// The behaviour of a consumer. Start from [`ConsumerSettings::default`] and change what is to be different.
///
/// ```
/// use kapok_consumer::{ConsumerSettings, TypeFilter};
///
/// let mut settings = ConsumerSettings::default();
/// settings.types = TypeFilter::Only(vec!["Movie".into()]);
/// settings.prefault = true;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerSettings {
    /// The record types to take. Default: all of them.
    pub types: TypeFilter,
    /// The indexes of the dataset to take, beside those of primary keys. Default: all of the kinds that this release knows.
    pub index_filter: IndexFilter,
    /// Kinds of artifacts not to take, whatever `index_filter` says: [`Kind::Hnsw`] leaves out the graphs of vectors,
    /// [`Kind::Codes`] their codes. What they would answer is answered by what is left, or by reading rows. Default: none.
    pub kinds_left_out: Vec<Kind>,
    /// Indexes of the consumer's own, each a record type and a text such as `hash(year)`: built here for each new segment before
    /// the swap, on the heap. Default: none. See also [`Consumer::add_index`](crate::Consumer::add_index).
    pub indexes: Vec<(String, String)>,
    /// Whether each page of new blobs is read before the swap, so that readers of the new view wait for no disk as long as
    /// memory lasts. On Linux they are read by pages of 2 MiB where the file system has large folios. Default: no.
    pub prefault: bool,
    /// Whether new blobs are hashed, new segments walked and new indexes checked against them before the swap, in time that
    /// grows with their size. A damaged version is then refused as `Corrupt`; otherwise damage is an error when it is read.
    /// Default: no.
    pub verify: bool,
    /// How to get segments that the producer merged from others. Default: [`MergedSegments::Auto`].
    pub merged_segments: MergedSegments,
    /// How long the announcement log may have been silent before [`Consumer::fresh_view`](crate::Consumer::fresh_view)
    /// refuses. A follower checks twice in this time that the store is there at all, so a store that is gone is noticed
    /// after one and a half times as long at most, if polls are shorter than that. A consumer that cannot reach its store begins
    /// with what this host last knew only if that is no older. Default: `None`, without limit.
    pub max_staleness: Option<Duration>,
}

/// How a consumer gets merged segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MergedSegments {
    /// Map them if the store is a folder of this host, else make them.
    #[default]
    Auto,
    /// Merge the sources that the manifest names, and check the hash; fetch those that cannot be made. This costs processor
    /// time and memory of this process, and saves the download.
    Make,
    /// Fetch them like any other.
    Fetch,
}

impl MergedSegments {
    /// Returns whether merged segments of this store are made rather than fetched.
    pub(crate) fn makes(self, store: &Store) -> bool {
        match self {
            Self::Auto => store.local_path().is_none(),
            Self::Make => true,
            Self::Fetch => false,
        }
    }
}

/// The record types that a consumer takes, by their unqualified names. The others are neither fetched nor mapped, and are
/// not in its views.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TypeFilter {
    /// All, also those of later versions.
    #[default]
    All,
    /// These. [`Status::unknown_types`](crate::Status::unknown_types) lists names that the version does not have; they are
    /// taken once a version has them.
    Only(Vec<String>),
    /// All but these.
    Except(Vec<String>),
}

/// The indexes that a consumer takes, by their names. The others are neither fetched nor mapped: what they would answer is
/// answered by reading rows. Those of primary keys are taken in any case, and those of unknown kinds never.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexFilter {
    /// All, also those of later versions.
    #[default]
    All,
    /// These.
    Only(Vec<String>),
    /// All but these.
    Except(Vec<String>),
}

impl IndexFilter {
    fn takes(&self, artifact: &Artifact) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(&artifact.name),
            Self::Except(names) => !names.contains(&artifact.name),
        }
    }
}

impl ConsumerSettings {
    /// Takes the artifacts that are not wanted, and those of unknown kinds, out of a version.
    pub(crate) fn leave_out_artifacts(&self, manifest: &mut Manifest) {
        let is_left_out = |artifact: &Artifact| self.kinds_left_out.iter().any(|kind| kind.name() == artifact.kind);
        let takes = |artifact: &Artifact| {
            let is_wanted = self.index_filter.takes(artifact) && !is_left_out(artifact);
            artifact.kind == unique::KIND || Kind::is_known(&artifact.kind) && is_wanted
        };
        for entry in manifest.record_types.iter_mut().flat_map(|ty| &mut ty.segments) {
            entry.artifacts.retain(takes);
        }
    }
}

/// The record types that a filter left out of a version, or did not find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FilterOutcome {
    /// Record types that the version has and the filter leaves out.
    pub(crate) left_out: Vec<String>,
    /// Names of the filter that the version does not have.
    pub(crate) unknown: Vec<String>,
}

impl TypeFilter {
    fn takes(&self, record_type: &RecordType) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(&record_type.name),
            Self::Except(names) => !names.contains(&record_type.name),
        }
    }

    /// Returns the version without the record types that are not taken.
    pub(crate) fn apply(&self, mut manifest: Manifest) -> (Manifest, FilterOutcome) {
        let unknown = match self {
            Self::Only(names) => names.iter().filter(|name| manifest.record_type(name).is_none()).cloned().collect(),
            _ => Vec::new(),
        };
        let all = std::mem::take(&mut manifest.record_types);
        let (taken, left): (Vec<_>, Vec<_>) = all.into_iter().partition(|ty| self.takes(ty));
        manifest.record_types = taken;
        (manifest, FilterOutcome { left_out: left.into_iter().map(|ty| ty.name).collect(), unknown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version() -> Manifest {
        let mut manifest = Manifest::clone(kapok_core::view::Tables::empty().manifest());
        let of = |name: &str| RecordType {
            name: name.to_owned(),
            type_id: 1,
            key: vec!["id".to_owned()],
            rows: 0,
            segments: Vec::new(),
            changes: None,
            ..RecordType::default()
        };
        manifest.record_types = ["Movie", "Person", "Rating"].map(of).to_vec();
        manifest
    }

    #[test]
    fn a_filter_takes_the_types_that_it_names_and_lists_the_rest() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let only = TypeFilter::Only(names(&["Rating", "Film", "Movie"]));
        let except = TypeFilter::Except(names(&["Film", "Movie"]));
        for (filter, taken, left_out, unknown) in [
            (TypeFilter::All, names(&["Movie", "Person", "Rating"]), names(&[]), names(&[])),
            (only, names(&["Movie", "Rating"]), names(&["Person"]), names(&["Film"])),
            (except, names(&["Person", "Rating"]), names(&["Movie"]), names(&[])),
        ] {
            let (filtered, outcome) = filter.apply(version());
            assert_eq!(filtered.record_types.into_iter().map(|ty| ty.name).collect::<Vec<_>>(), taken);
            assert_eq!(outcome, FilterOutcome { left_out, unknown });
        }
    }
}
