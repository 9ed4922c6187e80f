//! Prints warnings, as lines on standard error.

use crate::output;
use crate::terminal::joined_lines;

/// Prints a warning.
pub fn warn(json: bool, message: &str) {
    let line = if json {
        serde_json::json!({"warning": {"message": message}}).to_string()
    } else {
        format!("kapok: warning: {}", joined_lines(message))
    };
    output::error_line(line);
}

/// Returns whether the program was asked for JSON, by the words of its command line: for those who do not know the arguments.
pub fn is_json() -> bool {
    std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json")
}
