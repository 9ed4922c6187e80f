//! Records of one type in a full cycle.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kapok_core::segment::Stage;
use kapok_core::view::Table;
use kapok_index::View;

use crate::declarations::DeclaredType;
use crate::error::Result;
use crate::lock::lock;
use crate::staged_schema::StagedSchema;

/// Records of one type, from all its writers.
#[derive(Debug)]
pub(crate) struct StagedType {
    pub schema: StagedSchema,
    /// The version before.
    prior: Arc<View>,
    stages: Mutex<Vec<Stage>>,
    writers: AtomicU64,
}

impl DeclaredType for StagedType {
    fn schema(&self) -> &StagedSchema {
        &self.schema
    }
}

impl StagedType {
    pub(crate) fn new(schema: StagedSchema, prior: &Arc<View>) -> Self {
        Self { schema, prior: Arc::clone(prior), stages: Mutex::default(), writers: AtomicU64::new(0) }
    }

    /// Returns the records of the version before; `None` if there are none to compare with.
    pub(crate) fn prior(&self) -> Option<&Table> {
        self.prior.table(self.schema.encoding.record_type()).ok().filter(|_| !self.schema.is_new)
    }

    /// Makes the stage of a writer.
    pub(crate) fn stage(&self) -> Stage {
        match self.prior() {
            Some(table) => Stage::over(&self.schema.encoding, table.key(), table.segments()),
            None => Stage::new(&self.schema.encoding),
        }
    }

    /// Takes over the records of a writer.
    pub(crate) fn take(&self, stage: Stage) {
        lock(&self.stages).push(stage);
    }

    /// Returns the name of the next writer's records in errors.
    pub(crate) fn next_source(&self) -> Arc<str> {
        match self.writers.fetch_add(1, Ordering::Relaxed) {
            0 => Arc::from("record"),
            other => Arc::from(format!("record of writer {}:", other + 1)),
        }
    }

    /// Joins all records in one stage.
    pub(crate) fn join(&self) -> Result<Stage> {
        let mut stages = std::mem::take(&mut *lock(&self.stages));
        // The largest takes the others over: fewer objects to move.
        stages.sort_by_key(|stage| std::cmp::Reverse(stage.len()));
        let mut stages = stages.into_iter();
        let mut all = stages.next().unwrap_or_else(|| Stage::new(&self.schema.encoding));
        for stage in stages {
            all.absorb(stage)?;
        }
        Ok(all)
    }
}
