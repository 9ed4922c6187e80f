//! Are the changes between two versions net, and the same by whatever road they are found?

mod history;
mod random;
mod roads;
mod schemas;
