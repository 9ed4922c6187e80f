//! What should be known although it is no failure? A line on standard error, as failures are.

use crate::output;
use crate::terminal::joined_lines;

/// Tells it.
pub fn warn(json: bool, message: &str) {
    let line = if json {
        serde_json::json!({"warning": {"message": message}}).to_string()
    } else {
        format!("kapok: warning: {}", joined_lines(message))
    };
    output::error_line(line);
}
