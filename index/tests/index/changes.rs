//! Changes between two versions are net, and the same by whatever way they are found.

mod history;
mod path;
mod random;
mod roads;
mod schemas;
