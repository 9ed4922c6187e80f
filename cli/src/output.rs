//! Standard output and standard error of the program: no other file writes to either.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};

const BUFFER_BYTES: usize = 64 << 10;

/// Returns standard output, for results. The caller flushes it.
#[expect(clippy::disallowed_methods, reason = "the one place that prints")]
pub fn standard() -> impl Write {
    BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock())
}

/// Writes a line to standard error. A failure is ignored, since there is nowhere to report it.
pub fn error_line(line: impl Display) {
    error_text(format_args!("{line}\n"));
}

/// Writes a text to standard error as it is. A failure is ignored, since there is nowhere to report it.
#[expect(clippy::disallowed_methods, reason = "the one place that prints")]
pub fn error_text(text: impl Display) {
    _ = write!(io::stderr(), "{text}");
}
