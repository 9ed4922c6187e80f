//! What should be known although it is no failure? A line on standard error, as failures are.

use std::io::{self, Write};

use crate::terminal::one_line;

/// Tells it.
pub fn warn(json: bool, message: &str) {
    let line = if json {
        serde_json::json!({"warning": {"message": message}}).to_string()
    } else {
        format!("kapok: warning: {}", one_line(message))
    };
    // Where nobody listens there is nobody to tell.
    _ = writeln!(io::stderr(), "{line}");
}
