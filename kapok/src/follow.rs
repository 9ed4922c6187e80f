//! Follows new versions, and finds what changed between any two.
//!
//! A follower polls the announcement log (one small read per poll) and, on a local folder, is woken by the file system.
//! It refreshes the consumer when there is news. Listeners are called after each swap, on a thread of their own.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kapok::Result<()> {
//! # kapok::Producer::open("memory://follow").await?;
//! use kapok::{Consumer, FollowSettings};
//!
//! let consumer = Consumer::open("memory://follow").await?;
//! let follower = consumer.follow(FollowSettings::default()); // until it is dropped
//! let listener = consumer.on_refresh(|swap| match swap.changes() {
//!     Ok(changes) => {
//!         for ty in &changes.types {
//!             println!("{}: +{} ~{} -{}", ty.record_type, ty.added.len(), ty.updated.len(), ty.removed.len());
//!         }
//!     }
//!     Err(error) => println!("version {}: {error}", swap.new.version()),
//! });
//! # drop((follower, listener));
//! # Ok(())
//! # }
//! ```
//!
//! Changes are net, even across skipped versions, merges or a rollback.
//! [`Consumer::wait_for`](crate::Consumer::wait_for) waits for a version, [`Consumer::status`](crate::Consumer::status)
//! says how following goes.

#[doc(inline)]
pub use kapok_consumer::{FollowSettings, Follower, Listener, Swap, Watch};
#[doc(inline)]
pub use kapok_index::{ChangeSource, Changes, TypeChanges, VersionPath};
