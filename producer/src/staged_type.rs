//! Records of one type in a full cycle.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kapok_core::segment::Stage;

use crate::declarations::DeclaredType;
use crate::error::Result;
use crate::lock::lock;
use crate::staged_schema::StagedSchema;

/// Records of one type, from all its writers.
#[derive(Debug)]
pub(crate) struct StagedType {
    pub schema: StagedSchema,
    stages: Mutex<Vec<Stage>>,
    writers: AtomicU64,
}

impl DeclaredType for StagedType {
    fn schema(&self) -> &StagedSchema {
        &self.schema
    }
}

impl StagedType {
    pub(crate) fn new(schema: StagedSchema) -> Self {
        Self { schema, stages: Mutex::default(), writers: AtomicU64::new(0) }
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
