//! What should be known although it is no failure? A line on standard error, as failures are.

use std::io::{self, Write};

use crate::terminal::joined_lines;

/// Tells it.
pub fn warn(json: bool, message: &str) {
    let line = if json {
        serde_json::json!({"warning": {"message": message}}).to_string()
    } else {
        format!("kapok: warning: {}", joined_lines(message))
    };
    // Where nobody listens there is nobody to tell.
    _ = writeln!(io::stderr(), "{line}");
}
