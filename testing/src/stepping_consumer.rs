//! A consumer that moves when it is told to.

use std::sync::Arc;

use kapok_blobstore::Store;
use kapok_consumer::{Consumer, ConsumerSettings, RefreshReport, Result};
use kapok_index::{Changes, View};

/// Moves from version to version on demand, announced or not, forward and backward.
///
/// It is a whole [`Consumer`] of an [overlay](Store::overlay) of the store, in which the version is pinned: the store itself
/// stays as it is, and so do its consumers.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use kapok_testing::{FaultyStore, SteppingConsumer, publish_json};
///
/// let store = FaultyStore::new().open().await?;
/// publish_json(&store, "Hut", &["id"], [r#"{"id": 1}"#]).await?;
/// publish_json(&store, "Hut", &["id"], [r#"{"id": 1}"#, r#"{"id": 2}"#]).await?;
///
/// let mut consumer = SteppingConsumer::open(&store).await?;
/// assert_eq!(consumer.view().version(), 1, "the oldest");
/// let step = consumer.step().await?.expect("a second version");
/// assert_eq!(step.changes.of("Hut").expect("huts").added.len(), 1);
/// assert!(consumer.step().await?.is_none(), "no third");
/// let back = consumer.step_to(1).await?;
/// assert_eq!(back.changes.of("Hut").expect("huts").removed.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SteppingConsumer {
    store: Store,
    consumer: Consumer,
}

/// A step from one version to another.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Step {
    /// The view before.
    pub old: Arc<View>,
    /// The view now.
    pub new: Arc<View>,
    /// What it takes to make the one into the other.
    pub changes: Changes,
    /// What was fetched, made and kept.
    pub report: RefreshReport,
}

impl SteppingConsumer {
    /// Begins on the oldest version, or on an empty view if there is none yet.
    ///
    /// # Errors
    /// Those of reading the store.
    pub async fn open(store: &Store) -> Result<Self> {
        Self::open_with(store, ConsumerSettings::default()).await
    }

    /// Begins on the oldest version, with settings of the consumer.
    ///
    /// # Errors
    /// Those of reading the store.
    pub async fn open_with(store: &Store, settings: ConsumerSettings) -> Result<Self> {
        let overlay = store.overlay();
        if let Some(oldest) = store.manifests().live().await?.first() {
            pin(&overlay, *oldest).await?;
        }
        let consumer = Consumer::builder(overlay).settings(settings).open().await?;
        Ok(Self { store: store.clone(), consumer })
    }

    /// The view of the version that it is on.
    pub fn view(&self) -> Arc<View> {
        self.consumer.view_arc()
    }

    /// The consumer itself, for listeners and status.
    pub fn consumer(&self) -> &Consumer {
        &self.consumer
    }

    /// Moves to the next newer version; `None` if there is none.
    ///
    /// # Errors
    /// Those of a refresh; it stays on its version then.
    pub async fn step(&mut self) -> Result<Option<Step>> {
        let version = self.view().version();
        match self.store.manifests().live().await?.into_iter().find(|live| *live > version) {
            Some(next) => self.step_to(next).await.map(Some),
            None => Ok(None),
        }
    }

    /// Moves to a version, newer or older.
    ///
    /// # Errors
    /// `NotFound` if there is no such version or it is retired, and those of a refresh; it stays on its version then.
    pub async fn step_to(&mut self, version: u64) -> Result<Step> {
        let old = self.view();
        pin(self.consumer.store(), version).await?;
        let report = self.consumer.refresh().await?;
        let new = self.view();
        let changes = self.consumer.changes_between(&old, &new).await?;
        Ok(Step { old, new, changes, report })
    }
}

async fn pin(overlay: &Store, version: u64) -> Result<()> {
    overlay.announcements().pin(version, "stepping consumer", "step").await?;
    Ok(())
}
