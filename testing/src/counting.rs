//! Counts the requests that a piece of work makes to a store.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::intercept::{Intercept, Verdict};
use crate::request::{Operation, Request};

/// Counts requests and remembers what they asked for.
#[derive(Debug, Default)]
pub struct Counting {
    asked: Mutex<Vec<(Operation, String)>>,
}

impl Counting {
    /// The requests since they were last taken, in order. A body is no request of its own.
    pub fn take(&self) -> Vec<(Operation, String)> {
        std::mem::take(&mut *self.asked())
    }

    /// How many requests there were since they were last taken. A listing counts as one.
    pub fn count(&self) -> usize {
        self.asked().len()
    }

    /// How many requests of these kinds there were since they were last taken.
    pub fn count_of(&self, operations: &[Operation]) -> usize {
        self.asked().iter().filter(|(operation, _)| operations.contains(operation)).count()
    }

    fn asked(&self) -> MutexGuard<'_, Vec<(Operation, String)>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Intercept for Counting {
    async fn before(&self, request: &Request<'_>) -> Verdict {
        if request.operation != Operation::Body {
            self.asked().push((request.operation, request.path.to_string()));
        }
        Verdict::Proceed
    }
}
