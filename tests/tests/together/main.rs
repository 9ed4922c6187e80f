//! Tests of producer, store and consumer together, one module for each question.
#![expect(clippy::unwrap_used, reason = "tests")]

mod beside;
mod bucket;
mod caching;
mod damage;
mod evolution;
mod faults;
mod forged;
mod full_cache;
mod full_disk;
mod golden;
mod histories;
mod joins;
mod key_revisions;
mod killed;
mod merging;
mod nearest;
mod nearest_model;
mod nearest_swaps;
mod races;
mod read_back;
mod remembered;
mod requests;
mod retries;
mod rollbacks;
mod s3;
mod torn;
mod uploading;
mod verifying;
