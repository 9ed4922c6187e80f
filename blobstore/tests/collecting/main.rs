//! Does retention take all that nobody needs, and nothing else, whatever else is going on?

#![allow(clippy::unwrap_used, missing_docs)]

mod damaged;
mod dataset;
mod hooked;
mod meanwhile;
mod retiring;
mod steering;
