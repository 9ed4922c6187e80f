//! Retention takes all that nobody needs and nothing else, whatever else is going on.

mod announcing;
mod damaged;
mod dataset;
mod meanwhile;
mod retiring;
