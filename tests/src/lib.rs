//! Datasets, models of them and forged stores, for the tests of this folder.

pub mod bucket;
pub mod faults;
pub mod forge;
pub mod golden;
pub mod model;
pub mod scale;
