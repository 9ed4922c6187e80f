//! Runs cycles: populate, compare, write, verify, validate, commit, announce, merge.

use std::sync::Arc;
use std::time::Duration;

use kapok_blobstore::clock;
use tracing::{Instrument, info_span};

use crate::base::{Base, BuildOn};
use crate::comparison::{compare, plan_changes};
use crate::cycle::Cycle;
use crate::error::{BoxError, Error, Result};
use crate::incremental_cycle::{CycleChanges, IncrementalCycle};
use crate::manifest_draft::TypePlan;
use crate::metrics;
use crate::producer::Producer;
use crate::publish::Untouched;
use crate::report::{CycleReport, Steps};
#[cfg(feature = "json")]
use crate::rewrite::widen_others;

/// Result of a populate closure.
type PopulateResult = std::result::Result<(), BoxError>;

impl Producer {
    /// Runs one full cycle: the closure adds the whole dataset.
    ///
    /// It adds every record of every type that it declares; other record types are carried over. For a closure that
    /// waits for its records there is [`run_cycle_async`](Self::run_cycle_async).
    ///
    /// 1. **Populate**: the closure stages records; it runs on this task, and may use threads.
    /// 2. **Compare**: records that are as in the version before, by key and content, are not written again.
    /// 3. **Write**: the new and changed records are stored as segments with indexes. Nothing refers to them yet.
    /// 4. **Verify**: the stored files are opened again and checked.
    /// 5. **Validate**: see [`ProducerSettings::validators`](crate::ProducerSettings::validators). Validators of counts alone
    ///    run before anything is written.
    /// 6. **Commit**: the manifest is put, unless another producer took the number.
    /// 7. **Announce**: consumers move to the version.
    /// 8. **Merge**, if a merge is due, as a version of its own: see [`Producer::merge`].
    ///
    /// The version before is the newest one or, after a rollback, the one that consumers were sent back to. A cycle
    /// that fails or is dropped at any point leaves the announced version as it was. If nothing changed there is no new
    /// version.
    ///
    /// # Errors
    /// `Invalid` for records that cannot be published, naming type, key and positions, and if validators refuse;
    /// `Conflict` if another producer committed the same version first; `Unavailable` if the store fails. After the
    /// commit all errors are [`Error::Committed`], or [`Error::MaybeCommitted`] if its outcome is not known.
    pub async fn run_cycle(&self, populate: impl FnOnce(&Cycle) -> PopulateResult) -> Result<CycleReport> {
        let cycle = async {
            let base = self.base(BuildOn::Current).await?;
            let started = clock::instant();
            let cycle = Cycle::new(Arc::clone(&base.view));
            populate(&cycle).map_err(Error::from_populate)?;
            self.publish_records(base, cycle, started.elapsed()).await
        };
        self.observe("full", cycle).await
    }

    /// Runs one full cycle whose records arrive over time: as [`run_cycle`](Self::run_cycle), with an async closure.
    ///
    /// The closure takes the next record when it has staged the one before, so a faster source waits.
    /// [`RecordWriter::add_all`](crate::RecordWriter::add_all) and
    /// [`ValueWriter::add_all`](crate::ValueWriter::add_all) take all records of a stream in this way. The future is
    /// `Send` if the closure's is, so the cycle may be spawned.
    ///
    /// ```
    /// use kapok_producer::Producer;
    /// use kapok_samples::movies_capnp::movie;
    ///
    /// # async fn publish() -> Result<(), kapok_producer::Error> {
    /// let (sender, mut titles) = tokio::sync::mpsc::channel::<(u32, String)>(16);
    /// # tokio::spawn(async move { sender.send((1, "Metropolis".to_owned())).await });
    /// let producer = Producer::open("memory://films-from-a-channel").await?;
    /// let report = producer
    ///     .run_cycle_async(async |cycle| {
    ///         let mut movies = cycle.records::<movie::Owned>()?;
    ///         while let Some((id, title)) = titles.recv().await {
    ///             movies.add(|mut film| {
    ///                 film.set_id(id);
    ///                 film.set_title(&title);
    ///             })?;
    ///         }
    ///         Ok(())
    ///     })
    ///     .await?;
    /// assert_eq!(report.types[0].rows, 1);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(publish()).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`run_cycle`](Self::run_cycle).
    pub async fn run_cycle_async(&self, populate: impl AsyncFnOnce(&Cycle) -> PopulateResult) -> Result<CycleReport> {
        let cycle = async {
            let base = self.base(BuildOn::Current).await?;
            let started = clock::instant();
            let cycle = Cycle::new(Arc::clone(&base.view));
            populate(&cycle).await.map_err(Error::from_populate)?;
            self.publish_records(base, cycle, started.elapsed()).await
        };
        self.observe("full", cycle).await
    }

    /// Runs an incremental cycle on top of the newest version: the closure adds, changes and deletes single records.
    ///
    /// Its cost grows with the changes, not with the dataset. The steps are those of [`run_cycle`](Self::run_cycle).
    ///
    /// # Running it again
    /// A cycle whose future was dropped, whose process was killed or that ended in [`Error::Committed`] or
    /// [`Error::MaybeCommitted`] may have made its version. It may be run again safely if the closure asks
    /// [`IncrementalCycle::once`] first: run it again with the same feed and batch until it returns `Ok`, and begin the
    /// next batch of the feed only then. After [`Error::RolledBack`], [`Error::UnannouncedHead`] and
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
    /// As [`run_cycle`](Self::run_cycle), [`Error::RolledBack`] if consumers were sent back to an older version,
    /// [`Error::UnannouncedHead`] if the newest version has been unannounced since then, and [`Error::Damaged`] for
    /// changes to a record type that cannot be read.
    pub async fn run_incremental_cycle(
        &self,
        populate: impl FnOnce(&IncrementalCycle) -> PopulateResult,
    ) -> Result<CycleReport> {
        self.run_changes(BuildOn::Head, populate).await
    }

