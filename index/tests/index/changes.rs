//! The changes between two versions are net, and the same by whatever road they are found.

mod history;
mod random;
mod roads;
mod schemas;
