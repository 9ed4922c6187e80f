//! Delays requests to a store, and counts those that are under way at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::intercept::{Intercept, Verdict};
use crate::request::{Operation, Request};

/// Delays gets and puts of some objects, and counts the gets that are under way at once.
///
/// The delay is `tokio`'s: in a runtime whose clock is paused it takes no time.
#[derive(Debug, Default)]
pub struct Slow {
    delay: Mutex<Option<(String, Duration)>>,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Slow {
    /// Each get and each put of an object whose path holds the text takes so long.
    pub fn new(text: impl Into<String>, time: Duration) -> Self {
        let slow = Self::default();
        slow.slow_down(text, time);
        slow
    }

    /// From now on these objects take so long, and no others.
    pub fn slow_down(&self, text: impl Into<String>, time: Duration) {
        *self.delay.lock().unwrap_or_else(PoisonError::into_inner) = Some((text.into(), time));
    }

    /// The most slow gets that were under way at once, since this was last asked.
    pub fn take_most_at_once(&self) -> usize {
        self.most.swap(0, Ordering::SeqCst)
    }

    fn delay_of(&self, request: &Request<'_>) -> Option<Duration> {
        let delay = self.delay.lock().unwrap_or_else(PoisonError::into_inner);
        delay.as_ref().filter(|(text, _)| request.names(text)).map(|(_, time)| *time)
    }
}

#[async_trait]
impl Intercept for Slow {
    async fn before(&self, request: &Request<'_>) -> Verdict {
        let Some(time) = self.delay_of(request) else { return Verdict::Proceed };
        match request.operation {
            Operation::Get => {
                let under_way = 1 + self.under_way.fetch_add(1, Ordering::SeqCst);
                self.most.fetch_max(under_way, Ordering::SeqCst);
                tokio::time::sleep(time).await;
                self.under_way.fetch_sub(1, Ordering::SeqCst);
            }
            Operation::Create | Operation::Put => tokio::time::sleep(time).await,
            _ => {}
        }
        Verdict::Proceed
    }
}