    /// Runs an incremental cycle whose changes arrive over time.
    ///
    /// As [`run_incremental_cycle`](Self::run_incremental_cycle), with an async closure: see
    /// [`run_cycle_async`](Self::run_cycle_async). [`RecordChanges::upsert_all`](crate::RecordChanges::upsert_all) and
    /// [`ValueChanges::upsert_all`](crate::ValueChanges::upsert_all) take all records of a stream. If another producer
    /// publishes while the closure waits, the commit is a `Conflict`.
    ///
    /// # Errors
    /// As [`run_incremental_cycle`](Self::run_incremental_cycle).
    pub async fn run_incremental_cycle_async(
        &self,
        populate: impl AsyncFnOnce(&IncrementalCycle) -> PopulateResult,
    ) -> Result<CycleReport> {
        self.run_changes_async(BuildOn::Head, populate).await
    }

    /// Runs an incremental cycle on top of a retained version.
    ///
    /// As [`run_incremental_cycle`](Self::run_incremental_cycle). If it is not the newest version, the new one lacks
    /// what was published after it.
    ///
    /// # Errors
    /// As [`run_cycle`](Self::run_cycle), and `NotFound` if the version was never committed or is retired.
    pub async fn run_incremental_cycle_on(
        &self,
        version: u64,
        populate: impl FnOnce(&IncrementalCycle) -> PopulateResult,
    ) -> Result<CycleReport> {
        self.run_changes(BuildOn::Version(version), populate).await
    }

    /// Runs an incremental cycle on top of a retained version, with an async closure.
    ///
    /// As [`run_incremental_cycle_on`](Self::run_incremental_cycle_on) and
    /// [`run_incremental_cycle_async`](Self::run_incremental_cycle_async).
    ///
    /// # Errors
    /// As [`run_incremental_cycle_on`](Self::run_incremental_cycle_on).
    pub async fn run_incremental_cycle_on_async(
        &self,
        version: u64,
        populate: impl AsyncFnOnce(&IncrementalCycle) -> PopulateResult,
    ) -> Result<CycleReport> {
        self.run_changes_async(BuildOn::Version(version), populate).await
    }

    async fn run_changes(
        &self,
        on: BuildOn,
        populate: impl FnOnce(&IncrementalCycle) -> PopulateResult,
    ) -> Result<CycleReport> {
        let cycle = async {
            let base = self.base(on).await?;
            let started = clock::instant();
            let cycle = IncrementalCycle::new(Arc::clone(&base.view));
            populate(&cycle).map_err(Error::from_populate)?;
            self.publish_changes(base, cycle, started.elapsed()).await
        };
        self.observe("incremental", cycle).await
    }

    async fn run_changes_async(
        &self,
        on: BuildOn,
        populate: impl AsyncFnOnce(&IncrementalCycle) -> PopulateResult,
    ) -> Result<CycleReport> {
        let cycle = async {
            let base = self.base(on).await?;
            let started = clock::instant();
            let cycle = IncrementalCycle::new(Arc::clone(&base.view));
            populate(&cycle).await.map_err(Error::from_populate)?;
            self.publish_changes(base, cycle, started.elapsed()).await
        };
        self.observe("incremental", cycle).await
    }

    /// Publishes the records of a full cycle; `populate` is how long its closure took.
    async fn publish_records(&self, base: Base, cycle: Cycle, populate: Duration) -> Result<CycleReport> {
        let mut steps = Steps { populate, ..Steps::default() };
        let populated = cycle.finish();
        let started = clock::instant();
        let mut warnings = Vec::new();
        let plans = compare(&populated, &base.view, &mut warnings)?;
        steps.compare = started.elapsed();
        let untouched = Untouched {
            dropped: populated.dropped,
            kept: populated.kept,
            indexes: populated.indexes,
            dropped_references: populated.dropped_references,
        };
        // On the heap: callers hold the future of a cycle on their stack.
        Box::pin(self.publish(&base, plans, untouched, populated.tags, steps, warnings)).await
    }

    /// Publishes the changes of an incremental cycle; `populate` is how long its closure took.
    async fn publish_changes(&self, base: Base, cycle: IncrementalCycle, populate: Duration) -> Result<CycleReport> {
        let mut steps = Steps { populate, ..Steps::default() };
        let CycleChanges { types, tags, indexes, dropped_references } = cycle.finish()?;
        let started = clock::instant();
        let mut plans = Vec::new();
        for (schema, changes) in types {
            #[cfg(feature = "json")]
            let mut changes = changes;
            #[cfg(feature = "json")]
            if schema.is_widened {
                widen_others(&schema, &mut changes, &base.view)?;
            }
            plans.push(plan_changes(schema, changes, &base.view)?);
        }
        steps.compare = started.elapsed();
        let is_planned = |name: &String| plans.iter().any(|plan: &TypePlan| plan.schema.encoding.record_type() == name);
        let kept = dropped_references.iter().map(|(name, _)| name.clone()).filter(|name| !is_planned(name)).collect();
        let untouched = Untouched { kept, indexes, dropped_references, ..Untouched::default() };
        // On the heap: callers hold the future of a cycle on their stack.
        Box::pin(self.publish(&base, plans, untouched, tags, steps, Vec::new())).await
    }

    /// Runs a cycle in a tracing span, and counts its outcome.
    async fn observe(&self, kind: &str, cycle: impl Future<Output = Result<CycleReport>>) -> Result<CycleReport> {
        let span = info_span!("cycle", store = self.store.url(), kind);
        metrics::counted(cycle.instrument(span).await, &self.settings.writer)
    }
}
