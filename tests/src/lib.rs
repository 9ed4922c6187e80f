//! What do the tests of this folder share? Datasets, models of them, and stores that fail on purpose.

pub mod faults;
pub mod forge;
pub mod golden;
pub mod model;
pub mod scale;
