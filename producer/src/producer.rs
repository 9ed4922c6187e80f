//! How does a cycle become a version?
//!
//! populate → compare → write → verify → validate → commit → announce → merge: see [`Producer::run_cycle`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use kapok_blobstore::{Store, clock};
use kapok_core::ErrorKind;
use kapok_core::manifest::BlobMap;
use kapok_core::manifest::Manifest;
use kapok_core::segment::{Difference, SealSettings};
use kapok_core::view::Table;
use kapok_index::View;
use tracing::{Instrument, info_span};

use crate::base::{BaseCache, BuildOn};
use crate::changes::{Change, ChangeSet, Changed, IncrementalCycle};
use crate::cycle::{Cycle, Populated, StagedSchema};
use crate::error::{BoxError, Error, Result};
use crate::manifest_draft::{TypePlan, rows_of};
use crate::merge_policy::MergePolicy;
use crate::metrics;
use crate::report::{CycleReport, Steps};
use crate::validate::Validator;
#[cfg(feature = "json")]
use crate::widening::keep_others;

/// How a producer works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProducerSettings {
    /// Who publishes, for people: stands in manifests and announcements.
    pub writer: String,
    /// How segments are cut.
    pub seal: SealSettings,
    /// Whether a version is announced as soon as it is committed.
    pub announce_mode: AnnounceMode,
    /// How stored bytes are checked before the commit.
    pub verification: Verification,
    /// What must hold of a version before it is committed.
    pub validators: Vec<Validator>,
    /// Whether a cycle merges segments once it has announced.
    pub merge_schedule: MergeSchedule,
    /// When segments are merged.
    pub merge_policy: MergePolicy,
}

/// Whether versions are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AnnounceMode {
    /// As soon as they are committed.
    #[default]
    Always,
    /// By somebody else, later.
    Never,
}

/// Who merges segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MergeSchedule {
    /// Each cycle, where it is time to, after its announcement.
    #[default]
    AfterCycles,
    /// Whoever calls [`Producer::merge`].
    Manual,
}

/// How stored bytes are checked before the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Verification {
    /// Opened again from the store, hashed, and walked through every pointer.
    #[default]
    Full,
    /// Opened again from the store: lengths, headers and roots.
    Open,
}

impl Default for ProducerSettings {
    fn default() -> Self {
        let writer = std::env::var("USER").unwrap_or_else(|_| "producer".to_owned());
        Self {
            writer: format!("{writer} pid={}", std::process::id()),
            seal: SealSettings::default(),
            announce_mode: AnnounceMode::default(),
            verification: Verification::default(),
            validators: Vec::new(),
            merge_schedule: MergeSchedule::default(),
            merge_policy: MergePolicy::default(),
        }
    }
}

/// Publishes versions of a dataset. Clones share the last version that they mapped.
#[derive(Clone, Debug)]
pub struct Producer {
    pub(crate) store: Store,
    pub(crate) settings: ProducerSettings,
    pub(crate) held: Arc<Mutex<BaseCache>>,
}

/// Builds a [`Producer`]. Made by [`Producer::builder`].
#[derive(Clone, Debug)]
#[must_use = "a producer is made by `open`"]
pub struct ProducerBuilder {
    store: Store,
    settings: ProducerSettings,
}

impl ProducerBuilder {
    /// Sets how the producer works.
    pub fn settings(mut self, settings: ProducerSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Opens the producer.
    ///
    /// Announces the newest version if its producer died before it could: see [`Producer::announce_left_over`]. With
    /// [`AnnounceMode::Never`] nothing is announced.
    ///
    /// # Errors
    /// `Unavailable` if the store fails, `Corrupt` if its newest version is to be announced and cannot be read.
    pub async fn open(self) -> Result<Producer> {
        let Self { store, settings } = self;
        let held = BaseCache { view: Arc::new(View::empty()), blobs: BlobMap::new() };
        let producer = Producer { store, settings, held: Arc::new(Mutex::new(held)) };
        if producer.settings.announce_mode == AnnounceMode::Always {
            producer.announce_left_over().await?;
        }
        Ok(producer)
    }
}

impl Producer {
    /// Opens a store for writing, creating it if there is none: `memory://name`, `file:///path`, or a path.
    ///
    /// As [`builder`](Self::builder) of that store, with default settings.
    ///
    /// # Errors
    /// `Unavailable` or `Invalid` if the store cannot be written to, and those of [`ProducerBuilder::open`].
    pub async fn open(url: &str) -> Result<Self> {
        Self::builder(Store::options().writable().open(url).await?).open().await
    }

