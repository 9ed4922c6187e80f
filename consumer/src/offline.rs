//! Starts a consumer whose store cannot be reached from what this host last knew of it.

use std::sync::Arc;
use std::time::Duration;

use kapok_blobstore::{ErrorKind, clock};
use tracing::warn;

use crate::consumer::Consumer;
use crate::error::{Error, Result};
use crate::local_blobs::OnMissingBlob;

impl Consumer {
    /// Takes the version that consumers should be on, or the one that this host last knew if the store cannot be reached.
    pub(crate) async fn begin(&self) -> Result<()> {
        let unreachable = self.store().unreachable().cloned();
        let error = match &unreachable {
            Some(source) => Error::Store { source: Arc::clone(source) },
            None => match self.refresh().await {
                Ok(_) => return Ok(()),
                Err(error) if is_unreachable(&error) => error,
                Err(error) => return Err(error),
            },
        };
        if self.begin_offline(&error).await {
            return Ok(());
        }
        match unreachable {
            // It was not waited for as long as the settings say.
            Some(_) => self.refresh().await.map(drop),
            None => Err(error),
        }
    }

    /// Takes the version that this host last knew, and returns whether that succeeded.
    async fn begin_offline(&self, cause: &Error) -> bool {
        let Ok(Some(known)) = self.store().last_known().await else { return false };
        let age = clock::now().duration_since(known.answered_at).unwrap_or(Duration::ZERO);
        if self.settings().max_staleness.is_some_and(|max| age > max) {
            return false;
        }
        self.state().recall_log(&known, age);
        let mut blobs = self.state().blobs.lock().await;
        let (version, log_silent_s) = (known.announcement.current(), age.as_secs());
        let taken = self.advance(&mut blobs, version, Some(known.manifest), OnMissingBlob::Stop).await;
        match taken {
            Ok(_) => {
                warn!(version, log_silent_s, %cause, "the store cannot be reached: the view is the last that this host knew");
                self.state().status().record_attempt(&Err(cause.clone()));
                true
            }
            Err(error) => {
                warn!(version, %error, %cause, "the store cannot be reached, and what this host last knew is not all here");
                self.state().forget_log();
                false
            }
        }
    }
}

/// Returns whether the log could not be read since nobody answers.
fn is_unreachable(error: &Error) -> bool {
    matches!(error, Error::Store { .. }) && error.kind() == ErrorKind::Unavailable
}
