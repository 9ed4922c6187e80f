//! Waits for what a consumer reports.

use std::time::Duration;

use kapok_consumer::{Consumer, Status};

/// The longest wait before a test gives up.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until a condition is true of the consumer's status.
pub async fn until(consumer: &Consumer, condition: impl Fn(&Status) -> bool) {
    let waiting = async {
        while !condition(&consumer.status()) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the status is reached");
}