    /// Builds a producer for a store that is open for writing.
    ///
    /// ```
    /// use kapok_producer::{Producer, ProducerSettings, Store};
    ///
    /// # async fn open() -> Result<(), kapok_producer::Error> {
    /// let store = Store::options().writable().open("memory://built").await?;
    /// let mut settings = ProducerSettings::default();
    /// settings.writer = "nightly import".to_owned();
    /// let producer = Producer::builder(store).settings(settings).open().await?;
    /// # drop(producer);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(open()).unwrap();
    /// ```
    pub fn builder(store: Store) -> ProducerBuilder {
        ProducerBuilder { store, settings: ProducerSettings::default() }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The settings, to be changed between cycles.
    pub fn settings_mut(&mut self) -> &mut ProducerSettings {
        &mut self.settings
    }

    /// Runs one full cycle: the closure adds the whole dataset, every record of every type that it declares; record types
    /// that it does not touch are carried over.
    ///
    /// 1. **Populate**: the closure stages records; it runs on this task, and may use threads.
    /// 2. **Compare** with the version before, by key and content: records that are as they were are not written again.
    /// 3. **Write**: segments of the new and the changed records, and their indexes. Nothing refers to them yet.
    /// 4. **Verify**: what was stored is opened again and checked.
    /// 5. **Validate**: see [`ProducerSettings::validators`]. What numbers alone refuse is refused before anything is written.
    /// 6. **Commit**: the manifest is put where no other producer's is yet.
    /// 7. **Announce**: consumers move.
    /// 8. **Merge**, where it is time to, as a version of its own: see [`Producer::merge`].
    ///
    /// The version before is the newest one or, after a rollback, the one that consumers were sent back to. Dropped or
    /// failing at any point, a cycle leaves the announced version as it was. Where nothing changed there is no new version.
    ///
    /// # Errors
    /// `Invalid` for records that cannot be published, naming type, key and positions, and where validators refuse;
    /// `Conflict` where another producer committed the same version first; `Unavailable` where the store fails. Behind the
    /// commit all errors are [`Error::Committed`], or [`Error::MaybeCommitted`] where its outcome is not known.
    pub async fn run_cycle(
        &self,
        populate: impl FnOnce(&Cycle) -> std::result::Result<(), BoxError>,
    ) -> Result<CycleReport> {
        let cycle = async {
            let mut steps = Steps::default();
            let base = self.base(BuildOn::Current).await?;
            let started = clock::instant();
            let cycle = Cycle::new(Arc::clone(&base.view));
            populate(&cycle).map_err(Error::from_populate)?;
            let populated = cycle.finish();
            steps.populate = started.elapsed();

            let started = clock::instant();
            let mut warnings = Vec::new();
            let plans = compare(&populated, &base.view, &mut warnings)?;
            steps.compare = started.elapsed();
            self.publish(&base, plans, &populated.dropped, populated.tags, steps, warnings).await
        };
        let span = info_span!("cycle", store = self.store.url(), kind = "full");
        metrics::counted(cycle.instrument(span).await, &self.settings.writer)
    }

    /// Runs an incremental cycle on top of the newest version: the closure says what changes, all else stays as it is.
    ///
    /// Its cost grows with the changes, not with the dataset. The steps are those of [`run_cycle`](Self::run_cycle).
    ///
    /// # Running it again
    /// A cycle whose future was dropped, whose process was killed or that ended in [`Error::Committed`] or
    /// [`Error::MaybeCommitted`] may have made its version. To run it again is right all the same where the closure asks
    /// [`IncrementalCycle::once`] first. Then the rule is one: until a cycle returns `Ok`, run it again with the same feed
    /// and batch; begin the next batch of the feed only then. After [`Error::RolledBack`], [`Error::HeldBack`] and
    /// [`Error::RolledBackMeanwhile`] look at the store first.
    ///
    /// ```
    /// # use kapok_producer::{IncrementalCycle, Producer, Result};
    /// # use kapok_samples::movies_capnp::movie;
    /// # async fn publish(producer: &Producer) -> Result<()> {
    /// producer
    ///     .run_incremental_cycle(|cycle| {
    ///         if !cycle.once("views", "2026-11-21") {
    ///             return Ok(()); // The version that this one builds on has these changes.
    ///         }
    ///         let mut movies = cycle.records::<movie::Owned>()?;
    ///         movies.update(&1_u32, |mut film| {
    ///             let year = film.reborrow().get_year();
    ///             film.set_year(year + 1);
    ///         })?;
    ///         Ok(())
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`run_cycle`](Self::run_cycle), [`Error::RolledBack`] where consumers were sent back to an older version,
    /// [`Error::HeldBack`] where the newest version is unannounced since they were, and [`Error::Damaged`] for changes to a
    /// record type that cannot be read.
    pub async fn run_incremental_cycle(
        &self,
        populate: impl FnOnce(&IncrementalCycle) -> std::result::Result<(), BoxError>,
    ) -> Result<CycleReport> {
        self.run_changes(BuildOn::Head, populate).await
    }

    /// As [`run_incremental_cycle`](Self::run_incremental_cycle), on top of a retained version, which need not be the
    /// newest: what came after it is not in the new version.
    ///
    /// # Errors
    /// As [`run_cycle`](Self::run_cycle), and `NotFound` where the version was never committed or is retired.
    pub async fn run_incremental_cycle_on(
        &self,
        version: u64,
        populate: impl FnOnce(&IncrementalCycle) -> std::result::Result<(), BoxError>,
    ) -> Result<CycleReport> {
        self.run_changes(BuildOn::Version(version), populate).await
    }

