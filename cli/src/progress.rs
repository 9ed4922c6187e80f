//! Progress bars on standard error, if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// Makes a bar that counts bytes.
pub fn bytes(what: &'static str, len: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>10} {wide_bar} {bytes}/{total_bytes} {eta}");
    bar(ProgressBar::new(len), style, what)
}

/// Makes a spinner, for work of unknown length.
pub fn spinner(what: &'static str) -> ProgressBar {
    let bar = bar(ProgressBar::new_spinner(), ProgressStyle::with_template("{msg:>10} {spinner} {elapsed}"), what);
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar
}

fn bar<E>(bar: ProgressBar, style: Result<ProgressStyle, E>, what: &'static str) -> ProgressBar {
    let bar = match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    bar.with_message(what)
}
