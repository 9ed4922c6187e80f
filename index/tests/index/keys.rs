//! Records are found by their keys, all of them and no others, whatever the bytes.

pub mod fixture;
mod hostile;
mod model;
mod unique;
mod view;
