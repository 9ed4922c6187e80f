//! How long a row takes.
fn main() {}