    async fn run_changes(
        &self,
        on: BuildOn,
        populate: impl FnOnce(&IncrementalCycle) -> std::result::Result<(), BoxError>,
    ) -> Result<CycleReport> {
        let cycle = async {
            let mut steps = Steps::default();
            let base = self.base(on).await?;
            let started = clock::instant();
            let cycle = IncrementalCycle::new(Arc::clone(&base.view));
            populate(&cycle).map_err(Error::from_populate)?;
            let Changed { types, tags } = cycle.finish()?;
            steps.populate = started.elapsed();

            let started = clock::instant();
            let mut plans = Vec::new();
            for (schema, changes) in types {
                #[cfg(feature = "json")]
                let mut changes = changes;
                #[cfg(feature = "json")]
                if schema.is_widened {
                    keep_others(&schema, &mut changes, &base.view)?;
                }
                plans.push(plan_changes(schema, changes, &base.view)?);
            }
            steps.compare = started.elapsed();
            self.publish(&base, plans, &BTreeSet::new(), tags, steps, Vec::new()).await
        };
        let span = info_span!("cycle", store = self.store.url(), kind = "incremental");
        metrics::counted(cycle.instrument(span).await, &self.settings.writer)
    }

    /// The newest committed version.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` where it cannot be read.
    pub async fn head(&self) -> Result<Option<Arc<Manifest>>> {
        match self.store.manifests().head().await? {
            Some(version) => Ok(Some(Arc::new(self.store.manifests().read(version).await?))),
            None => Ok(None),
        }
    }

    /// Maps the version that the next cycle builds on, so that it starts at once; the version's number, 0 for none. A
    /// cycle does so by itself.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` where it cannot be read.
    pub async fn restore(&self) -> Result<u64> {
        Ok(self.base(BuildOn::Current).await?.view.version())
    }
}

/// What a full cycle does to the record types that it touched.
fn compare(populated: &Populated, prior: &View, warnings: &mut Vec<String>) -> Result<Vec<TypePlan>> {
    let mut plans = Vec::new();
    for (name, staged) in &populated.types {
        let mut rows = staged.join()?.sort()?;
        let live = rows.len() as u64;
        let table = prior.table(name).ok().filter(|_| !staged.schema.is_new);
        let compared = table.map(|table| rows.compare(table.key(), table.segments())).transpose();
        let unreadable = match &compared {
            Err(error) if error.kind() == ErrorKind::Corrupt => Some(error.to_string()),
            _ => prior.left_out().get(name).cloned(),
        };
        let difference = match (unreadable, compared) {
            (None, compared) => compared?,
            (Some(reason), _) => {
                let version = prior.version();
                warnings.push(format!(
                    "record type {name} of version {version} could not be read, so all of its records were written \
                     and none compared: {reason}"
                ));
                None
            }
        };
        let is_anew = difference.is_none();
        let difference = difference.unwrap_or_else(|| Difference {
            added: live,
            removed: rows_of(prior, name),
            ..Default::default()
        });
        plans.push(TypePlan { schema: staged.schema.clone(), rows, difference, live, is_anew });
    }
    Ok(plans)
}

/// What changes do to a record type.
fn plan_changes(schema: StagedSchema, changes: ChangeSet, prior: &View) -> Result<TypePlan> {
    let name = schema.encoding.record_type();
    let table = prior.table(name).ok().filter(|_| !schema.is_new);
    let lookup = table.map(|_| prior.lookup(name)).transpose()?;
    let mut difference = Difference::default();
    difference.dead.resize_with(table.map_or(0, |table| table.segments().len()), Default::default);
    let ChangeSet { stage, latest } = changes;
    let mut written = Vec::new();
    for (key, change) in latest {
        let before = match &lookup {
            Some(lookup) => lookup.find_encoded(&key)?,
            None => None,
        };
        let place = before.zip(table).map(|(row_id, table)| table.place(row_id)).transpose()?;
        let record = before.zip(table).map(|(row_id, table)| table.row(row_id)).transpose()?;
        match (change, record) {
            (Change::Put(row), Some(record)) => {
                let same = stage.row_is(row, record).map_err(|malformed| malformed.into_error(name))?;
                if same {
                    difference.unchanged += 1;
                    continue;
                }
                difference.updated += 1;
                written.push(row);
            }
            (Change::Put(row), None) => {
                difference.added += 1;
                written.push(row);
            }
            (Change::Delete, Some(_)) => difference.removed += 1,
            (Change::Delete, None) => continue,
        }
        if let Some((segment, row)) = place {
            difference.dead[segment].insert(row);
        }
    }
    let live = table.map_or(0, Table::len) + difference.added - difference.removed;
    if table.is_none() {
        // What is published anew leaves behind all that was there.
        difference.removed = rows_of(prior, name);
    }
    let is_anew = table.is_none();
    // Staged rows count up: the order of the hash map does not matter.
    written.sort_unstable();
    let rows = stage.sort_rows(written)?;
    Ok(TypePlan { schema, rows, difference, live, is_anew })
}

/// Tags of a version.
pub(crate) type Tags = BTreeMap<String, String>;
